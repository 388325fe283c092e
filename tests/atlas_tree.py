"""Small files in the layout of ATLAS R1.1, for tests: heads of noise with boxes for lesions."""

import nibabel
import numpy as np

from atlas_lab.grid import AFFINE, GRID

__all__ = ["AFFINE", "box_mask", "head", "save", "write_scan"]


def save(path, array, affine=AFFINE):
    """Write an array as NIfTI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


def head(subject):
    """A T1 volume that differs from subject to subject: a bright box with a gradient, noise and dark lesion."""
    rng = np.random.default_rng(subject)
    volume = np.zeros(GRID, np.float32)
    inside = volume[40:160, 50:180, 40:140]
    inside[:] = 40 + np.linspace(0, 40, inside.shape[0])[:, None, None] + rng.integers(0, 8, inside.shape)
    return volume


def box_mask(corner, size=(12, 14, 10), value=1.0):
    """A lesion: a box of `value` in a float64 volume of zeros, as R1.1 stores masks."""
    mask = np.zeros(GRID)
    mask[tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))] = value
    return mask


def write_scan(root, site, subject, session="t01", masks=None, image=None):
    """Write one scan of R1.1; by default with one lesion of value 1 whose place depends on the subject."""
    folder = root / "ATLAS_R1.1" / site / subject / session
    number = int(subject)
    image = head(number) if image is None else image
    masks = [box_mask((60 + number % 50, 80 + number % 40, 60 + number % 30))] if masks is None else masks
    for i, mask in enumerate(masks):
        save(folder / f"{subject}_LesionSmooth_{f'{i}_' if i else ''}stx.nii.gz", mask)
    return save(folder / f"{subject}_t1w_deface_stx.nii.gz", image)
