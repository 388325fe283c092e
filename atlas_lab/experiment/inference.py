"""A trained network on one scan of your own: turned, resampled if it must be, predicted, and put back on its grid."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from atlas_lab.config import config_from_plain, plain_settings
from atlas_lab.data.intensity import to_uint8, white_point
from atlas_lab.data.nifti import to_grid
from atlas_lab.data.scans import read_t1w
from atlas_lab.data.slicing import axial_slices, downsample, upsample
from atlas_lab.experiment.build import build_model
from atlas_lab.files import DataError, atomic_path
from atlas_lab.grid import AFFINE, is_on_grid, to_ras, voxel_ml
from atlas_lab.train import predict

NOTICE = "For teaching and research only: not for clinical use, and not to be relied on for any person."


def save_model(path, model, config):
    """Write a trained network and its config as one file of tensors and plain values, atomically."""
    state = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    contents = {"config": plain_settings(config), "input_shape": list(model.input_shape), "state": state}
    with atomic_path(path) as temporary:
        torch.save(contents, temporary)


def open_model(path):
    """A network and its RunConfig from a file of `save_model`.

    The file is read with weights_only, so that nothing in it is executed. Raises DataError if it is none.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"{path}: no such file; make one with: atlas-lab train --save-model {path.name}")
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
        config = config_from_plain(contents["config"])
        model = build_model(config, tuple(contents["input_shape"]))
        model.load_state_dict(contents["state"])
    except Exception as error:  # torch raises many kinds for a file that is no model, or another one
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(f"{path}: not a network that this lab has saved ({reason})") from error
    return model.eval(), config


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
        If the file can't be used.
    """
    own, own_affine = read_t1w(path)
    image, _ = to_grid(own, own_affine, path)
    slices = to_uint8(downsample(axial_slices(image), config.scale), white_point(image))
    probability = back_to(own.shape, own_affine, upsample(predict(model, slices), config.scale))
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
