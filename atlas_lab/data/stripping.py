"""Skull stripping: which voxels of a head are brain, by deepbet (Fisch et al., Human Brain Mapping 2024)."""

import numpy as np

from atlas_lab.data.registration import NEEDS_EXTRA
from atlas_lab.files import DataError
from atlas_lab.grid import voxel_ml

__all__ = ["find_brain"]

BRAIN_ML = (600, 2200)  # what brains measure, ventricles included; beyond it something else was found


def find_brain(volume: np.ndarray, affine: np.ndarray, path: object) -> np.ndarray:
    """The brain in a T1 volume of a head, of any orientation and place: bool of the volume's shape.

    deepbet's networks come with its package and run on the processor, in a few seconds.

    Raises
    ------
    DataError
        If deepbet is missing, or what it finds is not of a brain's size.
    """
    try:
        from deepbet import BrainExtraction
    except ImportError:
        raise DataError(NEEDS_EXTRA.format(what="--strip", package="deepbet")) from None
    import nibabel

    try:
        _, mask, _ = BrainExtraction(no_gpu=True).run(nibabel.Nifti1Image(volume.astype(np.float32), affine))
    except (AssertionError, ValueError, RuntimeError) as error:  # it finds nothing to draw a box around
        raise DataError(f"{path}: deepbet found no brain in it; is it a T1-weighted head?") from error
    brain = np.asarray(mask.dataobj) > 0
    ml = brain.sum() * voxel_ml(affine)
    if not BRAIN_ML[0] <= ml <= BRAIN_ML[1]:
        raise DataError(f"{path}: deepbet found a brain of {ml:,.0f} ml, which none has; is it a T1-weighted head?")
    return brain
