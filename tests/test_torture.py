"""The short form of benchmarks/torture.py: a command killed while it writes, two at once, two machines with a lack."""

import os
import random
import subprocess
import sys

import pytest
from atlas_tree import write_scan

from atlas_lab.files import REPOSITORY

MODULES = ("torture", "torture_stage", "torture_kills", "torture_pairs", "torture_faults")
pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="orphans are looked for in /proc")


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A stage on a release of three scans."""
    sys.path.insert(0, str(REPOSITORY / "benchmarks"))
    from torture_stage import Stage

    folder = tmp_path_factory.mktemp("torture")
    for i in range(3):
        write_scan(folder / "atlas", f"Site{i + 1}", f"03176{i}")
    yield Stage(folder, folder / "atlas")
    sys.path.remove(str(REPOSITORY / "benchmarks"))
    for name in MODULES:
        sys.modules.pop(name, None)


def test_a_command_killed_while_it_writes_loses_nothing_and_leaves_nothing(stage):
    from torture_kills import kills_of
    from torture_stage import COMMANDS

    (train,) = (command for command in COMMANDS if command.name == "train")
    assert [trial.wrong for trial in kills_of(stage, train, 3, random.Random(0))] == ["", "", ""]


def test_two_trainings_of_one_config_at_once_leave_one_record_as_one_alone_does(stage):
    from torture_pairs import together

    wrong, (alone,) = together(stage, ["train"], stage.atlas)
    assert wrong == "" and len(alone) == 1
    assert together(stage, ["train", "train"], stage.atlas) == ("", [alone, alone])


def can_mount():
    """True where a command may have mounts of its own."""
    try:
        return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.parametrize("machine", ["40 open files", pytest.param(
    "read-only disk", marks=pytest.mark.skipif(not can_mount(), reason="mounts need root"))])
def test_a_machine_that_lacks_something_is_served_or_told_in_one_line(stage, machine):
    from torture_faults import MACHINES, one_fault

    assert one_fault(stage, "prepare", MACHINES[machine]) == ""
