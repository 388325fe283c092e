"""Whole scans of grey noise with a dark box each, in memory, with the attributes of a SliceStore."""

import numpy as np
import pandas

from atlas_lab.dataset import SliceStore
from atlas_lab.nets.volume import scan_slices

__all__ = ["Z_STEP", "store_of"]

Z_STEP = 21  # nine slices of a scan's 189


def store_of(n_subjects=6, z_step=Z_STEP):
    """Scans of grey noise with a dark box; the slices' first pixel says scan and height; rows in disorder."""
    rng, depth = np.random.default_rng(0), scan_slices(z_step)
    n = n_subjects * depth
    images, masks = rng.integers(100, 140, (n, 16, 16), dtype=np.uint8), np.zeros((n, 16, 16), bool)
    height, scan = np.arange(n) % depth, np.arange(n) // depth
    for index in range(n_subjects):
        y, x = rng.integers(2, 9, 2)
        inside = (scan == index) & (height >= 3) & (height < 6)
        masks[inside, y : y + 5, x : x + 5] = True
    images[masks] = 20
    images[:, 0, 0] = 10 * scan + height
    order = rng.permutation(n)
    images, masks, height, scan = images[order], masks[order], height[order], scan[order]
    table = pandas.DataFrame({
        "subject": [f"{number:06d}" for number in scan], "session": "t01",
        "site": [f"Site{1 + number // 2}" for number in scan], "z": height * z_step,
        "lesion_pixels": masks.sum(axis=(1, 2)),
    })
    about = {"source": "boxes", "n_scans": n_subjects, "scale": 4, "z_step": z_step, "data_hash": "4567"}
    return SliceStore(None, images, masks, table, about)
