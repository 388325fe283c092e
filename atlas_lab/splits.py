"""Train and dev: what is kept together, how much of dev has been seen all the same, and masks of other people."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atlas_lab.config import SPLITS
from atlas_lab.dataset import SliceStore
from atlas_lab.files import DataError
from atlas_lab.provenance import RunStream

__all__ = ["BLOCK_MM", "Split", "neighbour_exposure", "seen_in_train", "split_slices"]

BLOCK_MM = 30  # thickness of a block of slices: six or seven to a head


class Split(NamedTuple):
    """Row numbers of a store, ascending: train and dev, int64 arrays without a common element."""

    train: np.ndarray
    dev: np.ndarray


def split_slices(store: SliceStore, by: str = "slice", dev_fraction: float = 0.3, seed: int = 0) -> Split:
    """Divide a store into train and dev at random.

    Parameters
    ----------
    store : SliceStore
    by : {"slice", "block", "scan", "subject", "site", "both"}
        What is kept together. "slice" is the paper's: neighbouring slices of one brain land on both sides,
        so dev looks like train (claim C13). "block" keeps together what lies within BLOCK_MM of one scan, so that only
        slices at a block's ends have a neighbour on the other side, but every person is on both. "subject" keeps all
        scans of a person together. "both" makes one half of dev from whole subjects and the other from single slices
        of the other subjects: one network can then be asked about people it has seen and people it has not.
    dev_fraction : float
        Share of the groups that go to dev, rounded; at least one group goes to each side.
    seed : int

    Raises
    ------
    DataError
        If `by` is unknown, `dev_fraction` is no share, or there is only one group.
    """
    if by not in SPLITS:
        raise DataError(f"split_by is {by!r}; choose one of {', '.join(SPLITS)}")
    if not 0 < dev_fraction < 1:
        raise DataError(f"dev_fraction is {dev_fraction}; expected a share of the groups, above 0 and below 1")
    if by == "both":
        return _split_both_ways(store, dev_fraction, seed)
    label = _labels(store, by)
    groups, group = np.unique(label, return_inverse=True)
    if len(groups) < 2:
        raise DataError(f"can't split by {by}: all {len(store)} slices are of one {by} ({groups[0]})")
    n_dev = min(max(1, round(dev_fraction * len(groups))), len(groups) - 1)
    chosen = np.random.default_rng(seed).permutation(len(groups))[:n_dev]
    in_dev = np.isin(group, chosen)
    return Split(np.flatnonzero(~in_dev), np.flatnonzero(in_dev))


def _labels(store, by):
    """For each slice, the name of what it is kept together with."""
    if by == "slice":
        return np.arange(len(store))
    if by == "block":
        blocks = (store.table["z"] // BLOCK_MM).astype(str)
        return np.char.add(np.char.add(store.scan_names, " "), blocks.to_numpy(str))
    return store.scan_names if by == "scan" else store.table[by].to_numpy(str)


def _split_both_ways(store, dev_fraction, seed):
    """Hold out whole subjects for half of dev, and single slices of the other subjects for the other half."""
    train, unseen = split_slices(store, "subject", dev_fraction / 2, seed)
    rng = np.random.default_rng([seed, RunStream.SLICES_OF_KNOWN_PEOPLE])
    chosen = rng.permutation(len(train))[: round(len(store) * dev_fraction / 2)]
    seen = np.zeros(len(train), dtype=bool)
    seen[chosen] = True
    return Split(train[~seen], np.sort(np.concatenate([train[seen], unseen])))


def neighbour_exposure(store: SliceStore, split: Split) -> float:
    """Share of dev's slices of which a neighbour, the next slice of the same scan up or down, is in train."""
    step = store.about["z_step"]
    keys = list(zip(store.scan_names, store.table["z"], strict=True))
    trained = {keys[row] for row in split.train}
    near = [any((scan, z + d) in trained for d in (-step, step)) for scan, z in (keys[row] for row in split.dev)]
    return float(np.mean(near))


def seen_in_train(subjects: Sequence, split: Split) -> np.ndarray:
    """Which of dev's slices are of a subject that train has slices of: bool, in dev's order; a subject for each row."""
    subjects = np.asarray(subjects)
    return np.isin(subjects[split.dev], subjects[split.train])
