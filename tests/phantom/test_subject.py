"""Parts of a subject: traits, ex vacuo, mimics, tracings, looks of lesions, sites."""

import numpy as np
import pytest

from atlas_lab.grid import AFFINE, bounding_box
from atlas_lab.phantom.anatomy import load_anatomy
from atlas_lab.phantom.appearance import CAVITY_DEPTH, CORE_ML, PALE_CORE, core_aim, draw_look
from atlas_lab.phantom.fields import random_nodes, refine, signed_distance
from atlas_lab.phantom.lesions import grow_lesion, plan_lesion
from atlas_lab.phantom.mimics import median_wmh_ml, plan_mimics
from atlas_lab.phantom.sites import SHARES, is_repeated, site_of
from atlas_lab.phantom.subject import draw_traits, make_subject_anatomy
from atlas_lab.phantom.tracing import trace_lesion


def test_nodes_are_interpolated_linearly():
    nodes = np.arange(6.0)[:, None, None] * np.ones((6, 4, 4))
    fine = refine(nodes, 4, (9, 8, 8), (8, 0, 0))
    np.testing.assert_allclose(fine[:, 3, 5], np.arange(8, 17) / 4)


def test_the_distance_of_a_symmetric_mask_is_the_plain_one():
    from scipy import ndimage

    mask = np.zeros((21, 14, 12), bool)
    mask[3:7, 4:9, 2:8] = mask[14:18, 4:9, 2:8] = True
    plain = ndimage.distance_transform_edt(~mask) - ndimage.distance_transform_edt(mask)
    np.testing.assert_allclose(signed_distance(mask), plain, atol=1e-5)


def fluid_by_side(subject):
    """ml of ventricle left and right of the midline."""
    inside = (subject.ventricle < 0) & subject.brain
    middle = int(-AFFINE[0, 3]) - subject.box[0].start
    return inside[:middle].sum() / 1000, inside[middle + 1:].sum() / 1000


def test_a_large_lesion_widens_the_ventricle_beside_it():
    """Subject 37's lesion, 63 ml on the left, against the same subject without it."""
    anatomy = load_anatomy()
    lesion = grow_lesion(plan_lesion(0, 37), 0, 37, anatomy)
    assert sum(mask.sum() for mask in lesion) > 55_000
    traits = draw_traits(np.random.default_rng(1), 0.5)
    without, with_lesion = (fluid_by_side(make_subject_anatomy(components, traits, np.random.default_rng(2)))
                            for components in ([], lesion))
    assert with_lesion[0] > 1.25 * without[0]
    assert with_lesion[0] / without[0] > with_lesion[1] / without[1] + 0.15


def test_white_matter_hyperintensities_grow_with_age():
    rng = np.random.default_rng(0)
    for years, median in ((50, 1.5), (70, 4.1)):
        assert median_wmh_ml(years) == pytest.approx(median, rel=0.05)
        plans = [plan_mimics(years, rng, place) for place in (np.arange(1500) + 0.5) / 1500]
        affected = [p.periventricular_ml + p.deep_ml for p in plans if p.spaces]
        assert np.median(affected) == pytest.approx(median, rel=0.2)
        assert 1 - len(affected) / len(plans) == pytest.approx(0.2, abs=0.04)  # who have nothing of all this
        lacunes = np.mean([p.lacunes > 0 for p in plans if p.spaces])
        assert lacunes == pytest.approx(0.24 if years == 50 else 0.44, abs=0.05)
        for grade in range(3):
            lower, higher = ([p.periventricular_ml for p in plans if p.pvh == g] for g in (grade, grade + 1))
            assert max(lower) <= min(higher)


def test_who_is_to_have_no_mimics_has_none():
    plan = plan_mimics(80, np.random.default_rng(0), 0.5, wanted=False)
    assert plan.describe() == {"pvh": 0, "dwmh": 0, "wmh_ml": 0, "lacunes": 0, "perivascular_spaces": 0, "vessels": 0}


def test_cores_darken_with_size_as_aimed():
    rng, depths = np.random.default_rng(0), []
    for ml in CORE_ML:
        share, cavity, _ = core_aim(ml)
        cores = np.array([draw_look(ml, rng.random(), rng).core for _ in range(1500)])
        middle = np.sqrt(cavity * core_aim(ml)[2])
        assert (cores < middle).mean() == pytest.approx(share, abs=0.06)
        assert np.median(cores[cores < middle]) == pytest.approx(cavity, rel=0.1)
        depths.append(np.median(cores))
    assert (np.diff(depths) < 0).all()
    assert core_aim(0.01)[1] == CAVITY_DEPTH[0] and core_aim(1e4)[1] == CAVITY_DEPTH[-1]
    assert draw_look(50, 0.1, rng, dark_cores=False).core == PALE_CORE


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.fixture(scope="module")
def tracings():
    """Of 24 lesions: two sittings of one rater, one of another, and the truth; bool arrays in a box."""
    anatomy, found = load_anatomy(), []
    for index in range(24):
        components = grow_lesion(plan_lesion(0, index), 0, index, anatomy)
        box = bounding_box(np.any(components, axis=0), margin=12)
        components = [mask[box] for mask in components]

        def draw(rater, sitting, components=components, box=box, index=index):
            streams = (np.random.default_rng([index, who, n]) for n, who in enumerate((rater, sitting)))
            return trace_lesion(components, anatomy.brain[box], *streams)

        found.append((draw(1, 1), draw(1, 2), draw(2, 3), components))
    return found


def test_raters_agree_as_raters_do(tracings):
    """Lo et al. 2023: 0.727 between raters, 0.839 within one."""
    one, again, other, true = (
        [np.any(tracing[n], axis=0) for tracing in tracings] for n in range(4)
    )
    assert np.mean([dice(a, b) for a, b in zip(one, other, strict=True)]) == pytest.approx(0.727, abs=0.05)
    assert np.mean([dice(a, b) for a, b in zip(one, again, strict=True)]) == pytest.approx(0.839, abs=0.04)
    # A perfect network can't do better than this against what was drawn.
    assert 0.75 < np.mean([dice(a, b) for a, b in zip(one, true, strict=True)]) < 0.9
    assert sum(a.sum() for a in one) / sum(b.sum() for b in true) == pytest.approx(1, abs=0.15)


def test_satellites_are_missed_at_times_and_the_largest_never(tracings):
    assert all(drawn and drawn[0].any() for *all_drawn, _ in tracings for drawn in all_drawn)
    drawn, true = sum(len(t[0]) for t in tracings), sum(len(t[3]) for t in tracings)
    assert 0.5 * true < drawn < true


def test_outlines_hold_no_specks(tracings):
    from scipy import ndimage

    for drawn, *_, true in tracings:
        if true[0].sum() < 2000:
            continue
        for z in np.flatnonzero(drawn[0].any(axis=(0, 1))):
            pieces, _ = ndimage.label(drawn[0][:, :, z])
            assert np.bincount(pieces.ravel())[1:].min() >= 6


def test_sites_have_the_paper_s_shares_at_its_scale_and_nearly_so_below():
    sites = [site_of(index) for index in range(220)]
    assert tuple(sites.count(site) for site in range(9)) == SHARES
    assert sum(is_repeated(index) for index in range(220)) == 9
    assert {site_of(index) for index in range(220) if is_repeated(index)} == {7}
    for n in (30, 60, 110):
        for site, share in enumerate(SHARES):
            assert abs(sites[:n].count(site) - share * n / 220) < 1.5


def test_random_nodes_have_unit_spread():
    field = random_nodes(np.random.default_rng(0), (60, 60, 60), 4, 8)
    assert field.mean() == pytest.approx(0, abs=1e-5) and field.std() == pytest.approx(1, abs=1e-4)
