"""Cross-validation: five folds by subject, each site left out once."""

from collections.abc import Sequence

import numpy as np

from atlas_lab.config import RunConfig
from atlas_lab.dataset import SliceStore
from atlas_lab.files import DataError
from atlas_lab.splits import Split, split_slices

__all__ = ["FOLDS", "choose_split", "held_out_groups"]

FOLDS = 5


def choose_split(config: RunConfig, store: SliceStore) -> Split:
    """The split that a RunConfig asks for: `split_slices`, or its fold.

    Raises
    ------
    DataError
        If the split can't be had, or the fold is not one of by subject or by site.
    """
    if config.fold is None:
        return split_slices(store, config.split_by, config.dev_fraction, config.seed)
    if config.split_by not in ("subject", "site"):
        raise DataError(f"fold is {config.fold} with a split by {config.split_by}; folds are by subject or by site")
    label = store.table[config.split_by].to_numpy(str)
    parts = held_out_groups(label, config.split_by, config.seed)
    if not 0 <= config.fold < len(parts):
        raise DataError(f"fold is {config.fold}; by {config.split_by} there are 0 to {len(parts) - 1}")
    in_dev = np.isin(label, parts[config.fold])
    return Split(np.flatnonzero(~in_dev), np.flatnonzero(in_dev))


def held_out_groups(labels: Sequence[str], by: str, seed: int = 0) -> list[np.ndarray]:
    """Who is held out in each fold: five random parts of the subjects, or the sites one by one in order of name.

    Raises DataError if there are too few.
    """
    names = np.unique(np.asarray(labels, str))
    count = FOLDS if by == "subject" else len(names)
    if len(names) < max(count, 2):
        raise DataError(f"{len(names)} {by}s are too few for {max(count, 2)} folds")
    return np.array_split(np.random.default_rng(seed).permutation(names), count) if by == "subject" else [
        names[[index]] for index in range(count)]
