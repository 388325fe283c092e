"""A brain with its masks in three dimensions, by ipyniivue: an extra that nothing else in the lab needs."""

import gzip

import nibabel
import numpy as np

from atlas_lab.files import DataError
from atlas_lab.widgets.grey import to_grey
from atlas_lab.widgets.volumes import check_volumes, open_volumes

__all__ = ["view_3d"]

COLOURS = {"target": "warm", "predictions": "blue"}  # ipyniivue's colour maps; apart for colour-blind readers too


def view_3d(scan, target=None, prediction=None, opacity=0.5):
    """Show three planes and a rendering that turns under the mouse. Needs `pip install "atlas-lab[viewer3d]"`.

    Parameters
    ----------
    scan, target, prediction
        As in `view_slices`; probabilities are cut at 0.5.
    opacity : float
        Of the masks, from 0 to 1.

    Returns
    -------
    ipyniivue.NiiVue
        Drawn by the browser's WebGL. A saved notebook keeps no picture of it.

    Raises
    ------
    DataError
        If ipyniivue is not installed, or the volumes don't fit one another.
    """
    try:
        import ipyniivue
    except ImportError:
        raise DataError('view_3d needs ipyniivue; install it with: pip install "atlas-lab[viewer3d]"') from None
    image, target, predictions, affine = open_volumes(scan, target, prediction)
    image, target, predictions = check_volumes(image, target, predictions)
    affine = np.eye(4) if affine is None else affine
    layers = [("image", to_grey(image)[0], "gray", 1.0)]
    if target is not None:
        layers.append(("target", target, COLOURS["target"], opacity))
    layers += [(name, mask > 0.5, COLOURS["predictions"], opacity) for name, mask in predictions.items()]
    widget = ipyniivue.NiiVue(height=500, multiplanar_show_render=ipyniivue.ShowRender.ALWAYS)
    widget.load_volumes([
        {"name": f"{name}.nii.gz", "data": _nifti_bytes(volume, affine), "colormap": colours, "opacity": alpha,
         "cal_min": 0, "cal_max": 255 if volume.dtype == np.uint8 else 1}
        for name, volume, colours, alpha in layers
    ])
    widget.set_slice_type(ipyniivue.SliceType.MULTIPLANAR)
    mask = target if target is not None else next((p > 0.5 for p in predictions.values()), None)
    if mask is not None and mask.any():
        widget.scene.crosshair_pos = [(v + 0.5) / n for v, n in zip(_central_voxel(mask), mask.shape, strict=True)]
    return widget


def _central_voxel(mask):
    """A voxel (x, y, z) of the mask in its largest axial slice: where the planes open."""
    z = int(mask.sum(axis=(0, 1)).argmax())
    y = int(mask[:, :, z].sum(axis=0).argmax())
    return int(np.flatnonzero(mask[:, y, z])[mask[:, y, z].sum() // 2]), y, z


def _nifti_bytes(volume, affine):
    """A volume as the bytes of a .nii.gz file of unsigned bytes."""
    return gzip.compress(nibabel.Nifti1Image(volume.astype(np.uint8), affine).to_bytes(), 1)
