"""NIfTI files as arrays, whatever is wrong with them: read whole, checked, brought to ATLAS's grid; and written."""

import warnings
from pathlib import Path

import numpy as np

from atlas_lab.data.header import Header, parse_header
from atlas_lab.data.identify import name_contents, refuse_path
from atlas_lab.data.stream import Unfit, read_contents, read_head, unreadable
from atlas_lab.files import DataError
from atlas_lab.grid import AFFINE, GRID, is_on_grid, to_ras

__all__ = [
    "GridWarning", "ScanWarning", "identify", "read_header", "read_volume", "refuse_not_finite", "to_grid",
]

SLAB = 2**22  # voxels that are scaled at a time
MARGIN = 16   # voxels; a cubic spline's reach falls to a ten-millionth there


class ScanWarning(UserWarning):
    """A file is odd and was used nevertheless; the text names the file, what is odd and how it was taken."""


class GridWarning(ScanWarning):
    """A volume was not on ATLAS's grid and was resampled."""


def identify(path: str | Path) -> str:
    """The name of what lies at a path: "NIfTI", or another kind in words. Opens nothing but regular files.

    Parameters
    ----------
    path : path

    Returns
    -------
    str
        "NIfTI" if the path is a regular file whose contents, packed by gzip or not, begin as NIfTI does, whatever
        its name; else what it is and the remedy, as `read_volume` says it.
    """
    try:
        refuse_path(path)
        problem = name_contents(read_head(path), path)
    except DataError as error:
        return str(error).removeprefix(f"{path}: ")
    return problem or "NIfTI"


def read_header(path: str | Path) -> Header:
    """What the header of a NIfTI file says, without its voxels: a `Header`. Raises DataError as `read_volume`."""
    try:
        return _note(_checked_header(read_head(path), path), path)
    except Unfit as error:
        raise unreadable(path, error) from None


def read_volume(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """One NIfTI file, packed by gzip or not, whatever its name: its voxels and their affine to mm.

    Parameters
    ----------
    path : path

    Returns
    -------
    voxels : array (X, Y, Z)
        As stored, or float32 where the header scales them.
    affine : float64 (4, 4)

    Raises
    ------
    DataError
        In one line with the remedy: if the path is no file, if the file is damaged or of another format, or if its
        header doesn't say how its voxels lie. Odd and usable headers give a ScanWarning.
    """
    found = []

    def size_of(head):
        found.append(_checked_header(head, path))
        return found[0].size

    contents = read_contents(path, size_of)
    header = _note(found[0], path)
    voxels = np.frombuffer(contents, header.dtype, int(np.prod(header.shape)), header.offset)
    return _scale_values(voxels, header.slope, header.inter).reshape(header.shape, order="F"), header.affine


def _checked_header(head, path):
    """The Header in a file's first bytes. Raises Unfit for another format, Damage for a broken header."""
    if problem := name_contents(head, path):
        raise Unfit(problem)
    return parse_header(head)


def _note(header, path):
    """Warn of what is odd in a header, and give it back."""
    for text in header.notes:
        warnings.warn(f"{path}: {text}", ScanWarning, stacklevel=3)
    return header


def _scale_values(values, slope, inter):
    """values * slope + inter, computed as nibabel does and kept as float32; as they are for 1 and 0."""
    if slope == 1 and inter == 0:
        return values
    from nibabel.volumeutils import apply_read_scaling

    scaled = np.empty(values.shape, np.float32)
    with np.errstate(all="ignore"):  # what overflows is found by the test for infinite voxels
        for start in range(0, values.size, SLAB):
            part = slice(start, start + SLAB)
            scaled[part] = apply_read_scaling(values[part], np.float64(slope), np.float64(inter))
    return scaled


def refuse_not_finite(volume: np.ndarray, path: object) -> None:
    """Raise DataError if a volume holds NaN or infinite voxels."""
    # A sum is finite only if all its terms are, and far cheaper than looking at each voxel. If it is not, look.
    with np.errstate(over="ignore", invalid="ignore"):
        suspicious = not np.isfinite(volume.sum())
    bad = int(volume.size - np.isfinite(volume).sum()) if suspicious else 0
    if bad:
        raise DataError(f"{path}: {bad} voxels are NaN or infinite; restore the file or exclude the scan by its name")


def to_grid(volume: np.ndarray, affine: np.ndarray, path: object) -> tuple[np.ndarray, np.ndarray]:
    """Bring a volume to ATLAS's grid, resampling only where it has to; a bool volume stays bool.

    A volume off the grid is resampled by its affine (nilearn), which does not register it: a scan that is not in MNI
    space already will not lie there afterwards. A GridWarning says so.
    """
    volume, affine = to_ras(volume, affine)
    if is_on_grid(volume.shape, affine):
        return volume, affine
    from nibabel import Nifti1Image
    from nilearn.image import resample_img

    size = " x ".join(f"{mm:.2g}" for mm in np.linalg.norm(affine[:3, :3], axis=0))
    warnings.warn(
        f"{path}: {volume.shape} voxels of {size} mm, resampled to ATLAS's grid by its affine; it was not registered",
        GridWarning, stacklevel=2,
    )
    is_mask = volume.dtype == bool
    part, part_affine = _crop_to_grid(volume, affine)
    found = np.zeros(GRID, np.float32)
    if part.size:
        image = Nifti1Image(part.astype(np.uint8 if is_mask else np.float32), part_affine)
        moved = resample_img(
            image, target_affine=AFFINE, target_shape=GRID, interpolation="nearest" if is_mask else "continuous",
            copy_header=True, force_resample=True,
        )
        found = np.asarray(moved.dataobj, dtype=np.float32)
    found = found > 0 if is_mask else found
    if not (found > 0).any() and (volume > 0).any():
        raise DataError(f"{path}: nothing of it lies on ATLAS's grid once resampled by its affine; it is not in MNI "
                        "space, or its voxels are too small to hit: register it")
    return found, AFFINE.copy()


def _crop_to_grid(volume, affine):
    """The box of a volume that ATLAS's grid lies in, with a margin for interpolation, and its affine; perhaps empty.

    What lies outside is never looked at, and interpolating it could take gigabytes.
    """
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(GRID) - 1)
    to_voxels = np.linalg.inv(affine) @ AFFINE
    places = corners @ to_voxels[:3, :3].T + to_voxels[:3, 3]
    first = np.clip(np.floor(places.min(axis=0)) - MARGIN, 0, volume.shape).astype(int)
    end = np.clip(np.ceil(places.max(axis=0)) + MARGIN + 1, 0, volume.shape).astype(int)
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ first
    return volume[tuple(slice(a, b) for a, b in zip(first, end, strict=True))], moved
