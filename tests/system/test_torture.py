"""The short form of `make torture`: a few kills, a pair, machines that lack something, and damaged files."""

import subprocess
import sys

import pytest

from atlas_lab.files import REPOSITORY


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and sets limits on memory, as Linux has them")
def test_nothing_is_lost():
    ran = subprocess.run([sys.executable, REPOSITORY / "benchmarks" / "torture.py", "--few"], capture_output=True,
                         text=True)
    assert ran.returncode == 0, ran.stdout
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in ran.stdout.splitlines() if "|" in line][2:]
    tried = {}
    for part, _, count, survived, lost in cells:
        assert (survived, lost) == (count, "0")
        tried[part] = tried.get(part, 0) + int(count)
    assert tried == {"mutants": 20, "faults": 2, "kills": 2, "pairs": 1}
