"""Sweeps shared out among jobs."""

import pytest

import atlas_lab as lab
from atlas_lab.config import PROFILES, with_seeds
from atlas_lab.paper.planning import plan_sweep, share_of


def test_shares_are_all_of_a_sweep_each_run_once():
    configs = with_seeds([lab.RunConfig()], range(7))
    shares = [share_of(configs, f"{i}/3") for i in (1, 2, 3)]
    assert [[config.seed for config in share] for share in shares] == [[0, 3, 6], [1, 4], [2, 5]]
    assert share_of(configs, None) == configs and share_of(configs, "8/8") == []


@pytest.mark.parametrize("part", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/3/5"])
def test_what_is_no_share_is_refused(part):
    with pytest.raises(lab.DataError, match="write I/N, the I-th of N shares"):
        share_of([lab.RunConfig()], part)


@pytest.mark.parametrize("profile", ["course", "study"])
def test_what_two_sweeps_share_is_trained_once(profile):
    configs, _ = plan_sweep(PROFILES[profile], ["all"], [])
    assert len(configs) == len(set(configs))
