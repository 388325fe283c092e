"""How T1-weighted intensities, which have no unit, become grey levels: one scale per volume, with the air at 0."""

import warnings

import numpy as np

from atlas_lab.data.nifti import ScanWarning
from atlas_lab.files import DataError
from atlas_lab.grid import bounding_box

__all__ = ["HEAD", "IntensityWarning", "from_zero", "to_uint8", "white_point"]

STEP = 4           # every 4th voxel along each axis: enough to tell what the intensities mean
NOTABLE = 0.02     # share of the range of intensities; nearer to the air is interpolation's ripples
FEW, MOST = 0.1, 0.8   # of the notable voxels: fewer darker than the air are ripples, more are an inverted image
AIR = 0.15         # share of the range up to which the air of an ordinary scan glows
HEAD = 0.1         # of white: brighter voxels are head
EXACT = 0.005      # the same for a background that has one value
GAP = 0.6          # share of the range; no tissue of an ordinary T1 scan is so bright at its darkest
INT16 = 32_000     # near both ends of 16 bits: what is above them went round to the other


class IntensityWarning(ScanWarning):
    """Intensities did not start at 0 and were shifted, so that the picture is that of an ordinary scan."""


def from_zero(volume: np.ndarray, path: object) -> np.ndarray:
    """A T1 volume with its air at 0 and its tissue above; an ordinary one is returned as it is.

    Networks have only seen such scans, and `white_point` and `to_uint8` take 0 for black. A z-scored or offset scan
    looks the same once its background is moved to 0; where the z-scoring left the background alone, in the middle of
    the tissue or far below it, the darkest tissue is moved to 0 and the background too. An IntensityWarning says so.

    Parameters
    ----------
    volume : array (X, Y, Z), finite
    path : where it comes from, for messages

    Raises
    ------
    DataError
        If the air is brighter than the head, or as bright as the middle of it and not of one value, or if intensities
        overflowed: no such scan can be brought back.
    """
    air, noise = _background(volume)
    differences = volume[::STEP, ::STEP, ::STEP].astype(np.float64) - air
    span = float(np.percentile(np.abs(differences), 99.5))
    notable = max(NOTABLE * span, 6 * noise)
    darker, brighter = (differences < -notable).sum(), (differences > notable).sum()
    if not span or not darker + brighter:
        return volume
    share = darker / (darker + brighter)
    if share < FEW:
        lowest = air + float(np.percentile(differences[differences > notable], 0.01))
        if not noise and GAP * span < lowest - air < span:
            _warn(path, f"its background is {air:.4g} and its darkest tissue {lowest:.4g} (filled, or shifted within "
                        f"the brain); tissue shifted by {-lowest:.4g}, so that the darkest is black")
            return _above(volume, air, lowest)
        if abs(air) <= (AIR if noise else EXACT) * span:
            return volume
        lowest = air + float(np.percentile(differences, 0.01)) if noise else air
        _warn(path, f"its background is {air:.4g}, not 0 (z-scored or offset); intensities shifted by {-lowest:.4g}")
        return np.float32(volume) - np.float32(lowest)
    if share > MOST:
        raise DataError(f"{path}: its background ({air:.4g}) is brighter than {share:.0%} of the head, as in an "
                        "inverted image or none of T1; give the T1 volume itself")
    if noise:
        raise DataError(f"{path}: {share:.0%} of the head is darker than the air around it, which is noise (as in a "
                        "ratio image): strip the skull, or use the image that it was made from")
    if volume.min() < -INT16 and volume.max() > INT16 and np.array_equal(differences, np.rint(differences)):
        raise DataError(f"{path}: {share:.0%} of its voxels are negative and reach both ends of 16 bits: brighter ones "
                        "overflowed; convert it anew from its source, as uint16 or float32")
    lowest = air + float(np.percentile(differences[differences != 0], 0.01))
    _warn(path, f"{share:.0%} of its tissue lies below the background, which is {air:.4g} (z-scored within the brain); "
                f"tissue shifted by {-lowest:.4g}, so that the darkest is black")
    return _above(volume, air, lowest)


def _above(volume: np.ndarray, air: float, lowest: float) -> np.ndarray:
    """A volume less its lowest tissue, its background, which has one value, at 0."""
    return np.where(volume == air, 0, np.float32(volume) - np.float32(lowest)).astype(np.float32)


def _warn(path: object, text: str) -> None:
    warnings.warn(f"{path}: {text}", IntensityWarning, stacklevel=4)


def _background(volume: np.ndarray) -> tuple[float, float]:
    """The intensity of the air, as most of the volume's six faces show it, and its spread: 0 if it has one value."""
    thin = slice(None, None, STEP)
    faces = [volume[i, thin, thin] for i in (0, -1)] + [volume[thin, i, thin] for i in (0, -1)]
    faces += [volume[thin, thin, i] for i in (0, -1)]
    air = sorted(float(np.percentile(face, 50, method="lower")) for face in faces)[2]
    every = np.concatenate([face.ravel() for face in faces])
    return air, float(np.median(np.abs(every - air)))  # median: necks and noses lie at faces too


def white_point(volume: np.ndarray) -> float:
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


def to_uint8(values: np.ndarray, white: float) -> np.ndarray:
    """Spread 0 to `white` over 0 to 255, rounded; values outside are clipped. uint8 of the same shape."""
    levels = values * np.float32(255 / white)
    np.rint(levels, out=levels)  # in place: a volume of floats is large
    return np.clip(levels, 0, 255, out=levels).astype(np.uint8)
