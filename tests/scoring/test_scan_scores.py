"""Scores of scans, people and groups; intervals over people; calibration."""

import numpy as np
import pytest
from scipy import stats

import atlas_lab as lab
from atlas_lab.scoring.bootstrap import paired_difference, people_interval
from atlas_lab.scoring.calibration import calibration
from atlas_lab.scoring.scans import by_group, by_subject, score_scan, size_group


def test_a_scan_by_hand():
    """Boxes of 4 x 4 x 10 voxels of 4 x 4 x 1 mm, one moved by a voxel: 2.56 ml each, three quarters shared."""
    pred, target = np.zeros((12, 12, 20), bool), np.zeros((12, 12, 20), bool)
    target[2:6, 2:6, 5:15] = pred[3:7, 2:6, 5:15] = True
    scores = score_scan(pred, target, (4, 4, 1))
    assert (scores["true_ml"], scores["pred_ml"]) == pytest.approx((2.56, 2.56))
    assert scores["dice"] == pytest.approx(0.75) and scores["panoptic"] == pytest.approx(0.6)
    assert (scores["lesion_f1"], scores["count_difference"], scores["volume_difference_ml"]) == (1, 0, 0)
    assert scores["hd95"] == 4 and scores["surface_dice"] == 1
    pred[10, 10, 0] = True
    assert score_scan(pred, target, (4, 4, 1))["lesion_f1"] == pytest.approx(2 / 3)
    healthy = score_scan(pred & False, target & False, (4, 4, 1))
    assert healthy["dice"] == healthy["lesion_f1"] == 1 and np.isnan(healthy["hd95"])


def test_people_and_groups():
    scans = [{"subject": name, "site": site, "true_ml": ml, "dice": dice} for name, site, ml, dice in [
        ("b", "1", 0.0, 1.0), ("a", "1", 1.0, 0.5), ("a", "1", 1.1, 0.7), ("c", "2", 30.0, np.nan)]]
    people = by_subject(scans, "dice")
    assert list(people) == ["a", "b", "c"] and people["a"] == pytest.approx(0.6) and np.isnan(people["c"])
    assert [size_group(scan) for scan in scans] == ["none", "0 to 1 ml", "1 to 5 ml", "over 20 ml"]
    assert by_group(scans, "dice", lambda scan: scan["site"])["1"] == pytest.approx({"a": 0.6, "b": 1.0})


def test_an_interval_over_people_is_scipy_s():
    values = np.random.default_rng(0).beta(2, 2, 60)
    people = {str(index): value for index, value in enumerate(values)}
    found = people_interval(people | {"none": np.nan})
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=5000, random_state=1)
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.004)
    far = people_interval({"a": 1.0, "b": 2.0, "c": np.inf}, np.median)
    assert far == (2, 1, np.inf)
    with pytest.raises(lab.DataError, match="nobody"):
        people_interval({"a": np.nan})


def test_a_paired_difference_leaves_out_what_people_share():
    rng = np.random.default_rng(1)
    hard, gain = rng.uniform(0, 0.8, 50), rng.normal(0.05, 0.01, 50)
    ones, others = ({str(i): v for i, v in enumerate(values)} for values in (hard + gain, hard))
    found = paired_difference(ones, others)
    assert found.mean == pytest.approx(gain.mean()) and found.low > 0.04 and found.high < 0.06
    apart = people_interval(ones).high - people_interval(ones).low
    assert found.high - found.low < apart / 5
    with pytest.raises(lab.DataError, match="1 people are scored for one model only, such as 7"):
        paired_difference(ones, {name: value for name, value in others.items() if name != "7"})


def test_calibration_by_hand():
    found = calibration([0.05, 0.05, 0.75, 0.75, 1.0], np.array([False, True, True, True, True]))
    assert found.pixels.tolist() == [2, 0, 0, 0, 0, 0, 0, 2, 0, 1]
    assert found.found[[0, 7, 9]].tolist() == [0.5, 1, 1] and np.isnan(found.said[1])
    assert found.error == pytest.approx((2 * 0.45 + 2 * 0.25) / 5)
    assert found.brier == pytest.approx((0.05**2 + 0.95**2 + 2 * 0.25**2) / 5)
    assert calibration([0.05, 0.75], np.array([False, True]), from_probability=0.5).pixels.sum() == 1


def test_a_calibrated_machine_has_no_error():
    rng = np.random.default_rng(2)
    probability = rng.random(200_000)
    assert calibration(probability, rng.random(200_000) < probability).error < 0.01


@pytest.mark.parametrize("probability", [[0.5, np.nan], [0.5, 1.2], [-0.1, 0.5], [0.5]])
def test_what_is_no_probability_is_refused(probability):
    with pytest.raises(lab.DataError):
        calibration(probability, np.array([True, False]))
