"""The MNI152 brain as a T1 scan, at known places, for tests of what looks for it."""

from functools import lru_cache

import numpy as np
import torch

from atlas_lab.data.slicing import axial_slices, downsample


@lru_cache(maxsize=2)
def brain(mm=2):
    """The template as a T1 volume, white matter near 90, with a scanner's noise; float32 and its affine."""
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_template

    template, mask = load_mni152_template(resolution=mm), load_mni152_brain_mask(resolution=mm)
    image = 100 * template.get_fdata(dtype=np.float32) * (np.asarray(mask.dataobj) > 0)
    noise = np.random.default_rng(0).normal(0, 3, image.shape).astype(np.float32)
    return np.where(image > 0, np.abs(image + noise), 0).astype(np.float32), template.affine


@lru_cache(maxsize=1)
def whole_head():
    """The brain with fluid, a dark skull and a bright scalp around it, on a larger grid of 2 mm."""
    from scipy import ndimage

    image, affine = brain(2)
    outside = np.pad(image == 0, 10, constant_values=True)
    outside &= ~ndimage.binary_fill_holes(~outside)
    distance = 2 * ndimage.distance_transform_edt(outside)
    image = np.pad(image, 10)
    image[(distance > 0) & (distance <= 3)] = 15
    image[(distance > 6) & (distance <= 14)] = 80
    affine = affine.copy()
    affine[:3, 3] -= 20
    return image, affine


def moved(seed, mm, axes, image=None, affine=None):
    """A volume after a turn of 10 to 30 degrees, a shift of 15 to 40 mm and a stretch of 0.9 to 1.1, on another grid.

    Parameters
    ----------
    mm : voxel size of the new grid
    axes : "oblique" (15 degrees off), or where its axes point to, as in "LAS"
    image, affine : the volume in MNI space; by default the brain

    Returns
    -------
    volume : float32, its affine, and the move itself, (4, 4): a point in MNI mm to where it came to lie
    """
    from nibabel.orientations import axcodes2ornt, inv_ornt_aff
    from scipy import ndimage

    image, affine = (image, affine) if image is not None else brain(2)
    rng = np.random.default_rng([7, seed])
    centre = np.array([0.0, -18, 10])
    move = np.eye(4)
    move[:3, :3] = turn(rng, rng.uniform(10, 30)) * rng.uniform(0.9, 1.1)
    direction = rng.normal(size=3)
    target = centre + rng.uniform(15, 40) * direction / np.linalg.norm(direction)
    move[:3, 3] = target - move[:3, :3] @ centre
    shape = (round(240 / mm),) * 3
    grid = np.eye(4)
    if axes == "oblique":
        grid[:3, :3] = turn(rng, 15)
    else:
        grid = inv_ornt_aff(axcodes2ornt(axes), shape)
    grid[:3, :3] *= mm
    grid[:3, 3] = target - grid[:3, :3] @ ((np.array(shape) - 1) / 2)
    to_voxel = np.linalg.inv(affine) @ np.linalg.inv(move) @ grid
    volume = ndimage.affine_transform(
        image, to_voxel[:3, :3], to_voxel[:3, 3], output_shape=shape, order=1, output=np.float32)
    return volume, grid, move


def turn(rng, degrees):
    """A rotation about a random axis, (3, 3)."""
    from scipy.spatial.transform import Rotation

    axis = rng.normal(size=3)
    return Rotation.from_rotvec(np.deg2rad(degrees) * axis / np.linalg.norm(axis)).as_matrix()


class Found(torch.nn.Module):
    """A network that calls one place in MNI space lesion, whatever it is shown."""

    input_shape = (56, 48)

    def __init__(self, lesion):
        super().__init__()
        pixels = torch.from_numpy(downsample(axial_slices(lesion), 4) >= 0.5)[:, None]
        self.logits = torch.nn.Parameter(torch.where(pixels, 9.0, -9.0))

    def forward(self, images):
        self.images = images
        return self.logits
