"""Grown lesions on the template, without images: 140 of them against the statistics in lesions.py."""

import numpy as np
import pandas
import pytest
from joblib import Parallel, delayed
from scipy import ndimage

from atlas_lab.grid import bounding_box
from atlas_lab.phantom.anatomy import load_anatomy
from atlas_lab.phantom.lesions import TERRITORIES, grow_lesion, plan_lesion

N_LESIONS = 140


def surface_ratio(mask):
    """Voxels lost by a 6-neighbour erosion, over the surface of the sphere of the same volume (voxels)."""
    mask = np.pad(mask, 1)
    volume = mask.sum()
    surface = volume - ndimage.binary_erosion(mask).sum()
    return surface / (4 * np.pi * (3 * volume / (4 * np.pi)) ** (2 / 3))


def describe_lesion(index):
    anatomy = load_anatomy()
    plan = plan_lesion(0, index)
    components = grow_lesion(plan, 0, index)
    whole = np.any(components, axis=0)
    box = bounding_box(whole)
    pieces, _ = ndimage.label(whole[box], np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel())[1:] / 1000
    return {
        "territory": plan.territory.name,
        "aimed_ml": plan.total_ml,
        "aimed_left": plan.side == "left",
        "ml": whole.sum() / 1000,
        "components": int((sizes >= 0.1).sum()),
        "largest_ml": sizes.max(),
        "ratio": surface_ratio(pieces == sizes.argmax() + 1),
        "centre": ndimage.center_of_mass(components[0]) + anatomy.affine[:3, 3],
        "in_brain": (whole & anatomy.brain).sum() / whole.sum(),
        "in_ventricles": (whole & anatomy.ventricles).sum(),
    }


@pytest.fixture(scope="module")
def lesions():
    return pandas.DataFrame(Parallel(n_jobs=2)(delayed(describe_lesion)(i) for i in range(N_LESIONS)))


def test_volumes_follow_the_plan_and_the_statistics(lesions):
    at = [0.1, 0.25, 0.5, 0.75, 0.9]
    got = lesions["ml"].quantile(at)
    aimed = lesions["aimed_ml"].quantile(at)
    np.testing.assert_allclose(got, aimed, rtol=0.1)
    assert 5 <= got[0.5] <= 10
    # SOOP's total volumes at these percentiles, scaled to a chronic median of 7 ml.
    acute = np.array([0.55, 2.0, 12.7, 52, 123]) * 7 / 12.7
    ratio = got.to_numpy() / acute
    assert ((ratio > 1 / 1.5) & (ratio < 1.5)).all(), ratio


def test_every_lesion_lies_in_tissue(lesions):
    assert lesions["ml"].min() >= 0.05
    assert lesions["in_brain"].min() >= 0.97
    assert lesions["in_ventricles"].max() == 0


def test_sides_follow_the_statistics(lesions):
    expected = sum(t.share * t.left for t in TERRITORIES) / sum(t.share for t in TERRITORIES)
    assert lesions["aimed_left"].mean() == pytest.approx(expected, abs=0.08)
    left = np.array([c[0] < 0 for c in lesions["centre"]])
    assert (left == lesions["aimed_left"]).mean() > 0.97


def test_component_counts_follow_the_statistics(lesions):
    share = lesions["components"].clip(upper=5).value_counts(normalize=True)
    for count, expected in {0: 0.02, 1: 0.40, 2: 0.20, 3: 0.12, 4: 0.08, 5: 0.18}.items():
        assert share.get(count, 0) == pytest.approx(expected, abs=0.08), f"{count} components"


@pytest.mark.parametrize(
    ("low", "high", "p10", "p90"),
    [(0.1, 1, 0.74, 1.0), (1, 5, 0.89, 1.23), (5, 20, 1.06, 1.56), (20, 100, 1.19, 1.81)],
)
def test_raggedness_grows_with_volume_as_in_the_statistics(lesions, low, high, p10, p90):
    in_bin = lesions[(lesions["largest_ml"] >= low) & (lesions["largest_ml"] < high)]
    assert p10 < in_bin["ratio"].median() < p90


@pytest.mark.parametrize("territory", [t for t in TERRITORIES if t.share > 0.06], ids=lambda t: t.name)
def test_territories_lie_where_they_do_in_the_statistics(lesions, territory):
    centres = np.stack(lesions.loc[lesions["territory"] == territory.name, "centre"])
    mean = np.abs(centres[:, 0]).mean(), centres[:, 1].mean(), centres[:, 2].mean()
    # Seven millimetres, and twice the standard error where lesions spread widely.
    allowed = 7 + 2 * np.array(territory.sd) / np.sqrt(len(centres))
    assert (np.abs(np.subtract(mean, territory.centroid)) < allowed).all(), mean


def test_a_plan_depends_on_seed_and_index_alone():
    assert plan_lesion(3, 17) == plan_lesion(3, 17)
    assert plan_lesion(3, 17) != plan_lesion(4, 17) and plan_lesion(3, 17) != plan_lesion(3, 18)


def test_territories_and_sides_have_their_shares():
    plans = [plan_lesion(seed, index) for seed in range(5) for index in range(200)]
    for territory in TERRITORIES:
        share = np.mean([plan.territory is territory for plan in plans])
        assert share == pytest.approx(territory.share, abs=0.015), territory.name
    assert np.mean([plan.side == "left" for plan in plans]) == pytest.approx(0.5, abs=0.02)
