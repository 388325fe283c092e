"""Scores of coarse predictions on the scans' own masks, so that networks of every resolution are judged alike."""

from collections.abc import Callable

import numpy as np

from atlas_lab.data.slicing import upsample
from atlas_lab.dataset import SliceStore
from atlas_lab.files import DataError
from atlas_lab.grid import GRID
from atlas_lab.metrics import confusion_counts, sums_by_subject
from atlas_lab.statistics import bootstrap_scores

__all__ = ["fine_scores"]


def fine_scores(
    store: SliceStore, rows: np.ndarray, probability: Callable[[np.ndarray], np.ndarray],
    masks: Callable[[str], np.ndarray],
) -> dict:
    """Scores at 1 mm of predictions on a store's slices: a blurred outline costs what it costs there.

    Probabilities are enlarged bilinearly to the grid of the scans and cut at 0.5.

    Parameters
    ----------
    store : SliceStore
        With slices `scale` mm a pixel.
    rows : int array (N,)
        Which slices are scored.
    probability : callable
        Rows of the store -> float32 (n, H, W). It is asked for one scan at a time.
    masks : callable
        The name of a scan, as `store.scan_names` has it -> its mask, bool (197, 233, 189).

    Returns
    -------
    dict
        As `bootstrap_scores` gives it.

    Raises
    ------
    DataError
        If a mask lies on another grid.
    """
    rows, names, heights = np.asarray(rows), store.scan_names, store.table["z"].to_numpy()
    counts = np.empty((3, len(rows)), np.int64)
    for name in np.unique(names[rows]):
        of_scan = np.flatnonzero(names[rows] == name)
        mask = masks(name)
        if mask.shape != GRID:
            raise DataError(f"{name}: a mask of {mask.shape}, and the scans' grid is {GRID}; score on the scans' own")
        pred = upsample(probability(rows[of_scan]), store.about["scale"]) > 0.5           # (197, 233, n)
        target = mask[..., heights[rows[of_scan]]]
        counts[:, of_scan] = np.stack(confusion_counts(np.moveaxis(pred, -1, 0), np.moveaxis(target, -1, 0)))[:3]
    subjects = store.table["subject"].to_numpy(str)[rows]
    return bootstrap_scores(sums_by_subject(*counts, subjects, names[rows]))
