"""The door for volumes: a scan, path, nibabel image, tensor or array becomes voxels that lie with their image."""

import os
import warnings
import zlib
from typing import NamedTuple

import numpy as np

from atlas_lab.data.header import read_affine, refuse_affine
from atlas_lab.data.masks import find_lesion
from atlas_lab.data.nifti import ScanWarning, read_header, read_volume, to_grid
from atlas_lab.data.scans import Scan, load_scan, source_of
from atlas_lab.data.stream import Unfit
from atlas_lab.data.turning import ras_grid
from atlas_lab.data.whose import source_of_file
from atlas_lab.files import DataError
from atlas_lab.grid import SAME, to_ras, voxel_ml

__all__ = [
    "Opened", "affine_of_image", "as_array", "as_mask", "as_prediction", "file_of_image", "open_together",
    "open_volume", "refuse_nan", "source_of_image",
]

NEAR = 0.01  # a probability that a resampling took this far below 0 or above 1 still is one


class Opened(NamedTuple):
    """Volumes that lie on one another, turned to RAS where their axes are known.

    `image` is an array (X, Y, Z), `target` bool or None, `predictions` bool or float32 from 0 to 1 by name, `affine`
    float64 (4, 4) to mm, or None for arrays that nothing said it of.
    """

    image: np.ndarray
    target: np.ndarray | None
    predictions: dict
    affine: np.ndarray | None


def open_together(image: object, target: object = None, predictions: dict | None = None) -> Opened:
    """An image with the masks on it, each a Scan (the image), path, nibabel image, tensor or array.

    Files and nibabel images are turned to RAS, each by its own affine, and must lie on one grid. An array beside one
    of them has that file's own axes, as nibabel gives them, and is turned with it. Beside a Scan, arrays have the axes
    of `load_scan`, and files are brought to its grid. Arrays alone are taken as RAS.

    Parameters
    ----------
    image, target
        The target may be None; that of a Scan is then its own lesion mask.
    predictions : dict by name, optional

    Returns
    -------
    Opened

    Raises
    ------
    DataError
        If one can't be read, is no volume, doesn't lie on the image, or is neither a mask nor a probability.
    """
    masks = ({} if target is None else {None: target}) | (predictions or {})
    if isinstance(image, Scan):
        loaded = load_scan(image)
        opened = {name: _beside_scan(mask, name, image, loaded) for name, mask in masks.items()}
        return Opened(loaded.image, opened.pop(None, loaded.mask), opened, loaded.affine)
    voxels, affine = open_volume(image, "image")
    pairs = {name: open_volume(mask, _called(name)) for name, mask in masks.items()}
    known = [mask_affine for _, mask_affine in pairs.values() if mask_affine is not None]
    affine = known[0] if affine is None and known else affine  # an array beside a mask's file has that file's axes
    turned = {name: _lay_beside(mask, own, _called(name), voxels.shape, affine) for name, (mask, own) in pairs.items()}
    if affine is not None:
        voxels, affine = to_ras(voxels, affine)
    values = {name: _read_values(mask, name, affine) for name, mask in turned.items()}
    return Opened(voxels, values.pop(None, None), values, affine)


def open_volume(thing: object, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Voxels, as they are stored, and affine, or None, of a path, nibabel image, tensor or array.

    Axes of one voxel beyond the third are dropped: batch, channel or time. Raises DataError for all else.
    """
    if isinstance(thing, str | os.PathLike):
        return read_volume(os.path.expanduser(thing))
    array = as_array(getattr(thing, "dataobj", thing), name)
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 3 or 0 in array.shape:
        raise DataError(f"the {name} has shape {array.shape}; a volume has three axes: X, Y, Z")
    return array, affine_of_image(thing, array.shape, name)


def affine_of_image(image: object, shape: tuple[int, ...], name: str) -> np.ndarray | None:
    """The affine to mm of a nibabel image of this shape, as that of its file is read; None of what has none.

    Raises DataError if it doesn't say where the volume lies.
    """
    affine, header = getattr(image, "affine", None), getattr(image, "header", None)
    if affine is None:
        return None
    try:
        if hasattr(header, "get_sform"):  # a NIfTI image: as its file is read
            affine, notes = read_affine(header, shape)
            for text in notes:
                warnings.warn(f"the {name}: {text}", ScanWarning, stacklevel=5)
        else:
            affine = as_array(affine, f"{name}'s affine").astype(float)
            refuse_affine(affine, shape)
    except Unfit as error:
        raise DataError(f"the {name}: {error}") from None
    return affine


def source_of_image(thing: object) -> str:
    """Whose data an image shows, as the write gate asks: a Scan's, a file's, or, of an array, perhaps a patient's."""
    if isinstance(thing, Scan):
        return source_of([thing])
    path = file_of_image(thing)
    return source_of_file(path) if path else "an array that may be a patient's scan"


def file_of_image(thing: object) -> str | None:
    """The path of the file that an image was read from: of a Scan its T1's; None of what lies in memory alone."""
    if isinstance(thing, Scan):
        return str(thing.t1w)
    path = thing if isinstance(thing, str | os.PathLike) else getattr(thing, "get_filename", lambda: None)()
    return os.path.expanduser(path) if path else None


def as_array(thing: object, name: str) -> np.ndarray:
    """A numpy array of numbers of an array, list or tensor, wherever it is and whatever hangs on it.

    Raises DataError for what is none.
    """
    if hasattr(thing, "detach"):  # a tensor: off its graph and its device; numpy has no bfloat16
        thing = thing.detach().cpu()
        thing = thing.float() if "bfloat16" in str(thing.dtype) else thing
        thing = thing.numpy()
    try:
        array = thing.filled(0) if isinstance(thing, np.ma.MaskedArray) else np.asarray(thing)
    except (ValueError, OSError, EOFError, zlib.error) as error:  # unequal lists; nibabel reads its file only now
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"the {name} can't be read as an array ({reason}); expected a volume X, Y, Z") from None
    if array.dtype.kind not in "biuf":
        raise DataError(f"the {name} is of type {type(thing).__name__}; pass a path, nibabel image, tensor or array "
                        "of numbers (X, Y, Z)")
    return array


def _lay_beside(mask, own_affine, name, shape, affine):
    """A mask turned to RAS by its own affine, or else by the image's, whose stored shape and affine are given."""
    if own_affine is None:
        if mask.shape != shape:
            raise DataError(f"the {name} has shape {mask.shape} and the image {shape}; they must be equal: an array "
                            "has the axes of its image's file")
        return mask if affine is None else to_ras(mask, affine)[0]
    turned, found = to_ras(mask, own_affine)
    expected_shape, expected = ras_grid(shape, affine)
    if turned.shape != expected_shape:
        raise DataError(f"the {name} has shape {mask.shape} and the image {shape}; they must be equal")
    if not np.allclose(found, expected, atol=SAME):
        raise DataError(f"the {name} lies on another grid than the image, up to "
                        f"{np.abs(found - expected).max():.3g} apart in their affines; resample it: "
                        "nilearn.image.resample_to_img")
    return turned


def _beside_scan(mask, name, scan, loaded):
    """A mask on a loaded scan's grid: files are brought to it, arrays must have its shape."""
    voxels, affine = open_volume(mask, _called(name))
    if affine is not None:
        values = _read_values(voxels, name, affine)
        moved, _ = to_grid(values, affine, f"the {_called(name)}")
        return moved if moved.dtype == bool else np.clip(moved, 0, 1)
    if voxels.shape != loaded.mask.shape:
        raise DataError(f"the {_called(name)} has shape {voxels.shape} and the scan's image, as load_scan gives it, "
                        f"{loaded.mask.shape}; they must be equal")
    stored = read_header(scan.t1w).affine[:3, :3]
    if not (np.diag(stored) > 0).all():
        warnings.warn(f"the {_called(name)} is taken to have load_scan's axes, which are not those of {scan.t1w.name}; "
                      "pass its path, or a nibabel image, if it has the file's", ScanWarning, stacklevel=5)
    return _read_values(voxels, name, loaded.affine)


def _called(name):
    """What a mask is called in messages; the target has no name of its own."""
    return "target" if name is None else name


def _read_values(values, name, affine):
    """The target (named None) as bool, a prediction as bool or float32 probabilities. Raises DataError for others."""
    if name is not None:
        return as_prediction(values, name)
    refuse_nan(values, "target")
    return find_lesion(values, "the target", None if affine is None else voxel_ml(affine))


def refuse_nan(values: np.ndarray, name: str) -> None:
    """Raise DataError if an array holds NaN or infinite numbers."""
    n_bad = int(values.size - np.isfinite(values).sum())
    if n_bad:
        raise DataError(f"the {name} holds NaN or infinite voxels: {n_bad}")


def as_prediction(thing: object, name: str) -> np.ndarray:
    """A prediction, an array, list or tensor of any shape, as bool, or as float32 probabilities.

    Raises DataError if it is neither a mask of 0 and 1, or of 0 and 255, nor probabilities from 0 to 1.
    """
    values = as_array(thing, name)
    if values.dtype == bool or not values.size:
        return values.astype(bool, copy=False)
    refuse_nan(values, name)
    low, high = values.min(), values.max()
    if low == 0 and high >= 1 and ((values == 0) | (values == high)).all():
        return values > 0  # a mask of 0 and 1, or of 0 and 255
    if low >= -NEAR and high <= 1 + NEAR:
        return np.clip(values, 0, 1).astype(np.float32) if high > 0 else values > 0
    remedy = "of labels pass one, as labels == 1" if _is_whole(values) else "to logits apply a sigmoid"
    raise DataError(f"the {name} goes from {low:.4g} to {high:.4g}; expected a mask of 0 and 1, or probabilities from "
                    f"0 to 1: {remedy}")


def as_mask(thing: object, name: str) -> np.ndarray:
    """A mask of 0 and 1, or of 0 and 255, an array, list or tensor of any shape, as bool.

    Raises DataError for all else, such as probabilities, which have no edge until somebody chose a threshold.
    """
    values = as_array(thing, name)
    if values.dtype == bool:
        return values
    marked = values != 0
    inside = values[marked]
    if (inside == 1).all() or (inside == 255).all():
        return marked
    refuse_nan(values, name)
    low, high = values.min(), values.max()
    remedy = ("cut probabilities at a threshold, as probabilities > 0.5" if low >= -NEAR and high <= 1 + NEAR else
              "of labels pass one, as labels == 1" if _is_whole(values) else
              "to logits apply a sigmoid, then cut at a threshold, as probabilities > 0.5")
    raise DataError(f"the {name} goes from {low:.4g} to {high:.4g}; expected a mask of 0 and 1: {remedy}")


def _is_whole(values):
    """True if all values are whole numbers."""
    return values.dtype.kind in "iu" or np.array_equal(values, np.rint(values))
