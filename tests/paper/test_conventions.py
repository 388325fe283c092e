"""Six headline numbers against MONAI and torchmetrics, and lesion-wise F1 against components found by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from monai.metrics import DiceMetric
from scipy import ndimage
from torchmetrics.segmentation import DiceScore

import atlas_lab as lab
from atlas_lab.metrics import lesion_counts, lesion_f1


@pytest.fixture(scope="module")
def masks():
    """1,000 pairs of random masks, empty ones of every kind among them, in 40 scans of which one is empty."""
    rng = np.random.default_rng(0)
    pred, target = rng.random((1000, 8, 8)) > 0.9, rng.random((1000, 8, 8)) > 0.93
    pred[:100] = pred[400:450] = target[:50] = target[200:300] = False
    return pred, target, np.repeat([f"scan {i:02d}" for i in range(40)], 25)


def torchmetrics_dice(pred, target, level):
    metric = DiceScore(1, input_format="one-hot", average="micro", aggregation_level=level)
    return float(metric(torch.from_numpy(pred).int(), torch.from_numpy(target).int()))


def monai_dice(pred, target, **settings):
    metric = DiceMetric(reduction="none", **settings)
    return float(np.nanmean(metric(torch.from_numpy(pred).float(), torch.from_numpy(target).float()).numpy()))


def test_the_numbers_are_those_of_monai_and_torchmetrics(masks):
    pred, target, scans = masks
    ours = lab.paper.headline_dice(pred, target, scans)
    one, other = pred[:, None], target[:, None]
    volumes = [mask.reshape(40, 1, 25, 8, 8) for mask in (pred, target)]
    theirs = {
        "paper's code": torchmetrics_dice(one, other, "samplewise"),
        "ATLAS challenge": monai_dice(one, other, ignore_empty=False),
        "MONAI default": monai_dice(one, other),
        "X-Net": monai_dice(one, other, ignore_empty=False) - (~(pred | target).any(axis=(1, 2))).mean(),
        "torchmetrics global": torchmetrics_dice(one, other, "global"),
        "nnU-Net": torchmetrics_dice(*volumes, "samplewise"),
    }
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert len({round(value, 4) for value in ours.values()}) == 6


def test_an_empty_pair_is_the_only_thing_three_of_them_disagree_on():
    mask = np.zeros((2, 4, 4), bool)
    mask[0, :2, :2] = True
    numbers = lab.paper.headline_dice(mask, mask, ["a", "a"])
    assert numbers == {"paper's code": 1, "ATLAS challenge": 1, "MONAI default": 1, "X-Net": 0.5,
                       "torchmetrics global": 1, "nnU-Net": 1}


def test_a_false_alarm_on_a_slice_without_lesion_is_invisible_to_monai_s_default():
    target = np.zeros((2, 4, 4), bool)
    target[0, :2, :2] = True
    pred = target.copy()
    pred[1, 0, 0] = True
    numbers = lab.paper.headline_dice(pred, target, ["a", "b"])
    assert numbers["MONAI default"] == 1 and numbers["paper's code"] == numbers["nnU-Net"] == 0.5
    assert numbers["torchmetrics global"] == pytest.approx(8 / 9)


def test_the_whole_brain_finds_every_lesion_by_the_one_voxel_rule():
    target = np.zeros((20, 20, 20), bool)
    target[2:5, 2:5, 2:5] = target[10:14, 10, 10] = target[18, 18, 18] = True
    brain = np.ones_like(target)
    assert lesion_counts(brain, target) == (3, 0, 0) and lesion_f1(brain, target) == 1
    dice = 2 * target.sum() / (target.sum() + brain.sum())
    assert dice < 0.01


def test_connectivity_changes_the_counts():
    target = np.zeros((4, 4, 4), bool)
    target[0, 0, 0] = target[1, 1, 1] = True  # one corner in common
    pred = np.zeros_like(target)
    pred[0, 0, 0] = True
    assert lesion_counts(pred, target, touching=1) == (1, 0, 1)
    assert lesion_counts(pred, target, touching=3) == (1, 0, 0)
    assert np.isnan(lesion_f1(np.zeros_like(target), np.zeros_like(target)))


@given(arrays(bool, (2, 6, 7)))
def test_lesions_are_those_of_a_loop_over_components(pair):
    pred, target = pair
    true, pred_parts = ([part == i for i in range(1, n + 1)] for part, n in map(ndimage.label, (target, pred)))
    found = sum((part & pred).any() for part in true)
    invented = sum(not (part & target).any() for part in pred_parts)
    assert lesion_counts(pred, target) == (found, invented, len(true) - found)


@given(st.integers(1, 5), st.integers(0, 5))
def test_f1_of_lesions_that_are_single_pixels_is_dice(n_true, n_pred):
    target, pred = np.zeros((2, 1, 30), bool)
    target[0, : 2 * n_true : 2], pred[0, : 2 * n_pred : 2] = True, True
    assert lesion_f1(pred, target) == pytest.approx(2 * min(n_true, n_pred) / (n_true + n_pred))
