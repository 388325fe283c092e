"""Volumes as the viewer takes them: opened together, checked, packed for the browser, with where to open."""

import os
import warnings
import zlib
from typing import NamedTuple

import numpy as np

from atlas_lab.data.door import (
    affine_of_image,
    as_array,
    file_of_image,
    open_together,
    open_volume,
    source_of_image,
)
from atlas_lab.data.nifti import ScanWarning, read_header
from atlas_lab.data.scans import Scan
from atlas_lab.data.turning import ras_grid
from atlas_lab.data.whose import source_of_file
from atlas_lab.files import DataError
from atlas_lab.grid import SAME, to_ras, voxel_ml
from atlas_lab.plots.overlay import ERROR_COLOURS, PREDICTION_COLOUR, TARGET_COLOUR, label_colours
from atlas_lab.widgets.grey import to_grey

__all__ = [
    "OwnGrid", "Volumes", "check_volumes", "describe_volumes", "open_labels", "open_volumes", "own_grid",
    "to_levels", "unpack", "unpack_grey",
]


class OwnGrid(NamedTuple):
    """How a scan is stored: shape and affine float64 (4, 4); whose data it and what lies on it are, and their files."""

    shape: tuple
    affine: np.ndarray | None
    source: str
    files: tuple[str, ...] = ()


class Volumes(NamedTuple):
    """What one viewer shows: arrays (X, Y, Z) that lie on one another, RAS where `affine` is known.

    `predictions` are bool or float32 from 0 to 1 by name; `labels` uint8 or None, `label_names` their names from 1 on.
    """

    image: np.ndarray
    target: np.ndarray | None
    predictions: dict
    affine: np.ndarray | None
    labels: np.ndarray | None = None
    label_names: tuple = ()
    own: OwnGrid | None = None


def open_volumes(scan, target=None, prediction=None):
    """Image, target (or None), predictions by name and affine (or None) of what `view_slices` is given."""
    if not isinstance(prediction, dict):
        prediction = {} if prediction is None else {"prediction": prediction}
    return open_together(scan, target, prediction)


def own_grid(scan, *shown):
    """The OwnGrid of what `view_slices` is given as an image; `shown` is what lies on it: masks, or dicts of them.

    A patient's mask on a synthetic scan makes a patient's picture of both.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScanWarning)  # said already when the volume was read
        if isinstance(scan, Scan | str | os.PathLike):
            header = read_header(scan.t1w if isinstance(scan, Scan) else os.path.expanduser(scan))
            shape, affine = tuple(header.shape[:3]), header.affine
        else:
            shape = tuple(getattr(scan, "shape", ()))[:3]
            affine = affine_of_image(scan, shape, "image")
    things = [thing for part in shown for thing in (part.values() if isinstance(part, dict) else [part])]
    files = [file for thing in things if (file := file_of_image(thing))]
    sources = [source_of_image(scan), *map(source_of_file, files)]
    source = next((source for source in sources if not source.startswith("synthetic")), sources[0])
    files += filter(None, [file_of_image(scan), *map(str, scan.masks if isinstance(scan, Scan) else ())])
    return OwnGrid(shape, affine, source, tuple(files))


def open_labels(labels, names, image, affine, own):
    """A label map on an image's grid, as uint8, and names from label 1 on ("" for those that don't occur).

    Parameters
    ----------
    labels : path, nibabel image, tensor or array
        Whole numbers 0 to 255; an array has the axes of the image's file.
    names : dict or None
        Label -> name.
    image, affine, own : as opened
    """
    voxels, found = open_volume(labels, "labels")
    given = found if found is not None else own.affine if affine is not None else None
    if given is not None:
        voxels, turned = to_ras(voxels, given)
        if found is not None and affine is not None and not np.allclose(turned, affine, atol=SAME):
            raise DataError("the labels lie on another grid than the image; resample them: "
                            'nilearn.image.resample_to_img(..., interpolation="nearest")')
    if voxels.shape != image.shape:
        raise DataError(f"the labels have shape {voxels.shape} and the image {image.shape}; they must be equal")
    whole = np.rint(as_array(voxels, "labels"))
    if not (np.array_equal(whole, voxels) and whole.min() >= 0 and whole.max() <= 255):
        raise DataError(f"the labels go from {voxels.min():g} to {voxels.max():g}; expected whole numbers, 0 to 255")
    whole = whole.astype(np.uint8)
    there = set(np.flatnonzero(np.bincount(whole.ravel(), minlength=256)[1:]) + 1)
    called = _names_by_number(names)
    last = max(there, default=0)
    return whole, tuple(str(called.get(k, f"label {k}")) if k in there else "" for k in range(1, last + 1))


def _names_by_number(names):
    """Label -> name, of labels as numbers or, as JSON has them, as text. Raises DataError for what is no such dict."""
    try:
        return {int(label): name for label, name in (names or {}).items()}
    except (AttributeError, TypeError, ValueError):
        raise DataError(f"label_names is {names!r}; expected a dict from labels to names, as in "
                        '{1: "lacune", 2: "infarct"}') from None


def check_volumes(image, target, predictions):
    """Image, target and predictions as arrays that fit one another; see `view_slices` for what is refused."""
    if image.dtype.kind == "f" and not (is_finite := np.isfinite(image)).all():
        if not is_finite.any():
            raise DataError("the image has no finite voxel; there is nothing to show")
        warnings.warn(f"{np.count_nonzero(~is_finite):,} voxels of the image are NaN or infinite, and shown black",
                      ScanWarning, stacklevel=4)
        image = np.where(is_finite, image, min(0, image[is_finite].min()))
    if image.min() == image.max():
        raise DataError(f"every voxel of the image is {float(image.flat[0]):g}; there is nothing to show")
    for name, mask in [("target", target), *predictions.items()]:
        if mask is not None and mask.shape != image.shape:
            raise DataError(f"the {name} has shape {mask.shape} and the image {image.shape}; they must be equal")
    return image, target, predictions


def _pack(volume):
    """A uint8 volume as zlib-compressed bytes, x fastest, as volume.js reads it; none for None."""
    return b"" if volume is None else zlib.compress(volume.tobytes(order="F"), 1)


def unpack(data, shape):
    """The volume that was packed, uint8; None for none."""
    return np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape, order="F") if data else None


def _pack_grey(grey):
    """Grey levels packed as differences, modulo 256, from the slice below: of a whole head a sixth fewer bytes."""
    steps = grey.copy()
    steps[..., 1:] -= grey[..., :-1]
    return _pack(steps)


def unpack_grey(data, shape):
    """The grey levels that were packed as differences from slice to slice, uint8."""
    return np.cumsum(unpack(data, shape), axis=2, dtype=np.uint8)


def to_levels(prediction):
    """A mask as 0 and 255, a probability as 0 to 255: uint8."""
    if prediction.dtype == bool:
        return prediction.astype(np.uint8) * 255
    levels = np.clip(prediction, 0, 1, dtype=np.float32, casting="unsafe")
    levels *= 255
    return np.rint(levels, out=levels).astype(np.uint8)


def describe_volumes(volumes, zoom):
    """Grey levels of the image, and all that viewer.js needs by name: plain values and bytes."""
    grey, black, white = to_grey(volumes.image)
    target, predictions, affine = volumes.target, volumes.predictions, volumes.affine
    opening = opening_voxel(volumes)
    affine = None if affine is None else np.asarray(affine, float)
    return grey, {
        "shape": list(grey.shape), "image": _pack_grey(grey), "target": _pack(target),
        "labels": _pack(volumes.labels), "label_names": list(volumes.label_names),
        "predictions": [_pack(to_levels(prediction)) for prediction in predictions.values()],
        "names": [str(name) for name in predictions], "has_target": target is not None,
        "probabilities": [p.dtype != bool for p in predictions.values()],
        "affine": [] if affine is None else affine.ravel().tolist(),
        "voxel_ml": 0.001 if affine is None else voxel_ml(affine), "own_grid": _describe_grid(volumes),
        "black": black, "white": white, "window": [black, white], "frame_zoom": float(zoom), "zoom": float(zoom),
        "position": opening, "plane": 0, "index": opening[2], "thresholds": [0.5] * len(predictions),
        "colours": {
            "target": TARGET_COLOUR, "prediction": PREDICTION_COLOUR, **ERROR_COLOURS,
            "labels": label_colours(len(volumes.label_names)),
        },
    }


def opening_voxel(volumes):
    """A lesion voxel of the axial slice with most lesion, near the lesion's middle in it; else the volume's middle."""
    mask = volumes.target if volumes.target is not None else next(iter(volumes.predictions.values()), None)
    if mask is None:
        return [size // 2 for size in volumes.image.shape]
    mask = mask if mask.dtype == bool else mask > 0.5
    z = int(mask.sum(axis=(0, 1)).argmax())
    inside = np.argwhere(mask[:, :, z])
    if not len(inside):
        return [mask.shape[0] // 2, mask.shape[1] // 2, z]
    nearest = ((inside - inside.mean(axis=0)) ** 2).sum(axis=1).argmin()
    return [*inside[nearest].tolist(), z]


def _describe_grid(volumes):
    """For each axis of the scan's file: the axis here, and whether it runs the other way; {} if it was resampled."""
    own = volumes.own
    if own is None or own.affine is None or volumes.affine is None:
        return {}
    from nibabel.orientations import io_orientation

    shape, affine = ras_grid(own.shape, own.affine)
    if shape != volumes.image.shape or not np.allclose(affine, volumes.affine, atol=SAME):
        return {}
    turn = io_orientation(own.affine)
    return {"shape": list(own.shape), "affine": own.affine.ravel().tolist(),
            "axes": turn[:, 0].astype(int).tolist(), "flips": (turn[:, 1] < 0).tolist()}
