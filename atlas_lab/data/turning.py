"""Volumes turned to the axes that the lab works with, to the right, the front and the top, and back to their files'."""

import warnings

import numpy as np

from atlas_lab.grid import AFFINE, is_on_grid, to_ras

__all__ = ["back_to", "from_ras", "ras_grid"]


def ras_grid(shape: tuple[int, ...], affine: np.ndarray) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape and affine of a volume once its axes are turned to RAS, see `to_ras`."""
    turned, turned_affine = to_ras(np.empty(shape, np.bool_), affine)
    return turned.shape, turned_affine


def from_ras(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """A volume (X, Y, Z) in RAS order with the axes of a file of this affine; nothing is resampled."""
    from nibabel import orientations

    turn = orientations.ornt_transform(orientations.axcodes2ornt("RAS"), orientations.io_orientation(affine))
    return np.ascontiguousarray(orientations.apply_orientation(volume, turn))


def back_to(shape: tuple[int, ...], affine: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """A volume on ATLAS's grid brought to another grid: by turning axes alone where that is enough."""
    from nibabel import Nifti1Image
    from nilearn.image import resample_img

    if is_on_grid(*ras_grid(shape, affine)):
        return from_ras(volume, affine)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Resampling binary images")  # probabilities of 0 and 1 alone are fine
        moved = resample_img(
            Nifti1Image(volume, AFFINE), target_affine=affine, target_shape=shape, interpolation="linear",
            copy_header=True, force_resample=True,
        )
    return np.asarray(moved.dataobj, dtype=np.float32)
