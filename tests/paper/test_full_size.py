"""What was expected of the full-size runs, and what they came to."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from atlas_lab.config import PROFILES
from atlas_lab.data.state import read_json
from atlas_lab.experiment.artifacts import as_run
from atlas_lab.experiment.run import RECORDS, Run, load_runs
from atlas_lab.paper.full_size import EXPECTED, FULL_SIZE_RECORDS, HEADLINE, full_size_text
from atlas_lab.paper.headline import expected_headline
from atlas_lab.paper.scaling import expected_full_size, scaling_points
from atlas_lab.paper.study import StudyRecords

FULL = PROFILES["paper"].config
ABOUT = {"expected": {"mean_dice": 0.2, "low": 0.1, "high": 0.3}, "from": {"a": {"mm": 8}, "b": {"mm": 2}}}


def record(config, dice):
    score = {"value": dice, "low": dice - 0.01, "high": dice + 0.01}
    final = {"dev": {"mean_dice": score, "area_ratio": score}, "dev_copied": {"mean_dice": score}}
    history = [{"epoch": 1, "dev": {"mean_dice": dice + 0.2}}]
    return Run(config, history, final, {}, {}, {"commit": "0123456789"}, {}, 1.0, point={"updates": 3030})


def row_of(text, name):
    return next(line for line in text.splitlines() if line.startswith(f"| {name} |"))


@pytest.mark.parametrize(("dice", "outcome"), [(0.25, "inside"), (0.1, "inside"), (0.31, "outside"), (0.05, "outside")])
def test_a_run_as_written_is_held_against_what_was_expected(dice, outcome):
    row = row_of(full_size_text([record(FULL, dice)], ABOUT), "as written, weight 100, seed 0")
    assert row.split(" | ")[1:4] == ["10", "3,030", f"{dice:.3f} [{dice - 0.01:.3f}, {dice + 0.01:.3f}]"]
    assert f"0.200 [0.100, 0.300]: {outcome}" in row and "0123456" in row


def test_what_was_not_made_or_not_expected_says_so():
    text = full_size_text([record(replace(as_run(FULL), seed=1, cohort=1), 0.25)], ABOUT)
    assert "none stated" in row_of(text, "as run, weight 100, seed 1")
    assert text.count("not run") == 6
    assert "from 2 runs at 8 to 2 mm" in text.replace("\n", " ")


def test_a_run_as_the_code_ran_is_held_against_it_by_the_slices_that_the_code_scores():
    about = ABOUT | {"headline": {"mean_dice": 0.3, "low": 0.25, "high": 0.4}}
    row = row_of(full_size_text([record(HEADLINE, 0.1)], about), "as run, weight 1, learning rate dropped, seed 0")
    assert "| 0.100 [0.090, 0.110]; 0.300 of the first 100 | 0.300 [0.250, 0.400]: inside |" in row


def test_what_the_headline_was_expected_to_come_to_follows_from_the_records():
    """By pandas and scipy alone: the mean of the logarithms, and Student's t."""
    about = read_json(EXPECTED, "")
    first = next(run for run in load_runs(FULL_SIZE_RECORDS) if run.name == about["headline from"])
    curves = {(name, seed): pd.Series(run.curve(), index=range(1, len(run.history) + 1))
              for name in ("weight 1", "decayed", "baseline")
              for seed, run in StudyRecords().variant(name, epochs=60 if name != "baseline" else 1).items()}
    table = pd.DataFrame({
        "late": {seed: curves["weight 1", seed][26] for seed in range(5)},  # 7,800 updates, 303 an epoch
        "gain": {seed: curves["decayed", seed][60] / curves["weight 1", seed][60] for seed in range(5)},
        "early": {seed: curves["baseline", seed][4] for seed in range(5)},  # 1,300
    })
    logs = np.log(table)
    mean = logs["late"].mean() + logs["gain"].mean() - logs["early"].mean() + np.log(first.curve()[-1])
    error = np.sqrt(1.2 * logs["late"].var() + 1.2 * logs["early"].var() + logs["gain"].var() / 5)
    expected = np.exp([mean, *scipy.stats.t.interval(0.9, 4, mean, error)])
    assert [*about["headline"].values()] == pytest.approx(expected, abs=1e-4)
    assert [*expected_headline(StudyRecords(), first, 7800)] == pytest.approx(expected)


def test_what_was_expected_follows_from_the_records_that_it_names():
    about = read_json(EXPECTED, "")
    runs = load_runs(RECORDS / "scaling")
    assert {run.name for run in runs} == set(about["from"])
    points = scaling_points(runs, "scale", variant="baseline")
    assert sorted(points.score.round(4)) == sorted(source["mean_dice_at_1_mm"] for source in about["from"].values())
    found = expected_full_size(runs)
    assert [round(value, 4) for value in (found.mean, found.low, found.high)] == [*about["expected"].values()]


def test_shipped_runs_are_at_the_paper_s_point():
    for run in load_runs(FULL_SIZE_RECORDS):
        assert run.point["name"] == "paper" and run.point["parameters"] == 93_705_297
        assert not run.code["changed"]
