"""Sums over subjects, the scores made of them, and bootstrap intervals, against loops."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

import atlas_lab as lab
from atlas_lab import metrics
from atlas_lab.metrics import scores_from_sums
from atlas_lab.statistics import bootstrap_scores

SHAPE = (3, 4, 5)
MASKS = hnp.arrays(bool, SHAPE)
SCORES = {"mean_dice", "lesion_dice", "hit_rate", "subject_dice", "precision", "recall", "area_ratio"}


def equal(one, other):
    """Equal to rounding, NaN with NaN."""
    return np.allclose(one, other, rtol=1e-12, atol=1e-12, equal_nan=True)


def masks(seed, shape=(6, 7, 9), share=0.4):
    rng = np.random.default_rng(seed)
    return rng.random(shape) < share, rng.random(shape) < share


# --------------------------------------------------------------------------------- sums over subjects and the scores

# A slice: subject, scan of the subject, and counts, of which 0 0 0 is a slice that is skipped.
SLICES = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["t01", "t02"]), st.integers(0, 3), st.integers(0, 3),
              st.integers(0, 3)),
    min_size=1, max_size=12,
)


def columns(slices):
    """tp, fp, fn, subjects, scans, as the functions take them."""
    subjects, sessions, tp, fp, fn = zip(*slices, strict=True)
    scans = [f"{subject}/{session}" for subject, session in zip(subjects, sessions, strict=True)]
    return np.array(tp), np.array(fp), np.array(fn), subjects, scans


def dice_or_none(tp, fp, fn):
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None


def fraction(above, below):
    return above / below if below else math.nan


def scores_by_loops(slices):
    """The scores of a list of slices, written as plainly as can be; equal scans are one scan."""
    per_slice = [dice_or_none(tp, fp, fn) for *_, tp, fp, fn in slices]
    per_scan = []
    for scan in sorted({slice_[:2] for slice_ in slices}):
        counts = [slice_[-3:] for slice_ in slices if slice_[:2] == scan]
        per_scan.append(dice_or_none(*(sum(column) for column in zip(*counts, strict=True))))
    tp, fp, fn = (sum(slice_[i] for slice_ in slices) for i in (-3, -2, -1))

    def mean(values):
        defined = [value for value in values if value is not None]
        return fraction(sum(defined), len(defined))

    with_lesion = [slice_ for slice_ in slices if slice_[-3] + slice_[-1] > 0]
    return {
        "mean_dice": mean(per_slice), "subject_dice": mean(per_scan), "precision": fraction(tp, tp + fp),
        "lesion_dice": mean([dice_or_none(*slice_[-3:]) for slice_ in with_lesion]),
        "hit_rate": fraction(sum(slice_[-3] > 0 for slice_ in with_lesion), len(with_lesion)),
        "recall": fraction(tp, tp + fn), "area_ratio": fraction(tp + fp, tp + fn),
    }


def test_sums_by_subject_by_hand():
    # a has two scans, the second wholly empty; b has one scan with a skipped slice.
    sums = metrics.sums_by_subject(
        [2, 0, 1, 0, 0], [0, 1, 1, 0, 0], [2, 0, 0, 0, 0],
        ["a", "a", "b", "b", "a"], ["a/1", "a/1", "b/1", "b/1", "a/2"],
    )
    expected = {
        "dice": [4 / 6 + 0, 2 / 3], "slices": [2, 1], "tp": [2, 1], "fp": [1, 1], "fn": [2, 0],
        "scan_dice": [4 / 7, 2 / 3], "scans": [1, 1],
        "lesion_dice": [4 / 6, 2 / 3], "hits": [1, 1], "lesion_slices": [1, 1],
    }
    assert set(sums) == set(expected)
    for name, values in expected.items():
        assert sums[name].dtype == np.float64
        np.testing.assert_allclose(sums[name], values)


def test_centroid_distances_by_hand():
    target, pred = np.zeros((4, 20, 20), bool), np.zeros((4, 20, 20), bool)
    target[:3, 2:6, 2:6] = True      # 16 pixels, centre (3.5, 3.5), radius sqrt(16 / pi)
    pred[0, 2:6, 2:6] = True         # the same
    pred[1, 5:9, 6:10] = True        # 3 rows and 4 columns away
    pred[3, 0, 0] = True             # no target; and none predicted for target 2
    apart = metrics.centroid_distances(pred, target)
    np.testing.assert_allclose(apart, [0, 5 / math.sqrt(16 / math.pi), math.nan, math.nan])


@given(MASKS, MASKS)
def test_centroid_distances_equal_scipy_s_centres_of_mass(pred, target):
    for found, p, t in zip(metrics.centroid_distances(pred, target), pred, target, strict=True):
        if p.any() and t.any():
            apart = math.dist(ndimage.center_of_mass(p), ndimage.center_of_mass(t))
            assert found == pytest.approx(apart / math.sqrt(t.sum() / math.pi))
        else:
            assert math.isnan(found)


def test_the_centroid_distance_of_a_cohort_is_the_mean_over_slices_that_have_one():
    distances = np.array([1.0, math.nan, 4.0])
    sums = metrics.sums_by_subject([1, 0, 1], [1, 1, 1], [1, 1, 1], ["a", "a", "b"], ["a", "a", "b"], distances)
    assert sums["centroid_distance"].tolist() == [1, 4] and sums["with_centroids"].tolist() == [1, 1]
    assert bootstrap_scores(sums)["centroid_distance"]["value"] == 2.5


@given(SLICES)
def test_scores_from_sums_equal_loops(slices):
    sums = metrics.sums_by_subject(*columns(slices))
    assert all(len(column) == len({slice_[0] for slice_ in slices}) for column in sums.values())
    scores = scores_from_sums({name: column.sum() for name, column in sums.items()})
    expected = scores_by_loops(slices)
    assert set(scores) == SCORES
    for name in SCORES:
        assert equal(scores[name], expected[name]), name


@given(SLICES)
def test_sums_of_each_subject_score_that_subject_alone(slices):
    scores = scores_from_sums(metrics.sums_by_subject(*columns(slices)))
    for i, subject in enumerate(sorted({slice_[0] for slice_ in slices})):
        alone = scores_by_loops([slice_ for slice_ in slices if slice_[0] == subject])
        assert all(equal(scores[name][i], alone[name]) for name in SCORES)


@given(SLICES)
def test_the_scores_are_those_of_the_simple_functions(slices):
    tp, fp, fn, subjects, scans = columns(slices)
    sums = metrics.sums_by_subject(tp, fp, fn, subjects, scans)
    scores = scores_from_sums({name: column.sum() for name, column in sums.items()})
    found = [scores[name] for name in ("precision", "recall", "area_ratio")]
    assert equal(found, lab.precision_recall_area(tp, fp, fn))


def test_the_order_of_slices_and_the_type_of_labels_do_not_matter():
    slices = [("a", "t01", 1, 2, 0), ("b", "t01", 3, 0, 1), ("a", "t02", 0, 1, 0), ("a", "t01", 2, 2, 2)]
    tp, fp, fn, subjects, scans = columns(slices)
    order = [2, 0, 3, 1]
    first = metrics.sums_by_subject(tp, fp, fn, subjects, scans)
    numbers = np.array([7 if subject == "a" else 9 for subject in subjects])
    second = metrics.sums_by_subject(tp[order], fp[order], fn[order], numbers[order], np.array(scans)[order])
    assert all(equal(first[name], second[name]) for name in first)


# -------------------------------------------------------------------------------------------------------- bootstrap

def random_sums(n_subjects, seed=0):
    """Sums of subjects that differ from one another, five slices each."""
    rng = np.random.default_rng(seed)
    tp, fp, fn = rng.integers(1, 30, (3, n_subjects)).repeat(5, axis=1)
    tp[rng.random(tp.shape) < 0.3] = 0  # slices whose lesion is missed
    subjects = np.arange(n_subjects).repeat(5)
    return metrics.sums_by_subject(tp, fp, fn, subjects, subjects)


def test_bootstrap_values_are_the_scores_of_all_subjects():
    sums = random_sums(7)
    scores = scores_from_sums({name: column.sum() for name, column in sums.items()})
    result = bootstrap_scores(sums, n_resamples=20)
    assert set(result) == SCORES
    for name, entry in result.items():
        assert set(entry) == {"value", "low", "high"} and all(type(number) is float for number in entry.values())
        assert entry["value"] == pytest.approx(float(scores[name]))


def test_bootstrap_interval_equals_that_of_all_possible_resamples():
    slices = [
        ("a", "t01", 3, 1, 0), ("a", "t01", 0, 0, 0), ("a", "t02", 1, 0, 5), ("b", "t01", 0, 2, 0),
        ("b", "t01", 4, 4, 1), ("c", "t01", 2, 9, 2), ("c", "t01", 0, 0, 3),
    ]
    possible = {name: [] for name in SCORES}
    for draw in itertools.product("abc", repeat=3):
        # A subject that is drawn twice brings its slices twice, as scans of their own.
        resample = [(f"{i}", s[1], *s[2:]) for i, drawn in enumerate(draw) for s in slices if s[0] == drawn]
        for name, value in scores_by_loops(resample).items():
            possible[name].append(value)
    result = bootstrap_scores(metrics.sums_by_subject(*columns(slices)), level=0.9, n_resamples=20_000)
    for name, values in possible.items():
        # Each of the 27 resamples is as likely as any other, so the quantile is one of them.
        low, high = np.quantile(values, [0.05, 0.95], method="inverted_cdf")
        assert (result[name]["low"], result[name]["high"]) == pytest.approx((low, high)), name


def test_bootstrap_is_decided_by_its_seed():
    sums = random_sums(9)
    assert bootstrap_scores(sums, seed=3) == bootstrap_scores(sums, seed=3)
    assert bootstrap_scores(sums, seed=3) != bootstrap_scores(sums, seed=4)


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 9), st.integers(0, 9))
def test_identical_subjects_have_an_interval_of_no_width(n_subjects, tp, fp, fn):
    counts = (np.full(n_subjects, count) for count in (tp, fp, fn))
    result = bootstrap_scores(metrics.sums_by_subject(*counts, range(n_subjects), range(n_subjects)), n_resamples=20)
    for entry in result.values():
        assert entry["low"] == pytest.approx(entry["value"]) == entry["high"]


def width(entry):
    return entry["high"] - entry["low"]


def test_intervals_shrink_with_the_root_of_the_number_of_subjects():
    few, many = (bootstrap_scores(random_sums(n)) for n in (20, 320))
    for name in SCORES:
        assert 2.5 < width(few[name]) / width(many[name]) < 6, name  # 4 if the subjects were of equal spread


def test_more_slices_of_the_same_subjects_do_not_narrow_the_interval():
    sums = random_sums(10)
    more = {name: 10 * column for name, column in sums.items()}
    one, other = bootstrap_scores(sums, n_resamples=200), bootstrap_scores(more, n_resamples=200)
    for name in SCORES:
        assert one[name] == pytest.approx(other[name])


def test_a_higher_level_gives_a_wider_interval_around_the_narrower():
    sums = random_sums(12)
    narrow, wide = (bootstrap_scores(sums, level=level) for level in (0.5, 0.99))
    for name in SCORES:
        assert wide[name]["low"] < narrow[name]["low"] < narrow[name]["value"]
        assert narrow[name]["value"] < narrow[name]["high"] < wide[name]["high"]


def test_intervals_leave_out_resamples_in_which_a_score_is_undefined():
    # One subject with nothing predicted: a resample of it alone has no precision; otherwise precision is 3/4.
    sums = metrics.sums_by_subject([3, 0], [1, 0], [0, 5], ["a", "b"], ["a", "b"])
    precision = bootstrap_scores(sums, n_resamples=200)["precision"]
    assert precision == {"value": 0.75, "low": 0.75, "high": 0.75}


def test_a_score_that_is_never_defined_is_nan_throughout(recwarn):
    sums = metrics.sums_by_subject([0, 0], [0, 0], [4, 5], ["a", "b"], ["a", "b"])
    result = bootstrap_scores(sums, n_resamples=50)
    assert all(math.isnan(number) for number in result["precision"].values())
    assert result["recall"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert len(recwarn) == 0
