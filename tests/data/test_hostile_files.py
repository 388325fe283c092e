"""Damaged and hostile files: each is refused in one line or taken with a note, fast and in little memory.

The short form of benchmarks/hostile_files.py: a few of each kind, and none that takes long to write.
"""

import sys
from dataclasses import replace

import numpy as np
import pytest
from atlas_tree import box_mask, write_scan

import atlas_lab as lab
from atlas_lab.data.account import coarse_brain
from atlas_lab.files import REPOSITORY


@pytest.fixture(scope="module")
def hostile():
    """The benchmark's modules."""
    sys.path.insert(0, str(REPOSITORY / "benchmarks"))
    import hostile_files
    import hostile_kinds
    import hostile_trials

    yield hostile_files, hostile_kinds, hostile_trials
    sys.path.remove(str(REPOSITORY / "benchmarks"))
    for name in ("hostile_files", "hostile_kinds", "hostile_trials", "sides"):
        sys.modules.pop(name, None)


def test_damaged_files_are_refused_or_noted_wherever_that_can_be_seen(hostile, tmp_path):
    files, _, trials = hostile
    rng = np.random.default_rng(0)
    image = np.zeros((197, 233, 189), np.uint8)  # a quarter of the bytes of float32
    image[30:165, 35:200, 20:150] = rng.integers(40, 90, (135, 165, 130))
    write_scan(tmp_path, "Site1", "031768", image=image, masks=[box_mask((60, 80, 60)).astype(np.uint8)])
    (scan,) = lab.find_scans(tmp_path)
    found = [trials.run_trial(*trial) for trial in trials.damage_trials(scan, 48)]
    verdicts = [files.verdict(trial) for trial in found]
    assert len(found) == 48 and not [pair for pair in zip(verdicts, found, strict=True) if "BAD" in pair[0]]
    assert verdicts.count("refused") > 24
    for trial in found:  # a checksum stands over every byte inside of gzip
        assert trial.outcome in ("refused", "unchanged") or "outside" not in trial.name


def test_hostile_paths_are_refused_in_one_line(hostile, tmp_path):
    files, kinds, trials = hostile
    write_scan(tmp_path, "Site1", "031768")
    (scan,) = lab.find_scans(tmp_path)
    found = [trials.run_trial(*trial) for trial in kinds.hostile_paths(scan, tmp_path / "hostile", with_large=False)]
    assert len(found) > 80
    assert {trial.name: (trial.outcome, trial.text) for trial in found if trial.outcome != "refused"} == {}
    assert max(trial.mib for trial in found) < 600 and not any("BAD" in files.verdict(trial) for trial in found)


def test_a_bomb_is_let_go_of_where_its_header_s_claim_ends(hostile, tmp_path):
    _, kinds, trials = hostile
    write_scan(tmp_path, "Site1", "031768")
    (scan,) = lab.find_scans(tmp_path)
    member = kinds.zeros(64)
    import gzip

    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(kinds.header()) + member * 160)  # 10 GiB in 10 MB
    trial = trials.run_trial("bomb", replace(scan, t1w=path, masks=()), None, coarse_brain())
    assert trial.outcome == "refused" and "more than the 34701508 bytes that its header claims" in trial.text
    assert trial.mib < 300
