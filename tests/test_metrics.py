"""The metrics, against values by hand, loops over pixels and subjects, MONAI, and properties they must have."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import atlas_lab as lab
from atlas_lab import metrics
from atlas_lab.metrics import dice_from_counts, scores_from_sums

# Without a time limit for each example, and the same examples every time, so that a busy machine fails nothing.
settings.register_profile("lab", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("lab")

SHAPE = (3, 4, 5)
MASKS = hnp.arrays(bool, SHAPE)
SCORES = {"mean_dice", "lesion_dice", "hit_rate", "subject_dice", "precision", "recall", "area_ratio"}


def masks(seed, shape=(6, 7, 9), share=0.4):
    rng = np.random.default_rng(seed)
    return rng.random(shape) < share, rng.random(shape) < share


def equal(one, other):
    """Equal to rounding, NaN with NaN."""
    return np.allclose(one, other, rtol=1e-12, atol=1e-12, equal_nan=True)


# ------------------------------------------------------------------------------------------------------ the counts

def test_counts_by_hand():
    pred = np.array([[1, 1, 0], [0, 1, 0]], bool)
    target = np.array([[1, 0, 0], [1, 1, 0]], bool)
    assert [int(count) for count in lab.confusion_counts(pred, target)] == [2, 1, 1, 2]


@given(MASKS, MASKS)
def test_counts_equal_a_loop_over_pixels_and_sum_to_all_pixels(pred, target):
    counts = lab.confusion_counts(pred, target)
    for i in range(SHAPE[0]):
        pairs = list(zip(pred[i].ravel().tolist(), target[i].ravel().tolist(), strict=True))
        expected = [pairs.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))]
        assert [int(count[i]) for count in counts] == expected
        assert sum(expected) == SHAPE[1] * SHAPE[2]


@pytest.mark.parametrize("shape", [(4, 5), (2, 4, 5), (2, 1, 4, 5), (2, 3, 2, 4, 5), (0, 4, 5)])
def test_counts_keep_all_leading_axes(shape):
    for count in lab.confusion_counts(*masks(0, shape)):
        assert count.shape == shape[:-2] and count.dtype == np.int64


def test_torch_tensors_give_the_counts_of_arrays():
    pred, target = masks(1)
    from_tensors = lab.confusion_counts(torch.from_numpy(pred), torch.from_numpy(target))
    for one, other in zip(from_tensors, lab.confusion_counts(pred, target), strict=True):
        assert isinstance(one, np.ndarray) and np.array_equal(one, other)


def test_counts_leave_the_masks_alone():
    pred, target = masks(2)
    before = pred.copy(), target.copy()
    lab.confusion_counts(pred, target)
    assert np.array_equal(pred, before[0]) and np.array_equal(target, before[1])


@pytest.mark.parametrize("function", [lab.confusion_counts, lab.dice_coefficient, lab.mean_dice])
def test_shapes_that_differ_are_refused_with_both_shapes(function):
    with pytest.raises(lab.DataError) as error:
        function(np.zeros((2, 4, 5), bool), np.zeros((2, 5, 4), bool))
    assert "(2, 4, 5)" in str(error.value) and "(2, 5, 4)" in str(error.value)


def test_shapes_that_would_broadcast_are_refused_too():
    with pytest.raises(lab.DataError):
        lab.confusion_counts(np.zeros((3, 4, 5), bool), np.zeros((1, 4, 5), bool))
    with pytest.raises(lab.DataError):
        lab.confusion_counts(np.zeros((3, 1, 4, 5), bool), np.zeros((3, 4, 5), bool))


@pytest.mark.parametrize("function", [lab.confusion_counts, lab.dice_coefficient, lab.mean_dice, lab.metrics.lesion_f1])
@pytest.mark.parametrize("shape", [(), (5,)])
def test_masks_without_height_and_width_are_refused(function, shape):
    with pytest.raises(lab.DataError, match="with height and width last"):
        function(np.zeros(shape, bool), np.zeros(shape, bool))


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64"])
@pytest.mark.parametrize("side", [0, 1])
def test_masks_that_are_not_boolean_are_refused_with_both_types(dtype, side):
    pair = [np.ones((2, 3, 3), bool), np.ones((2, 3, 3), bool)]
    pair[side] = pair[side].astype(dtype)
    with pytest.raises(lab.DataError) as error:
        lab.confusion_counts(*pair)
    assert dtype in str(error.value) and "bool" in str(error.value)


def test_probabilities_in_a_tensor_are_refused():
    with pytest.raises(lab.DataError, match="float32"):
        lab.dice_coefficient(torch.rand(1, 3, 3), torch.ones(1, 3, 3, dtype=torch.bool))


# ------------------------------------------------------------------------------------------------------------ Dice

@pytest.mark.parametrize("tp, fp, fn, dice", [
    (5, 0, 0, 1.0), (0, 3, 4, 0.0), (0, 3, 0, 0.0), (0, 0, 4, 0.0), (1, 1, 1, 0.5), (6, 2, 4, 12 / 18),
    (1, 99, 0, 2 / 101),
])
@pytest.mark.parametrize("empty", ["skip", "one", "zero"])
def test_dice_from_counts_by_hand(tp, fp, fn, dice, empty):
    assert dice_from_counts(tp, fp, fn, empty) == pytest.approx(dice)


# Who scores what (both masks empty; a false alarm on an empty target), as published for each of them.
CONVENTIONS = {"skip": (math.nan, 0.0), "one": (1.0, 0.0), "zero": (0.0, 0.0)}


@pytest.mark.parametrize("empty", CONVENTIONS)
def test_conventions_for_empty_masks(empty):
    target = np.zeros((2, 4, 4), bool)
    pred = target.copy()
    pred[1, 2, 2] = True
    assert equal(lab.dice_coefficient(pred, target, empty), CONVENTIONS[empty])


def test_skip_is_the_default():
    nothing = np.zeros((1, 4, 4), bool)
    assert np.isnan(lab.dice_coefficient(nothing, nothing)).all()
    assert np.isnan(dice_from_counts(0, 0, 0))
    assert math.isnan(lab.mean_dice(nothing, nothing))


def three_kinds_of_slice():
    """A perfect slice, an empty one that is left empty, an empty one with a false alarm."""
    target, pred = np.zeros((3, 4, 4), bool), np.zeros((3, 4, 4), bool)
    target[0, 1, 1] = pred[0, 1, 1] = pred[2, 2, 2] = True
    return pred, target


@pytest.mark.parametrize("empty, mean", [("skip", 1 / 2), ("one", 2 / 3), ("zero", 1 / 3)])
def test_mean_dice_by_hand_under_each_convention(empty, mean):
    assert lab.mean_dice(*three_kinds_of_slice(), empty) == pytest.approx(mean)


def test_an_unknown_convention_is_refused_with_the_choices():
    with pytest.raises(lab.DataError, match=r"'nan'.*skip, one, zero"):
        dice_from_counts(1, 0, 0, "nan")


def test_dice_agrees_with_monai_where_the_conventions_do():
    from monai.metrics import DiceMetric

    pred, target = masks(3, (12, 1, 6, 6), 0.3)
    target[:6] = False
    pred[:3] = False  # 0 to 2 both empty, 3 to 5 false alarms, the others with lesion
    tensors = torch.from_numpy(pred).float(), torch.from_numpy(target).float()

    def theirs(**settings):
        return DiceMetric(reduction="none", **settings)(*tensors).numpy()

    counted = theirs(include_background=True, ignore_empty=False)
    assert np.allclose(lab.dice_coefficient(pred, target, "one"), counted, atol=1e-6)

    # MONAI's default drops every slice whose target is empty, so false alarms are invisible to it; "skip" drops
    # only those that are empty in both.
    dropped, ours = theirs(include_background=True), lab.dice_coefficient(pred, target, "skip")
    assert np.isnan(dropped[:6]).all()
    assert np.isnan(ours[:3]).all() and (ours[3:6] == 0).all()
    assert np.allclose(ours[6:], dropped[6:], atol=1e-6)

    # With a channel for the background, its Dice without the background is that of the lesion alone.
    two_channels = [torch.cat([1 - tensor, tensor], dim=1) for tensor in tensors]
    lesion_only = DiceMetric(include_background=False, reduction="none", ignore_empty=False)(*two_channels)
    assert np.allclose(lab.dice_coefficient(pred, target, "one"), lesion_only.numpy(), atol=1e-6)

    pair = [torch.from_numpy(mask[:, None]).float() for mask in three_kinds_of_slice()]
    assert np.nanmean(DiceMetric(reduction="none")(*pair).numpy()) == 1.0  # ours: 0.5, see the test by hand


@given(MASKS, MASKS, st.sampled_from(["skip", "one", "zero"]))
def test_dice_is_symmetric_and_between_0_and_1(pred, target, empty):
    dice = lab.dice_coefficient(pred, target, empty)
    assert np.array_equal(dice, lab.dice_coefficient(target, pred, empty), equal_nan=True)
    defined = dice[~np.isnan(dice)]
    assert ((defined >= 0) & (defined <= 1)).all()
    if empty != "skip":
        assert defined.size == dice.size


@given(MASKS, MASKS)
def test_dice_is_1_only_for_equal_masks(pred, target):
    equal_masks = (pred == target).all(axis=(1, 2))
    assert np.array_equal(lab.dice_coefficient(pred, target, "one") == 1, equal_masks)


@given(MASKS, MASKS)
def test_dice_is_2j_over_1_plus_j_of_the_jaccard_index(pred, target):
    with np.errstate(invalid="ignore"):
        jaccard = (pred & target).sum((1, 2)) / (pred | target).sum((1, 2))
    assert equal(lab.dice_coefficient(pred, target), 2 * jaccard / (1 + jaccard))


@given(MASKS, MASKS)
def test_dice_does_not_care_where_the_pixels_lie(pred, target):
    order = np.random.default_rng(0).permutation(SHAPE[1] * SHAPE[2])
    shuffled = [mask.reshape(SHAPE[0], -1)[:, order].reshape(SHAPE) for mask in (pred, target)]
    assert np.array_equal(lab.dice_coefficient(*shuffled), lab.dice_coefficient(pred, target), equal_nan=True)


@given(MASKS, MASKS, st.sampled_from(["skip", "one", "zero"]))
def test_mean_dice_is_the_mean_of_the_slices_that_are_not_skipped(pred, target, empty):
    values = []
    for p, t in zip(pred, target, strict=True):
        if p.any() or t.any():
            values.append(2 * (p & t).sum() / (p.sum() + t.sum()))
        elif empty != "skip":
            values.append({"one": 1, "zero": 0}[empty])
    expected = np.mean(values) if values else math.nan
    assert equal(lab.mean_dice(pred, target, empty), expected)


def test_no_warning_is_given_for_empty_masks(recwarn):
    nothing = np.zeros((2, 3, 3), bool)
    lab.mean_dice(nothing, nothing)
    lab.precision_recall_area(0, 0, 0)
    scores_from_sums(metrics.sums_by_subject([0], [0], [0], ["a"], ["a"]))
    assert len(recwarn) == 0


# ----------------------------------------------------------------------------------------------- whole subjects

def test_subject_dice_by_hand():
    pred, target = np.zeros((3, 2, 2), bool), np.zeros((3, 2, 2), bool)
    target[0], pred[0] = True, True      # b: TP 4
    target[1, 0], pred[1, 1] = True, True  # a: FP 2, FN 2
    pred[2, 0, 0] = True                 # b: FP 1
    assert lab.subject_dice(pred, target, ["b", "a", "b"]) == {"a": 0.0, "b": pytest.approx(8 / 9)}


@given(MASKS, MASKS, st.lists(st.sampled_from("abc"), min_size=3, max_size=3),
       st.sampled_from(["skip", "one", "zero"]))
def test_subject_dice_is_the_dice_of_all_slices_side_by_side(pred, target, subjects, empty):
    found = lab.subject_dice(pred, target, subjects, empty)
    assert set(found) == set(subjects)
    for subject in found:
        mine = np.array(subjects) == subject
        wide = [np.concatenate(list(mask[mine]), axis=1) for mask in (pred, target)]
        assert equal(found[subject], lab.dice_coefficient(*wide, empty))


def test_subject_dice_takes_a_channel_axis_and_tensors():
    pred, target = masks(4)
    subjects = [10, 10, 20, 20, 20, 30]
    plain = lab.subject_dice(pred, target, subjects)
    tensors = (torch.from_numpy(mask)[:, None] for mask in (pred, target))
    assert lab.subject_dice(*tensors, subjects) == plain
    assert list(plain) == [10, 20, 30]


def test_a_small_slice_weighs_less_in_subject_dice_than_in_mean_dice():
    target = np.zeros((2, 10, 10), bool)
    target[0], target[1, 0, 0] = True, True
    pred = target.copy()
    pred[1] = False
    assert lab.mean_dice(pred, target) == pytest.approx(0.5)
    assert lab.subject_dice(pred, target, ["a", "a"])["a"] == pytest.approx(200 / 201)


# ----------------------------------------------------------------------------------------- precision, recall, area

@pytest.mark.parametrize("tp, fp, fn, expected", [
    ([6], [2], [4], (6 / 8, 6 / 10, 8 / 10)),
    ([10, 0, 5], [90, 10, 0], [0, 3, 5], (15 / 115, 15 / 23, 115 / 23)),  # pooled: sums first, then the fraction
    ([0], [0], [7], (math.nan, 0, 0)),
    ([0], [7], [0], (0, math.nan, math.nan)),
    ([0], [0], [0], (math.nan,) * 3),
    ([], [], [], (math.nan,) * 3),
])
def test_precision_recall_area_by_hand(tp, fp, fn, expected):
    found = lab.precision_recall_area(np.array(tp), np.array(fp), np.array(fn))
    assert equal(found, expected) and all(type(value) is float for value in found)


def test_predicting_the_whole_slice_has_recall_1_and_precision_the_share_of_lesion():
    target = masks(5)[1]
    tp, fp, fn, _ = lab.confusion_counts(np.ones_like(target), target)
    share = target.mean()
    assert lab.precision_recall_area(tp, fp, fn) == pytest.approx((share, 1, 1 / share))


@given(MASKS, MASKS)
def test_dice_of_all_pixels_is_the_harmonic_mean_of_precision_and_recall(pred, target):
    tp, fp, fn, _ = lab.confusion_counts(pred, target)
    precision, recall, area = lab.precision_recall_area(tp, fp, fn)
    if tp.sum():
        pooled = dice_from_counts(tp.sum(), fp.sum(), fn.sum())
        assert equal(pooled, 2 / (1 / precision + 1 / recall))
        assert equal(area, recall / precision)
