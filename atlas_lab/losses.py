"""The paper's losses: weighted cross-entropy (equation 2) and Tversky (equation 3)."""

from functools import partial

import torch
from torch.nn import functional as F

from atlas_lab.files import DataError


def weighted_cross_entropy(logits, target, pos_weight):
    """Cross-entropy per pixel in which a lesion pixel counts `pos_weight` times; mean over all pixels.

    Equation 2 of the paper, with the minus sign that is missing in print:
    -(w_p y log p + (1 - y) log(1 - p)), p = sigmoid(logits). With pos_weight 1 it is the ordinary binary
    cross-entropy. It is computed from logits, since log(sigmoid(x)) overflows for x far below 0.

    Shape: logits and target (B, 1, H, W), target 0 or 1 -> one number.
    """
    weight = torch.as_tensor(pos_weight, dtype=logits.dtype, device=logits.device)
    return F.binary_cross_entropy_with_logits(logits, target, pos_weight=weight)


def tversky_loss(logits, target, alpha=1.0, beta=1.0, smooth=0.0):
    """1 - TP / (TP + alpha FP + beta FN) with soft counts summed over the whole batch.

    `alpha` weighs false positives and `beta` false negatives (Salehi et al. 2017). Equation 3 of the paper
    is alpha = beta = 1: that is the soft Jaccard loss, not what is commonly called Tversky;
    alpha = beta = 1/2 is the soft Dice loss. `smooth` is added above and below the fraction. Without it, a
    batch with neither lesion nor predicted lesion is 0 / 0 = NaN, and a batch without lesion has no gradient:
    TP is 0 whatever is predicted, so the loss stays at 1.

    Shape: logits and target (B, 1, H, W), target 0 or 1 -> one number.
    """
    probability = torch.sigmoid(logits)
    tp = (probability * target).sum()
    fp = (probability * (1 - target)).sum()
    fn = ((1 - probability) * target).sum()
    return 1 - (tp + smooth) / (tp + alpha * fp + beta * fn + smooth)


LOSSES = {
    "cross_entropy": (weighted_cross_entropy, ["pos_weight"]),
    "tversky": (tversky_loss, ["alpha", "beta", "smooth"]),
}


def build_loss(config):
    """The loss that a RunConfig asks for, as a function of logits and target; DataError if it is unknown."""
    if config.loss not in LOSSES:
        raise DataError(f"loss is {config.loss!r}; choose one of {', '.join(LOSSES)}")
    function, settings = LOSSES[config.loss]
    return partial(function, **{name: getattr(config, name) for name in settings})
