"""A trained network on one scan of your own: put in MNI space, cut to slices, predicted, and put back on its own grid.

Each step measures what it did, and the account of a prediction says it.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from atlas_lab.data.identify import note_other_contrast
from atlas_lab.data.intensity import HEAD, to_uint8, white_point
from atlas_lab.data.masks import LARGEST_ML
from atlas_lab.data.nifti import GridWarning, ScanWarning, to_grid
from atlas_lab.data.placement import Placement, measure_placement, refuse_unless_in_mni
from atlas_lab.data.registration import register
from atlas_lab.data.scans import read_t1w
from atlas_lab.data.slicing import axial_slices, downsample, upsample
from atlas_lab.data.stripping import find_brain
from atlas_lab.data.turning import back_to, ras_grid
from atlas_lab.experiment.artifacts import scale_each_slice
from atlas_lab.experiment.inference import SavedModel, training_lines
from atlas_lab.experiment.post_processing import post_processed
from atlas_lab.experiment.prediction import predict_stack
from atlas_lab.files import DataError
from atlas_lab.grid import AFFINE, GRID, is_on_grid, voxel_ml
from atlas_lab.system.disk import one_line

__all__ = ["NOTICE", "Prediction", "predict_scan"]

NOTICE = "For teaching and research only: not for clinical use, and not to be relied on for any person."
LARGE_ML = 197  # of 1,449 masks of acute stroke (OpenNeuro ds004889), 95 in 100 have less
CHANGED = 0.1   # a share of the lesion's volume that is told when it comes or goes
CLIPPED = 0.05  # share of the head's voxels cut off as white that is told
MOVED_MM = 5.0  # a distance between scan and template that is told though it is small enough to go on
BLOCK = 4       # mm, of the blocks in which the head is told from the air


@dataclass(frozen=True)
class Prediction:
    """A scan and what a network says of it, all on the scan's own grid.

    Attributes
    ----------
    image, probability : float32 (X, Y, Z)
        The image as the network saw it: without skull if it was stripped. The probability is that after the
        network's own post-processing, see `PostProcessing`.
    mask : bool (X, Y, Z)
        Where the probability is above 0.5.
    affine : float64 (4, 4)
    account : tuple of str
        What each step did, a line each.
    """

    image: np.ndarray
    probability: np.ndarray
    mask: np.ndarray
    affine: np.ndarray
    account: tuple[str, ...] = ()

    @property
    def volume_ml(self) -> float:
        """Volume of the mask in millilitres."""
        return float(self.mask.sum() * voxel_ml(self.affine))


def predict_scan(
    saved: SavedModel, path: object, to_register: bool = False, to_strip: bool = False,
    report: Callable[[str], None] = lambda stage: None,
) -> Prediction:
    """Predict the lesion of one T1w volume, of any orientation and voxel size.

    Parameters
    ----------
    saved : as from `open_model`
    path : path of a NIfTI file
    to_register : bool
        Register the volume to the MNI152 template first; without, it must lie in MNI space.
    to_strip : bool
        Take skull and scalp away first, for a network that has seen none.
    report : callable
        Called with what is being done, in a word, as it begins.

    Raises
    ------
    DataError
        If the file can't be used, the scan doesn't lie in MNI space or can't be brought there, or the network's output
        is not finite.
    """
    account: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report("reading")
        image, affine = read_t1w(path)
        if to_strip:
            report("stripping")
            image = _stripped(image, affine, path, account)
        report("placing")
        placed, placement = _placed(image, affine, path, to_register, account)
        report("segmenting")
        on_grid, _ = to_grid(image, placed, path)
    account[:0] = filter(None, [note_other_contrast(path), *_said_of_the_file(caught)])
    if not is_on_grid(*ras_grid(image.shape, placed)):
        size = " x ".join(f"{mm:.2g}" for mm in np.linalg.norm(affine[:3, :3], axis=0))
        account.append(f"resampled from voxels of {size} mm to ATLAS's of 1 mm, and the mask back")
    found = _segment(saved, on_grid, path, account)
    probability = back_to(image.shape, placed, found)
    mask = probability > 0.5
    account += [*_volume_lines(found > 0.5, mask, affine, placed), *_training_lines(saved, placement)]
    return Prediction(image, probability, mask, affine, tuple(account))


def _said_of_the_file(caught: list[warnings.WarningMessage]) -> list[str]:
    """What is odd in the file, as the warnings of its reading say it; that it was resampled is told otherwise."""
    lines = []
    for warning in caught:
        if issubclass(warning.category, ScanWarning):
            lines += [] if issubclass(warning.category, GridWarning) else [one_line(warning.message)]
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return list(dict.fromkeys(lines))


def _stripped(image: np.ndarray, affine: np.ndarray, path: object, account: list[str]) -> np.ndarray:
    """The image with all but the brain at 0."""
    brain = find_brain(image, affine, path)
    account.append(f"skull and scalp taken away: a brain of {brain.sum() * voxel_ml(affine):,.0f} ml is left")
    return np.where(brain, image, np.float32(0))


def _placed(
    image: np.ndarray, affine: np.ndarray, path: object, to_register: bool, account: list[str]
) -> tuple[np.ndarray, Placement]:
    """The affine that takes the image's voxels to MNI mm, and how it lies there."""
    if to_register:
        placed, placement = register(image, affine, path)
        centre = np.append((np.array(image.shape) - 1) / 2, 1)
        shift = np.linalg.norm((placed @ centre - affine @ centre)[:3])
        account.append(f"registered to the MNI152 template, which moves its middle by {shift:.0f} mm: correlation with "
                       f"it {placement.correlation:.2f}, {placement.covered:.0%} of the MNI brain covered")
        return placed, placement
    placement = measure_placement(image, affine)
    refuse_unless_in_mni(placement, path)
    fit = "" if placement.moved_mm <= MOVED_MM else ": not by much, but --register would bring it nearer"
    account.append(f"in MNI space: {placement.describe()}{fit}")
    return affine, placement


def _segment(saved: SavedModel, image: np.ndarray, path: object, account: list[str]) -> np.ndarray:
    """Lesion probability on ATLAS's grid, float32, cut to the head. Raises DataError if it is not finite."""
    white = white_point(image)
    slices = to_uint8(downsample(axial_slices(image), saved.config.scale), white)
    if saved.config.scaling == "slice":  # the network has only seen slices scaled so
        slices = scale_each_slice(slices)
    if slices.shape[1:] != tuple(saved.model.input_shape):
        raise DataError(f"the network takes slices of {saved.model.input_shape}, and its scale of "
                        f"{saved.config.scale} mm gives {slices.shape[1:]}; train it anew")
    found, small_ml = post_processed(partial(predict_stack, saved.model, saved.config, slices), saved.processing,
                                     saved.config.scale**2 / 1000)
    if broken := int((~np.isfinite(found)).sum()):
        raise DataError(f"{path}: the network's output is NaN or infinite in {broken:,} of {found.size:,} pixels; "
                        "train it again, with a smaller learning_rate")
    if said := saved.processing.describe():
        account.append(said + (f": {small_ml:.2f} ml together" if saved.processing.smallest_ml else ""))
    probability = upsample(found, saved.config.scale)
    head = _head(image, white)
    clipped = float((image[head] > white).mean())
    if clipped > CLIPPED:
        account.append(f"{clipped:.0%} of the head's voxels are brighter than the network's white and were cut off")
    outside = float(((probability > 0.5) & ~head).sum()) / 1000
    if outside:
        account.append(f"{outside:.1f} ml called lesion outside of the head were cut away")
    return np.where(head, probability, np.float32(0))


def _head(image: np.ndarray, white: float) -> np.ndarray:
    """The head, or the brain if there is no more, on ATLAS's grid: bool (197, 233, 189).

    The largest piece of what is brighter than a tenth of white, its holes filled, told in blocks of 4 mm and generous
    by one of them; and the MNI152 brain, so that a cavity that is open to the air counts too.
    """
    from nilearn.datasets import load_mni152_brain_mask
    from scipy import ndimage

    count = [-(-size // BLOCK) for size in GRID]
    padded = np.pad(image, [(0, n * BLOCK - size) for n, size in zip(count, GRID, strict=True)])
    blocks = padded.reshape(count[0], BLOCK, count[1], BLOCK, count[2], BLOCK).mean(axis=(1, 3, 5)) > HEAD * white
    pieces, _ = ndimage.label(np.pad(blocks, 1))
    largest = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    head = ndimage.binary_dilation(ndimage.binary_fill_holes(largest))[1:-1, 1:-1, 1:-1]
    for axis in range(3):
        head = head.repeat(BLOCK, axis=axis)
    return head[: GRID[0], : GRID[1], : GRID[2]] | (np.asarray(load_mni152_brain_mask(resolution=1).dataobj) > 0)


def _volume_lines(on_grid: np.ndarray, mask: np.ndarray, affine: np.ndarray, placed: np.ndarray) -> list[str]:
    """How large the lesion is and on which side, before and after it went back to the scan's own grid."""
    before, after = on_grid.sum() / 1000, mask.sum() * voxel_ml(placed)  # both in MNI space
    lines = []
    if abs(after - before) > CHANGED * before:
        lines.append(f"{before:.2f} ml called lesion on ATLAS's grid, of which the scan's own, coarser or smaller, "
                     f"keeps {after:.2f} ml")
    if before and after:
        there, here = (AFFINE @ _centre(on_grid))[0], (placed @ _centre(mask))[0]
        if abs(there - here) > 2 + np.linalg.norm(affine[:3, :3], axis=0).max():
            lines.append(f"the lesion's centre lies at x = {there:.0f} mm on ATLAS's grid, at {here:.0f} on the scan's")
        side = "right" if here > 0 else "left"
        lines.append(f"the lesion's centre lies {abs(here):.0f} mm {side} of the middle, in MNI space")
    ml = mask.sum() * voxel_ml(affine)
    if ml > LARGEST_ML:
        lines.append(f"{ml:.0f} ml is implausible: the largest lesion of ATLAS R2.0 has {LARGEST_ML} ml")
    elif ml > LARGE_ML:
        lines.append(f"{ml:.0f} ml is large: 95 in 100 strokes have less than {LARGE_ML} ml")
    return lines


def _centre(mask: np.ndarray) -> np.ndarray:
    """The mean voxel of a mask, homogeneous: (4,)."""
    return np.append([axis.mean() for axis in np.nonzero(mask)], 1)


def _training_lines(saved: SavedModel, placement: Placement) -> list[str]:
    """What the network has seen, and whether the scan is like that."""
    data, lines = saved.data, training_lines(saved)
    if not data:
        return lines
    if placement.has_skull and not data["skull"]:
        lines.append("this scan shows skull and scalp, which the network has never seen; take them away with --strip")
    if data["skull"] and not placement.has_skull:
        lines.append("this scan is a brain without skull, and the network has only seen whole heads")
    return lines
