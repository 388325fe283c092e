"""Where networks fail on new people: each number of the analysis from made-up scores that give it away."""

import numpy as np
import pytest

import atlas_lab as lab
from atlas_lab.paper.people_errors import cost_of_mimics, error_analysis

ROW = "final: best"


def scan(subject, dice, ml=3.0):
    return {"subject": subject, "dice": dice, "lesion_f1": dice / 2, "true_ml": ml, "site": "Site1"}


def records(**ways):
    """Five networks on ten people each, the first four of whom are scored again in the given ways."""
    found = []
    for seed in range(5):
        plain = [scan(f"{person:03d}", 0.3 + 0.02 * person) for person in range(10)]
        again = {way.replace("_", " "): [scan(one["subject"], one["dice"] + gain) for one in plain[:4]]
                 for way, gain in ways.items()}
        alarms = {"people": 4, "median_ml": 0.1 * seed, "largest_ml": 2.0, "share_with_any": 0.5}
        found.append({"row": ROW, "config": {"cohort": seed},
                      "scores": {"plain": plain, "false alarms": alarms} | again})
    return found


def test_what_mimics_cost_is_a_difference_on_the_same_people():
    assert cost_of_mimics(records(without_mimics=0.15), ROW) == pytest.approx((0.15, 0.15, 0.15))
    with pytest.raises(KeyError, match="without mimics"):
        cost_of_mimics(records(), ROW)
    with pytest.raises(lab.DataError, match="4 of 5 runs are recorded"):
        cost_of_mimics(records(without_mimics=0.15)[:4], ROW)


def test_the_analysis_has_each_way_that_is_recorded_and_no_other():
    text = error_analysis(records(without_mimics=0.15, real_shapes=-0.2), ROW)
    assert f"| all people | {np.mean([0.3 + 0.02 * person for person in range(10)]):.3f} [" in text
    assert "| the first people, without mimics | 0.480 [" in text and "lesions of real shapes | 0.130 [" in text
    assert "ensemble" not in text and "same people score +0.150" in text and "| size: 1 to 5 ml |     50 | 0.39" in text
    assert "calls 0.20 ml lesion in the median, 2.0 ml at most (means over 5 networks)" in text
    assert "Without mimics" not in error_analysis(records(), ROW)
