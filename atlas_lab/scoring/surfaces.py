"""Distances between the surfaces of two masks, in millimetres, as MONAI defines them.

A surface is the voxels that one erosion by faces takes away, each weighing the same. DeepMind's surface-distance weighs
each piece of surface by its area and takes it to lie between voxels, so its numbers differ by a fraction of a voxel.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atlas_lab.files import DataError
from atlas_lab.grid import bounding_box
from atlas_lab.metrics import checked_masks

__all__ = ["SURFACE_TOLERANCE_MM", "SurfaceScores", "surface_distances", "surface_scores"]

SURFACE_TOLERANCE_MM = 4.0  # a pixel of the study point


class SurfaceScores(NamedTuple):
    """Scores of two surfaces; NaN where both masks are empty.

    Attributes
    ----------
    hd95 : float
        95th percentile of the distances from one surface to the other, the larger of the two directions (MONAI's
        `compute_hausdorff_distance(percentile=95)`), mm; infinite where one mask is empty.
    assd : float
        Mean over the distances of both directions together (MONAI's `compute_average_surface_distance(
        symmetric=True)`), mm; infinite where one mask is empty.
    surface_dice : float
        Share of both surfaces within a tolerance of the other one (MONAI's `compute_surface_dice`); 0 where one mask is
        empty.
    """

    hd95: float
    assd: float
    surface_dice: float


def surface_distances(pred, target, spacing: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each voxel of the prediction's surface to the target's, and the other way round, in mm.

    Parameters
    ----------
    pred, target : bool arrays of equal shape, 2D or 3D
    spacing : sequence of float
        Side of a voxel along each axis, mm.

    Returns
    -------
    float64 arrays (n_pred,), (n_target,)
        Infinite where the other mask is empty.

    Raises
    ------
    DataError
        As `checked_masks`, or if the spacing does not fit.
    """
    from scipy.spatial import KDTree

    pred, target = checked_masks(pred, target)
    if len(spacing) != pred.ndim or not all(0 < side < float("inf") for side in spacing):
        raise DataError(f"spacing is {tuple(spacing)}; it takes {pred.ndim} sides of a voxel in mm, each above 0")
    box = bounding_box(pred | target)
    points = [np.argwhere(_surface(mask[box])) * np.asarray(spacing, float) for mask in (pred, target)]
    if not all(map(len, points)):
        return tuple(np.full(len(surface), np.inf) for surface in points)
    return tuple(KDTree(other).query(one)[0] for one, other in (points, points[::-1]))


def surface_scores(
    pred, target, spacing: Sequence[float], tolerance_mm: float = SURFACE_TOLERANCE_MM,
) -> SurfaceScores:
    """HD95, ASSD and surface Dice of two masks; see `surface_distances` for the arguments and what is refused."""
    there, back = surface_distances(pred, target, spacing)
    both = np.concatenate([there, back])
    if not len(both):
        return SurfaceScores(np.nan, np.nan, np.nan)
    if np.isinf(both).any():
        return SurfaceScores(np.inf, np.inf, 0.0)
    hd95 = max(float(np.percentile(side, 95)) for side in (there, back))
    return SurfaceScores(hd95, float(both.mean()), float((both <= tolerance_mm).mean()))


def _surface(mask):
    """The voxels of a mask that have a neighbour by a face outside of it, beyond the array's edge too."""
    from scipy.ndimage import binary_erosion

    return mask & ~binary_erosion(mask)
