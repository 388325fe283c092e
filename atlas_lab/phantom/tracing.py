"""A rater's mask of a lesion: drawn slice by slice and smoothed, with a rater's habits and slips.

The spread aims at two raters who agree with a Dice of 0.727 and one who agrees with himself at 0.839, as measured on
stroke lesions in T1w images by Lo et al. (2023, doi 10.3389/fnimg.2022.1098604).
"""

import numpy as np

from atlas_lab.grid import bounding_box
from atlas_lab.phantom.fields import random_nodes, refine
from atlas_lab.phantom.lesions import radius_mm

__all__ = ["trace_lesion"]

# Millimetres by which an outline is off, for a lesion of 10 mm radius: a habit that is the same on all sides, and
# one that differs from place to place, both the rater's own; and what differs from one sitting to the next.
HABIT, PLACES, SITTING = 0.82, 1.2, 0.98
SMOOTH = (0.9, 0.9, 0.5)  # Gaussian sigma in mm, across and along the slices: "LesionSmooth"
SMOOTHEST = 0.7  # mm, sigma, for the largest lesions
SMALLEST_OUTLINE = 6  # mm^2: nothing smaller is drawn in a slice, unless the lesion has no larger one
MISSED_ML = 0.9  # a satellite of this size is missed at about a third of the chance of the smallest


def trace_lesion(components, allowed, rater, sitting):
    """What a rater draws of a lesion.

    Parameters
    ----------
    components : list of bool (X, Y, Z)
        The true lesion, axial slices along Z, the largest first.
    allowed : bool (X, Y, Z)
        Where anyone would draw: the brain without its ventricles.
    rater, sitting : numpy.random.Generator
        The rater's habits, and what changes from sitting to sitting: two with equal `rater` are one rater's.

    Returns
    -------
    list of bool (X, Y, Z)
        The components that the rater saw.
    """
    habit = float(rater.normal())
    drawn, taken = [], np.zeros(allowed.shape, bool)
    for number, component in enumerate(components):
        ml = float(component.sum()) / 1000
        chance = 0.45 * np.exp(-ml / MISSED_ML)
        missed = (rater.random() < chance) | (sitting.random() < 0.3 * chance)
        if missed and number > 0:
            continue
        near = bounding_box(component, margin=9)
        mask = _trace(component[near], habit, rater, sitting)
        mask = _without_specks(mask & allowed[near] & ~taken[near])
        if number == 0 and not mask.any():
            mask = component[near]  # someone who was told of a lesion draws one
        if mask.any():
            taken[near] |= mask
            whole = np.zeros(allowed.shape, bool)
            whole[near] = mask
            drawn.append(whole)
    return drawn


def _trace(lesion, habit, rater, sitting):
    """One component's outline: the true edge, shifted, smoothed."""
    from scipy import ndimage

    edge = ndimage.distance_transform_edt(~lesion) - ndimage.distance_transform_edt(lesion)  # > 0 outside
    radius = radius_mm(float(lesion.sum()) / 1000)
    scale = np.float32(np.clip(radius / 10, 0.25, 2.5) ** 0.55)
    places = refine(random_nodes(rater, lesion.shape, 4, 8), 4, lesion.shape)
    off = HABIT * habit + PLACES * places + SITTING * _by_slice(sitting, lesion.shape)
    # No one follows every frayed end of a large lesion: its edge is smoothed before it is drawn.
    edge = ndimage.gaussian_filter(edge.astype(np.float32), min(SMOOTHEST, 0.03 * radius))
    mask = edge - 0.2 < scale * off
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), SMOOTH)
    # Half of the highest value, at most: smoothing wears a small mask away, and no one lets it.
    held = np.partition(smooth.ravel(), -max(1, int(mask.sum())))[-max(1, int(mask.sum()))]
    return smooth > min(0.5, held)


def _by_slice(rng, shape):
    """Errors of standard deviation 1 that go together over few axial slices: within a slice, and of whole slices."""
    from scipy import ndimage

    within = refine(random_nodes(rng, shape, 4, 5), 4, shape)
    whole = ndimage.gaussian_filter(rng.standard_normal(shape[2] + 8), 1.2)[4:-4] * (2 * 1.2 * np.pi**0.5) ** 0.5
    return 0.85 * within + np.float32(0.53) * whole.astype(np.float32)


def _without_specks(mask):
    """A mask without its small outlines, counted slice by slice; a mask of small ones alone keeps them."""
    from scipy import ndimage

    in_plane = np.zeros((3, 3, 3), bool)
    in_plane[:, :, 1] = ndimage.generate_binary_structure(2, 1)
    pieces, _ = ndimage.label(mask, in_plane)
    large = np.bincount(pieces.ravel()) >= SMALLEST_OUTLINE
    large[0] = False
    return large[pieces] if large.any() else mask
