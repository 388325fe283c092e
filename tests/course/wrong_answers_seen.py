"""Wrong answers that got no diagnosis once, or that of another mistake: exercise, attempt, and the mistake's name."""

import math

import numpy as np
import torch
from torch.nn import functional as F


def next_before_the_loop(masks):
    masks = iter(masks)
    total, count = next(masks).astype(float), 0
    for mask in masks:
        total += mask
        count += 1
    return total / count


def numbered_from_0(masks):
    total, number = 0, 0
    for number, mask in enumerate(masks):  # noqa: B007
        total = total + mask
    return total / number


def added_to_a_mask(masks):
    masks = iter(masks)
    total, count = next(masks), 1
    for mask in masks:
        total += mask
        count += 1
    return total / count


def added_to_a_mask_of_nothing(masks):
    total, count = None, 0
    for mask in masks:
        total = np.zeros(mask.shape, bool) if total is None else total
        total += mask
        count += 1
    return total / count


def size_of_both(pred, target):
    both = pred & target
    return 2 * both.sum(axis=(1, 2)) / (pred + target).sum(axis=(1, 2))


def size_of_both_slice_by_slice(pred, target):
    scores = []
    for p, t in zip(pred, target, strict=True):
        size = np.sum(p + t)
        scores.append(2 * np.sum(p * t) / size if size else math.nan)
    return scores


def plus(small):
    def attempt(logits, target, pos_weight):
        p = torch.sigmoid(logits)
        lesion, other = target * torch.log(p + small), (1 - target) * torch.log(1 - p + small)
        return torch.mean(-(pos_weight * lesion + other))
    return attempt


def held_between(low, high):
    def attempt(logits, target, pos_weight):
        p = torch.clamp(1 / (1 + torch.exp(-logits)), low, high)
        return (-pos_weight * target * p.log() - (1 - target) * (1 - p).log()).mean()
    return attempt


def cross_entropy_of_probabilities(logits, target, pos_weight):
    weights = torch.where(target == 1, pos_weight, 1.0)
    return F.binary_cross_entropy(logits.sigmoid(), target, weight=weights)


def between_two(scans, z, step, train, dev):
    found = 0
    for row in dev:
        heights = [z[other] for other in train if scans[other] == scans[row]]
        found += z[row] - step in heights and z[row] + step in heights
    return found / len(dev)


def cut_by_reshape(reduce):
    def attempt(image):
        h, w = image.shape[0] // 2, image.shape[1] // 2
        return reduce(image[: h * 2, : w * 2].reshape(h, w, 2, 2), axis=(2, 3))
    return attempt


def reshaped_with_the_edge(image):
    return image.reshape(image.shape[0] // 2, image.shape[1] // 2, 4).max(axis=-1)


def to_the_last_as_large(image, above):
    gradient = np.zeros(image.shape)
    for r, c in np.ndindex(*above.shape):
        best = (2 * r, 2 * c)
        for place in ((2 * r, 2 * c + 1), (2 * r + 1, 2 * c), (2 * r + 1, 2 * c + 1)):
            if image[place] >= image[best]:
                best = place
        gradient[best] = above[r, c]
    return gradient


def mean_of_all(tp, fp, fn, empty):
    scores = []
    for a, b, c in zip(tp, fp, fn, strict=True):
        if a + b + c == 0:
            scores.append({"skip": float("nan"), "one": 1, "zero": 0}[empty])
        else:
            scores.append(2 * a / (2 * a + b + c))
    return np.mean(scores)


def over_area_by_pi(pred, target):
    result = []
    for p, t in zip(pred, target, strict=True):
        if p.sum() == 0 or t.sum() == 0:
            result.append(math.nan)
        else:
            (y, x), (v, u) = ([np.mean(axis) for axis in np.nonzero(mask)] for mask in (p, t))
            result.append(math.sqrt((y - v) ** 2 + (x - u) ** 2) / (np.sum(t) / math.pi))
    return result


def said(above, below, inside):
    def attempt(low, high, bound):
        return above if bound < low else below if bound > high else inside
    return attempt


ONE_SHORT = "the count is one too small: the first mask counts too"
STAYS_TRUE = "True + True stays True: turn the first mask into numbers"
IS_OR = "+ of two masks of True and False is OR: add their two sums"
IS_CAPPED = "a small number inside the log, or a clamp, caps the loss: use logsigmoid"
NO_BLOCKS = "a reshape to (H // 2, W // 2, 4) cuts rows, not blocks: make it (H // 2, 2, W // 2, 2)"
OTHER_WORDS = "in other words: they are holds, does not hold, undecided"
WRONG = [
    ("overlap_map", next_before_the_loop, ONE_SHORT),
    ("overlap_map", numbered_from_0, ONE_SHORT),
    ("overlap_map", added_to_a_mask, STAYS_TRUE),
    ("overlap_map", added_to_a_mask_of_nothing, STAYS_TRUE),
    ("dice_coefficient", size_of_both, IS_OR),
    ("dice_coefficient", size_of_both_slice_by_slice, IS_OR),
    *(("weighted_cross_entropy", plus(small), IS_CAPPED) for small in (1e-12, 1e-8, 1e-7, 1e-6, 1e-5)),
    ("weighted_cross_entropy", held_between(1e-7, 1 - 1e-7), IS_CAPPED),
    ("weighted_cross_entropy", held_between(1e-6, 1 - 1e-6), IS_CAPPED),
    ("weighted_cross_entropy", cross_entropy_of_probabilities, IS_CAPPED),
    ("weighted_cross_entropy", held_between(1e-9, 1 - 1e-9), "log of a sigmoid overflows at -200"),
    ("neighbour_exposure", between_two, "both neighbours are asked for: one of them in train is enough"),
    ("max_pool", cut_by_reshape(np.max), NO_BLOCKS),
    ("max_pool", reshaped_with_the_edge, NO_BLOCKS),
    ("average_pool", cut_by_reshape(np.mean), NO_BLOCKS),
    ("max_pool_gradient", to_the_last_as_large, "the last of several largest pixels: the first, row by row, gets it"),
    ("mean_dice", mean_of_all, "np.mean makes NaN of a skipped slice: np.nanmean leaves it out"),
    ("centroid_distances", over_area_by_pi, "the root is missing: the radius is the root of area / pi"),
    ("verdict", said("holds", "doesn't hold", "undecided"), OTHER_WORDS),
    ("verdict", said("Holds", "Does not hold", "Undecided"), OTHER_WORDS),
    ("verdict", said("holds", "does not hold", "unclear"), OTHER_WORDS),
]
