"""Registration and skull stripping, where the packages that do them are installed."""

import sys

import numpy as np
import pytest
from brains import brain, moved, whole_head

import atlas_lab as lab
from atlas_lab.data.placement import displacement
from atlas_lab.data.registration import register
from atlas_lab.data.stripping import find_brain


def error_mm(affine, registered, truth):
    """How far points of the brain land from where they belong, in mm."""
    found = np.linalg.inv(registered @ np.linalg.inv(affine))  # MNI mm to the scan's own
    return np.linalg.norm(truth[:3, :3], 2) ** -1 * displacement(found, truth)


@pytest.mark.parametrize("seed, mm, axes", [(0, 1, "LAS"), (1, 2, "oblique"), (4, 2, "LAS")])
def test_a_moved_brain_comes_back(seed, mm, axes):
    pytest.importorskip("SimpleITK", reason="SimpleITK is not installed: pip install 'atlas-lab[scan]'")
    volume, affine, truth = moved(seed, mm, axes)
    registered, placement = register(volume, affine, "T1")
    assert np.median(error_mm(affine, registered, truth)) < 0.5 and error_mm(affine, registered, truth).max() < 2
    assert placement.in_mni and placement.moved_mm < 1


def test_a_whole_head_comes_back_and_to_the_same_place_again():
    pytest.importorskip("SimpleITK", reason="SimpleITK is not installed: pip install 'atlas-lab[scan]'")
    volume, affine, truth = moved(2, 2, "LAS", *whole_head())
    registered, placement = register(volume, affine, "T1")
    assert np.median(error_mm(affine, registered, truth)) < 1 and placement.has_skull
    # In mm; a sum in another order, as memory happens to lie, may change the last bit of a float64.
    np.testing.assert_allclose(register(volume, affine, "T1")[0], registered, rtol=0, atol=1e-9)


def test_what_is_no_brain_is_not_registered():
    pytest.importorskip("SimpleITK", reason="SimpleITK is not installed: pip install 'atlas-lab[scan]'")
    box = np.pad(np.full((60, 60, 60), 80, np.float32), 20)
    with pytest.raises(lab.DataError, match=r"T1: could not be registered.*is it a T1-weighted"):
        register(box, np.diag([2.0, 2, 2, 1]), "T1")


def test_without_the_extra_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "SimpleITK", None)  # import then fails, as where it is missing
    monkeypatch.setitem(sys.modules, "deepbet", None)
    with pytest.raises(lab.DataError, match=r'--register needs SimpleITK.*pip install "atlas-lab\[scan\]"'):
        register(*brain(), "T1")
    with pytest.raises(lab.DataError, match=r'--strip needs deepbet.*pip install "atlas-lab\[scan\]"'):
        find_brain(*brain(), "T1")


def test_the_brain_is_found_in_a_head_of_any_orientation():
    pytest.importorskip("deepbet", reason="deepbet is not installed: pip install 'atlas-lab[scan]'")
    head, affine = whole_head()
    turned, turned_affine = head[::-1].transpose(1, 0, 2), affine.copy()  # axes A, L, S
    turned_affine[:3, 0], turned_affine[:3, 1] = affine[:3, 1], -affine[:3, 0]
    turned_affine[:3, 3] = affine[:3, 3] + (head.shape[0] - 1) * affine[:3, 0]
    truth = np.pad(brain(2)[0] > 0, 10)[::-1].transpose(1, 0, 2)
    found = find_brain(turned, turned_affine, "T1")
    assert found.shape == turned.shape and 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.95
