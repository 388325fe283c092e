"""NIfTI files as arrays, whatever is wrong with them: read whole, checked, turned to RAS, brought to ATLAS's grid."""

import gzip
import warnings
import zlib
from pathlib import Path

import numpy as np

from atlas_lab.fast.memory import keep_freed_memory
from atlas_lab.files import DataError
from atlas_lab.grid import AFFINE, GRID, is_on_grid, to_ras

try:
    from isal.isal_zlib import decompress  # the same results in 0.6 of the time, where there is a build of it
except ImportError:
    from zlib import decompress


LARGEST = 2**31  # bytes of a volume, unpacked; ATLAS's largest have 70 MB


class GridWarning(UserWarning):
    """A volume was not on ATLAS's grid and was resampled."""


def unpack(path):
    """The bytes of a file, gunzipped if they are gzip, with gzip's checksum verified.

    nibabel by itself stops reading where the voxels end and so never meets the checksum: a flipped bit would pass.
    One call into memory of the right size is faster than Python's gzip, which works in small steps.
    """
    keep_freed_memory()  # the next file of a cohort needs as much
    data = Path(path).read_bytes()
    if not data.startswith(b"\x1f\x8b"):
        return data
    size = int.from_bytes(data[-4:], "little")  # gzip's last word: the size of the contents, if there is one member
    if size > LARGEST:
        raise ValueError(f"its contents are said to have {size // 2**20} MiB; no scan of ATLAS is so large")
    contents = decompress(data, zlib.MAX_WBITS | 16, size or zlib.DEF_BUF_SIZE)
    return contents if len(contents) == size else gzip.decompress(data)


def read_image(path, header_only=False):
    """A NIfTI file as a nibabel image with a sane header. Raises DataError if it is missing or damaged."""
    import nibabel

    try:
        if header_only:
            image = nibabel.load(path)
        else:
            data = unpack(path)
            is_nifti2 = 540 in (int.from_bytes(data[:4], order) for order in ("little", "big"))  # its header's size
            image = (nibabel.Nifti2Image if is_nifti2 else nibabel.Nifti1Image).from_bytes(data)
        refuse_odd_header(image)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except Exception as error:  # a damaged header or stream makes nibabel, zlib and numpy raise errors of many kinds
        raise unreadable(path, error) from error
    return image


def refuse_odd_header(image):
    """Raise ValueError for a header that no T1 volume or mask has."""
    if len(image.shape) != 3 or min(image.shape) < 2:
        raise ValueError(f"its shape is {image.shape}; expected three dimensions")
    if image.get_data_dtype().kind not in "iuf":
        raise ValueError(f"its voxels are of type {image.get_data_dtype()}; expected numbers")
    if not np.isfinite(image.affine).all() or not 1e-3 < abs(np.linalg.det(image.affine[:3, :3])) < 1e3:
        raise ValueError("its affine is not that of voxels between 0.1 and 10 mm")


def read_volume(path):
    """One NIfTI file as its array, perhaps read-only, and its affine. Raises DataError if missing or damaged."""
    image = read_image(path)
    try:
        voxels = image.dataobj
        if voxels.slope == 1 and voxels.inter == 0:  # the bytes as they are: nibabel would copy them twice
            data = voxels.file_like.getvalue()
            flat = np.frombuffer(data, voxels.dtype, int(np.prod(image.shape)), voxels.offset)
            return flat.reshape(image.shape, order="F"), image.affine
        with np.errstate(all="ignore"):
            return np.asanyarray(voxels), image.affine
    except Exception as error:  # as above; most often the file ends before its voxels do
        raise unreadable(path, error) from error


def unreadable(path, error):
    """The DataError for a file that is damaged."""
    reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    return DataError(
        f"{path}: can't be read as NIfTI ({reason}); the file is damaged or incomplete: copy or unpack it again"
    )


def to_grid(volume, affine, path):
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
    image = Nifti1Image(volume.astype(np.uint8 if is_mask else np.float32), affine)
    moved = resample_img(
        image, target_affine=AFFINE, target_shape=GRID, interpolation="nearest" if is_mask else "continuous",
        copy_header=True, force_resample=True,
    )
    found = np.asarray(moved.dataobj)
    return (found > 0 if is_mask else found.astype(np.float32)), AFFINE.copy()


def write_volume(path, volume, affine):
    """Write a NIfTI file, atomically."""
    import nibabel

    from atlas_lab.files import atomic_path

    image = nibabel.Nifti1Image(volume, affine)
    image.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        nibabel.save(image, temporary)
