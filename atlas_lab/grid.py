"""ATLAS's grid: which voxels there are, where they lie in millimetres, and how to turn a volume to it."""

import numpy as np

__all__ = ["AFFINE", "GRID", "SAME", "bounding_box", "height_mm", "is_on_grid", "to_ras", "voxel_ml"]

GRID = (197, 233, 189)  # voxels of 1 mm
AFFINE = np.array([[1.0, 0, 0, -98], [0, 1, 0, -134], [0, 0, 1, -72], [0, 0, 0, 1]])  # voxel -> MNI mm
SAME = 1e-3      # affines that differ by less are one grid


def is_on_grid(shape: tuple[int, ...], affine: np.ndarray) -> bool:
    """True if a volume lies on the grid that all ATLAS releases in standard space share."""
    return tuple(shape) == GRID and np.allclose(affine, AFFINE, atol=SAME)


def to_ras(volume: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flip and swap axes, without resampling, so that they grow to the right, the front and the top.

    Returns volume and affine, of the same voxels at the same places in mm.
    """
    from nibabel import orientations

    turn = orientations.io_orientation(affine)
    if np.array_equal(turn, [[0, 1], [1, 1], [2, 1]]):
        return volume, affine
    back = orientations.inv_ornt_aff(turn, volume.shape)
    return orientations.apply_orientation(volume, turn), affine @ back


def voxel_ml(affine: np.ndarray) -> float:
    """Volume of one voxel in millilitres: |det| of the affine's 3 x 3 part, which is in mm."""
    return float(abs(np.linalg.det(np.asarray(affine)[:3, :3])) / 1000)


def height_mm(z: float, affine: np.ndarray) -> float:
    """The height in mm of axial slice z of a RAS volume."""
    return float(affine[2, 2] * z + affine[2, 3])


def bounding_box(mask: np.ndarray, margin: int = 0) -> tuple[slice, ...]:
    """The smallest box that holds a mask, as slices: heads, and lesions more so, leave most of a volume empty.

    With a margin the box grows by as many voxels on each side, and is cut at the volume's edge. The box of an empty
    mask is empty.
    """
    box, flat = [], mask
    for size in reversed(mask.shape):  # from the last axis on, the mask flattened along it each time
        used = np.flatnonzero(flat.any(axis=tuple(range(flat.ndim - 1)))).tolist()
        box.insert(0, slice(max(0, used[0] - margin), min(size, used[-1] + 1 + margin)) if used else slice(0))
        flat = flat.any(axis=-1)
    return tuple(box)
