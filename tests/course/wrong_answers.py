"""Typical wrong answers to the exercises: WRONG, triples of exercise, attempt, and the case at which it must fail."""

import numpy as np
import torch
from right_answers import (
    counts_by_loop,
    cross_entropy_by_logsigmoid,
    dice_by_loop,
    error_by_hand,
    exposure_by_rows,
    interval_by_scipy,
    oscillation_by_scipy,
    place_by_scipy,
    side_by_nibabel,
    tversky_by_monai,
    volume_by_columns,
)
from scipy import ndimage
from torch.nn import functional as F

import atlas_lab as lab
from atlas_lab.statistics import mean_interval


def dice_with(both_empty=None, smooth=0.0, factor=2):
    """Dice with a convention of its own for two empty masks, a smoothing term, or a wrong factor."""
    def attempt(pred, target):
        tp = (pred & target).sum((1, 2))
        below = pred.sum((1, 2)) + target.sum((1, 2))
        with np.errstate(invalid="ignore"):
            dice = (factor * tp + smooth) / (below + smooth)
        return dice if both_empty is None else np.where(below == 0, both_empty, dice)
    return attempt


def jaccard(pred, target):
    with np.errstate(invalid="ignore"):
        return (pred & target).sum((1, 2)) / (pred | target).sum((1, 2))


def dice_blind_to_false_alarms(pred, target):
    """As MONAI does by default."""
    dice = np.array(dice_by_loop(pred, target))
    return np.where(target.any(axis=(1, 2)), dice, np.nan)


def dice_of_the_whole_batch(pred, target):
    size = pred.sum() + target.sum()
    return np.array([2 * (pred & target).sum() / size if size else np.nan])


def naive_cross_entropy(logits, target, pos_weight):
    p = torch.sigmoid(logits)
    return -(pos_weight * target * p.log() + (1 - target) * (1 - p).log()).mean()


def cross_entropy_weighing(lesion, other, reduce="mean"):
    """Cross-entropy with the given weight of lesion pixels and of others, as functions of pos_weight."""
    def attempt(logits, target, pos_weight):
        weight = torch.where(target > 0, lesion(pos_weight), other(pos_weight)).to(logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, target, weight=weight, reduction=reduce)
    return attempt


def as_is(weight):
    return torch.tensor(weight)


def always_1(weight):
    return torch.tensor(1.0)


def two_passes_over_the_masks(masks):
    total = sum(mask.astype(float) for mask in masks)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / len(list(masks))


def side_without_both(mask, affine):
    x = np.argwhere(mask)[:, 0] * affine[0, 0] + affine[0, 3]
    return "left" if x.mean() < 0 else "right"


def side_by_index(mask, affine):
    share = (np.argwhere(mask)[:, 0] < mask.shape[0] // 2).mean()
    return "left" if share > 0.9 else "right" if share < 0.1 else "both"


def side_swapped(mask, affine):
    return {"left": "right", "right": "left", "both": "both"}[side_by_nibabel(mask, affine)]


def mean_of_fractions(tp, fp, fn):
    with np.errstate(invalid="ignore", divide="ignore"):
        return tuple(np.nanmean(x) for x in (tp / (tp + fp), tp / (tp + fn), (tp + fp) / (tp + fn)))


def with_plain_division(tp, fp, fn):
    tp, fp, fn = (int(count.sum()) for count in (tp, fp, fn))
    return tp / (tp + fp), tp / (tp + fn), (tp + fp) / (tp + fn)


WRONG = [  # exercise, attempt, the case at which it must fail
    ("paired_interval", lambda a, b: np.mean(a) - np.mean(b), "good seeds are good in both"),
    ("paired_interval", lambda a, b: mean_interval(np.subtract(b, a)), "good seeds are good in both"),
    ("paired_interval", lambda a, b: np.subtract(mean_interval(a), mean_interval(b)), "good seeds are good"),
    ("geometric_interval", lambda values: mean_interval(values), "half and double"),
    ("geometric_interval", lambda values: mean_interval(np.log(values)), "half and double"),
    ("geometric_interval", lambda values: np.exp(mean_interval(np.log(np.add(values, 1e-9)))), "left out"),
    ("disc_diameter", lambda n, s: np.sqrt(n * s**2 / np.pi), "314 pixels of 1 mm"),
    ("disc_diameter", lambda n, s: 2 * np.sqrt(n * s / np.pi), "20 pixels of 4 mm"),
    ("disc_diameter", lambda n, s: np.sqrt(n) * s, "314 pixels of 1 mm"),
    ("seen_in_train", lambda subjects, split: np.isin(split.dev, split.train), "every second slice held out"),
    ("seen_in_train", lambda subjects, split: ~np.isin(subjects[split.dev], subjects[split.train]), "one person"),
    ("seen_in_train", lambda subjects, split: np.isin(subjects, subjects[split.train]), "one person held out"),
    ("centroid_distances", lambda p, t: place_by_scipy(p, t, in_radii=False), "4 pixels to the right"),
    ("centroid_distances", lambda p, t: place_by_scipy(p, p | t), "4 pixels to the right"),
    ("centroid_distances", lambda p, t: np.nan_to_num(place_by_scipy(p, t)), "nothing predicted"),
    ("sampling_error", lambda dice, n: error_by_hand(dice, n, finite=False), "100 of 400 slices"),
    ("sampling_error", lambda dice, n: np.std(dice, ddof=1) / n**0.5 * (1 - n / len(dice)) ** 0.5, "skipped slices"),
    ("sampling_error", lambda dice, n: error_by_hand(dice, 400), "100 of 400 slices"),
    ("lesion_counts", lambda p, t: counts_by_loop(p, t, lambda part, other: (part & other).sum() * 2 > part.sum()),
     "one voxel in a lesion finds it"),
    ("lesion_counts", lambda p, t: ((p & t).sum(), (p & ~t).sum(), (t & ~p).sum()), "two false alarms"),
    ("lesion_counts", lambda p, t: (lambda f, a, m: (min(f, ndimage.label(p)[1]), a, m))(*counts_by_loop(p, t)),
     "one large piece over both"),
    ("mean_interval", lambda values: interval_by_scipy(values, normal=True), "five seeds"),
    ("mean_interval", lambda values: (np.mean(values), min(values), max(values)), "five seeds"),
    ("mean_interval", lambda values: np.mean(values), "five seeds"),
    ("field_of_view", lambda kernels, strides: 1 + sum(k - 1 for k in kernels), "a pooling of 2 between"),
    ("field_of_view", lambda kernels, strides: sum(kernels), "two convolutions of 3"),
    ("field_of_view", lambda kernels, strides: max(kernels), "two convolutions of 3"),
    ("n_updates", lambda n, b, e: n * e, "100 slices in batches of 10"),
    ("n_updates", lambda n, b, e: n * e // b, "105 slices: the last batch is smaller"),
    ("n_updates", lambda n, b, e: -(-n * e // b), "105 slices, four epochs"),
    ("oscillation", lambda curve: np.ptp(curve), "up and down around a level"),
    ("oscillation", lambda curve: np.ptp(curve) / max(curve), "a steady rise"),
    ("oscillation", lambda curve: oscillation_by_scipy(curve) if max(curve) else 0.0, "a network that finds nothing"),
    ("neighbour_exposure", lambda store, split: 1.0, "whole people held out"),
    ("neighbour_exposure", lambda store, split: exposure_by_rows(split, 1), "only some have a neighbour"),
    ("neighbour_exposure", lambda store, split: exposure_by_rows(split, -1, 1), "whole people held out"),
    ("best_probability", lambda chance, weight: chance, "chance 1 in 50, weight 100"),
    ("best_probability", lambda chance, weight: weight * chance, "chance 1 in 50, weight 100"),
    ("best_probability", lambda chance, weight: 1 / (1 + weight), "chance 1 in 50, weight 1"),
    ("best_probability", lambda c, w: 1 / (1 + (1 - c) / (w * c)), "no lesion at all"),
    ("tversky_loss", lambda x, t, alpha, beta: 1 - tversky_by_monai(x, t, alpha, beta), "alpha = beta = 1"),
    ("tversky_loss", lambda x, t, alpha, beta: tversky_by_monai(x, t, beta, alpha), "alpha 0.3 on false positives"),
    ("tversky_loss", lambda x, t, alpha, beta: tversky_by_monai(x, t, 0.5, 0.5), "alpha = beta = 1: equation 3"),
    ("tversky_loss", lambda x, t, alpha, beta: torch.stack(
        [tversky_by_monai(x[i:i + 1], t[i:i + 1], alpha, beta) for i in range(2)]).mean(), "alpha = beta = 1"),
    ("combine_masks", lambda masks: np.maximum.reduce(masks), "a mask of 0 and 1 with a mask of 0 and 255"),
    ("combine_masks", lambda masks: masks[0] > 0, "a mask of 0 and 1 with a mask of 0 and 255"),
    ("combine_masks", lambda masks: sum(masks) == 1, "a mask of 0 and 1 with a mask of 0 and 255"),
    ("combine_masks", lambda masks: sum(masks) > 127, "one mask of zeros and ones"),
    ("combine_masks", lambda masks: sum(masks), "a mask of 0 and 1 with a mask of 0 and 255"),
    ("combine_masks", lambda masks: np.logical_and.reduce(masks), "a mask of 0 and 1 with a mask of 0 and 255"),
    ("combine_masks", lambda masks: np.logical_xor.reduce([m > 0 for m in masks]), "two masks that overlap"),
    ("combine_masks", lambda masks: np.any([mask.astype(int) for mask in masks], axis=0), "values such as 0.999"),
    ("combine_masks", lambda masks: sum(masks) >= 1, "values such as 0.999"),
    ("combine_masks", lambda masks: masks[0] + masks[1] > 0 if len(masks) == 2 else masks[0] > 0, "three masks"),
    ("lesion_volume_ml", lambda mask, affine: mask.sum() * abs(np.linalg.det(affine[:3, :3])), "1 mm voxels"),
    ("lesion_volume_ml", lambda mask, affine: mask.sum() / 1000, "voxels of 1 x 1 x 3 mm"),
    ("lesion_volume_ml", lambda mask, affine: mask.sum() * np.linalg.det(affine[:3, :3]) / 1000, "right to left"),
    ("lesion_volume_ml", lambda mask, affine: mask.size * abs(np.linalg.det(affine[:3, :3])) / 1000, "1 mm voxels"),
    ("lesion_volume_ml", lambda mask, affine: volume_by_columns(mask, affine) if mask.any() else None, "an empty mask"),
    ("overlap_map", lambda masks: sum(mask.astype(int) for mask in masks), "five masks"),
    ("overlap_map", lambda masks: np.any(list(masks), axis=0), "five masks"),
    ("overlap_map", lambda masks: np.mean(list(masks)), "a list of one mask"),
    ("overlap_map", lambda masks: np.stack(list(masks)).mean(axis=-1), "a list of one mask"),
    ("overlap_map", lambda masks: 100 * np.stack(list(masks)).mean(axis=0), "a list of one mask"),
    ("overlap_map", lambda masks: sum(masks) / len(masks), "five masks. Your function raised TypeError"),
    ("overlap_map", two_passes_over_the_masks, "five masks"),
    ("lesion_side", side_swapped, "a lesion at x = -4 and -3 mm"),
    ("lesion_side", side_by_index, "the same indices in a file whose x axis runs from right to left"),
    ("lesion_side", side_without_both, "a lesion across the midline"),
    ("lesion_side", lambda mask, affine: side_by_nibabel(mask, affine).title(), "a lesion at x = -4 and -3 mm"),
    ("lesion_side", lambda mask, affine: -3.5, "a lesion at x = -4 and -3 mm"),
    ("lesion_side", lambda mask, affine: "both", "a lesion at x = -4 and -3 mm"),
    ("dice_coefficient", jaccard, "half of the prediction inside the target"),
    ("dice_coefficient", dice_with(factor=1), "prediction equal to the target"),
    ("dice_coefficient", dice_with(smooth=1.0), "half of the prediction inside the target"),
    ("dice_coefficient", dice_with(smooth=1e-7), "both empty: undefined, so NaN"),
    ("dice_coefficient", dice_with(both_empty=1.0), "both empty: undefined, so NaN"),
    ("dice_coefficient", dice_with(both_empty=0.0), "both empty: undefined, so NaN"),
    ("dice_coefficient", dice_with(both_empty=-1.0), "both empty: undefined, so NaN"),
    ("dice_coefficient", dice_blind_to_false_alarms, "a false alarm on an empty target"),
    ("dice_coefficient", dice_of_the_whole_batch, "four slices at once"),
    ("dice_coefficient", lambda pred, target: (pred == target).mean((1, 2)), "half of the prediction"),
    ("dice_coefficient", lambda pred, target: float(np.nanmean(dice_by_loop(pred, target))), "prediction equal"),
    ("weighted_cross_entropy", lambda *a: -cross_entropy_by_logsigmoid(*a), "weight 1: the ordinary cross-entropy"),
    ("weighted_cross_entropy", cross_entropy_weighing(always_1, always_1), "weight 100"),
    ("weighted_cross_entropy", cross_entropy_weighing(always_1, as_is), "weight 100"),
    ("weighted_cross_entropy", cross_entropy_weighing(as_is, as_is), "weight 100"),
    ("weighted_cross_entropy", cross_entropy_weighing(as_is, always_1, "sum"), "weight 1: the ordinary"),
    ("weighted_cross_entropy", cross_entropy_weighing(as_is, always_1, "none"), "weight 1: the ordinary"),
    ("weighted_cross_entropy", lambda x, y, w: cross_entropy_by_logsigmoid(torch.sigmoid(x), y, w), "weight 1"),
    ("weighted_cross_entropy", lambda x, y, w: cross_entropy_by_logsigmoid(x, y, w) / (1 + w) * 2, "weight 100"),
    ("weighted_cross_entropy", lambda x, y, w: cross_entropy_by_logsigmoid(x, y, w) if y.any() else 0.0, "no lesion"),
    ("weighted_cross_entropy", naive_cross_entropy, "logits of -200 and 200"),
    ("precision_recall_area", mean_of_fractions, "three slices pooled"),
    ("precision_recall_area", with_plain_division, "nothing predicted"),
    ("precision_recall_area", lambda *a: np.nan_to_num(lab.precision_recall_area(*a)), "nothing predicted"),
    ("precision_recall_area", lambda tp, fp, fn: lab.precision_recall_area(tp, fn, fp), "one slice"),
    ("precision_recall_area", lambda *a: lab.precision_recall_area(*a)[:2], "one slice"),
    ("precision_recall_area", lambda *a: (*lab.precision_recall_area(*a)[:2], 10 / 8), "one slice"),
]
