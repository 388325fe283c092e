"""A trained network on one scan of your own: turned, resampled if it must be, predicted, and put back on its grid."""

from dataclasses import dataclass

import numpy as np

from atlas_lab.data.intensity import to_uint8, white_point
from atlas_lab.data.nifti import to_grid
from atlas_lab.data.scans import read_t1w
from atlas_lab.data.slicing import axial_slices, downsample, upsample
from atlas_lab.experiment.artifacts import scale_each_slice
from atlas_lab.files import DataError
from atlas_lab.grid import AFFINE, is_on_grid, to_ras, voxel_ml
from atlas_lab.train import predict

__all__ = ["NOTICE", "Prediction", "predict_scan"]

NOTICE = "For teaching and research only: not for clinical use, and not to be relied on for any person."


@dataclass(frozen=True)
class Prediction:
    """A scan and what a network says of it, all on the scan's own grid.

    Attributes
    ----------
    image, probability : float32 (X, Y, Z)
    mask : bool (X, Y, Z)
        Where the probability is above 0.5.
    affine : float64 (4, 4)
    volume_ml : float
        Of the mask.
    """

    image: np.ndarray
    probability: np.ndarray
    mask: np.ndarray
    affine: np.ndarray

    @property
    def volume_ml(self):
        """Volume of the mask in millilitres."""
        return float(self.mask.sum() * voxel_ml(self.affine))


def predict_scan(model, config, path):
    """Predict the lesion of one T1w volume in MNI space, of any orientation and voxel size.

    Parameters
    ----------
    model, config : as from `open_model`
    path : path of a NIfTI file

    Returns
    -------
    Prediction

    Raises
    ------
    DataError
        If the file can't be used, or the network's output is not finite.
    """
    own, own_affine = read_t1w(path)
    image, _ = to_grid(own, own_affine, path)
    slices = to_uint8(downsample(axial_slices(image), config.scale), white_point(image))
    if config.scaling == "slice":  # the network has only seen slices scaled so
        slices = scale_each_slice(slices)
    found = predict(model, slices)
    if broken := int((~np.isfinite(found)).sum()):
        raise DataError(f"{path}: the network's output is NaN or infinite in {broken:,} of {found.size:,} pixels")
    probability = back_to(own.shape, own_affine, upsample(found, config.scale))
    return Prediction(own, probability, probability > 0.5, own_affine)


def back_to(shape, affine, volume):
    """A volume on ATLAS's grid brought to another grid: by turning axes alone where that is enough."""
    from nibabel import Nifti1Image, orientations
    from nilearn.image import resample_img

    turned = to_ras(np.empty(shape, np.bool_), affine)
    if is_on_grid(turned[0].shape, turned[1]):
        ras = orientations.axcodes2ornt("RAS")
        turn = orientations.ornt_transform(ras, orientations.io_orientation(affine))
        return np.ascontiguousarray(orientations.apply_orientation(volume, turn))
    moved = resample_img(
        Nifti1Image(volume, AFFINE), target_affine=affine, target_shape=shape, interpolation="linear",
        copy_header=True, force_resample=True,
    )
    return np.asarray(moved.dataobj, dtype=np.float32)
