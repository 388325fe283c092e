"""Work shared out among processes."""

import torch

from atlas_lab.fast.workers import processor_threads, share_out
from atlas_lab.files import lab_home


def home_of(_):
    """Where this process would put what it derives."""
    return lab_home()


def test_processes_that_are_used_again_follow_a_home_that_has_moved(tmp_path, monkeypatch):
    for name in ("one", "other"):
        monkeypatch.setenv("ATLAS_LAB_HOME", str(tmp_path / name))
        assert set(share_out(home_of, [(i,) for i in range(4)], jobs=2)) == {tmp_path / name}


def test_threads_are_as_many_as_before_whatever_happens():
    before, other = torch.get_num_threads(), torch.get_num_threads() + 1
    try:
        with processor_threads(other):
            assert torch.get_num_threads() == other
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert torch.get_num_threads() == before
