"""Slices varied at random in training, in plain torch: flips about the midline, affine moves, intensity, bias field.

All random numbers come from torch's global generator, which `fit` seeds in every epoch.
"""

import math

import torch
from torch.nn import functional as F

from atlas_lab.files import DataError

__all__ = ["AUGMENTATIONS", "augment"]

TURN = math.radians(15)  # largest turn either way
SCALE, SHIFT = 0.15, 0.05  # largest change of size; largest move, as a share of half a side
CONTRAST, BRIGHTNESS, GAMMA, NOISE = 0.2, 0.1, 0.3, 0.03
BIAS, BIAS_POINTS = 0.2, 4  # SD of the field's logarithm at its 4 x 4 points, between which it is smooth


def augment(images: torch.Tensor, target: torch.Tensor, kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Vary each slice of a batch by itself, its neighbours (channels) and its mask in the same way.

    Parameters
    ----------
    images : float tensor (B, C, H, W)
        In [0, 1]; columns run from left to right.
    target : float tensor (B, 1, H, W)
        0 or 1, and so it stays.
    kind : {"none", "flip", "affine", "intensity", "bias", "all"}
        What is varied; "all" does one after the other.

    Raises DataError if the kind is unknown.
    """
    if kind not in ("none", "all", *AUGMENTATIONS):
        raise DataError(f"augment is {kind!r}; choose one of none, {', '.join(AUGMENTATIONS)}, all")
    for name, vary in AUGMENTATIONS.items():
        if kind in (name, "all"):
            images, target = vary(images, target)
    return images, target


def _between(low, high, count):
    """Random numbers from low to high, (count, 1, 1, 1)."""
    return torch.empty(count, 1, 1, 1).uniform_(low, high)


def _flip(images, target):
    """Left and right swapped in half of the slices: the template is symmetric, so a mirrored brain is one too."""
    flipped = torch.rand(len(images), 1, 1, 1) < 0.5
    return (torch.where(flipped, part.flip(-1), part) for part in (images, target))


def _affine(images, target):
    """Turned, scaled and moved; what comes in from outside is black, and the mask is cut at one half."""
    count, (height, width) = len(images), images.shape[-2:]
    angle, size = _between(-TURN, TURN, count).flatten(), 1 + _between(-SCALE, SCALE, count).flatten()
    sine, cosine = angle.sin() / size, angle.cos() / size
    shift = torch.empty(2, count).uniform_(-SHIFT, SHIFT)
    aspect = height / width  # the grid's axes run from -1 to 1 whatever the sides are
    matrix = torch.stack([torch.stack([cosine, -sine * aspect, shift[0]], 1),
                          torch.stack([sine / aspect, cosine, shift[1]], 1)], 1)
    grid = F.affine_grid(matrix, (count, 1, height, width), align_corners=False)
    moved = [F.grid_sample(part, grid, mode="bilinear", align_corners=False) for part in (images, target)]
    return moved[0], (moved[1] > 0.5).to(target)


def _intensity(images, target):
    """Contrast, brightness, gamma, and noise; air stays black but for the noise."""
    count = len(images)
    gamma = torch.exp(_between(-GAMMA, GAMMA, count))
    varied = images.clamp(min=0) ** gamma * (1 + _between(-CONTRAST, CONTRAST, count))
    varied = torch.where(images > 0, varied + _between(-BRIGHTNESS, BRIGHTNESS, count), varied)
    return (varied + torch.randn_like(images) * _between(0, NOISE, count)).clamp(0, 1), target


def _bias(images, target):
    """A smooth field that a receiving coil would leave: its logarithm is interpolated between a few random points."""
    points = BIAS * torch.randn(len(images), 1, BIAS_POINTS, BIAS_POINTS)
    field = F.interpolate(points, size=images.shape[-2:], mode="bicubic", align_corners=True).exp()
    return (images * field).clamp(0, 1), target


AUGMENTATIONS = {"flip": _flip, "affine": _affine, "intensity": _intensity, "bias": _bias}
