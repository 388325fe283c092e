"""Masks drawn in the viewer: read from what the browser sent, and written on the scan's own grid."""

import numpy as np

from atlas_lab.data.nifti import GridWarning
from atlas_lab.data.turning import back_to, from_ras, ras_grid
from atlas_lab.files import DataError, atomic_path
from atlas_lab.grid import SAME, voxel_ml
from atlas_lab.widgets.volumes import unpack

__all__ = ["put_back", "read_drawing", "write_drawing"]


def read_drawing(drawings, name, shape):
    """The drawing of a name, or the last one, as bool (X, Y, Z)."""
    names = [drawing["name"] for drawing in drawings]
    if not names:
        raise DataError("no drawing has been kept yet; draw one in the viewer and press keep")
    if name is not None and name not in names:
        raise DataError(f"there is no drawing {name!r}; those kept are {', '.join(names)}")
    return unpack(drawings[names.index(name) if name is not None else -1]["data"], shape) > 0


def put_back(mask, affine, own):
    """A mask on the viewer's grid brought to the scan's own: by turning axes where that is enough, else resampled.

    Resampling changes a mask; a GridWarning then says by how much.
    """
    turned_shape, turned_affine = ras_grid(own.shape, own.affine)
    if turned_shape == mask.shape and np.allclose(turned_affine, affine, atol=SAME):
        return from_ras(mask, own.affine)
    import warnings

    moved = back_to(own.shape, own.affine, mask.astype(np.float32)) > 0.5
    before, after = mask.sum() * voxel_ml(affine), moved.sum() * voxel_ml(own.affine)
    warnings.warn(f"the drawing was made on another grid than the scan's file; resampled, its {before:.2f} ml are "
                  f"{after:.2f} ml", GridWarning, stacklevel=3)
    return moved


def write_drawing(path, mask, own):
    """Write a mask as uint8 NIfTI with the scan's own affine; returns the path."""
    import nibabel

    if not path.name.endswith((".nii", ".nii.gz")):
        raise DataError(f"{path}: the name must end in .nii or .nii.gz")
    image = nibabel.Nifti1Image(mask.astype(np.uint8), own.affine)
    image.header.set_xyzt_units("mm")
    with atomic_path(path, own.source, room=mask.size) as temporary:
        nibabel.save(image, temporary)
    return path
