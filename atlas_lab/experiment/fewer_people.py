"""Fewer people than the data have: what a learning curve is drawn against."""

from dataclasses import replace

import numpy as np

from atlas_lab.dataset import SliceStore
from atlas_lab.files import DataError
from atlas_lab.provenance import RunStream

__all__ = ["some_people"]


def some_people(store: SliceStore, count: int | None, seed: int = 0) -> SliceStore:
    """The slices of so many people, drawn with a seed; the store itself for None.

    Of one seed, whoever is drawn among few is drawn among more too. The table keeps the rows' numbers in its index.
    Raises DataError if there are fewer people.
    """
    if count is None:
        return store
    subjects = store.table["subject"].to_numpy(str)
    people = np.unique(subjects)
    if count > len(people):
        raise DataError(f"people is {count}, and the data have {len(people)}; it must be at most that, or none")
    drawn = np.random.default_rng([seed, RunStream.PEOPLE]).permutation(people)[:count]
    rows = np.flatnonzero(np.isin(subjects, drawn))
    about = store.about | {"n_scans": len(np.unique(store.scan_names[rows]))}
    return replace(store, images=store.images[rows], masks=store.masks[rows],
                   table=store.table.iloc[rows], about=about)
