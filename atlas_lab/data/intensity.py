"""How T1-weighted intensities, which have no unit, become grey levels: one scale per volume."""

import numpy as np

from atlas_lab.files import DataError
from atlas_lab.grid import bounding_box


def white_point(volume):
    """The intensity that becomes white: the 99.5th percentile of the voxels above 0.

    The maximum would let a few bright vessels decide how dark the brain is. Only every 7th voxel is looked
    at; a percentile doesn't need all of 1.8 million. Raises DataError if no voxel is above 0.
    """
    positive = volume > 0
    box = bounding_box(positive)  # the air around the head needs no looking at
    values = volume[box][positive[box]]
    if not values.size:
        raise DataError("no voxel of the volume is above 0, so it has no grey scale; restore the T1 file")
    return float(np.percentile(values[::7], 99.5))


def to_uint8(values, white):
    """Spread 0 to `white` over 0 to 255, rounded; values outside are clipped. uint8 of the same shape."""
    levels = values * np.float32(255 / white)
    np.rint(levels, out=levels)  # in place: a volume of floats is large
    return np.clip(levels, 0, 255, out=levels).astype(np.uint8)
