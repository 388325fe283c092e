"""From a subject's tissues to a volume as a scanner gives it: unevenness, resolution, noise, what was cut off."""

import numpy as np

from atlas_lab.grid import AFFINE, GRID
from atlas_lab.phantom.fields import random_nodes, refine
from atlas_lab.phantom.heads import STEP, add_shell, face_of

__all__ = ["scan"]

QUANTUM = 1 / 4  # intensity step: finer than the noise, and it keeps the files small


def scan(image, subject, scanner, heads, anatomy_rng, rng):
    """Take a T1w volume of a painted brain.

    Parameters
    ----------
    image : float32, shape of the subject's box
    subject : Subject
    scanner : Scanner
    heads : bool
        False leaves the brain alone, on black.
    anatomy_rng, rng : numpy.random.Generator
        What the head looks like, and what changes from session to session.

    Returns
    -------
    float32 (197, 233, 189)
        In [-0.0003, 100.0001], the range of ATLAS's own files.
    """
    from scipy import ndimage

    volume, brain = np.zeros(GRID, np.float32), np.zeros(GRID, bool)
    volume[subject.box] = image * subject.brain
    brain[subject.box] = subject.brain
    shown, left_out = brain, _left_out(subject, scanner, rng)  # drawn in any case: the same noise with and without
    if heads:
        shown = add_shell(volume, subject.shell, brain, subject.traits.gap_mm, scanner, anatomy_rng) & ~left_out
    unevenness = _unevenness(subject, scanner, rng)
    volume *= np.exp(unevenness, out=unevenness)
    del unevenness
    volume = ndimage.gaussian_filter(volume, scanner.blur)
    noise = rng.standard_normal(GRID, dtype=np.float32)
    noise *= np.float32(0.45 * scanner.noise)
    volume += noise
    np.abs(volume, out=volume)
    volume *= shown
    np.minimum(volume, 100, out=volume)
    volume /= np.float32(QUANTUM)
    np.round(volume, out=volume)
    volume *= np.float32(QUANTUM)
    volume[np.unravel_index(volume.argmax(), volume.shape)] = 100.0001
    volume[0, 0, 0] = -0.0003
    return volume


def _left_out(subject, scanner, rng):
    """What lies outside of the scanner's field, or was removed with the face: bool (197, 233, 189)."""
    spared = refine(subject.shell.above, STEP, GRID) < 4  # no tool cuts into the brain
    x, y, z = (np.arange(n, dtype=np.float32) + np.float32(AFFINE[i, 3]) for i, n in enumerate(GRID))
    floor, tilt = rng.normal(scanner.floor, 4), rng.normal(0, 0.06, 2)
    below = z[None, None, :] < floor + tilt[0] * x[:, None, None] + tilt[1] * y[None, :, None]
    return face_of(scanner.face, rng) & ~spared | below


def _unevenness(subject, scanner, rng):
    """Log of the coil's sensitivity: smooth at random, and brighter or darker towards the surface."""
    step = 8
    field = scanner.bias * random_nodes(rng, GRID, step, 40)
    depth = np.clip(-subject.shell.above, 0, 50)[:: step // STEP, :: step // STEP, :: step // STEP] / 50
    depth = np.pad(depth, [(0, max(0, f - d)) for f, d in zip(field.shape, depth.shape, strict=True)], "edge")
    field = field - scanner.shade * depth[tuple(slice(n) for n in field.shape)]
    return refine(field, step, GRID)
