"""What the ledger's verdicts are computed from, by hand."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from test_claims import PAPER, all_runs, verdicts

from atlas_lab.paper.evidence import LATE, late_dice
from atlas_lab.paper.verdicts import Part, seeds_needed


def test_late_dice_is_the_mean_of_the_last_epochs_up_to_one():
    curve = np.arange(LATE + 5) ** 2 / 1000  # no two windows have the same mean
    run = SimpleNamespace(curve=lambda: curve)
    last = LATE + 3
    assert late_dice([run], last) == pytest.approx([sum(curve[3 : LATE + 3]) / LATE])
    assert late_dice([run], 2) == pytest.approx([(curve[0] + curve[1]) / 2])


def test_the_baseline_overestimates_only_if_all_of_the_interval_does():
    def with_areas(areas):
        runs = []
        for run in all_runs(**PAPER):
            if run.config.pos_weight == 100 and run.config.pool == "max":
                history = [{**entry, "dev": {**entry["dev"], "area_ratio": areas[run.config.seed]}}
                           for entry in run.history]
                run = replace(run, history=history)
            runs.append(run)
        return verdicts(runs)["C2"]

    assert with_areas([5, 5.1, 4.9, 5, 5]) == "holds"
    assert with_areas([1.0, 9.0, 1.2, 8.0, 7.0]) != "holds"  # their mean is far above 2


def test_seeds_that_an_effect_would_take_by_the_table_of_student_s_t():
    """Mean 0.15, standard deviation 0.1: with 3, 4 and 5 seeds half an interval is 0.25, 0.16 and 0.12."""
    assert seeds_needed(Part("a difference", [0.05, 0.15, 0.25], 0.0)) == (
        "3 seeds could have shown 0.25; if it is 0.15, it takes about 5 seeds")
    assert seeds_needed(Part("a difference", [-0.1, 0.1001, 0.0], 0.0)).endswith("it takes over 100 seeds")
