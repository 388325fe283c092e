"""The paper's losses: weighted cross-entropy (equation 2) and Tversky (equation 3)."""

import torch
from torch.nn import functional as F

from atlas_lab.files import DataError

__all__ = ["best_probability", "tversky_loss", "weighted_cross_entropy"]


def weighted_cross_entropy(logits: torch.Tensor, target: torch.Tensor, pos_weight: float) -> torch.Tensor:
    """Cross-entropy per pixel in which a lesion pixel counts `pos_weight` times; mean over all pixels.

    Equation 2 of the paper, with the minus sign that is missing in print:
    -(w_p y log p + (1 - y) log(1 - p)), p = sigmoid(logits). With pos_weight 1 it is the ordinary binary
    cross-entropy. It is computed from logits, since log(sigmoid(x)) overflows for x far below 0.

    Shape: logits and target (B, 1, H, W), target 0 or 1 -> one number. DataError if they don't fit.
    """
    if not 0 <= pos_weight < float("inf"):
        raise DataError(f"pos_weight is {pos_weight}; expected a finite number from 0 on")
    logits, target = _fitting(logits, target)
    return F.binary_cross_entropy_with_logits(logits, target, pos_weight=logits.new_full((), pos_weight))


def _fitting(logits, target):
    """Logits and target as float32, or more. Raises DataError unless the target has their shape, from 0 to 1."""
    if target.shape != logits.shape:
        raise DataError(f"the target has shape {tuple(target.shape)}, the logits {tuple(logits.shape)}; not equal")
    if target.device.type == "cpu" and target.numel() and not 0 <= target.min() <= target.max() <= 1:  # holds up a GPU
        raise DataError(f"the target goes from {target.min()} up to {target.max()}; expected lesion as 1: `mask > 0`")
    kind = torch.promote_types(logits.dtype, torch.float32)  # sums over a batch are too large for float16
    return logits.to(kind), target.to(kind)


def best_probability(chance, pos_weight: float):
    """The probability that minimises the weighted cross-entropy of a pixel whose chance of being lesion is known.

    It is w c / (w c + 1 - c): with w = 1 the chance itself, with w = 100 above 1/2 from a chance of 1 in 101 on. So
    the weight decides how much a network that is unsure overestimates (claim C2).
    """
    return pos_weight * chance / (pos_weight * chance + 1 - chance)


SUMS = {"batch": (0, 1, 2, 3), "slice": (1, 2, 3)}  # the axes over which soft counts are summed


def tversky_loss(
    logits: torch.Tensor, target: torch.Tensor, alpha: float = 1.0, beta: float = 1.0, smooth: float = 0.0,
    reduction: str = "batch",
) -> torch.Tensor:
    """1 - TP / (TP + alpha FP + beta FN) with soft counts summed over the whole batch, or over each slice.

    `alpha` weighs false positives and `beta` false negatives (Salehi et al. 2017). Equation 3 of the paper
    is alpha = beta = 1: that is the soft Jaccard loss, not what is commonly called Tversky;
    alpha = beta = 1/2 is the soft Dice loss. `smooth` is added above and below the fraction. Without it, a
    batch with neither lesion nor predicted lesion is 0 / 0 = NaN, and a batch without lesion has no gradient:
    TP is 0 whatever is predicted, so the loss stays at 1. With `reduction="slice"` each slice has a loss of its
    own, and their mean is taken: small lesions weigh as much as large ones, and slices without lesion say
    nothing, unless smoothed.

    Shape: logits and target (B, 1, H, W), target 0 or 1 -> one number. DataError if they don't fit, or `reduction`
    is unknown.
    """
    if reduction not in SUMS:
        raise DataError(f"reduction is {reduction!r}; choose one of {', '.join(SUMS)}")
    axes = SUMS[reduction]
    logits, target = _fitting(logits, target)
    probability = torch.sigmoid(logits)
    tp = (probability * target).sum(axes)
    fp = (probability * (1 - target)).sum(axes)
    fn = ((1 - probability) * target).sum(axes)
    return (1 - (tp + smooth) / (tp + alpha * fp + beta * fn + smooth)).mean()
