"""Lesion-wise counts, centroids and sums over subjects, counted by hand on a few pixels."""

import math

import numpy as np
import pytest

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
