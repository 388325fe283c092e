"""Smooth fields: drawn or sampled on coarse nodes, and brought to every voxel by linear interpolation."""

import numpy as np

__all__ = ["nodes_of", "random_nodes", "refine", "sample_at", "signed_distance", "smooth_noise", "step_up"]


def nodes_of(shape, step):
    """Number of nodes along each axis of a grid of `step` voxels that spans `shape` voxels and a bit."""
    return tuple((n - 1) // step + 2 for n in shape)


def random_nodes(rng, shape, step, sigma):
    """Gaussian-filtered noise of standard deviation 1 on nodes: float32; `sigma` in voxels."""
    from scipy import ndimage

    field = ndimage.gaussian_filter(rng.standard_normal(nodes_of(shape, step), dtype=np.float32), sigma / step)
    return (field - field.mean()) / field.std()


def smooth_noise(rng, shape, sigma):
    """Gaussian-filtered noise of standard deviation 1 at every voxel, drawn as coarsely as `sigma` voxels allow."""
    step = max(1, int(sigma))
    return refine(random_nodes(rng, shape, step, sigma), step, shape)


def refine(nodes, step, shape, start=(0, 0, 0)):
    """Fields (..., nodes) at the voxels start to start + shape, by linear interpolation: float32 (..., *shape)."""
    fine = np.asarray(nodes, np.float32)
    for axis in (-1, -2, -3):  # the first axis last: whole planes are then copied at once
        first, skipped = divmod(start[axis], step)
        fine = np.moveaxis(_between(np.moveaxis(fine, axis, 0)[first:], step, skipped, shape[axis]), 0, axis)
    return fine


def _between(nodes, step, skipped, count):
    """Values at `count` voxels after the first `skipped`, between nodes along the first axis, `step` voxels apart."""
    pieces = (skipped + count - 1) // step + 1
    below, rise = nodes[:pieces], nodes[1 : pieces + 1] - nodes[:pieces]
    # Laid out in memory as the nodes are, whichever axis was moved to the front.
    order = np.argsort([-abs(s) for s in nodes.strides], kind="stable")
    fine = np.empty([(pieces * step, *nodes.shape[1:])[a] for a in order], np.float32).transpose(np.argsort(order))
    for k in range(step):
        part = fine[k::step]
        np.multiply(rise, np.float32(k) / np.float32(step), out=part)
        part += below
    return fine[skipped : skipped + count]


def sample_at(volume, at, order=1):
    """Values of a volume at float positions `at`, (3, ...) in its own voxels; the edge goes on outside."""
    from scipy import ndimage

    return ndimage.map_coordinates(volume, at, output=np.float32, order=order, mode="nearest")


def step_up(values, low, high):
    """0 below `low`, 1 above `high`, a smooth step between."""
    t = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)


def signed_distance(mask):
    """Voxels to a mask that is the same left and right: float32, negative inside.

    One half is computed and mirrored, because the transform needs 60 bytes a voxel.
    """
    from scipy import ndimage

    half = mask[: mask.shape[0] // 2 + 1]  # the nearest voxel is never only on the far side
    distance = ndimage.distance_transform_edt(~half).astype(np.float32)
    distance -= ndimage.distance_transform_edt(half)
    return np.concatenate([distance, distance[-2::-1]])
