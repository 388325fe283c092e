"""Controls that no network is trained for: what a split gives away, what the place gives, what a pixel's surroundings.

Each takes a store and a split, and gives masks for dev; these are scored as a network's are.
"""

from functools import partial

import numpy as np

from atlas_lab.dataset import SliceStore, scan_name
from atlas_lab.experiment.copying_machine import copied_masks
from atlas_lab.experiment.datasets import scan_rows
from atlas_lab.files import DataError
from atlas_lab.metrics import centroid_distances, confusion_counts, sums_by_subject
from atlas_lab.paper.local_classifier import best_threshold, fit_classifier
from atlas_lab.splits import Split
from atlas_lab.statistics import bootstrap_scores

__all__ = ["CONTROLS", "control_masks", "lesion_frequency", "mask_scores"]

PIXELS = 400_000  # so many pixels without lesion train the local classifier; more take long and change little
BLOCK = 2000      # slices that are scored at a time


def control_masks(control: str, store: SliceStore, split: Split) -> tuple[np.ndarray, dict]:
    """The masks that a control gives dev's slices, bool (n_dev, H, W), and what it chose on train, such as a threshold.

    Raises DataError if there is no such control, or train holds nothing to learn from.
    """
    if control not in CONTROLS:
        raise DataError(f"there is no control {control!r}; choose one of {', '.join(CONTROLS)}")
    if not store.masks[split.train].any():
        raise DataError("train has no lesion at all; take more subjects, or another seed")
    return CONTROLS[control](store, split)


def mask_scores(masks: np.ndarray, store: SliceStore, rows: np.ndarray) -> dict:
    """Scores of masks for some of a store's slices, as `final_scores` gives a network's; intervals over subjects.

    Shape: bool (N, H, W), and the N rows of the store that they are for.
    """
    counts, distances = [], []
    for start in range(0, len(rows), BLOCK):
        pred, target = masks[start : start + BLOCK], store.masks[rows[start : start + BLOCK]]
        counts.append(np.stack(confusion_counts(pred, target)[:3]))
        distances.append(centroid_distances(pred, target))
    table = store.table.iloc[rows]
    scans = scan_name(table["subject"], table["session"])
    return bootstrap_scores(
        sums_by_subject(*np.concatenate(counts, axis=1), table["subject"], scans, np.concatenate(distances)))


def _copied(store, split):
    """The masks of the most similar slices of train."""
    return copied_masks(store, split), {}


def lesion_frequency(store: SliceStore, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How often each place is lesion in some of a store's slices, and how many of them there are at its height.

    Returns
    -------
    frequency : float64 (Z, H, W)
        By z over z_step; 0 where there is no slice.
    count : int64 (Z,)
    """
    level = _levels(store)
    n_levels = level.max() + 1
    hits, count = np.zeros((n_levels, *store.shape)), np.bincount(level[rows], minlength=n_levels)
    for row in rows[store.table["lesion_pixels"].to_numpy()[rows] > 0]:
        hits[level[row]] += store.masks[row]
    return hits / np.maximum(count, 1)[:, None, None], count


def _levels(store):
    """For every slice its number within its scan."""
    return store.table["z"].to_numpy() // store.about["z_step"]


def _mapped(store, split):
    """Lesion wherever lesions of train are frequent; no picture is looked at.

    How frequent they must be is what gives train's pixels the highest Dice.
    """
    frequency, count = lesion_frequency(store, split.train)
    total = np.broadcast_to(count[:, None, None], frequency.shape)
    threshold = best_threshold(frequency.ravel(), (frequency * total).ravel(), total.ravel())
    return (frequency >= threshold)[_levels(store)[split.dev]], {"threshold": threshold}


def _classified(store, split, neighbours):
    """The masks of the local classifier."""
    in_train = np.zeros(len(store), bool)
    in_train[split.train] = True
    scans = list(scan_rows(store).values())
    without_lesion = sum(np.count_nonzero((store.images[rows] > 0) & ~store.masks[rows])
                         for rows in (rows[in_train[rows]] for rows in scans))
    share = min(1.0, PIXELS / max(1, int(without_lesion)))
    stacks = [(store.images[rows], store.masks[rows], in_train[rows]) for rows in scans]
    classifier = fit_classifier(stacks, share, neighbours)
    masks, in_dev = np.zeros((len(store), *store.shape), bool), np.isin(np.arange(len(store)), split.dev)
    for rows in scans:
        if in_dev[rows].any():
            masks[rows[in_dev[rows]]] = classifier.predict(store.images[rows], in_dev[rows])
    return masks[split.dev], {"threshold": classifier.threshold, "share_of_pixels": share}


CONTROLS = {
    "copying machine": _copied,
    "lesion map": _mapped,
    "local classifier": partial(_classified, neighbours=False),
    "local classifier, 5 slices": partial(_classified, neighbours=True),
}
