"""Whether a scan lies in MNI space, against brains put at known places."""

import numpy as np
import pytest
from brains import brain, moved, whole_head

import atlas_lab as lab
from atlas_lab.data.placement import (
    brain_points,
    displacement,
    measure_placement,
    quick_fit,
    refuse_unless_in_mni,
    skull_brightness,
)
from atlas_lab.grid import AFFINE, GRID


def shift(x=0.0, y=0.0, z=0.0):
    affine = np.eye(4)
    affine[:3, 3] = x, y, z
    return affine


def test_displacement_by_hand():
    assert brain_points().shape[1] == 3 and len(brain_points()) == pytest.approx(1883e3 / 64, rel=0.02)  # its 1,883 ml
    np.testing.assert_allclose(displacement(shift(3, 0, 4), np.eye(4)), 5)
    stretched = displacement(np.diag([1.1, 1, 1, 1]), np.eye(4))
    np.testing.assert_allclose(stretched, 0.1 * np.abs(brain_points()[:, 0]))


def test_the_template_lies_where_it_lies():
    image, affine = brain()
    found = measure_placement(image, affine)
    assert found.in_mni and found.moved_mm < 0.3 and found.correlation > 0.95 and found.covered > 0.98
    refuse_unless_in_mni(found, "T1")


@pytest.mark.parametrize("mm", [3, 6, 15, 30])
def test_a_shift_is_measured(mm):
    image, affine = brain()
    found = measure_placement(image, shift(y=mm) @ affine)
    assert found.moved_mm == pytest.approx(mm, abs=0.6) and found.fitted > 0.95
    np.testing.assert_allclose(found.matrix[:3, 3], [0, mm, 0], atol=1.5)
    assert found.in_mni == (mm <= 6)
    if mm > 6:
        with pytest.raises(lab.DataError, match=f"T1: doesn't lie in MNI space.* move by {mm}.*--register"):
            refuse_unless_in_mni(found, "T1")


@pytest.mark.parametrize("seed, mm, axes", [(0, 1, "LAS"), (1, 2, "oblique"), (2, 2, "LAS"), (3, 3, "PIR")])
def test_turned_stretched_and_resampled_brains_are_found_out(seed, mm, axes):
    image, affine, truth = moved(seed, mm, axes)
    found = measure_placement(image, affine)
    assert not found.in_mni and found.is_fitted
    assert np.median(displacement(found.matrix, truth)) < 1


@pytest.mark.parametrize("change", [
    lambda v, rng: v * np.exp(0.2 * np.linspace(-1, 1, v.shape[1]))[:, None],   # an uneven coil
    lambda v, rng: v + rng.normal(0, 12, v.shape) * (v > 0),                    # noise
    lambda v, rng: np.where(lesion(v.shape, 36), 0.25 * v, v),                  # a lesion of 200 ml
    lambda v, rng: v * 17.3, lambda v, rng: np.rint(v).astype(np.int16),
])
def test_what_scanners_and_strokes_do_is_no_reason_to_refuse(change):
    image, affine = brain()
    found = measure_placement(change(image, np.random.default_rng(0)), affine)
    assert found.in_mni and found.moved_mm < 3


def lesion(shape, radius_mm, centre=(-35, -10, 20)):
    """A ball in the left hemisphere on the grid of 2 mm."""
    at = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1) * 2 + AFFINE[:3, 3]
    return np.linalg.norm(at - centre, axis=-1) < radius_mm


def test_heads_with_skull_are_told_from_brains_wherever_they_lie():
    head, affine = whole_head()
    assert skull_brightness(head, affine) > 0.5 > 0.01 > skull_brightness(*brain())
    for place in (np.eye(4), shift(5, 12, -9)):
        found = measure_placement(head, place @ affine)
        assert found.has_skull and found.is_fitted and found.in_mni == (place == np.eye(4)).all()
        assert np.median(displacement(found.matrix, place)) < 1


@pytest.mark.parametrize("image", [
    np.pad(np.ones((60, 60, 60), np.float32), 20), np.random.default_rng(0).random((80, 80, 80), np.float32),
])
def test_what_is_no_brain_fits_nowhere(image):
    found = measure_placement(image * 100, np.diag([2.0, 2, 2, 1]) @ shift(-45, -55, -40))
    assert not found.in_mni and not found.is_fitted
    assert "can't be fitted" in found.describe()


def test_a_part_of_a_brain_is_not_enough():
    image, affine = brain()
    image = image.copy()
    image[:, :, :55] = 0  # cut off at z = 38 mm
    assert measure_placement(image, affine).covered < 0.4 and not measure_placement(image, affine).in_mni


def test_the_fit_is_the_same_every_time():
    image, affine, _ = moved(1, 2, "oblique")
    np.testing.assert_array_equal(quick_fit(image, affine)[0], quick_fit(image.copy(), affine.copy())[0])


def test_the_grid_of_atlas_is_the_templates():
    from nilearn.datasets import load_mni152_template

    template = load_mni152_template(resolution=1)
    assert template.shape == GRID and (template.affine == AFFINE).all()


@pytest.mark.parametrize("part", [np.s_[:, :, 45:47], np.s_[:, 60:62], np.s_[48:50,]])  # one block of 4 mm thick
def test_a_slab_is_in_no_place_that_can_be_told(part):
    image, affine = brain()
    moved_affine = affine.copy()
    moved_affine[:3, 3] += [2 * (side.start or 0) for side in (*part, *[slice(None)] * (3 - len(part)))]
    with pytest.raises(lab.DataError, match="doesn't lie in MNI space"):
        refuse_unless_in_mni(measure_placement(image[part], moved_affine), "slab.nii")
