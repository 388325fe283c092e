"""The grey scale of a volume, against sorting by hand and the invariances it must have."""

import warnings

import numpy as np
import pytest
from atlas_tree import save
from hypothesis import given, settings
from hypothesis import strategies as st

import atlas_lab as lab
from atlas_lab.data.intensity import IntensityWarning, from_zero, to_uint8, white_point
from atlas_lab.data.scans import read_t1w

# Without a time limit for each example, and the same examples every time, so that a busy machine fails nothing.
settings.register_profile("lab", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("lab")


def head(seed=0, shape=(40, 40, 40)):
    """Background of zeros, and tissue around 60 in the middle."""
    volume = np.zeros(shape, np.float32)
    volume[5:35, 5:35, 5:35] = np.random.default_rng(seed).normal(60, 10, (30, 30, 30))
    return volume


# ----------------------------------------------------------------------------------------------------- white point

def test_white_point_by_hand():
    # 1 to 1400 in steps of 1: every 7th from 1 on is 1, 8, ..., 1394, that is 200 numbers. The 99.5th percentile
    # lies at 0.995 x 199 = 198.005 steps of 7 above 1.
    assert white_point(np.arange(1.0, 1401)) == pytest.approx(1 + 7 * 198.005)


def test_white_point_is_about_the_value_that_995_of_1000_voxels_stay_below():
    volume = head()
    tissue = np.sort(volume[volume > 0])
    exact = tissue[round(0.995 * len(tissue))]
    assert white_point(volume) == pytest.approx(exact, rel=0.02)
    assert isinstance(white_point(volume), float)


def test_background_does_not_count():
    volume = head()
    padded = np.pad(volume, 30)
    assert white_point(padded) == white_point(volume)
    padded[padded == 0] = -0.0003
    assert white_point(padded) == white_point(volume)


def test_a_few_bright_vessels_do_not_darken_the_brain():
    volume, bright = head(), head()
    bright[6, 6, 6:26] = 10_000.0  # 20 of 27,000 voxels
    assert white_point(bright) == pytest.approx(white_point(volume), rel=0.02)
    assert bright.max() > 50 * white_point(bright)


@given(st.floats(0.01, 1000))
def test_white_point_grows_with_the_unit_of_intensity(factor):
    volume = head(shape=(36, 36, 36)).astype(np.float64)
    assert white_point(volume * factor) == pytest.approx(factor * white_point(volume), rel=1e-9)


@pytest.mark.parametrize("volume", [np.zeros((3, 3, 3)), np.full((3, 3, 3), -2.0)])
def test_a_volume_with_nothing_above_0_has_no_scale(volume):
    with pytest.raises(lab.DataError, match="above 0"):
        white_point(volume)


# -------------------------------------------------------------------------------------------------------- grey levels

@pytest.mark.parametrize("value, level", [
    (0, 0), (80, 255), (16, 51), (40.2, 128), (39.8, 127), (80.1, 255), (1e9, 255), (-0.0003, 0), (-50, 0), (0.2, 1),
    (0.1, 0),
])
def test_grey_levels_by_hand(value, level):
    assert to_uint8(np.float32([value]), 80.0).tolist() == [level]


def test_grey_levels_keep_the_shape_and_the_input():
    volume = head(shape=(36, 37, 38))
    before = volume.copy()
    levels = to_uint8(volume, white_point(volume))
    assert levels.dtype == np.uint8 and levels.shape == (36, 37, 38)
    assert np.array_equal(volume, before)


@given(st.lists(st.floats(-100, 300, width=32), min_size=2, max_size=20), st.floats(1, 200))
def test_brighter_tissue_is_never_darker_in_the_picture(values, white):
    ordered = np.sort(np.float32(values))
    levels = to_uint8(ordered, white).astype(int)
    assert (np.diff(levels) >= 0).all()
    assert (levels[ordered >= white] == 255).all() and (levels[ordered <= 0] == 0).all()


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20), st.floats(1, 200))
def test_grey_levels_are_within_half_a_step_of_the_intensity(shares, white):
    values = np.float32(shares) * np.float32(white)
    assert (np.abs(to_uint8(values, white) / 255 - np.float64(shares)) <= 0.5 / 255 + 1e-5).all()


def test_a_volume_in_another_unit_gives_the_same_picture():
    volume = head()
    one = to_uint8(volume, white_point(volume))
    for factor in (0.01, 16.0):
        other = to_uint8(volume * np.float32(factor), white_point(volume * np.float32(factor)))
        assert np.abs(one.astype(int) - other).max() <= 1  # rounding may tip a level


def test_a_half_percent_of_tissue_is_white():
    volume = head()
    levels = to_uint8(volume, white_point(volume))
    assert (levels[volume > 0] == 255).mean() == pytest.approx(0.005, abs=0.002)


# ------------------------------------------------------------------------------------- scans that don't start at 0

def scanner(seed=0):
    """A head as a T1 file has it: air of 0, fluid, grey and white matter in shells, a bright vessel."""
    rng = np.random.default_rng(seed)
    x = np.stack(np.meshgrid(*[np.linspace(-1, 1, 48)] * 3, indexing="ij"))
    radius = np.sqrt((x**2).sum(axis=0))
    tissue = np.select([radius < 0.45, radius < 0.65, radius < 0.75], [76.0, 52.0, 18.0], 0.0)
    volume = np.where(tissue > 0, tissue + rng.normal(0, 4, tissue.shape), 0).clip(0)
    volume[24, 24, 20:28] = 400
    return volume.astype(np.float32)


def picture(volume):
    return to_uint8(volume, white_point(volume)).astype(int)


@pytest.mark.parametrize("change", [
    lambda v: v, lambda v: v * 40, lambda v: v + np.where(v == 0, np.float32(-0.0003), 0).astype(np.float32),
    lambda v: v - np.float32(0.003) * v.max() * np.sin(np.arange(48, dtype=np.float32)),  # ripples of interpolation
    lambda v: v + np.random.default_rng(1).rayleigh(3, v.shape).astype(np.float32),       # a scanner's air is noise
    lambda v: np.rint(v).astype(np.int16), lambda v: np.zeros_like(v), lambda v: np.ones_like(v),
])
def test_ordinary_scans_are_left_alone(change):
    volume = change(scanner())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert from_zero(volume, "T1") is volume


@pytest.mark.parametrize("change", [
    lambda v: (v - v.mean()) / v.std(), lambda v: (v - v[v > 0].mean()) / v[v > 0].std(), lambda v: v + 1000,
    lambda v: v - 1000, lambda v: np.rint(v * 8 - 300).astype(np.int16),
])
def test_z_scored_and_offset_scans_give_the_same_picture(change):
    with pytest.warns(IntensityWarning, match="T1: its background is .*, not 0"):
        shifted = from_zero(change(scanner()), "T1")
    assert shifted.dtype == np.float32
    assert np.abs(picture(shifted) - picture(scanner())).max() <= 1  # rounding may tip a level


def test_a_noisy_offset_scan_gives_nearly_the_same_picture():
    plain = scanner() + np.random.default_rng(1).rayleigh(3, (48, 48, 48)).astype(np.float32)
    with pytest.warns(IntensityWarning):
        shifted = from_zero(plain + 500, "T1")
    assert np.abs(picture(shifted) - picture(plain)).max() <= 3


def test_z_scoring_within_the_brain_keeps_the_air_black_and_the_order_of_tissues():
    plain = scanner()
    brain = plain > 5
    scored = np.where(brain, (plain - plain[brain].mean()) / plain[brain].std(), 0).astype(np.float32)
    with pytest.warns(IntensityWarning, match=r"\d\d% of its tissue lies below the background, which is 0"):
        shifted = from_zero(scored, "T1")
    found, expected = picture(shifted), picture(plain)
    assert (found[~brain] == 0).all() and found[brain].mean() > 100
    # Where 0 was can't be known any more: the darkest tissue, about 7 of 85, is taken for black.
    assert np.abs(found - expected)[brain].max() <= 26 and np.corrcoef(found[brain], expected[brain])[0, 1] > 0.999


@pytest.mark.parametrize("change", [
    lambda v, brain: np.where(brain, v, -1000), lambda v, brain: np.where(brain, v + 1000, 0),
    lambda v, brain: np.where(brain, (v - v[brain].mean()) / v[brain].std() + 10, 0),
])
def test_tissue_far_from_its_background_is_brought_down_to_it(change):
    plain = scanner()
    brain = plain > 5
    with pytest.warns(IntensityWarning, match="its background is .* and its darkest tissue .* the darkest is black"):
        shifted = from_zero(change(plain, brain).astype(np.float32), "T1")
    found, expected = picture(shifted), picture(plain)
    assert (found[~brain] == 0).all() and np.abs(found - expected)[brain].max() <= 26
    assert np.corrcoef(found[brain], expected[brain])[0, 1] > 0.999


@pytest.mark.parametrize("change, said", [
    (lambda v: (v * 800).clip(0, 65000).astype(np.uint16).view(np.int16), "brighter ones overflowed"),
    (lambda v: -v, "brighter than 100% of the head"), (lambda v: 100 - v.clip(0, 100), "inverted"),
    (lambda v: np.where(v > 0, v - 50, np.random.default_rng(0).normal(0, 0.3, v.shape)), "strip the skull"),
])
def test_images_that_no_shift_mends_are_refused(change, said):
    with pytest.raises(lab.DataError, match=said):
        from_zero(change(scanner()), "T1")


@pytest.mark.parametrize("value", [0, 3, -3, 1e-42])
def test_a_t1_without_two_values_to_tell_apart_is_refused(value, tmp_path):
    image = np.full((20, 20, 20), value, np.float32)
    image[5:9] *= 2 if abs(value) < 1 else 1  # of numbers that are too small to be scaled to grey levels
    with pytest.raises(lab.DataError, match=r"T1\.nii: no voxel is above 0 and the others"):
        read_t1w(save(tmp_path / "T1.nii", image))


def test_a_mask_is_no_t1(tmp_path):
    image = np.zeros((20, 20, 20), np.float32)
    image[5:9] = 1
    with pytest.raises(lab.DataError, match=r"T1\.nii: two values alone, 0 and 1, as a mask has"):
        read_t1w(save(tmp_path / "T1.nii", image))
    image[6, 6, 6] = 0.5
    assert read_t1w(save(tmp_path / "T1.nii", image))[0].max() == 1
