"""The control in which each scan has another person's masks."""

from dataclasses import replace

import numpy as np

from atlas_lab.files import DataError
from atlas_lab.provenance import RunStream

__all__ = ["permute_masks"]


def permute_masks(store, seed=0):
    """The same images with the masks of other people: what can be learnt about lesions is gone.

    Dice on dev then measures memory alone (the random-label test of Yagis et al., Scientific Reports 2021, for
    masks). Scans are put in a random order, a subject's side by side, and each gets the masks of the scan half the
    cohort further on.
    """
    names, subjects = store.scan_names, store.table["subject"].to_numpy(str)
    scans, first, scan = np.unique(names, return_index=True, return_inverse=True)
    people, rng = np.unique(subjects), np.random.default_rng([seed, RunStream.PERMUTED_MASKS])
    rank = dict(zip(people, rng.permutation(len(people)), strict=True))
    order = sorted(range(len(scans)), key=lambda i: (rank[subjects[first[i]]], scans[i]))
    donor = np.empty(len(scans), dtype=int)
    donor[order] = np.roll(order, -(len(order) // 2))
    rows = [np.flatnonzero(scan == i) for i in range(len(scans))]
    if len({len(part) for part in rows}) > 1 or any(subjects[first[i]] == subjects[first[donor[i]]] for i in order):
        raise DataError("masks can't be swapped: it takes scans of equally many slices, of at least four subjects")
    masks = np.empty_like(store.masks)
    for i, part in enumerate(rows):
        masks[part] = store.masks[rows[donor[i]]]
    table = store.table.assign(lesion_pixels=masks.sum(axis=(1, 2)))
    return replace(store, masks=masks, table=table)
