"""Work shared out among processes."""

import os
import sys
import time
import warnings
from collections import Counter

import pytest
import torch

from atlas_lab import cli
from atlas_lab.data.nifti import ScanWarning
from atlas_lab.fast.workers import processor_threads, share_out
from atlas_lab.files import lab_home


def home_of(_):
    """Where this process would put what it derives."""
    return lab_home()


def test_processes_that_are_used_again_follow_a_home_that_has_moved(tmp_path, monkeypatch):
    for name in ("one", "other"):
        monkeypatch.setenv("ATLAS_LAB_HOME", str(tmp_path / name))
        assert set(share_out(home_of, [(i,) for i in range(4)], jobs=2)) == {tmp_path / name}


def warn_of(number):
    """Warn as the reading of an odd file does."""
    warnings.warn(f"{number}.nii: odd", ScanWarning, stacklevel=1)
    return number


def test_warnings_of_processes_that_a_command_starts_are_lines_as_its_own(monkeypatch, capfd):
    monkeypatch.setattr(warnings, "showwarning", cli._show_in_one_line)
    assert list(share_out(warn_of, [(number,) for number in range(4)], jobs=2)) == [0, 1, 2, 3]
    assert sorted(capfd.readouterr().err.splitlines()) == [f"atlas-lab: {number}.nii: odd" for number in range(4)]


def grow(_):
    """Which process does this; from its third task on it keeps 400 MB, as one does that has read large files."""
    sys.tasks = getattr(sys, "tasks", 0) + 1
    if sys.tasks == 3:
        sys.kept = b"x" * 400_000_000
    time.sleep(1.1)  # loky looks at a process's memory once a second
    return os.getpid()


def test_a_process_that_keeps_its_memory_is_replaced_without_a_warning():
    pytest.importorskip("psutil")  # without which loky does not look
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        processes = list(share_out(grow, [(number,) for number in range(8)], jobs=2))
    tasks = Counter(processes)
    assert max(tasks.values()) <= 3 and not seen  # two processes would have four each, or one more
    assert len(tasks) <= 4  # those that keep nothing go on: at most two are replaced in eight tasks


def test_threads_are_as_many_as_before_whatever_happens():
    before, other = torch.get_num_threads(), torch.get_num_threads() + 1
    try:
        with processor_threads(other):
            assert torch.get_num_threads() == other
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert torch.get_num_threads() == before
