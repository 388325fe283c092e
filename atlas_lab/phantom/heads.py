"""What lies around the brain: skull, scalp, neck stump, and the face that was removed."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from atlas_lab.grid import AFFINE, GRID
from atlas_lab.phantom.fields import refine, sample_at, smooth_noise, step_up

HEAD_FILE = Path(__file__).with_name("head.nii.gz")  # its source and licence: head_NOTICE.txt
STEP = 2  # mm, spacing of the nodes on which what is smooth is kept

__all__ = ["STEP", "HeadMaps", "Shell", "add_shell", "face_of", "load_head", "sample_shell"]


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
def load_head(brain_id=None):
    """The mean head that pydeface brings along, registered to the template's brain."""
    import nibabel
    from scipy import ndimage

    from atlas_lab.phantom.anatomy import load_anatomy

    levels = np.asarray(nibabel.load(HEAD_FILE).dataobj)
    mask = np.pad(levels > 0, 16, "edge")  # the head goes on below the grid
    below = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    below = STEP * below[(slice(16, -16),) * 3]
    brain = np.pad(load_anatomy().brain, ((0, 0), (0, 0), (8, 0)), "edge")
    above = ndimage.distance_transform_edt(~brain) - ndimage.distance_transform_edt(brain)
    above = ndimage.gaussian_filter(above[..., 8:].astype(np.float32), 0.8)[::STEP, ::STEP, ::STEP]
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
    below = refine(shell.below, STEP, GRID)
    fat_mm = float(rng.uniform(-3.5, 1.0))  # thicker or thinner scalp than the mean
    head = below > -fat_mm
    where = np.flatnonzero(head & ~brain)
    below = below.ravel()[where] + np.float32(fat_mm)
    above = refine(shell.above, STEP, GRID).ravel()[where]
    texture = smooth_noise(rng, GRID, 2.5).ravel()[where]
    broad = refine_noise(rng, 24).ravel()[where]
    level = refine(shell.level, STEP, GRID).ravel()[where]

    height = (where % GRID[2]).astype(np.float32) + np.float32(AFFINE[2, 3])
    front = (where // GRID[2] % GRID[1]).astype(np.float32) + np.float32(AFFINE[1, 3])
    side = np.abs((where // (GRID[1] * GRID[2])).astype(np.float32) + np.float32(AFFINE[0, 3]))
    thick = above + below
    outside = above - gap - np.float32(0.4) * np.abs(texture)
    skull = np.clip(np.float32(rng.uniform(0.36, 0.5)) * (thick - gap), 4.5, 11) + 0.7 * broad
    scalp = outside - skull  # mm outside the skull
    # The muscle of the temple lies under the fat; elsewhere there is little.
    temple = step_up(side, 42, 54) * (1 - step_up(np.abs(front - 8), 28, 45)) * (1 - step_up(height, 25, 45))
    under_fat = 3.5 + 6 * (1 - temple) + 0.8 * broad
    fat = scanner.fat * (1 + 0.05 * texture + 0.05 * broad)
    tissue = np.where(below > under_fat, scanner.muscle * (1 + 0.08 * texture), fat)
    tissue = np.where(below < 1.6, 0.6 * scanner.fat, tissue)  # skin
    tissue = np.where(scalp < 1.0, 0.55 * scanner.muscle, tissue)  # the galea
    bone = np.float32(0.07) * scanner.muscle
    marrow = scanner.marrow * np.clip(0.75 + 0.2 * texture + 0.25 * broad, 0.2, 1.4)
    inside_bone = np.minimum(outside, -scalp)  # mm to the nearer face of the skull
    skull_value = bone + (marrow - bone) * step_up(inside_bone, 1.4, 2.8)
    vault = np.where(scalp > 0, tissue, np.where(outside > 0, skull_value, 1.05 * scanner.csf))

    base = base_level(level, texture, broad, scanner)
    # The vault ends at a plane that rises from the nape to the brow.
    is_vault = step_up(height - (-28 + 0.22 * (front + 80)), -5, 5) * (1 - step_up(above, 24, 32))
    volume.reshape(-1)[where] = np.maximum(0, base + is_vault * (vault - base))
    return head


def base_level(level, texture, broad, scanner):
    """Intensities of the skull's base and the neck: the mean head's, sharpened, on the scanner's scale."""
    bones = np.interp(level, [0, 0.18, 0.4, 0.62, 0.85, 1.3, 1.8], np.array(
        [0, 0.03 * scanner.fat, 0.35 * scanner.muscle, 0.9 * scanner.muscle, 1.2 * scanner.muscle,
         0.95 * scanner.fat, 1.05 * scanner.fat])).astype(np.float32)
    return bones * (1 + 0.13 * texture + 0.1 * broad)


def refine_noise(rng, sigma):
    """A smooth random field of standard deviation 1 over the whole grid."""
    from atlas_lab.phantom.fields import random_nodes

    step = 8
    return refine(random_nodes(rng, GRID, step, sigma), step, GRID)


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
