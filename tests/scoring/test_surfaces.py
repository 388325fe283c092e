"""Distances between surfaces, held to MONAI's on random volumes, to brute force, and by hand."""

import warnings

import numpy as np
import pytest

import atlas_lab as lab
from atlas_lab.scoring.scans import score_scan
from atlas_lab.scoring.surfaces import surface_distances, surface_scores

SPACING = (4.0, 4.0, 1.0)


def random_pair(seed):
    """Two masks of a volume: smooth blobs that overlap more or less."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(5, 13, size=3))
    noise, other = (gaussian_filter(rng.normal(size=shape), 1) for _ in range(2))
    mixed = noise + rng.uniform(0, 2) * other
    return [part > np.quantile(part, rng.uniform(0.6, 0.97)) for part in (mixed, noise)]


def test_they_are_monai_s_on_200_volumes():
    torch, metrics = pytest.importorskip("torch"), pytest.importorskip("monai.metrics")
    for seed in range(200):
        pred, target = random_pair(seed)
        one, other = (torch.from_numpy(mask)[None, None].float() for mask in (pred, target))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            options = {"include_background": True, "spacing": SPACING}
            theirs = [
                metrics.compute_hausdorff_distance(one, other, percentile=95, **options),
                metrics.compute_average_surface_distance(one, other, symmetric=True, **options),
                metrics.compute_surface_dice(one, other, class_thresholds=[4.0], **options),
                metrics.compute_dice(one, other, include_background=True),
            ]
        hd95, *ours = [*surface_scores(pred, target, SPACING), score_scan(pred, target, SPACING)["dice"]]
        expected = [value.item() for value in theirs]
        assert ours == pytest.approx(expected[1:], rel=1e-6, abs=1e-6), seed
        assert hd95 == pytest.approx(expected[0], rel=1e-5), seed  # torch interpolates percentiles in single precision


def test_distances_by_brute_force():
    for seed in range(20):
        pred, target = random_pair(seed)
        edges = []
        for mask in (pred, target):
            inner = np.pad(mask, 1)
            rolled = [np.roll(inner, step, axis) for axis in range(3) for step in (-1, 1)]
            edges.append(np.argwhere(inner & ~np.logical_and.reduce(rolled)) * SPACING)
        apart = np.sqrt(((edges[0][:, None] - edges[1][None]) ** 2).sum(-1))
        there, back = surface_distances(pred, target, SPACING)
        np.testing.assert_allclose(np.sort(there), np.sort(apart.min(1)))
        np.testing.assert_allclose(np.sort(back), np.sort(apart.min(0)))


def test_two_voxels_by_hand():
    pred, target = np.zeros((2, 9, 9), bool), np.zeros((2, 9, 9), bool)
    pred[0, 1, 1] = target[0, 1, 4] = True
    assert surface_scores(pred, target, (4, 4, 1), tolerance_mm=3) == (3, 3, 1)
    assert surface_scores(pred, target, (4, 4, 2), tolerance_mm=3) == (6, 6, 0)
    assert surface_scores(pred, pred, (1, 1, 1)) == (0, 0, 1)


def test_empty_masks():
    empty, voxel = np.zeros((3, 3), bool), np.eye(3, dtype=bool)
    assert np.isnan(surface_scores(empty, empty, (1, 1))).all()
    assert surface_scores(empty, voxel, (1, 1)) == surface_scores(voxel, empty, (1, 1)) == (np.inf, np.inf, 0)


def test_what_does_not_fit_is_refused():
    mask = np.eye(3, dtype=bool)
    for spacing in ((1, 1, 1), (1, 0), (1, np.nan)):
        with pytest.raises(lab.DataError, match="spacing is"):
            surface_scores(mask, mask, spacing)
    with pytest.raises(lab.DataError, match="boolean"):
        surface_scores(mask * 0.4, mask, (1, 1))
    with pytest.raises(lab.DataError, match="must be equal"):
        surface_scores(mask[1:], mask, (1, 1))
