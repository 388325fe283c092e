"""Notebook 04: what a loss asks for, and whether a network follows a map or its eyes."""

import numpy as np
import torch

from atlas_lab import losses
from atlas_lab.course.exercise import Case, Exercise
from atlas_lab.course.topics.baseline import logits_and_target

__all__ = ["EXERCISES"]


def best_probability(chance, pos_weight):
    """The p that minimises c w (-log p) + (1 - c) (-log(1 - p))."""
    return pos_weight * chance / (pos_weight * chance + 1 - chance)


def _chance_cases(rng):
    chance, weight = round(float(rng.uniform(0.01, 0.3)), 3), float(rng.integers(5, 100))
    return [
        Case("weight 1: the chance itself", (chance, 1.0)),
        Case("a heavy weight", (chance, weight)),
        Case("a certain lesion", (1.0, weight)),
        Case("no lesion at all", (0.0, weight)),
        Case("a weight below 1", (chance, 0.1)),
    ]


def threshold_for_weight(pos_weight):
    """The chance at which the best probability is 1/2: w c = 1 - c."""
    return 1 / (1 + pos_weight)


def _weight_cases(rng):
    return [
        Case("weight 1: one half", (1.0,)),
        Case("a heavy weight", (float(rng.integers(5, 100)),)),
        Case("a weight below 1", (round(float(rng.uniform(0.05, 0.5)), 2),)),
    ]


def tversky_loss(logits, target, alpha, beta):
    """1 - TP / (TP + alpha FP + beta FN), the counts summed over the batch, softly."""
    p = torch.sigmoid(logits)
    tp, fp, fn = (p * target).sum(), (p * (1 - target)).sum(), ((1 - p) * target).sum()
    return 1 - tp / (tp + alpha * fp + beta * fn)


def _tversky_cases(rng):
    logits, target = logits_and_target(rng)
    only_first = target * torch.tensor([1.0, 0.0])[:, None, None, None]
    alpha = round(float(rng.uniform(0.1, 0.4)), 2)
    return [
        Case("alpha = beta = 1: equation 3 as printed", (logits, target, 1.0, 1.0)),
        Case("alpha = beta = 1/2: soft Dice", (logits, target, 0.5, 0.5)),
        Case("alpha and beta apart", (logits, target, alpha, 1 - alpha)),
        Case("a slice with lesion beside one without", (logits, only_first, alpha, 1 - alpha)),
    ]


def _hard(x, y, alpha, beta):
    """Wrong: counts of a mask, which have no gradient; the sum keeps the graph so that it can be asked for."""
    return tversky_loss(1e6 * x, y, alpha, beta)


def _by_slice(x, y, alpha, beta):
    return torch.stack([tversky_loss(x[i], y[i], alpha, beta) for i in range(len(x))]).mean()


def left_share(masks):
    """Of each slice's lesion pixels, the share in the left half; NaN without any."""
    half = masks.shape[2] // 2
    left, all_of_it = masks[:, :, :half].sum(axis=(1, 2)), masks.sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return left / all_of_it


def _half_cases(rng):
    masks = rng.random((3, 4, 6)) < 0.4
    masks[:, 0, 0], masks[:, 3, 5], masks[:, 1, 4], masks[:, 2, 1:3] = True, True, True, True
    left = masks.copy()
    left[:, :, 3:] = False
    return [
        Case("a lesion on the left", (left[:1],)),
        Case("lesion in both halves", (masks[:1],)),
        Case("three slices, each by itself", (masks,)),
        Case("an empty slice: undefined, so NaN", (np.zeros_like(masks[:1]),)),
    ]


def _share(part, of=lambda m: m.sum((1, 2))):
    def attempt(masks):
        with np.errstate(invalid="ignore"):
            return part(masks) / of(masks)
    return attempt


def _left(masks):
    return masks[:, :, : masks.shape[2] // 2].sum((1, 2))


EXERCISES = (
    Exercise(
        "best_probability", "04", "which probability does the loss ask for?", 3, 5, best_probability, _chance_cases, {
            "the weight isn't used": lambda c, w: c,
            "weight times chance can exceed 1": lambda c, w: w * c,
            "the threshold 1 / (1 + w), which doesn't depend on the chance": lambda c, w: 1 / (1 + w),
            "the odds, not the probability": lambda c, w: w * c / (1 - c) if c < 1 else float("inf"),
            "the weight stands at the wrong side": lambda c, w: c / (c + w * (1 - c)),
            "1 in place of 1 - c below the fraction": lambda c, w: w * c / (w * c + 1),
            "a division by 0 where the chance is 0": lambda c, w: 1 / (1 + (1 - c) / (w * c)),
        }),
    Exercise(
        "threshold_for_weight", "04", "from which chance on?", 2, 4, threshold_for_weight, _weight_cases, {
            "one over the weight: w c is held against 1, not against 1 - c": lambda w: 1 / w,
            "the threshold of the weight's inverse": lambda w: w / (1 + w),
            "always one half: the weight isn't used": lambda w: 0.5,
            "one half over the weight": lambda w: 0.5 / w,
            "the odds, not the chance": lambda w: 1 / w if w == 1 else 1 / (w - 1),
        }),
    Exercise(
        "tversky_loss", "04", "the Tversky loss", 3, 5, tversky_loss, _tversky_cases, {
            "the index, not the loss: 1 - is missing": lambda x, y, a, b: 1 - tversky_loss(x, y, a, b),
            "alpha and beta are swapped": lambda x, y, a, b: tversky_loss(x, y, b, a),
            "alpha and beta aren't used": lambda x, y, a, b: tversky_loss(x, y, 0.5, 0.5),
            "a loss for each slice, then their mean": _by_slice,
            "the logits are taken for probabilities": lambda x, y, a, b: 1 - (x * y).sum() / (
                (x * y).sum() + a * (x * (1 - y)).sum() + b * ((1 - x) * y).sum()),
            "the mask is counted (p > 0.5), not the probabilities": _hard,
            "TP counts twice above and once below": lambda x, y, a, b: 2 * tversky_loss(x, y, a, b) - 1,
            "a smoothing term is added": lambda x, y, a, b: losses.tversky_loss(x, y, a, b, smooth=1.0),
        }, library=losses.tversky_loss, gradient_of=0),
    Exercise(
        "left_share", "04", "map or eyes?", 2, 5, left_share, _half_cases, {
            "the right half": _share(lambda m: m.sum((1, 2)) - _left(m)),
            "the front half: rows run from front to back": _share(lambda m: m[:, : m.shape[1] // 2].sum((1, 2))),
            "the share of the half's pixels, not of the lesion's": _share(_left, lambda m: m[0].size / 2),
            "the share of the slice's pixels, not of the lesion's": _share(_left, lambda m: m[0].size),
            "all slices are pooled": lambda m: np.full(len(m), _share(lambda m: _left(m).sum(), np.sum)(m)),
            "an empty slice counts as 0": lambda m: np.nan_to_num(left_share(m)),
            "left over right, not left over all": _share(_left, lambda m: m.sum((1, 2)) - _left(m)),
        }),
)
