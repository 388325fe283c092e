"""Volumes turned to the axes that the lab works with, to the right, the front and the top, and back to their files'."""

import numpy as np

from atlas_lab.grid import to_ras

__all__ = ["from_ras", "ras_grid"]


def ras_grid(shape: tuple[int, ...], affine: np.ndarray) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape and affine of a volume once its axes are turned to RAS, see `to_ras`."""
    turned, turned_affine = to_ras(np.empty(shape, np.bool_), affine)
    return turned.shape, turned_affine


def from_ras(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """A volume (X, Y, Z) in RAS order with the axes of a file of this affine; nothing is resampled."""
    from nibabel import orientations

    turn = orientations.ornt_transform(orientations.axcodes2ornt("RAS"), orientations.io_orientation(affine))
    return np.ascontiguousarray(orientations.apply_orientation(volume, turn))
