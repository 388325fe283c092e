"""The picture of a slice with its masks, against colours by hand and distances from scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

import atlas_lab as lab
from atlas_lab.plots.overlay import PREDICTION_COLOUR, TARGET_COLOUR, outline, overlay, overlay_errors

# Without a time limit for each example, and the same examples every time, so that a busy machine fails nothing.
settings.register_profile("lab", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("lab")

ORANGE, BLUE = [230, 159, 0], [86, 180, 233]
MASKS = hnp.arrays(bool, (7, 9))


def grey(shape=(6, 8), value=100):
    return np.full(shape, value, np.uint8)


def square(shape=(6, 8), rows=(1, 5), columns=(2, 7)):
    mask = np.zeros(shape, bool)
    mask[slice(*rows), slice(*columns)] = True
    return mask


def where_is(picture, colour):
    return (picture == colour).all(axis=-1)


def test_the_colours_are_of_the_okabe_ito_palette():
    assert list(TARGET_COLOUR) == ORANGE and list(PREDICTION_COLOUR) == BLUE


def test_without_masks_the_picture_is_the_grey_slice():
    image = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
    picture = overlay(image)
    assert picture.dtype == np.uint8 and picture.shape == (6, 8, 3)
    for channel in range(3):
        assert np.array_equal(picture[..., channel], image)


@pytest.mark.parametrize("value, level", [(0.0, 0), (1.0, 255), (0.2, 51), (-0.3, 0), (1.3, 255), (0.999, 255)])
def test_float_slices_run_from_0_to_1_and_are_clipped_a_little_outside(value, level):
    for dtype in (np.float32, np.float64):
        assert (overlay(np.full((2, 2), value, dtype)) == level).all()


def test_float_and_uint8_slices_give_the_same_picture():
    image = np.random.default_rng(0).integers(0, 256, (6, 8), dtype=np.uint8)
    both = [overlay(kind, square(), square(rows=(2, 6))) for kind in (image, image / 255)]
    assert np.array_equal(*both)


@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.int64, np.float32, np.float64, np.ndarray.tolist])
def test_whole_numbers_up_to_255_are_shown_as_they_are_whatever_their_type(kind):
    image = np.arange(48).reshape(6, 8) * 5
    image = kind(image) if kind is np.ndarray.tolist else image.astype(kind)
    assert np.array_equal(overlay(image)[..., 1], np.arange(48).reshape(6, 8) * 5)


@pytest.mark.parametrize("image, line", [
    (np.array([[0, 3000]], np.uint16), "the image goes from 0 to 3000; expected whole numbers from 0 to 255, or from"),
    (np.array([[-7, 9]]), "goes from -7 to 9"), (np.array([[-2.5, 3.1]]), "goes from -2.5 to 3.1"),
    (np.array([[0, 200.5]]), "goes from 0 to 200.5"), (np.array([[0, np.nan]]), "the image holds NaN or infinite"),
    (np.zeros((2, 3, 3)), r"the image has shape \(2, 3, 3\); a slice has two axes"), ([[1, 2], [3]], "can't be read"),
])
def test_an_image_of_another_range_is_refused_and_not_shown_white(image, line):
    with pytest.raises(lab.DataError, match=line):
        overlay(image)


@pytest.mark.parametrize("top", [1, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.uint16])
def test_masks_of_0_and_1_or_0_and_255_are_masks_whatever_their_type(top, dtype):
    one, other = square(), square(rows=(0, 3))
    for empty in (False, True):
        expected = overlay(grey(), one & empty, other)
        assert np.array_equal(overlay(grey(), (one & empty) * dtype(top), (other * dtype(top)).tolist()), expected)
    errors = overlay_errors(grey(), one, other)
    assert np.array_equal(overlay_errors(grey(), one * dtype(top), other * dtype(top)), errors)


@pytest.mark.parametrize("values, line", [
    (np.full((6, 8), 0.001), "goes from 0.001 to 0.001; expected a mask of 0 and 1: cut probabilities at a threshold"),
    (np.linspace(-4.5, 3, 48).reshape(6, 8), "goes from -4.5 to 3; expected a mask of 0 and 1: to logits apply a sig"),
    (np.where(square(), np.nan, 0), "holds NaN or infinite voxels: 20"), (square() * 2, "of labels pass one"),
    (square() * -1.0, "goes from -1 to -?0; expected"), (np.where(square(), 1, square(rows=(0, 6)) * 255), "of labels"),
])
def test_what_is_no_mask_is_refused_and_not_filled(values, line):
    for draw in (lambda mask: overlay(grey(), mask), lambda mask: overlay(grey(), prediction=mask),
                 lambda mask: overlay_errors(grey(), square(), mask), lambda mask: lab.show_slice(grey(), mask)):
        with pytest.raises(lab.DataError, match=line):
            draw(values)


def test_the_mask_is_an_orange_outline_on_the_inside_of_its_edge():
    picture = overlay(grey(), square())
    expected = square() & ~square(rows=(2, 4), columns=(3, 6))
    assert np.array_equal(where_is(picture, ORANGE), expected)
    assert (picture[~expected] == 100).all()


def test_a_wider_line_grows_inwards():
    picture = overlay(grey(), square(), line=2)
    assert np.array_equal(where_is(picture, ORANGE), square())  # 4 rows: two lines of 2 meet
    assert not where_is(overlay(grey(), square(), line=0), ORANGE).any()


@given(MASKS, st.integers(0, 4))
def test_outline_is_all_that_lies_within_line_steps_of_the_outside(mask, line):
    # The taxicab distance to the nearest pixel that is not in the mask; all around the picture is not in it.
    distance = ndimage.distance_transform_cdt(np.pad(mask, 1), "taxicab")[1:-1, 1:-1]
    assert np.array_equal(outline(mask, line), mask & (distance <= line))


def test_the_prediction_is_a_translucent_blue_fill():
    picture = overlay(grey(), prediction=square(), opacity=0.5)
    # Half way between 100 and each of 86, 180, 233; 166.5 is rounded to even.
    assert (picture[square()] == [93, 140, 166]).all()
    assert (picture[~square()] == 100).all()


@pytest.mark.parametrize("opacity, colour", [(0, [100, 100, 100]), (0.25, [96, 120, 133]), (1, BLUE)])
def test_opacity_goes_from_invisible_to_hiding_the_image(opacity, colour):
    picture = overlay(grey(), prediction=square(), opacity=opacity)
    assert (picture[square()] == colour).all()


def test_the_brightness_under_the_fill_stays_visible():
    image = np.zeros((2, 2), np.uint8)
    image[0] = 200
    picture = overlay(image, prediction=np.ones((2, 2), bool))
    assert picture[0, 0].tolist() == [143, 190, 216] and picture[1, 0].tolist() == [43, 90, 116]


def test_the_outline_lies_on_top_of_the_fill():
    picture = overlay(grey(), square(), square(), opacity=1)
    edge = square() & ~square(rows=(2, 4), columns=(3, 6))
    assert np.array_equal(where_is(picture, ORANGE), edge)
    assert np.array_equal(where_is(picture, BLUE), square() & ~edge)


@given(MASKS, MASKS)
def test_false_alarms_are_blue_and_missed_lesion_has_an_outline_but_no_fill(mask, prediction):
    picture = overlay(np.zeros((7, 9)), mask, prediction, opacity=1)
    orange, blue = where_is(picture, ORANGE), where_is(picture, BLUE)
    assert not (orange & ~mask).any()
    assert np.array_equal(blue, prediction & ~orange)
    assert (picture[~orange & ~blue] == 0).all()


@pytest.mark.parametrize("zoom", [1, 2, 5])
def test_zoom_repeats_each_pixel(zoom):
    image = np.random.default_rng(1).integers(0, 256, (3, 4), dtype=np.uint8)
    prediction = square((3, 4), (0, 2), (1, 4))
    once = overlay(image, prediction=prediction)
    assert np.array_equal(overlay(image, prediction=prediction, zoom=zoom), np.kron(once, np.ones((zoom, zoom, 1))))


def test_the_outline_is_measured_in_enlarged_pixels():
    picture = overlay(grey((3, 3)), square((3, 3), (1, 2), (1, 2)), zoom=5, line=1)
    assert picture.shape == (15, 15, 3)
    expected = np.zeros((15, 15), bool)
    expected[5:10, 5:10] = True
    expected[6:9, 6:9] = False
    assert np.array_equal(where_is(picture, ORANGE), expected)


def test_inputs_are_left_alone():
    image, mask, prediction = grey(), square(), square(rows=(0, 3))
    before = image.copy(), mask.copy(), prediction.copy()
    overlay(image, mask, prediction)
    for now, then in zip((image, mask, prediction), before, strict=True):
        assert np.array_equal(now, then)


@pytest.mark.parametrize("name", ["mask", "prediction"])
@pytest.mark.parametrize("shape", [(8, 6), (6, 8, 1), (1, 6, 8), (6, 1)])
def test_a_mask_of_another_shape_is_refused_with_both_shapes(name, shape):
    with pytest.raises(lab.DataError) as error:
        overlay(grey(), **{name: np.ones(shape, bool)})
    assert name in str(error.value) and str(shape) in str(error.value) and "(6, 8)" in str(error.value)


# Linear RGB as a reader without green cones sees it: Machado, Oliveira and Fernandes, IEEE TVCG 2009, severity 1.
DEUTERANOPIA = np.array([
    [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881],
])


def lab_colour(rgb):
    """sRGB (..., 3) from 0 to 255, seen by a deuteranope, in CIE L*a*b*."""
    value = np.asarray(rgb, float) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ DEUTERANOPIA.T, 0, 1)
    xyz = linear @ np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]).T
    x, y, z = np.moveaxis(np.cbrt(xyz / [0.9505, 1, 1.089]), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def test_without_green_cones_outline_fill_and_brain_stay_apart():
    brain = np.arange(30, 226, dtype=np.uint8)[None]  # tissue, not air or the brightest vessels
    plain, filled = overlay(brain)[0], overlay(brain, prediction=np.ones_like(brain, bool))[0]
    orange = lab_colour(np.array(ORANGE))
    for one, other in ((filled, plain), (filled, ORANGE), (plain, ORANGE)):
        apart = np.linalg.norm(lab_colour(one)[:, None] - np.atleast_2d(lab_colour(other))[None], axis=-1)
        assert apart.min() > 10  # 2 can just be told apart side by side
    assert orange[2] > 30  # and the outline is yellow, never blue
