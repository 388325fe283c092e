"""Fixtures: a home of its own for each test session, and small trees of files in the layout of ATLAS R1.1."""

import os
import sys
from pathlib import Path

import pytest
import torch
from atlas_tree import box_mask, write_scan

from atlas_lab.data.scans import find_scans

OFFLINE = str(Path(__file__).with_name("offline"))  # for this process, and for each that a test starts
sys.path.insert(0, OFFLINE)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [OFFLINE, os.environ.get("PYTHONPATH")]))
sys.modules.pop("sitecustomize", None)  # a system's own, which Python found at its start
import sitecustomize  # noqa: E402, F401

REAL_LESIONS = Path(__file__).resolve().parents[2] / "shared" / "data" / "real_lesions"


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """Nothing that a test derives lands in the user's data folder, and no real ATLAS is picked up by chance."""
    monkeypatch.setenv("ATLAS_LAB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ATLAS_DATA", raising=False)


@pytest.fixture(autouse=True)
def same_threads():
    """A test that sets the number of threads, or runs code that does, leaves it to the next as it found it."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def real_lesions():
    """The folder of real lesion masks, where it is at hand."""
    if not REAL_LESIONS.is_dir():
        pytest.skip("the folder of real lesion masks is not at hand")
    return REAL_LESIONS


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """Five subjects and six scans on two sites, with the oddities of R1.1; not to be changed by tests."""
    root = tmp_path_factory.mktemp("atlas")
    write_scan(root, "Site1", "031768")
    write_scan(root, "Site1", "031769", masks=[box_mask((60, 80, 60)), box_mask((66, 80, 60), value=255.0)])
    write_scan(root, "Site1", "031770", masks=[box_mask((120, 90, 70), value=255.0)])
    write_scan(root, "Site2", "031801")
    write_scan(root, "Site2", "031802")
    write_scan(root, "Site2", "031802", "t02")
    (root / "ATLAS_R1.1" / "Site1" / "031768" / "t01" / "._031768_t1w_deface_stx.nii.gz").write_bytes(b"hidden")
    return root


@pytest.fixture(scope="session")
def scans(tree):
    return find_scans(tree)
