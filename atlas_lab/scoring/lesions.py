"""Scores over lesions in place of voxels: as the ATLAS challenge counts them, and matched one to one by overlap."""

from typing import NamedTuple

import numpy as np

from atlas_lab.files import DataError
from atlas_lab.grid import bounding_box
from atlas_lab.metrics import checked_masks, dice_from_counts, lesion_counts

__all__ = [
    "MatchedLesions", "challenge_f1", "count_difference", "matched_lesions", "volume_difference_ml", "without_small",
]

BY_CORNERS = 3  # components hang together by faces, edges and corners: 26 neighbours in 3D, 8 in 2D
HALF = 0.5      # overlap from which two lesions are taken for one: above it a match is the only one possible


def challenge_f1(pred, target) -> float:
    """Lesion-wise F1 as the ATLAS challenge scores it: 26 neighbours, one voxel is a touch, and 1 where both are empty.

    Source: isles/scoring.py of npnl/atlas2_grand_challenge at 1c46738, `compute_lesion_f1_score`. A prediction of the
    whole brain touches every lesion and scores 1. Masks bool, of equal shape. Raises DataError as `checked_masks`.
    """
    return float(dice_from_counts(*lesion_counts(pred, target, touching=BY_CORNERS), empty="one"))


def count_difference(pred, target) -> int:
    """Predicted less true number of lesions (26 neighbours). The challenge takes its absolute value."""
    pred, target = checked_masks(pred, target)
    return _components(pred)[1] - _components(target)[1]


def volume_difference_ml(pred, target, voxel_ml: float) -> float:
    """Predicted less true volume in millilitres.

    The challenge takes the absolute value; its stored scorer, unless scoring batches, subtracts the prediction from
    itself, so that its difference is always 0.
    """
    pred, target = checked_masks(pred, target)
    return float((np.count_nonzero(pred) - np.count_nonzero(target)) * voxel_ml)


class MatchedLesions(NamedTuple):
    """Lesions matched one to one.

    Attributes
    ----------
    tp, fp, fn : int
        Matched pairs, predicted lesions without a partner, true lesions without one.
    recognition : float
        F1 over lesions, 2 TP / (2 TP + FP + FN); NaN where there are none in either mask.
    segmentation : float
        Mean overlap (IoU) of the matched pairs; 0 where there are lesions and no pair, NaN where there are none.
    panoptic : float
        Recognition times segmentation: panoptic quality (Kirillov et al. 2019).
    """

    tp: int
    fp: int
    fn: int
    recognition: float
    segmentation: float
    panoptic: float


def matched_lesions(pred, target, at_least: float = HALF) -> MatchedLesions:
    """Match lesions one to one, the best overlapping pair first, and score them as panoptica does.

    A pair counts from an overlap (intersection over union) of `at_least` on. That is panoptica's
    `NaiveThresholdMatching` on `ConnectedComponentsInstanceApproximator` (Kofler et al. 2023); components by corners.

    Raises
    ------
    DataError
        As `checked_masks`, or if `at_least` is not above 0 and at most 1.
    """
    if not 0 < at_least <= 1:
        raise DataError(f"at_least is {at_least}; an overlap that makes a match is above 0 and at most 1")
    pred, target = checked_masks(pred, target)
    box = bounding_box(pred | target)
    (pred_label, n_pred), (true_label, n_true) = _components(pred[box]), _components(target[box])
    overlaps = _overlaps(pred_label, true_label, n_pred, n_true)
    matched: list[float] = []
    used: tuple[set, set] = (set(), set())
    pairs = np.argwhere(overlaps >= at_least)
    for one, other in sorted(pairs.tolist(), key=lambda pair: -overlaps[tuple(pair)]):
        if one not in used[0] and other not in used[1]:
            matched.append(float(overlaps[one, other]))
            used[0].add(one)
            used[1].add(other)
    tp, fp, fn = len(matched), n_pred - len(matched), n_true - len(matched)
    recognition = float(dice_from_counts(tp, fp, fn))
    segmentation = float(np.mean(matched)) if matched else 0.0 * recognition  # NaN stays NaN
    return MatchedLesions(tp, fp, fn, recognition, segmentation, recognition * segmentation)


def without_small(mask: np.ndarray, smallest_ml: float, voxel_ml: float) -> np.ndarray:
    """A mask without its components (26 neighbours) of less than so many millilitres."""
    labels, _ = _components(mask)
    kept = np.bincount(labels.ravel()) * voxel_ml >= smallest_ml
    return mask & kept[labels]


def _components(mask):
    """Labels from 1 on of the components that hang together by corners, and their number."""
    from scipy import ndimage

    return ndimage.label(mask, ndimage.generate_binary_structure(mask.ndim, min(BY_CORNERS, mask.ndim)))


def _overlaps(pred_label, true_label, n_pred, n_true):
    """Intersection over union of every predicted component with every true one: float64 (n_pred, n_true)."""
    both = (pred_label > 0) & (true_label > 0)
    shape = (n_pred + 1, n_true + 1)
    index = np.ravel_multi_index((pred_label[both], true_label[both]), shape)
    shared = np.bincount(index, minlength=shape[0] * shape[1]).reshape(shape)[1:, 1:]
    sizes = [np.bincount(label.ravel(), minlength=count + 1)[1:]
             for label, count in ((pred_label, n_pred), (true_label, n_true))]
    return shared / np.maximum(sizes[0][:, None] + sizes[1][None] - shared, 1)
