"""All scores of one scan, of people, and of groups of them: by lesion size, territory, site."""

from collections.abc import Callable, Sequence

import numpy as np

from atlas_lab.metrics import dice_from_counts
from atlas_lab.scoring.lesions import challenge_f1, count_difference, matched_lesions, volume_difference_ml
from atlas_lab.scoring.surfaces import surface_scores

__all__ = ["SIZES_ML", "by_group", "by_subject", "score_scan", "size_group"]

SIZES_ML = (1.0, 5.0, 20.0)  # borders between tiny, small, middling and large; ATLAS R2.0's median is 5


def score_scan(pred, target, spacing: Sequence[float]) -> dict[str, float]:
    """Every score of a predicted mask against the true one, each as its own function has it.

    Parameters
    ----------
    pred, target : bool arrays of equal shape, 3D
    spacing : sequence of float
        Side of a voxel along each axis, mm.

    Returns
    -------
    dict
        true_ml, pred_ml; dice (1 where both are empty, as the challenge has it), lesion_f1, count_difference and
        volume_difference_ml (see `scoring.lesions`), recognition, segmentation and panoptic (`matched_lesions`), hd95,
        assd and surface_dice (`surface_scores`).

    Raises
    ------
    DataError
        If the shapes differ, a mask is not boolean, or the spacing does not fit.
    """
    surfaces = surface_scores(pred, target, spacing)._asdict()
    pred, target, voxel_ml = np.asarray(pred), np.asarray(target), float(np.prod(spacing)) / 1000
    n_pred, n_true, tp = (int(np.count_nonzero(mask)) for mask in (pred, target, pred & target))
    matched = matched_lesions(pred, target)
    return {
        "true_ml": n_true * voxel_ml, "pred_ml": n_pred * voxel_ml,
        "dice": float(dice_from_counts(tp, n_pred - tp, n_true - tp, empty="one")),
        "lesion_f1": challenge_f1(pred, target), "count_difference": float(count_difference(pred, target)),
        "volume_difference_ml": volume_difference_ml(pred, target, voxel_ml),
        "recognition": matched.recognition, "segmentation": matched.segmentation, "panoptic": matched.panoptic,
        **surfaces,
    }


def by_subject(scans: Sequence[dict], score: str) -> dict[str, float]:
    """A score of each person: the mean over its scans, in order of name. Each of `scans` has "subject" and the score.

    NaNs are left out; of a person with nothing else it is NaN.
    """
    values: dict[str, list[float]] = {}
    for scan in scans:
        values.setdefault(scan["subject"], []).append(scan[score])
    kept = {name: [value for value in values[name] if not np.isnan(value)] for name in sorted(values)}
    return {name: float(np.mean(numbers)) if numbers else float("nan") for name, numbers in kept.items()}


def size_group(scan: dict) -> str:
    """The size of a scan's lesion in words, by its volume."""
    borders = (0.0, *SIZES_ML)
    if scan["true_ml"] == 0:
        return "none"
    index = int(np.searchsorted(borders, scan["true_ml"], side="left")) - 1
    if index == len(SIZES_ML):
        return f"over {borders[index]:g} ml"
    return f"{borders[index]:g} to {borders[index + 1]:g} ml"


def by_group(scans: Sequence[dict], score: str, group: Callable[[dict], str]) -> dict[str, dict[str, float]]:
    """A score of each person, `by_subject`, within each group of scans: group -> subject -> score.

    `group` says what group a scan is of: `size_group`, or a look-up such as `lambda scan: scan["site"]`.
    """
    parts: dict[str, list[dict]] = {}
    for scan in scans:
        parts.setdefault(group(scan), []).append(scan)
    return {name: by_subject(parts[name], score) for name in sorted(parts)}
