"""The masks of a scan: whose they are, and their values looked at before they are believed."""

import re
import warnings
from collections.abc import Iterable

import numpy as np

from atlas_lab.data.layouts import LAYOUTS
from atlas_lab.data.nifti import ScanWarning, read_volume, refuse_not_finite
from atlas_lab.data.search import stem_of
from atlas_lab.files import DataError
from atlas_lab.grid import SAME, voxel_ml

__all__ = ["LARGEST_ML", "combine_masks", "find_lesion", "read_masks"]

BEFORE_KIND = re.compile(r"_(?=t1w|space-|desc-)", re.IGNORECASE)  # ends the part of a name that says whose file it is

NEAR = 0.01           # values this near to 1 or 255, as a share, are 1 or 255: ATLAS R1.1 has both, with rounding
FAINT = 0.05          # of the top value: an interpolated mask ripples below it
HALF_BRAIN_ML = 940   # the MNI152 brain has 1,883 ml
LARGEST_ML = 497      # the largest lesion of ATLAS R2.0 (Liew et al. 2022)
MOST_LABELS = 50      # a map of labels has no more; an image has thousands of values


def read_masks(scan, shape, affine, image=None, account=None):
    """The OR of a scan's masks on the grid of its T1, which is given. Raises DataError if there is no lesion.

    The T1's voxels tell a mask that is the T1 itself; an account gets the volume of each file. A ScanWarning names an
    empty file among several.
    """
    _refuse_files_of_others(scan)
    if scan.healthy:
        return np.zeros(shape, bool)
    if not scan.masks:
        raise DataError(f"{scan.name}: no lesion mask beside {scan.t1w}; add it or exclude the scan by its name")
    mask, empty = None, []
    for path in scan.masks:
        lesion = _read_mask(path, shape, affine, image, scan.label)
        voxels = np.count_nonzero(lesion)
        if not voxels:
            empty.append(path.name)
        if account is not None:
            account.files_ml[path.name] = voxels * voxel_ml(affine)
        mask = combine_masks([lesion] if mask is None else [mask, lesion])
    if not mask.any():
        found = ", ".join(path.name for path in scan.masks)
        raise DataError(
            f"{scan.name}: no lesion voxel in {found} in {scan.t1w.parent}; every scan of the release has a lesion: "
            "restore the mask or exclude the scan by its name"
        )
    if empty:
        warnings.warn(f"{scan.name}: no lesion voxel in {', '.join(empty)}, beside {len(scan.masks) - len(empty)} mask "
                      "files with some; a lesion may be lost: compare it with the release", ScanWarning, stacklevel=3)
    return mask


def _refuse_files_of_others(scan):
    """Raise DataError if the T1 bears another subject's or session's name than its folder, or a mask than the T1."""
    folders = LAYOUTS[scan.release].owner.format(subject=scan.subject, session=scan.session)
    own = BEFORE_KIND.split(stem_of(scan.t1w.name) or scan.t1w.name)[0]
    for path, owner in ((scan.t1w, folders), *((mask, own) for mask in scan.masks)):
        if not path.name.lower().startswith(f"{owner.lower()}_"):
            raise DataError(f"{scan.name}: {path} is named as another subject's or session's file than {owner}; put it "
                            "where it belongs or rename it")


def _read_mask(path, shape, affine, image=None, label=None):
    """One mask file as bool, checked to lie on the grid of its T1 volume. Raises DataError if it doesn't."""
    mask, mask_affine = read_volume(path)
    if mask.shape != shape:
        raise DataError(f"{path}: the mask has shape {mask.shape} and its T1 {shape}; they must be equal")
    if not np.allclose(mask_affine, affine, atol=SAME):
        raise DataError(f"{path}: the mask's affine differs from its T1's by more than {SAME}; expected the same grid")
    sparse = (slice(None, None, 16),) * 3  # enough to see that it is another volume
    if image is not None and np.array_equal(mask[sparse], image[sparse]) and np.array_equal(mask, image):
        raise DataError(f"{path}: the mask is the T1 itself, voxel by voxel; restore the mask that was drawn on it")
    return find_lesion(mask, str(path), voxel_ml(affine), label)


def combine_masks(masks: Iterable[np.ndarray]) -> np.ndarray:
    """OR of lesion masks of one scan: an iterable of equal-shaped arrays, lesion > 0 -> one bool array.

    Raises DataError if the shapes differ.
    """
    combined = None
    for mask in masks:
        mask = np.asarray(mask)
        lesion = mask if mask.dtype == bool else mask > 0
        if combined is not None and lesion.shape != combined.shape:
            raise DataError(f"masks of one scan have shapes {combined.shape} and {lesion.shape}; they must be equal")
        combined = lesion if combined is None else combined | lesion
    return combined


def find_lesion(values: np.ndarray, name: str, unit_ml: float | None = None, label: float | None = None) -> np.ndarray:
    """The lesion voxels of a mask, after a look at its values.

    A mask of 0 and about 1, or 0 and about 255, or both, is lesion where it is above 0, as in ATLAS. A mask that was
    interpolated is lesion above half of its top value, and a ScanWarning says so, as it does for a single other value.

    Parameters
    ----------
    values : array
        Finite numbers, or bool.
    name : str
        What the mask is called in messages: its path, say.
    unit_ml : float, optional
        Volume of a voxel; without it a mask isn't measured.
    label : number, optional
        Take voxels of this value alone: for maps of several labels.

    Returns
    -------
    bool array of that shape, which may be empty

    Raises
    ------
    DataError
        If the values are those of no mask (negative, inverted, an image), are several labels of which none was
        chosen, or cover more than half of a brain.
    """
    values = np.asarray(values)
    if label is not None:
        refuse_not_finite(values, name)
        lesion = _choose_label(values, name, label)
        _refuse_too_large(np.count_nonzero(lesion), unit_ml, name)
        _note_filled(lesion, unit_ml, name)
        return lesion
    # One look at every voxel; as a rule the rest can be asked of the few that are marked.
    lesion = values if values.dtype == bool else values != 0
    if values.dtype != bool and not _is_usual(_where(values, lesion)):
        lesion, low = values > 0, float(values.min())
        inside = _where(values, lesion)
        if not (low >= -NEAR and _is_usual(inside)):  # nor is it if a voxel is NaN or infinite
            refuse_not_finite(values, name)
            lesion = _unusual_lesion(values, inside, low, name, unit_ml)
    _refuse_too_large(np.count_nonzero(lesion), unit_ml, name)
    _note_filled(lesion, unit_ml, name)
    return lesion


def _where(values, marked):
    """The values of marked voxels, in the order in which they lie in memory: looking for them is far faster so."""
    order = "F" if values.flags.f_contiguous else "C"
    return values.ravel(order)[np.flatnonzero(marked.ravel(order))]


def _is_usual(inside):
    """True if values are all about 1 or about 255."""
    return bool(((np.abs(inside - 1.0) <= NEAR) | (np.abs(inside - 255.0) <= 255 * NEAR)).all())


def _choose_label(values, name, label):
    """The voxels of one label. Raises DataError if there are none."""
    lesion = np.abs(values.astype(np.float32, copy=False) - np.float32(label)) < 0.5
    if not lesion.any():
        raise DataError(f"{name}: no voxel has the label {label:g}; its values are {_some(np.unique(values))}")
    return lesion


def _refuse_negative(low, top, name):
    """Raise DataError if a mask goes further below 0 than the ripples of an interpolation do."""
    if low < -0.25 * max(top, NEAR):
        raise DataError(f"{name}: its values go from {low:.4g} to {top:.4g}; a mask has 0 outside of the lesion and 1 "
                        "inside: make one of it, as by fslmaths IN -thr T -bin OUT")


def _refuse_too_large(n_voxels, unit_ml, name):
    """Raise DataError if that many voxels are more than half of a brain; warn if no known lesion is as large."""
    ml = 0 if unit_ml is None else n_voxels * unit_ml
    if ml > HALF_BRAIN_ML:
        raise DataError(f"{name}: it covers {ml:.0f} ml, over half of a brain; it is inverted, or the mask of a brain, "
                        "or an image: a mask has 1 in the lesion and 0 elsewhere")
    if ml > LARGEST_ML:
        warnings.warn(f"{name}: it covers {ml:.0f} ml; ATLAS's largest lesion has {LARGEST_ML} ml", ScanWarning,
                      stacklevel=4)


def _note_filled(lesion, unit_ml, name):
    """Warn of a lesion that fills more than half of a volume whose voxels' size isn't known."""
    if unit_ml is None and lesion.ndim == 3 and 2 * (n_voxels := np.count_nonzero(lesion)) > lesion.size:
        warnings.warn(f"{name}: it fills {n_voxels / lesion.size:.0%} of its volume; if it is inverted, give mask == 0",
                      ScanWarning, stacklevel=4)


def _unusual_lesion(values, inside, low, name, unit_ml):
    """The lesion of a mask whose values are others than 0, 1 and 255; what was made of them is warned of."""
    top = float(inside.max(initial=0))
    _refuse_negative(low, top, name)
    if not inside.size:
        return values > 0
    levels = np.unique(inside)
    if len(levels) == 1:
        warnings.warn(f"{name}: its lesion has the value {top:.4g}, not 1 or 255; taken as lesion", ScanWarning,
                      stacklevel=4)
        return values > 0
    if len(levels) <= MOST_LABELS and np.array_equal(levels, np.rint(levels)):
        ml = "" if unit_ml is None else " with " + ", ".join(
            f"{np.count_nonzero(inside == level) * unit_ml:.4g}" for level in levels[:8]) + " ml"
        raise DataError(f"{name}: it holds the labels {_some(levels)}{ml}; choose the lesion's, as in find_scans(root, "
                        f"label={levels[-1]:g}), or write it as a mask of 0 and 1")
    _refuse_too_large(np.count_nonzero(inside > FAINT * top), unit_ml, name)
    full = 1.0 if top <= 1.5 else 255.0 if 128 <= top <= 383 else None
    if full is None:
        raise DataError(f"{name}: it holds {len(levels)} values up to {top:.4g}; that is an image, and a mask of 0 "
                        "and 1 was expected")
    inside = inside[inside > FAINT * full]  # less the ripples
    between = np.mean(inside < (1 - FAINT) * full)
    found = (f"was interpolated: {between:.0%} of its voxels have values between 0 and {full:g}" if between else
             f"has values up to {FAINT:.0%} of {full:g} beside 0")
    lost = _lost_at_half(values, full, unit_ml) if between else ""
    warnings.warn(f"{name}: the mask {found}; taken as lesion above {full / 2:g}{lost}", ScanWarning, stacklevel=4)
    return values > full / 2


def _lost_at_half(values, full, unit_ml):
    """What an interpolated mask loses, or gains, where it is cut at half of its top: its ml, and whole pieces."""
    from scipy import ndimage

    # A voxel that is lesion in part counts as that part: interpolation keeps this sum, less its ripples.
    whole, kept = np.clip(values, 0, full).sum(dtype=np.float64) / full, np.count_nonzero(values > full / 2)
    pieces, count = ndimage.label(values > FAINT * full, np.ones((3, 3, 3)))
    n_gone = count - len(np.unique(pieces[values > full / 2]))
    volumes = "" if unit_ml is None else f": of {whole * unit_ml:.4g} ml by its values, {kept * unit_ml:.4g} ml"
    return volumes + (f"; {n_gone} of {count} pieces are lost whole" if n_gone else "")


def _some(levels):
    """The first values of a list as text."""
    text = ", ".join(f"{level:g}" for level in levels[:8])
    return text if len(levels) <= 8 else f"{text} and {len(levels) - 8} more"
