"""What lies around the brain: skull, scalp, neck stump, and the face that was removed."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from atlas_lab.grid import AFFINE, GRID
from atlas_lab.phantom.anatomy import load_anatomy
from atlas_lab.phantom.fields import random_nodes, refine, sample_at, signed_distance, step_up

__all__ = ["STEP", "HeadMaps", "Shell", "add_shell", "face_of", "load_head", "sample_shell"]

HEAD_FILE = Path(__file__).with_name("head.nii.gz")  # its source and licence: head_NOTICE.txt
STEP = 2  # mm, spacing of the nodes on which what is smooth is kept
FINE, BROAD = 2, 8  # the same for a head's textures
SLAB = 32  # sagittal planes drawn at once


@dataclass(frozen=True, eq=False)
class HeadMaps:
    """A mean head around the MNI152 brain, on nodes of 2 mm: float32 (99, 117, 95)."""

    level: np.ndarray  # T1 intensity, white matter 1
    above: np.ndarray  # mm outside the brain, negative inside
    below: np.ndarray  # mm below the skin, negative in air


@dataclass(frozen=True)
class Shell:
    """One subject's head around the brain, on nodes of 2 mm that span the grid (see `HeadMaps`)."""

    level: np.ndarray
    above: np.ndarray
    below: np.ndarray


@lru_cache(maxsize=1)
def load_head():
    """The mean head that pydeface brings along, registered to the template's brain."""
    import nibabel
    from scipy import ndimage

    levels = np.asarray(nibabel.load(HEAD_FILE).dataobj)
    mask = np.pad(levels > 0, 16, "edge")  # the head goes on below the grid
    below = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    below = STEP * below[(slice(16, -16),) * 3]
    brain = np.pad(load_anatomy().brain, ((0, 0), (0, 0), (8, 0)), "edge")
    above = ndimage.gaussian_filter(signed_distance(brain)[..., 8:], 0.8)[::STEP, ::STEP, ::STEP]
    return HeadMaps(levels.astype(np.float32) / 100, above, ndimage.gaussian_filter(below.astype(np.float32), 0.7))


def sample_shell(at):
    """The mean head looked up at template positions `at`, (3, nodes) in mm from the grid's corner."""
    head = load_head()
    at = at / np.float32(STEP)
    return Shell(*(sample_at(volume, at) for volume in (head.level, head.above, head.below)))


def add_shell(volume, shell, brain, gap, scanner, rng):
    """Draw all that is not brain into a volume of the whole grid, in place.

    The vault is drawn in layers by depth: fluid, inner table, marrow, outer table, muscle, fat, skin. The base of the
    skull and the neck, which no such layers describe, have the mean head's own intensities with a texture.

    Parameters
    ----------
    volume : float32 (197, 233, 189)
    shell : Shell
    brain : bool (197, 233, 189)
    gap : float
        Width of the fluid between brain and skull, mm.
    scanner : Scanner
    rng : numpy.random.Generator

    Returns
    -------
    bool (197, 233, 189)
        The head, brain included.
    """
    scalp_mm, bone_share = float(rng.uniform(-3.5, 1.0)), float(rng.uniform(0.36, 0.5))
    texture, broad = random_nodes(rng, GRID, FINE, 2.5), random_nodes(rng, GRID, BROAD, 24)
    head = np.zeros(GRID, bool)
    for x in range(0, GRID[0], SLAB):  # in slabs, because each voxel needs many numbers for a while
        slab = slice(x, min(x + SLAB, GRID[0]))
        shape, start = (slab.stop - x, *GRID[1:]), (x, 0, 0)
        below = refine(shell.below, STEP, shape, start) + np.float32(scalp_mm)
        head[slab] = below > 0
        where = np.nonzero(head[slab] & ~brain[slab])
        fields = ((shell.above, STEP), (shell.level, STEP), (texture, FINE), (broad, BROAD))
        fields = (refine(nodes, step, shape, start)[where] for nodes, step in fields)
        corner = AFFINE[:3, 3] + start
        mm = (voxel.astype(np.float32) + np.float32(c) for voxel, c in zip(where, corner, strict=True))
        volume[slab][where] = _levels(_Layers(below[where], *fields, *mm), gap, bone_share, scanner)
    return head | brain


class _Layers(NamedTuple):
    """What the voxels of the head around the brain are told by: float32 (N,), lengths in mm."""

    below: np.ndarray
    above: np.ndarray
    level: np.ndarray
    texture: np.ndarray
    broad: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray


def _levels(at, gap, bone_share, scanner):
    """Intensities of the head around the brain: (N,)."""
    base = _base_level(at, scanner)
    # The vault ends at a plane that rises from the nape to the brow.
    is_vault = step_up(at.z - (-28 + 0.22 * (at.y + 80)), -5, 5) * (1 - step_up(at.above, 24, 32))
    return np.maximum(0, base + is_vault * (_vault_level(at, gap, bone_share, scanner) - base))


def _vault_level(at, gap, bone_share, scanner):
    """Intensities by layer: fluid, bone with marrow inside, galea, muscle of the temple, fat and skin."""
    outside = at.above - gap - np.float32(0.4) * np.abs(at.texture)
    skull = np.clip(np.float32(bone_share) * (at.above + at.below - gap), 4.5, 11) + 0.7 * at.broad
    scalp = outside - skull  # mm outside the skull
    temple = step_up(np.abs(at.x), 42, 54) * (1 - step_up(np.abs(at.y - 8), 28, 45)) * (1 - step_up(at.z, 25, 45))
    under_fat = 3.5 + 6 * (1 - temple) + 0.8 * at.broad
    muscle = scanner.muscle * (1 + 0.16 * at.texture + 0.12 * at.broad)
    tissue = np.where(at.below > under_fat, muscle, scanner.fat * (1 + 0.05 * at.texture + 0.05 * at.broad))
    tissue = np.where(at.below < 1.6, 0.6 * scanner.fat, tissue)  # skin
    tissue = np.where(scalp < 1.0, 0.55 * scanner.muscle, tissue)  # galea
    bone = np.float32(0.07 * scanner.muscle)
    marrow = scanner.marrow * np.clip(0.75 + 0.2 * at.texture + 0.25 * at.broad, 0.2, 1.4)
    skull_value = bone + (marrow - bone) * step_up(np.minimum(outside, -scalp), 1.4, 2.8)
    return np.where(scalp > 0, tissue, np.where(outside > 0, skull_value, 1.05 * scanner.csf))


def _base_level(at, scanner):
    """Intensities of the skull's base and the neck: the mean head's, sharpened, on the scanner's scale."""
    fat, muscle = scanner.fat, scanner.muscle
    values = [0, 0.03 * fat, 0.35 * muscle, 0.9 * muscle, 1.2 * muscle, 0.95 * fat, 1.05 * fat]
    sharpened = np.interp(at.level, [0, 0.18, 0.4, 0.62, 0.85, 1.3, 1.8], values).astype(np.float32)
    return sharpened * (1 + 0.13 * at.texture + 0.1 * at.broad)


def face_of(style, rng):
    """The part of the grid in front of which a defacing tool leaves nothing: bool (197, 233, 189), True = removed.

    `style` is "planes", cut along two planes, as pydeface does, or "curved", along a rounded surface.
    """
    x, y, z = (np.arange(n, dtype=np.float32) + np.float32(AFFINE[i, 3]) for i, n in enumerate(GRID))
    x, y, z = x[:, None, None], y[None, :, None], z[None, None, :]
    back, brow = rng.normal(38, 4), rng.normal(-16, 3)
    if style == "planes":
        slope = rng.normal(0.45, 0.08)
        return ((y > back) & (z < brow) | (z < brow + slope * (y - 66)) & (y > 50)) & (x == x)
    radius = np.float32(rng.normal(88, 5))
    centre_y, centre_z = np.float32(back + radius), np.float32(brow - rng.uniform(30, 42))
    squared = (0.55 * x) ** 2 + (y - centre_y) ** 2 + (0.85 * (z - centre_z)) ** 2
    return (squared < radius**2) & (z < brow + 14)
