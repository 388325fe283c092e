"""Scores of coarse predictions on finer masks, so that networks of every resolution are judged alike."""

from collections.abc import Callable

import numpy as np

from atlas_lab.data.slicing import axial_slices, downsample, upsample
from atlas_lab.dataset import SliceStore
from atlas_lab.files import DataError
from atlas_lab.metrics import confusion_counts, sums_by_subject
from atlas_lab.statistics import bootstrap_scores

__all__ = ["fine_scores"]


def fine_scores(
    store: SliceStore, rows: np.ndarray, probability: Callable[[np.ndarray], np.ndarray], fine: SliceStore,
) -> dict:
    """Scores at 1 mm of predictions on a store's slices: a blurred outline costs what it costs there.

    Probabilities are enlarged bilinearly to pixels of 1 mm and cut at 0.5.

    Parameters
    ----------
    store : SliceStore
        With slices `scale` mm a pixel.
    rows : int array (N,)
        Which slices are scored.
    probability : callable
        Rows of the store -> float32 (n, H, W). It is asked for one scan at a time.
    fine : SliceStore
        The same slices at 1 mm, whose masks are scored on.

    Returns
    -------
    dict
        As `bootstrap_scores` gives it.

    Raises
    ------
    DataError
        If one of the slices isn't there at 1 mm.
    """
    if fine.about["scale"] != 1:
        raise DataError(f"{fine.folder}: slices of {fine.about['scale']} mm a pixel; scores at 1 mm take those of 1")
    rows, names = np.asarray(rows), store.scan_names
    keys = list(zip(names[rows], store.table["z"].to_numpy()[rows], strict=True))
    place = {key: row for row, key in enumerate(zip(fine.scan_names, fine.table["z"], strict=True))}
    if missing := [key for key in keys if key not in place]:
        raise DataError(f"{fine.folder}: no slice {missing[0][1]} of {missing[0][0]}, which is to be scored; make it "
                        "of the same scans, with z_step 1")
    fine_rows, counts = np.array([place[key] for key in keys]), np.empty((3, len(rows)), np.int64)
    for name in np.unique(names[rows]):
        of_scan = np.flatnonzero(names[rows] == name)
        large = upsample(probability(rows[of_scan]), store.about["scale"])               # (197, 233, n)
        pred = downsample(axial_slices(large), 1) > 0.5                                  # (n, 232, 196), as the masks
        counts[:, of_scan] = np.stack(confusion_counts(pred, np.asarray(fine.masks[fine_rows[of_scan]], bool)))[:3]
    subjects = store.table["subject"].to_numpy(str)[rows]
    return bootstrap_scores(sums_by_subject(*counts, subjects, names[rows]))
