"""Dice and its relatives: first count pixels, then form a metric, and say what an empty mask means.

All functions take NumPy arrays or torch tensors of masks and return NumPy arrays.
"""

from collections.abc import Sequence

import numpy as np

from atlas_lab.files import DataError
from atlas_lab.grid import bounding_box

__all__ = [
    "SMALLEST_LESION_ML", "centroid_distances", "checked_masks", "confusion_counts", "dice_coefficient",
    "dice_from_counts", "lesion_counts", "lesion_f1", "mean_dice", "nan_mean", "precision_recall_area",
    "scores_from_sums", "subject_dice", "sums_by_subject",
]

SMALLEST_LESION_ML = 0.1  # smaller components are not counted as lesions of their own
EMPTY = {"skip": np.nan, "one": 1.0, "zero": 0.0}


def confusion_counts(pred, target) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Count true and false positives and negatives in each slice.

    Parameters
    ----------
    pred, target : bool arrays or tensors, (..., H, W)
        Predicted and true masks of equal shape. A single channel axis, as in (B, 1, H, W), stays in the
        output's shape.

    Returns
    -------
    tp, fp, fn, tn : int64 arrays, (...)

    Raises
    ------
    DataError
        If the shapes differ, have no height and width, or a mask is not boolean: threshold probabilities first.
    """
    pred, target = checked_masks(pred, target)
    slices = [mask.reshape(-1, *mask.shape[-2:]) for mask in (pred, target)]
    both = (one & other for one, other in zip(*slices, strict=True))
    tp, positives, actual = (_count_each(part).reshape(pred.shape[:-2]) for part in (both, *slices))
    fp, fn = positives - tp, actual - tp
    return tp, fp, fn, pred.shape[-2] * pred.shape[-1] - tp - fp - fn


def checked_masks(pred, target) -> tuple[np.ndarray, np.ndarray]:
    """Two masks as arrays. Raises DataError for unequal shapes, no height and width, or values other than bool."""
    try:
        pred, target = np.asarray(pred), np.asarray(target)
    except (TypeError, ValueError, RuntimeError) as error:  # of bfloat16, with a gradient, on a GPU, unequal lists
        raise DataError(f"masks must be boolean arrays ({error}); threshold first, as in `p > 0.5`") from None
    if pred.shape != target.shape or pred.ndim < 2 or 0 in pred.shape[-2:]:
        raise DataError(f"the prediction has shape {pred.shape} and the target {target.shape}; they must be equal, "
                        "with height and width last")
    if pred.dtype != bool or target.dtype != bool:
        raise DataError(f"masks must be boolean, found {pred.dtype} and {target.dtype}; threshold, as in `p > 0.5`")
    return pred, target


def _count_each(masks):
    """True pixels of each mask; five times as fast as a sum over axes, which turns every bool into a number first."""
    return np.fromiter(map(np.count_nonzero, masks), np.int64)


def dice_from_counts(tp, fp, fn, empty: str = "skip") -> np.ndarray:
    """Dice = 2 TP / (2 TP + FP + FN), equation 1 of the paper, from counts of any shape.

    Where target and prediction are both empty it is 0 / 0, and `empty` decides: "skip" gives NaN, to be left
    out of the mean (the paper's code); "one" rewards a rightly empty mask (ATLAS and ISLES challenges);
    "zero" punishes it (X-Net). A prediction on an empty target scores 0 under all three.
    """
    if empty not in EMPTY:
        raise DataError(f"empty is {empty!r}; choose one of {', '.join(EMPTY)}")
    tp, fp, fn = (np.asarray(count, dtype=np.float64) for count in (tp, fp, fn))
    denominator = 2 * tp + fp + fn
    return np.where(denominator != 0, 2 * tp / np.where(denominator != 0, denominator, 1), EMPTY[empty])


def dice_coefficient(pred, target, empty: str = "skip") -> np.ndarray:
    """Dice of each slice: masks (..., H, W) -> float64 (...); see `dice_from_counts` for `empty`."""
    tp, fp, fn, _ = confusion_counts(pred, target)
    return dice_from_counts(tp, fp, fn, empty)


def mean_dice(pred, target, empty: str = "skip") -> float:
    """Mean over slices of the Dice of each slice: the paper's number. NaN if every slice is skipped.

    A slice with 5 lesion pixels weighs as much as one with 5,000, and under "skip" each false positive on a
    lesion-free slice adds a zero; `subject_dice` has neither property.
    """
    return nan_mean(dice_coefficient(pred, target, empty))


def subject_dice(pred, target, subjects: Sequence, empty: str = "skip") -> dict:
    """Dice over all pixels of each subject or scan, as the segmentation challenges report it.

    Parameters
    ----------
    pred, target : bool arrays, (N, H, W)
    subjects : sequence of N labels
        What each slice belongs to.

    Returns
    -------
    dict
        label -> Dice over all its slices together.
    """
    tp, fp, fn, _ = confusion_counts(pred, target)
    if len(subjects) != tp.size:
        raise DataError(f"{len(subjects)} labels for {tp.size} slices; give one for each slice")
    labels, group = np.unique(np.asarray(subjects), return_inverse=True)
    sums = [np.bincount(group, weights=count.reshape(len(group)), minlength=len(labels)) for count in (tp, fp, fn)]
    return dict(zip(labels.tolist(), dice_from_counts(*sums, empty).tolist(), strict=True))


def precision_recall_area(tp, fp, fn) -> tuple[float, float, float]:
    """Precision, recall and predicted area over true area, of all slices pooled.

    Returns
    -------
    precision : TP / (TP + FP), the share of predicted pixels that are lesion
    recall : TP / (TP + FN), the share of lesion pixels that were found
    area_ratio : (TP + FP) / (TP + FN), above 1 where the model overestimates (claim C2)
        Each is NaN where its denominator is 0.
    """
    tp, fp, fn = (np.asarray(count).sum() for count in (tp, fp, fn))
    return tuple(float(x) for x in (_ratio(tp, tp + fp), _ratio(tp, tp + fn), _ratio(tp + fp, tp + fn)))


def centroid_distances(pred, target) -> np.ndarray:
    """How far a prediction lies from its target, in radii of the target: masks (N, H, W) -> float64 (N,).

    The distance of the two masks' centroids, over the radius of the circle with the target's area: below 1 the
    prediction's centre lies within the lesion's extent (claim C14). NaN where either mask is empty.
    """
    height, width = np.shape(target)[1:]
    moments = np.stack([np.ones(height * width), *np.mgrid[:height, :width].reshape(2, -1)], axis=1)
    masks = [np.asarray(mask).reshape(len(mask), height * width) for mask in (pred, target)]
    both = np.array([p.any() and t.any() for p, t in zip(*masks, strict=True)], bool)  # most slices have no lesion
    p, t = (mask[both].astype(np.float64) @ moments for mask in masks)
    found = np.full(len(both), np.nan)
    found[both] = np.hypot(*(p[:, i] / p[:, 0] - t[:, i] / t[:, 0] for i in (1, 2))) / np.sqrt(t[:, 0] / np.pi)
    return found


def _ratio(above, below):
    """above / below, and NaN, without numpy's warning, where below is 0."""
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    return np.where(below != 0, above / np.where(below != 0, below, 1), np.nan)


def nan_mean(values: Sequence[float]) -> float:
    """Mean of the values that are not NaN; NaN, without numpy's warning, when there are none."""
    values = np.asarray(values, dtype=np.float64)
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if kept.size else float("nan")


def sums_by_subject(tp, fp, fn, subjects: Sequence, scans: Sequence, centroid_distance=None) -> dict:
    """What each subject adds to each score, so that any score is a function of sums over subjects.

    Parameters
    ----------
    tp, fp, fn : int arrays (N,)
        Counts of each slice.
    subjects, scans : sequences of N labels
        The subject and the scan of each slice; a subject may have several scans.
    centroid_distance : float array (N,), optional
        What `centroid_distances` gave.

    Returns
    -------
    dict of float64 arrays (S,), one number per subject
        dice and slices (sum and number of the Dice of slices that are not skipped), lesion_dice, hits and
        lesion_slices (of slices with lesion: sum of Dice, number that the prediction touches, number), tp, fp, fn,
        scan_dice and scans (as dice and slices, for whole scans); with `centroid_distance` also its sum and number,
        centroid_distance and with_centroids.
    """
    labels, subject = np.unique(np.asarray(subjects), return_inverse=True)
    _, first_slice, scan = np.unique(np.asarray(scans), return_index=True, return_inverse=True)

    def total(values, group, size):
        return np.bincount(group, weights=np.nan_to_num(values), minlength=size)

    slice_dice = dice_from_counts(tp, fp, fn)
    scan_dice = dice_from_counts(*(total(count, scan, len(first_slice)) for count in (tp, fp, fn)))
    has_lesion = (np.asarray(tp) + np.asarray(fn)) > 0
    per_slice = {
        "dice": slice_dice, "slices": ~np.isnan(slice_dice), "tp": tp, "fp": fp, "fn": fn,
        "lesion_dice": np.where(has_lesion, slice_dice, 0), "hits": np.asarray(tp) > 0, "lesion_slices": has_lesion,
    }
    if centroid_distance is not None:
        defined = ~np.isnan(centroid_distance)
        per_slice |= {"centroid_distance": centroid_distance, "with_centroids": defined}
    per_scan = {"scan_dice": scan_dice, "scans": ~np.isnan(scan_dice)}
    sums = {name: total(values, subject, len(labels)) for name, values in per_slice.items()}
    return sums | {name: total(v, subject[first_slice], len(labels)) for name, v in per_scan.items()}


def scores_from_sums(sums: dict) -> dict:
    """The scores that are reported, from sums over subjects of `sums_by_subject`; arrays of any shape.

    mean_dice and subject_dice are as the functions of those names have them; lesion_dice is the mean over slices
    with lesion only, what mean_dice would be after an ideal first stage that clears all other slices (claim C15);
    hit_rate is the share of slices with lesion whose prediction touches the lesion; centroid_distance is the mean of
    `centroid_distances`.
    """
    scores = {
        "mean_dice": _ratio(sums["dice"], sums["slices"]),
        "lesion_dice": _ratio(sums["lesion_dice"], sums["lesion_slices"]),
        "hit_rate": _ratio(sums["hits"], sums["lesion_slices"]),
        "subject_dice": _ratio(sums["scan_dice"], sums["scans"]),
        "precision": _ratio(sums["tp"], sums["tp"] + sums["fp"]),
        "recall": _ratio(sums["tp"], sums["tp"] + sums["fn"]),
        "area_ratio": _ratio(sums["tp"] + sums["fp"], sums["tp"] + sums["fn"]),
    }
    if "with_centroids" in sums:
        scores["centroid_distance"] = _ratio(sums["centroid_distance"], sums["with_centroids"])
    return scores


def lesion_counts(pred, target, touching: int = 1) -> tuple[int, int, int]:
    """Lesions found, invented and missed (int), by the one-voxel rule of the ATLAS and ISLES challenges.

    A true component counts as found if at least one predicted voxel lies in it; a predicted component is a false
    alarm if it lies in no true one.

    Parameters
    ----------
    pred, target : bool arrays of equal shape, 2D or 3D
    touching : int
        1: components hang together by faces (6-connectivity in 3D); 2: by edges too; 3: by corners too (26). The
        challenge's scorer leaves this to its library, and the counts depend on it.
    """
    from scipy import ndimage

    pred, target = checked_masks(pred, target)
    box = bounding_box(pred | target)
    pred, target = pred[box], target[box]
    structure = ndimage.generate_binary_structure(target.ndim, touching)
    true_label, n_true = ndimage.label(target, structure)
    pred_label, n_pred = ndimage.label(pred, structure)
    both = pred & target
    found = len(np.unique(true_label[both]))
    return found, n_pred - len(np.unique(pred_label[both])), n_true - found


def lesion_f1(pred, target, touching: int = 1) -> float:
    """2 TP / (2 TP + FP + FN) over lesions in place of pixels; NaN where there are none in either mask.

    A prediction of the whole brain is one component, which touches every lesion: its lesion F1 is 1.
    """
    return float(dice_from_counts(*lesion_counts(pred, target, touching)))
