"""How a synthetic subject becomes files with the habits of a release."""

import gzip

import numpy as np

from atlas_lab.files import atomic_path
from atlas_lab.grid import GRID, bounding_box
from atlas_lab.metrics import SMALLEST_LESION_ML
from atlas_lab.phantom.lesions import left_share

__all__ = ["RAW_AXES", "mask_files_of", "measure", "split_mask", "stream_nifti", "turned", "write_nifti"]

MAX_MASKS = 4  # mask files per scan
PACKING = 2  # gzip's level: a tenth of a second less a scan than level 3, for 4 % more bytes
RAW_AXES = ("RAS", "LPI", "PIR", "LAS")  # where the axes of raw volumes point to, in turn


def turned(volume, affine, axes):
    """The same voxels at the same places with the array's axes pointing as `axes` says, and the affine for that."""
    from nibabel import orientations

    turn = orientations.ornt_transform(orientations.axcodes2ornt("RAS"), orientations.axcodes2ornt(axes))
    moved = orientations.apply_orientation(volume, turn)
    return moved, affine @ orientations.inv_ornt_aff(turn, volume.shape)


def mask_files_of(components, rng, one_mask=False):
    """Share a lesion out among files as ATLAS R1 does: yields (number in the file's name, float64 volume).

    About 45 % of scans have several masks, and a lesion voxel is 1 in some files and 255 in others. With `one_mask`,
    as in R2, there is one file, and a lesion voxel is 1.
    """
    if one_mask:
        yield "", np.any(components, axis=0) * 1.0
        return
    masks = components
    if len(masks) == 1 and rng.random() < 0.1:
        masks = split_mask(masks[0])
    elif rng.random() < 0.3:
        masks = [np.any(masks, axis=0)]
    if len(masks) > MAX_MASKS:
        masks = [*masks[: MAX_MASKS - 1], np.any(masks[MAX_MASKS - 1 :], axis=0)]
    habit = rng.choice(["one", "full", "mixed"], p=[0.55, 0.3, 0.15])
    for i, mask in enumerate(masks):
        value = {"one": 1.0, "full": 255.0, "mixed": (255.0, 1.0)[i % 2]}[habit]
        yield f"{i}_" if i else "", mask * value


def split_mask(mask):
    """Cut a mask in two at the middle of its longest axis."""
    box = bounding_box(mask)
    axis = int(np.argmax([b.stop - b.start for b in box]))
    middle = (box[axis].start + box[axis].stop) // 2
    lower = np.arange(mask.shape[axis]).reshape([-1 if a == axis else 1 for a in range(3)]) < middle
    pieces = [mask & lower, mask & ~lower]
    return pieces if all(piece.any() for piece in pieces) else [mask]


def write_nifti(path, array, affine):
    """Write one .nii.gz; the same array gives the same bytes (no time stamp)."""
    import nibabel

    volume = nibabel.Nifti1Image(array, affine)
    volume.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(volume.to_bytes(), compresslevel=3, mtime=0))


def stream_nifti(path, array, affine, dtype):
    """Write one .nii.gz of a type, slice by slice, so that a volume of floats is never whole in memory.

    The same array gives the same bytes.
    """
    import nibabel

    header = nibabel.Nifti1Image(np.broadcast_to(np.zeros((), dtype), array.shape), affine).header
    header.set_xyzt_units("mm")
    header.set_slope_inter(1, 0)
    header["vox_offset"] = 352
    with (
        atomic_path(path) as temporary, open(temporary, "wb") as file,
        gzip.GzipFile("", "wb", compresslevel=PACKING, fileobj=file, mtime=0) as packed,
    ):
        packed.write(header.binaryblock + bytes(4))
        empty = bytes(array[:, :, 0].size * np.dtype(dtype).itemsize)
        for z in range(array.shape[2]):
            layer = array[:, :, z]
            packed.write(layer.astype(dtype).tobytes("F") if layer.any() else empty)


def measure(components, box):
    """What became of the aim: volume in ml, number of components of at least 0.1 ml, share left."""
    ml = [float(mask.sum()) / 1000 for mask in components]
    left = left_share(components, GRID[0] // 2 - box[0].start)
    count = sum(v >= SMALLEST_LESION_ML for v in ml)
    return {"volume_ml": round(sum(ml), 3), "components": count, "left": round(left, 3)}
