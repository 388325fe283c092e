"""Lesion-wise counts, centroids and sums over subjects, counted by hand on a few pixels; and what is no mask."""

import math

import numpy as np
import pytest
import torch

import atlas_lab as lab
from atlas_lab.metrics import centroid_distances, lesion_counts, scores_from_sums, sums_by_subject


def test_lesions_far_from_any_overlap_count_too():
    target, pred = np.zeros((2, 12, 12), bool)
    target[0, 0:3] = target[5, 5] = target[11, 11] = True      # three lesions
    pred[0, 1:3] = pred[11, 0] = pred[8, 0:2] = pred[0, 9] = True  # touches the first; three lie in none
    assert lesion_counts(pred, target) == (1, 3, 2)
    assert lesion_counts(target, pred) == (1, 2, 3)
    assert lesion_counts(pred & False, target) == (0, 0, 3) and lesion_counts(pred, target & False) == (0, 4, 0)


def test_centroid_distance_in_radii_of_the_target():
    target, pred = np.zeros((2, 3, 9, 9), bool)
    target[0, 2:4, 2:4] = True          # 4 pixels: radius sqrt(4 / pi), centre (2.5, 2.5)
    pred[0, 5:7, 6:8] = True            # centre (5.5, 6.5): 3 down and 4 to the right
    target[1, 4, 4] = pred[2, 4, 4] = True
    found = centroid_distances(pred, target)
    assert found[0] == pytest.approx(5 / math.sqrt(4 / math.pi)) and np.isnan(found[1:]).all()


def test_a_hit_is_a_slice_with_lesion_that_the_prediction_touches():
    tp, fp, fn = np.array([[3, 0, 0, 2, 0], [0, 5, 4, 0, 0], [1, 2, 0, 0, 7]])  # slices 0, 1, 3 and 4 have lesion
    sums = sums_by_subject(tp, fp, fn, list("aaabb"), list("aaabb"))
    assert sums["hits"].tolist() == [1, 1] and sums["lesion_slices"].tolist() == [2, 2]
    scores = scores_from_sums({name: values.sum() for name, values in sums.items()})
    assert scores["hit_rate"] == 0.5 and scores["lesion_dice"] == pytest.approx((6 / 7 + 0 + 1 + 0) / 4)


@pytest.mark.parametrize("labels", [["a", "b"], ["a"] * 4, []])
def test_subject_dice_wants_a_label_for_each_slice(labels):
    masks = np.zeros((3, 4, 5), bool)
    with pytest.raises(lab.DataError, match=f"{len(labels)} labels for 3 slices"):
        lab.subject_dice(masks, masks, labels)


@pytest.mark.parametrize("pred", [
    torch.rand(1, 4, 4, requires_grad=True), torch.rand(1, 4, 4).bfloat16(), [[[1, 2], [3]]]])
def test_what_numpy_makes_no_array_of_is_refused_in_one_line(pred):
    for function in (lab.mean_dice, lab.dice_coefficient, lesion_counts):
        with pytest.raises(lab.DataError, match="masks must be boolean") as raised:
            function(pred, torch.zeros(1, 4, 4, dtype=torch.bool))
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("shape", [(3, 4, 0), (3, 0, 5), (0, 0)])
def test_masks_without_height_or_width_are_refused(shape):
    with pytest.raises(lab.DataError, match="height and width"):
        lab.dice_coefficient(np.zeros(shape, bool), np.zeros(shape, bool))
    assert lab.dice_coefficient(np.zeros((0, 4, 5), bool), np.zeros((0, 4, 5), bool)).shape == (0,)
