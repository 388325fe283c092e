"""The viewer's page in a real browser: its slices are what `overlay` gives, its scores those of the metrics."""

import numpy as np
import pytest
from pages import VIEWER, cut, give, state, voxels

import atlas_lab as lab
from atlas_lab.data.intensity import to_uint8, white_point
from atlas_lab.plots.overlay import overlay


@pytest.fixture(scope="module")
def volumes():
    """A volume of three different sides, a target, and probabilities that are exact in 255ths."""
    rng = np.random.default_rng(0)
    image = rng.random((40, 30, 21)).astype(np.float32) * 80
    target = np.zeros(image.shape, bool)
    target[5:19, 8:20, 9:15] = rng.random((14, 12, 6)) < 0.8
    target[30:33, 4:6, 2] = True
    probability = np.zeros(image.shape, np.float32)
    probability[8:25, 10:24, 8:17] = rng.integers(0, 256, (17, 14, 9)) / np.float32(255)
    return image, target, probability


@pytest.fixture
def page(show, volumes):
    return show(lab.view_slices(volumes[0], volumes[1], {"one": volumes[2], "other": volumes[2] / 2}, zoom=3))


def expected(volumes, plane, index, threshold=0.5, opacity=0.5, scale=1.0):
    """The same slice by overlay(): columns across, rows from the top down, without outline."""
    grey = to_uint8(volumes[0], white_point(volumes[0]))
    levels = np.rint(volumes[2] * scale * 255)
    return overlay(cut(grey, plane, index), None, cut(levels > threshold * 255, plane, index), opacity)


def test_every_plane_shows_what_overlay_gives_at_one_position(page, volumes):
    x, y, z = state(page, "position")
    assert volumes[1][x, y, z] and z == volumes[1].sum(axis=(0, 1)).argmax()
    for place in ([x, y, z], [12, 14, 10], [0, 0, 0], [39, 29, 20]):
        give(page, "position", place)
        for plane in range(3):
            np.testing.assert_array_equal(voxels(page, plane), expected(volumes, plane, place[2 - plane]))


def test_keys_slider_and_buttons_move_through_the_slices(page, volumes):
    x, y, z = state(page, "position")
    page.focus(".atlas-viewer")
    for keys, index in ((["ArrowRight"], z + 1), (["ArrowLeft"] * 2, z - 1), (["Home"], 0), (["End"], 20)):
        for key in keys:
            page.keyboard.press(key)
        np.testing.assert_array_equal(voxels(page), expected(volumes, 0, index))
    assert state(page, "position") == [x, y, 20]
    page.fill(".slice", "4")
    np.testing.assert_array_equal(voxels(page), expected(volumes, 0, 4))
    page.click(".previous")
    assert state(page, "index") == 2
    page.click(".following")
    assert state(page, "index") == 9


def test_a_changed_plane_stays_at_the_lesion(page, volumes):
    place = state(page, "position")
    for plane in (1, 2, 0):
        page.select_option(".plane", str(plane))
        assert state(page, "position") == place and state(page, "index") == place[2 - plane]


def test_threshold_opacity_and_choice_change_picture_and_scores(page, volumes):
    z = state(page, "index")
    page.fill(".threshold >> nth=0", "0.8")
    page.fill(".opacity", "0.3")
    np.testing.assert_array_equal(voxels(page), expected(volumes, 0, z, 0.8, 0.3))
    tp, fp, fn, _ = (int(count.sum()) for count in lab.confusion_counts(volumes[2] > 0.8, volumes[1]))
    scores = page.inner_text(".scores")
    dice, precision, recall = 2 * tp / (2 * tp + fp + fn), tp / (tp + fp), tp / (tp + fn)
    assert f"Dice {dice:.2f} · precision {precision:.2f} · recall {recall:.2f}" in scores
    assert f"{(tp + fp) / 1000:.2f} ml" in scores
    page.select_option("select.prediction", "1")
    np.testing.assert_array_equal(voxels(page), expected(volumes, 0, z, 0.5, 0.3, scale=0.5))
    ml = (np.rint(volumes[2] / 2 * 255) > 127.5).sum() / 1000
    assert page.inner_text(".scores").startswith(f"other, whole volume: {ml:.2f} ml")


def test_worst_and_best_are_those_of_the_metrics(page, volumes):
    target, pred = (np.moveaxis(volume, 2, 0) for volume in (volumes[1], np.rint(volumes[2] * 255) > 127.5))
    dice = np.where(target.any(axis=(1, 2)), lab.dice_coefficient(pred, target), np.nan)
    for button, index in ((".worst", np.nanargmin(dice)), (".best", np.nanargmax(dice))):
        page.click(button)
        assert state(page, "index") == index


def test_the_scores_of_a_slice_hold_in_every_plane(page, volumes):
    for threshold in (0.0, 0.25, 1.0):
        give(page, "thresholds", [threshold, 0.5])
        pred = np.rint(volumes[2] * 255) > threshold * 255
        for plane in range(3):
            give(page, "plane", plane)
            voxels(page)
            profile = page.evaluate(f"{VIEWER}.profile.map(({{tp, fp, fn}}) => [tp, fp, fn])")
            axes = tuple(k for k in range(3) if k != 2 - plane)
            counts = [(part.sum(axis=axes)).tolist() for part in
                      (pred & volumes[1], pred & ~volumes[1], volumes[1] & ~pred)]
            assert np.array_equal(np.transpose(profile), counts)


def test_a_click_moves_the_crosshair_and_reads_the_voxel_under_it(page, volumes):
    z = state(page, "index")
    page.click(".slice-canvas >> nth=0", position={"x": 3 * 10 + 1, "y": 3 * 12 + 1})
    voxel = (10, 30 - 1 - 12, z)
    assert state(page, "position") == list(voxel)
    words = page.inner_text(".point")
    assert words.startswith(f"voxel 10, 17, {z} · intensity") and ("· lesion" in words) == bool(volumes[1][voxel])
    assert f"one {volumes[2][voxel]:.2f}" in words
    page.click(".slice-canvas >> nth=2", position={"x": 3 * 7 + 1, "y": 3 * 2 + 1})  # sagittal: y across, z down
    assert state(page, "position") == [10, 7, 21 - 1 - 2] and state(page, "plane") == 2


def test_a_drag_draws_its_frames_and_ends_where_the_hand_does(page, volumes):
    drawn = page.evaluate(f"""async () => {{
        const viewer = {VIEWER}, before = viewer.drawn, {{ slider }} = viewer.controls;
        for (let i = 0; i < 60; i++) {{
            slider.value = i % 21; slider.oninput();
            await new Promise(requestAnimationFrame);
        }}
        return viewer.drawn - before;
    }}""")
    assert drawn >= 55
    np.testing.assert_array_equal(voxels(page), expected(volumes, 0, 59 % 21))


def test_play_runs_and_stops(page):
    before = state(page, "index")
    page.click(".play")
    page.wait_for_function(f"{VIEWER}.state.index !== {before}")
    page.click(".play")
    assert page.evaluate(f"{VIEWER}.playing") == 0


def test_the_wheel_scrolls_and_with_ctrl_enlarges_what_is_under_it(page):
    z = state(page, "index")
    box = page.locator(".slice-canvas").first.bounding_box()
    at = box["x"] + 3 * 20 + 1, box["y"] + 3 * 10 + 1
    page.mouse.move(*at)
    page.mouse.wheel(0, -100)
    page.wait_for_function(f"{VIEWER}.state.index === {z + 1}")
    under = "([x, y]) => " + VIEWER + ".panes[0].voxelAt({ clientX: x, clientY: y })"
    before = page.evaluate(under, at)
    page.keyboard.down("Control")
    for _ in range(3):
        page.mouse.wheel(0, -120)
    page.keyboard.up("Control")
    page.wait_for_function(f"{VIEWER}.magnification > 4")
    voxels(page)
    after = page.evaluate(under, at)
    assert np.abs(np.subtract(before, after)).max() <= 1
    page.focus(".atlas-viewer")
    page.keyboard.press("0")
    assert page.evaluate(f"{VIEWER}.magnification") == 1


