"""Notebook 09: samples, conventions, and counting lesions."""

import numpy as np

from atlas_lab import metrics
from atlas_lab.course.exercise import Case, Exercise
from atlas_lab.experiment import artifacts

__all__ = ["EXERCISES"]


def sampling_error(dice, count):
    """s / sqrt(n) sqrt(1 - n / N), of the slices that are not skipped."""
    dice = dice[~np.isnan(dice)]
    return dice.std(ddof=1) / np.sqrt(count) * np.sqrt(1 - count / len(dice))


def _sample_cases(rng):
    dice = rng.random(40).round(2)
    return [
        Case("10 of 40 slices", (dice, 10)),
        Case("30 of 40 slices", (dice, 30)),
        Case("all slices: nothing is left to chance", (dice, 40)),
        Case("skipped slices don't count", (np.where(np.arange(40) % 3, dice, np.nan), 8)),
    ]


def _error(ddof=1, finite=np.sqrt, root=True, skip=True):
    def attempt(dice, count):
        kept = dice[~np.isnan(dice)] if skip else np.nan_to_num(dice)
        return kept.std(ddof=ddof) / (np.sqrt(count) if root else 1) * finite(1 - count / len(kept))
    return attempt


def mean_dice(tp, fp, fn, empty):
    """Mean over slices of 2 TP / (2 TP + FP + FN); an empty pair counts 1, 0, or not at all."""
    size = 2 * tp + fp + fn
    of_an_empty_pair = {"one": 1.0, "zero": 0.0, "skip": np.nan}[empty]
    dice = np.where(size > 0, 2 * tp / np.maximum(size, 1), of_an_empty_pair)
    return np.nanmean(dice)


def _convention_cases(rng):
    tp, fp, fn = rng.integers(1, 30, (3, 5))
    tp[3:], fp[3:], fn[3:] = 0, 0, 0
    fp[2], tp[2], fn[2] = 4, 0, 0
    return [
        Case("skip: empty pairs are left out", (tp, fp, fn, "skip")),
        Case("one: an empty pair counts as a hit", (tp, fp, fn, "one")),
        Case("zero: an empty pair counts as a miss", (tp, fp, fn, "zero")),
        Case("no empty pair: all three agree", (tp[:3], fp[:3], fn[:3], "one")),
    ]


def _headline(both_empty, false_alarm=0.0, pooled=False, factor=2, mean=np.nanmean):
    """Mean Dice by another convention, whatever was asked for."""
    def attempt(tp, fp, fn, empty):
        if pooled:
            return 2 * tp.sum() / (2 * tp.sum() + fp.sum() + fn.sum())
        size = factor * tp + fp + fn
        dice = np.where(tp + fn > 0, factor * tp / np.maximum(size, 1), false_alarm)
        return mean(np.where(size > 0, dice, both_empty(empty)))
    return attempt


def _as_asked(empty):
    return {"one": 1.0, "zero": 0.0, "skip": np.nan}[empty]


def lesion_counts(pred, target):
    """Lesions with a predicted voxel in them, predicted pieces that touch none, lesions without one."""
    from scipy import ndimage

    lesions, n_lesions = ndimage.label(target)
    pieces, n_pieces = ndimage.label(pred)
    found = len(np.unique(lesions[pred & target]))
    touching = len(np.unique(pieces[pred & target]))
    return found, n_pieces - touching, n_lesions - found


def _lesion_cases(rng):
    target, pred = np.zeros((2, 9, 9), bool)
    target[1:3, 1:3] = target[5:8, 5:8] = pred[2, 2] = pred[0, 8] = pred[8, : rng.integers(1, 5)] = True
    target[8, 5 : rng.integers(5, 9)] = True
    turn, bridge = int(rng.integers(4)), target.copy()
    bridge[1:8, 1:8] = True
    pred, target, bridge = (np.rot90(mask, turn).copy() for mask in (pred, target, bridge))
    empty = np.zeros_like(target)
    return [
        Case("one voxel in a lesion finds it; two false alarms", (pred, target)),
        Case("a perfect mask", (target, target)),
        Case("one large piece over both lesions finds both", (bridge, target)),
        Case("nothing predicted", (empty, target)),
        Case("nothing there", (pred, empty)),
        Case("many small pieces, some of which meet at a corner only", tuple(rng.random((2, 8, 8)) < 0.4)),
    ]


def _counted(of_lesions, of_pieces=lambda part, other: (part & other).any()):
    """Lesion by lesion, with a rule of one's own for what counts as found or as touching."""
    def attempt(pred, target):
        from scipy import ndimage

        (lesions, n), (pieces, m) = ndimage.label(target), ndimage.label(pred)
        found = sum(bool(of_lesions(lesions == i, pred)) for i in range(1, n + 1))
        alarms = sum(not of_pieces(pieces == i, target) for i in range(1, m + 1))
        return found, alarms, n - found
    return attempt


def _touches(part, other):
    return (part & other).any()


def _by_pieces(pred, target):
    """Wrong: predicted pieces that touch a lesion are counted as lesions found."""
    from scipy import ndimage

    pieces, m = ndimage.label(pred)
    touching, n = len(np.unique(pieces[pred & target])), ndimage.label(target)[1]
    return touching, m - touching, n - touching


def _with_corners(pred, target):
    """Wrong: `label` with all neighbours."""
    from scipy import ndimage

    lesions, n = ndimage.label(target, np.ones((3, 3)))
    pieces, m = ndimage.label(pred, np.ones((3, 3)))
    found, touching = (len(np.unique(numbers[pred & target])) for numbers in (lesions, pieces))
    return found, m - touching, n - found


def _by_overlaps(pred, target):
    """Wrong: the pieces of the overlap are counted as lesions found."""
    from scipy import ndimage

    overlaps, n = ndimage.label(pred & target)[1], ndimage.label(target)[1]
    return overlaps, lesion_counts(pred, target)[1], max(0, n - overlaps)


EXERCISES = (
    Exercise(
        "sampling_error", "09", "the error of a sample", 2, 4, sampling_error, _sample_cases, {
            "the factor sqrt(1 - n / N) is missing": _error(finite=lambda x: 1),
            "1 - n / N without its root": _error(finite=lambda x: x),
            "skipped slices count as 0": _error(skip=False),
            "skipped slices are left out of the spread, and counted in N":
                lambda d, n: np.nanstd(d, ddof=1) / n**0.5 * (1 - n / len(d)) ** 0.5,
            "NaN, since skipped slices are not left out": lambda d, n: d.std(ddof=1) / n**0.5 * (1 - n / len(d)) ** 0.5,
            "the spread of the slices, not the error of their mean": _error(root=False),
            "the standard deviation with N, not N - 1": _error(ddof=0),
        }, library=artifacts.sampling_error),
    Exercise(
        "mean_dice", "09", "one mask, three headlines", 2, 5, mean_dice, _convention_cases, {
            "always skips, whatever was asked for": _headline(lambda e: np.nan),
            "always counts an empty pair as 1": _headline(lambda e: 1.0),
            "always counts an empty pair as 0": _headline(lambda e: 0.0),
            "np.mean makes NaN of a skipped slice: np.nanmean leaves it out": _headline(_as_asked, mean=np.mean),
            "one and zero are swapped": _headline(lambda e: {"one": 0.0, "zero": 1.0, "skip": np.nan}[e]),
            "a false alarm on an empty target is treated as an empty pair": lambda tp, fp, fn, empty: _headline(
                _as_asked, _as_asked(empty))(tp, fp, fn, empty),
            "all slices are pooled": _headline(_as_asked, pooled=True),
            "the factor 2 is missing": _headline(_as_asked, factor=1),
        }, also_refused=("dice_from_counts",)),
    Exercise(
        "lesion_counts", "09", "count lesions", 3, 4, lesion_counts, _lesion_cases, {
            "half of a lesion must be found, not one voxel": _counted(lambda a, b: (a & b).sum() * 2 > a.sum()),
            "voxels are counted, not lesions": lambda p, t: ((p & t).sum(), (p & ~t).sum(), (t & ~p).sum()),
            "predicted pieces are counted, not lesions: one piece can find two": _by_pieces,
            "the order is found, missed, invented": lambda p, t: tuple(np.array(lesion_counts(p, t))[[0, 2, 1]]),
            "pieces that meet at a corner only are taken for one": _with_corners,
            "a lesion that is hit in two places counts as two found": _by_overlaps,
            "invented is the pieces less the lesions found: one piece can find two": lambda p, t: (
                lesion_counts(p, t)[0], _by_pieces(p, t)[0] + _by_pieces(p, t)[1] - lesion_counts(p, t)[0],
                lesion_counts(p, t)[2]),
            "each predicted piece counts as invented": _counted(_touches, lambda part, other: False),
            "missed is all lesions, the found ones too":
                lambda p, t: (*lesion_counts(p, t)[:2], lesion_counts(p, t)[0] + lesion_counts(p, t)[2]),
        }, library=metrics.lesion_counts),
)
