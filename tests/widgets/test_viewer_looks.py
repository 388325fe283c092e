"""What the viewer draws in a real browser, read from its pixels: shape, errors, outlines, labels, drawings, names."""

import nibabel
import numpy as np
import pytest
from pages import VIEWER, canvas, cut, give, state, voxels
from scipy import ndimage

import atlas_lab as lab
from atlas_lab.grid import AFFINE
from atlas_lab.plots.overlay import ERROR_COLOURS, PREDICTION_COLOUR, TARGET_COLOUR, contrast
from atlas_lab.widgets.volumes import open_labels


def ball(shape, centre, radius, spacing=(1, 1, 1)):
    """Voxels within a distance, in mm, of one of them."""
    return sum(((np.arange(n) - c) * mm).reshape([-1 if k == axis else 1 for k in range(3)]) ** 2 for axis, (n, c, mm)
               in enumerate(zip(shape, centre, spacing, strict=True))) <= radius**2


def test_a_sphere_in_long_voxels_is_round_in_all_planes(show):
    shape, spacing = (60, 60, 13), (1, 1, 5)
    sphere = ball(shape, (30, 30, 6), 22, spacing)
    image = nibabel.Nifti1Image(np.where(sphere, 200, 20).astype(np.uint8), np.diag([*spacing, 1]))
    tab = show(lab.view_slices(image, zoom=4))
    give(tab, "crosshair", False)
    for plane in range(3):
        bright = (canvas(tab, plane) > 100).all(axis=-1)
        height, width = (np.ptp(np.flatnonzero(bright.any(axis=axis))) + 1 for axis in (1, 0))
        assert abs(width / height - 1) < 0.12, plane  # a voxel of 5 mm is all that a radius of 22 can be off by


def test_the_crosshair_keeps_its_place_over_planes_and_sides(show):
    noise = np.random.default_rng(0).random((40, 30, 20)).astype(np.float32)
    image = nibabel.Nifti1Image(noise, np.diag([2, 2, 3, 1.0]))
    tab = show(lab.view_slices(image, zoom=4))
    for convention in ("neurological", "radiological"):
        give(tab, "convention", convention)
        give(tab, "position", [9, 21, 6])
        for plane, (across, down) in enumerate(((9, 21), (9, 6), (21, 6))):
            picture = canvas(tab, plane).astype(int)
            shape = np.array([40, 30, 20])[[[0, 1], [0, 2], [1, 2]][plane]]
            mirrored = convention == "radiological" and plane < 2
            column = (shape[0] - 1 - across if mirrored else across) + 0.5
            row = shape[1] - 1 - down + 0.5
            x, y = column * picture.shape[1] / shape[0], row * picture.shape[0] / shape[1]
            white = (picture == 255).all(axis=-1)
            assert abs(white[3].argmax() - x) <= 1 and abs(white[:, 3].argmax() - y) <= 1
        letters = tab.eval_on_selector_all(".letter", "spans => spans.map(s => s.textContent)")
        first = ["L", "R"] if convention == "neurological" else ["R", "L"]
        assert letters == [*first, "A", "P", *first, "S", "I", "P", "A", "S", "I"]
        assert convention in tab.inner_text(".pane-title >> nth=0")
    tab.fill(".place", "18 42 18")
    tab.press(".place", "Enter")
    assert state(tab, "position") == [9, 21, 6] and "voxel 9, 21, 6 · 18, 42, 18 mm" in tab.inner_text(".point")


def test_without_an_affine_no_side_is_named(show):
    tab = show(lab.view_slices(np.random.default_rng(0).random((20, 30, 9))))
    assert tab.eval_on_selector_all(".letter", "spans => spans.map(s => s.textContent).join('')") == ""
    assert " mm" not in tab.inner_text(".atlas-viewer") and tab.locator(".convention").count() == 0


@pytest.fixture
def pair():
    """An image, a target and two predictions that err in different places."""
    shape = (40, 40, 20)
    image = np.random.default_rng(0).integers(1, 250, shape).astype(np.uint8)
    image[0, 0, 0] = 255  # its levels are shown as they are
    predictions = {"A": ball(shape, (22, 20, 10), 8), "B": ball(shape, (18, 16, 10), 6) * 0.75}
    return image, ball(shape, (18, 20, 10), 8), predictions


def test_errors_have_their_colours_in_every_pane_and_each_prediction_its_threshold(show, pair):
    image, target, predictions = pair
    tab = show(lab.widgets.compare(image, predictions, target))
    assert tab.locator(".slice-canvas").count() == 2
    for thresholds in ([0.5, 0.5], [0.5, 0.8]):
        give(tab, "thresholds", thresholds)
        for pane, (p, threshold) in enumerate(zip(predictions.values(), thresholds, strict=True)):
            found = np.rint(p * 255) > threshold * 255
            parts = {"tp": target & found, "fp": ~target & found, "fn": target & ~found}
            shown, grey = voxels(tab, pane).astype(float), cut(image, 0, 10)
            for name, part in parts.items():
                inside = cut(part, 0, 10)
                expected = grey[inside][:, None] + 0.5 * (np.array(ERROR_COLOURS[name]) - grey[inside][:, None])
                np.testing.assert_array_equal(shown[inside], np.rint(expected))
            nothing = ~cut(target | found, 0, 10)
            np.testing.assert_array_equal(shown[nothing], np.repeat(grey[nothing][:, None], 3, axis=1))
    assert "found (TP)" in tab.inner_text(".key") and tab.inner_text(".scores").count("Dice") == 2


def test_without_a_target_two_predictions_are_set_against_one_another(show, pair):
    image, _, predictions = pair
    tab = show(lab.widgets.compare(image, predictions))
    one, other = (cut(np.asarray(p) > 0.5, 0, state(tab, "index")) for p in predictions.values())
    shown, grey = voxels(tab), cut(image, 0, state(tab, "index"))
    for part, name in ((one & other, "tp"), (one & ~other, "fp"), (other & ~one, "fn")):
        expected = grey[part][:, None] + 0.5 * (np.array(ERROR_COLOURS[name]) - grey[part][:, None].astype(float))
        np.testing.assert_array_equal(shown[part], np.rint(expected))
    assert tab.inner_text(".key").split("\n") == ["both", "only A", "only B"]


def test_blinking_shows_the_predictions_in_turn(show, pair):
    tab = show(lab.view_slices(pair[0], pair[1], pair[2]))
    tab.click(".blink")
    tab.wait_for_function(f"{VIEWER}.state.chosen === 1")
    tab.wait_for_function(f"{VIEWER}.state.chosen === 0")
    tab.click(".blink")
    assert tab.get_attribute(".blink", "aria-pressed") == "false"


@pytest.mark.parametrize("grey", [0, 90, 180, 255])
def test_outlines_stand_out_from_every_grey(show, grey):
    image = np.full((40, 40, 9), grey, np.uint8)
    image[0, 0, 0], image[1, 0, 0] = 255, 0
    target = ball(image.shape, (20, 20, 4), 8)
    tab = show(lab.view_slices(image, target, zoom=4))
    give(tab, "crosshair", False)
    picture = canvas(tab)
    line = (picture == TARGET_COLOUR).all(axis=-1)
    assert line.any(axis=1).sum() > 50
    row = picture[int(19.5 * 4)]  # through the middle: the outline is met twice, and is two pixels wide
    hit = np.flatnonzero((row == TARGET_COLOUR).all(axis=-1))
    assert len(hit) == 4 and hit[1] == hit[0] + 1
    beside = picture[int(19.5 * 4), hit[0] - 1]  # what the eye has beside the line
    assert (beside == 0).all() and contrast(TARGET_COLOUR, beside) >= 3
    assert max(contrast(beside, [grey] * 3), contrast(TARGET_COLOUR, [grey] * 3)) >= 3


def test_labels_have_their_own_colours_and_a_key(show):
    image = np.full((20, 20, 9), 128, np.uint8)
    image[0, 0, 0], image[1, 0, 0] = 255, 0
    labels = np.zeros(image.shape, np.int16)
    labels[2:6, 2:6], labels[10:14, 10:14], labels[4:9, 12:18] = 1, 2, 9
    viewer = lab.view_slices(image, show="labels", labels=labels, label_names={1: "thalamus", 2: "pons <i>"})
    tab = show(viewer)
    assert tab.inner_text(".key").split("\n") == ["thalamus", "pons <i>", "label 9"]
    shown, flat = voxels(tab), cut(labels, 0, 4)
    colours = [shown[flat == label] for label in (1, 2, 9)]
    assert all((colour == colour[0]).all() for colour in colours)
    assert len({tuple(colour[0]) for colour in colours}) == 3 and (shown[flat == 0] == 128).all()
    assert open_labels(labels, {"1": "as JSON has it"}, image, None, None)[1][0] == "as JSON has it"
    with pytest.raises(lab.DataError, match=r"label_names is \['thalamus'\]; expected a dict"):
        lab.view_slices(image, labels=labels, label_names=["thalamus"])
    for given, line in ((labels * 0.5, "whole numbers, 0 to 255"), (labels[1:], "they must be equal")):
        with pytest.raises(lab.DataError, match=line):
            lab.view_slices(image, labels=given)


def test_the_heat_map_grows_lighter_with_the_probability(show):
    image = np.zeros((16, 16, 5), np.uint8)
    image[0, 0, 0] = 255
    chances = np.linspace(0, 1, 16, dtype=np.float32)[:, None, None] * np.ones(image.shape, np.float32)
    tab = show(lab.view_slices(image, prediction=chances, show="heat"))
    give(tab, "opacity", 1)
    row = voxels(tab)[8].astype(float) @ [0.2126, 0.7152, 0.0722]
    assert row[0] == 0 and (np.diff(row) > 0).all()


def test_the_lesion_table_is_that_of_scipy_worst_first(show, pair):
    image, target, predictions = pair
    target, pred = target.copy(), predictions["A"].copy()
    target[34:36, 34:36, 3:5], pred[2:5, 2:5, 2:5] = True, True
    tab = show(lab.view_slices(image, target, pred))
    tab.click(".listing")
    rows = tab.evaluate(f"{VIEWER}.rows.map((row) => [row.kind, row.status, row.voxels, row.dice, row.place])")
    kinds = [["prediction", "false"], ["target", "missed"], ["target", "hit"], ["prediction", "hit"]]
    assert [row[:2] for row in rows] == kinds
    assert [row[2] for row in rows[:2]] == [27, 8]
    true, made = ndimage.label(target)[0], ndimage.label(pred)[0]
    large, other = true == true[18, 20, 10], made == made[22, 20, 10]
    dice = 2 * (large & other).sum() / (large.sum() + other.sum())
    assert rows[2][2] == large.sum() and rows[2][3] == pytest.approx(dice)
    tab.click(".jump >> nth=1")
    assert state(tab, "position") == rows[1][4] and target[tuple(rows[1][4])]
    tab.focus(".atlas-viewer")
    tab.keyboard.press("n")
    assert state(tab, "position") == rows[2][4]
    assert tab.locator("tbody tr.current").count() == 1


def test_a_drawn_mask_comes_back_voxel_for_voxel_on_the_scan_s_own_grid(show, tmp_path):
    inside = ball((40, 50, 30), (20, 25, 15), 12) * np.float32(80)
    affine = np.array([[-2, 0, 0, 60], [0, 2, 0, -40], [0, 0, 2.5, -20], [0, 0, 0, 1.0]])  # stored LAS
    nibabel.save(nibabel.Nifti1Image(inside + np.float32(5), affine), tmp_path / "scan.nii.gz")
    viewer = lab.view_slices(tmp_path / "scan.nii.gz", zoom=4)
    tab = show(viewer)
    tab.click(".draw")
    for x, y in ((60, 80), (90, 100), (100, 60)):
        tab.mouse.move(*at(tab, x, y))
        tab.mouse.down()
        tab.mouse.move(*at(tab, x + 40, y + 10), steps=5)
        tab.mouse.up()
    tab.click(".undo")
    drawn = np.array(tab.evaluate(f"[...{VIEWER}.drawing.mask]"), np.uint8).reshape(viewer.shape, order="F") > 0
    assert 20 < drawn.sum() < 2000 and (drawn.any(axis=(0, 1)).sum() == 1)
    with tab.expect_download() as download:
        tab.click(".nifti")
    download.value.save_as(tmp_path / "drawn.nii.gz")
    by_browser = nibabel.load(tmp_path / "drawn.nii.gz")
    np.testing.assert_array_equal(by_browser.affine, affine)
    np.testing.assert_array_equal(np.asarray(by_browser.dataobj)[::-1], drawn)
    tab.click(".keep")
    tab.wait_for_function(f"{VIEWER}.model.get('drawings').length === 1")
    kept = tab.evaluate(f"[...{VIEWER}.model.get('drawings')[0].data]")
    viewer.drawings = [{"name": "drawing 1", "data": bytes(kept)}]
    viewer.save_drawing(tmp_path / "python.nii.gz")
    by_python = nibabel.load(tmp_path / "python.nii.gz")
    np.testing.assert_array_equal(by_python.affine, affine)
    np.testing.assert_array_equal(by_python.dataobj, by_browser.dataobj)
    np.testing.assert_array_equal(viewer.drawing(), drawn)


def at(tab, x, y):
    """A place on the axial pane, in screen pixels."""
    box = tab.locator(".slice-canvas").first.bounding_box()
    return box["x"] + x, box["y"] + y


def test_names_and_titles_are_text_whatever_they_hold(browser, tmp_path, pair):
    evil = "</script><script>document.title = 'ran'</script><img src=x onerror=\"document.title = 'ran'\">"
    path = lab.view_slices(pair[0], pair[1], {evil: pair[2]["A"], "B": pair[2]["B"]}).save(tmp_path / "a.html", evil)
    tab = browser.new_page()
    tab.goto(path.as_uri())
    tab.wait_for_function("document.querySelector('.atlas-viewer')?.viewer?.profile")
    tab.wait_for_timeout(200)
    assert tab.title() == evil and evil in tab.inner_text(".scores") and tab.inner_text("h1") == evil
    tab.close()


def test_window_and_level_change_the_greys(show, pair):
    tab = show(lab.view_slices(pair[0]))
    give(tab, "window", [50, 150])
    grey = cut(pair[0], 0, 10).astype(float)
    np.testing.assert_array_equal(voxels(tab)[..., 0], np.rint(np.clip((grey - 50) / 100, 0, 1) * 255))
    tab.mouse.move(*at(tab, 20, 20))
    tab.keyboard.down("Shift")
    tab.mouse.down()
    tab.mouse.move(*at(tab, 60, 20))
    tab.mouse.up()
    tab.keyboard.up("Shift")
    low, high = state(tab, "window")
    assert high - low > 100 and low + high == pytest.approx(200, abs=1)
    tab.select_option(".window", "all")
    assert state(tab, "window") == [0, 255]


@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark")])
def test_pages_have_no_serious_fault_of_access(show, pair, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    tab = show(lab.widgets.compare(nibabel.Nifti1Image(pair[0], AFFINE), pair[2], pair[1]), color_scheme=scheme)
    tab.set_viewport_size({"width": width, "height": 900})
    tab.click(".listing")
    tab.click(".draw")
    tab.click("summary")
    tab.wait_for_timeout(300)
    found = axe.Axe().run(tab).response["violations"]
    assert [fault["id"] for fault in found if fault["impact"] in ("serious", "critical")] == []
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_tiny_lesion_can_be_found(show):
    image = np.random.default_rng(0).integers(1, 250, (60, 60, 30)).astype(np.uint8)
    target = np.zeros(image.shape, bool)
    target[41, 17, 22] = True
    tab = show(lab.view_slices(image, target, target))
    assert state(tab, "position") == [41, 17, 22]
    give(tab, "fill", False)
    assert (canvas(tab) == TARGET_COLOUR).all(axis=-1).sum() >= 8
    assert PREDICTION_COLOUR not in {tuple(pixel) for pixel in voxels(tab).reshape(-1, 3)}
