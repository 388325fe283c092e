"""Losses that the field trains with: Dice with cross-entropy, focal Tversky, boundary, and deep supervision of any."""

from collections.abc import Callable

import numpy as np
import torch

from atlas_lab.losses import tversky_loss, weighted_cross_entropy

__all__ = ["boundary_loss", "deeply_supervised", "dice_cross_entropy", "focal_tversky", "signed_distance"]

GAMMA = 4 / 3           # Abraham and Khan 2019: the loss is raised to 1 / gamma
ALPHA, BETA = 0.3, 0.7  # theirs too: a missed pixel costs more than a false alarm
BOUNDARY_SHARE = 0.01   # of the boundary term beside Dice and cross-entropy: Kervadec et al. 2019 begin with it


def dice_cross_entropy(logits: torch.Tensor, target: torch.Tensor, pos_weight: float = 1.0) -> torch.Tensor:
    """Cross-entropy plus the soft Dice loss of the whole batch, smoothed by 1 (as nnU-Net has it: Isensee et al. 2021).

    Shape: logits and target (B, 1, H, W), target 0 or 1 -> one number.
    """
    return weighted_cross_entropy(logits, target, pos_weight) + tversky_loss(logits, target, 0.5, 0.5, smooth=1.0)


def focal_tversky(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The Tversky loss of the batch, alpha 0.3 on false positives and beta 0.7 on false negatives, to the power 3/4.

    Abraham and Khan 2019: easy batches count for more than in the plain loss. Smoothed by 1, which leaves a batch
    without lesion a gradient. Shape: logits and target (B, 1, H, W), target 0 or 1 -> one number.
    """
    return tversky_loss(logits, target, ALPHA, BETA, smooth=1.0).clamp(min=1e-6) ** (1 / GAMMA)


def boundary_loss(logits: torch.Tensor, target: torch.Tensor, pos_weight: float = 1.0) -> torch.Tensor:
    """Dice with cross-entropy, and 1 % of the mean over pixels of probability times signed distance to the boundary.

    Kervadec et al. 2019: a false alarm costs the more the further it lies from the lesion. Slices without lesion have
    no boundary, and add 0. Shape: logits and target (B, 1, H, W), target 0 or 1 -> one number.
    """
    distance = torch.from_numpy(signed_distance(target.detach().cpu().numpy() > 0.5)).to(logits)
    return dice_cross_entropy(logits, target, pos_weight) + BOUNDARY_SHARE * (torch.sigmoid(logits) * distance).mean()


def signed_distance(masks: np.ndarray) -> np.ndarray:
    """Distance in pixels of each pixel to its slice's boundary: masks (B, 1, H, W) -> float32 of the same shape.

    Outside of the lesion to the nearest lesion pixel; inside, negative, to the nearest pixel outside, less 1, so that
    the lesion's outermost pixels lie at 0; 0 everywhere in slices without lesion.
    """
    from scipy.ndimage import distance_transform_edt

    found = np.zeros(masks.shape, np.float32)
    for index in np.flatnonzero(masks.any(axis=(1, 2, 3))):
        mask = masks[index, 0]
        inside = distance_transform_edt(mask)
        found[index, 0] = distance_transform_edt(~mask) - np.where(mask, inside - 1, 0)
    return found


def deeply_supervised(loss: Callable) -> Callable:
    """A loss that takes a list of logits too, finest first: each counts half as much as the one before, summing to 1.

    So nnU-Net weighs the coarser outputs (Isensee et al. 2021).
    """
    def of_all(logits, target):
        if isinstance(logits, torch.Tensor):
            return loss(logits, target)
        weights = [0.5**level for level in range(len(logits))]
        parts = [weight * loss(level, target) for weight, level in zip(weights, logits, strict=True)]
        return torch.stack(parts).sum() / sum(weights)

    return of_all
