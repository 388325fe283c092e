"""Fixtures: a home of its own for each test session, and small trees of files in the layout of ATLAS R1.1."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from atlas_lab.data.scans import find_scans
from atlas_lab.grid import GRID

REAL_LESIONS = Path(__file__).resolve().parents[2] / "shared" / "data" / "real_lesions"
AFFINE = np.array([[1.0, 0, 0, -98], [0, 1, 0, -134], [0, 0, 1, -72], [0, 0, 0, 1]])


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


def save(path, array, affine=AFFINE):
    """Write an array as NIfTI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


def head(subject):
    """A T1 volume that differs from subject to subject: a bright box with a gradient, noise and dark lesion."""
    rng = np.random.default_rng(subject)
    volume = np.zeros(GRID, np.float32)
    inside = volume[40:160, 50:180, 40:140]
    inside[:] = 40 + np.linspace(0, 40, inside.shape[0])[:, None, None] + rng.integers(0, 8, inside.shape)
    return volume


def box_mask(corner, size=(12, 14, 10), value=1.0):
    """A lesion: a box of `value` in a float64 volume of zeros, as R1.1 stores masks."""
    mask = np.zeros(GRID)
    mask[tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))] = value
    return mask


def write_scan(root, site, subject, session="t01", masks=None, image=None):
    """Write one scan of R1.1; by default with one lesion of value 1 whose place depends on the subject."""
    folder = root / "ATLAS_R1.1" / site / subject / session
    number = int(subject)
    image = head(number) if image is None else image
    masks = [box_mask((60 + number % 50, 80 + number % 40, 60 + number % 30))] if masks is None else masks
    for i, mask in enumerate(masks):
        save(folder / f"{subject}_LesionSmooth_{f'{i}_' if i else ''}stx.nii.gz", mask)
    return save(folder / f"{subject}_t1w_deface_stx.nii.gz", image)


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
