"""The panels and the browser: what their sliders and filters show, against the metrics and by hand."""

import base64
import io
import sys
from dataclasses import replace

import numpy as np
import pandas
import pytest
from PIL import Image

import atlas_lab as lab
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.run import pack_masks
from atlas_lab.plots.overlay import overlay
from atlas_lab.widgets.browser import SIZES, slice_scores, worst_first
from atlas_lab.widgets.canvas import SliceViewer
from atlas_lab.widgets.panels import disc, playground
from atlas_lab.widgets.volumes import unpack


def shown(panel):
    return np.asarray(Image.open(io.BytesIO(panel.picture.value)))


def test_the_playground_s_numbers_are_those_of_the_metrics():
    picture, text = playground(36, 30, 10, 10.0)
    target, pred = disc(28, 30, 10), disc(36, 30, 10)
    dice = 2 * (target & pred).sum() / (target.sum() + pred.sum())
    assert f"Dice {dice:.2f}" in text and f"precision {(target & pred).sum() / pred.sum():.2f}" in text
    grey = np.full((64, 64), 60, np.uint8)
    np.testing.assert_array_equal(picture, overlay(grey, target, pred, zoom=5, line=2, halo=1))
    assert "Dice 1.00" in playground(28, 30, 10, 1.0)[1] and "Dice 0.00" in playground(60, 60, 2, 1.0)[1]


def test_moving_a_slider_redraws_and_a_saved_notebook_keeps_the_picture():
    panel = lab.dice_playground()
    before = panel.picture.value
    panel.sliders["radius"].value = 20
    assert panel.picture.value != before and "recall 1.00" in panel.text.value
    data, _ = panel._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]) == panel.picture.value


def test_a_higher_weight_calls_more_pixels_lesion():
    rng = np.random.default_rng(0)
    images, chances = rng.integers(0, 255, (5, 8, 12), dtype=np.uint8), rng.random((5, 8, 12)) * 0.4
    panel = lab.widgets.weight_panel(images, chances > 0.3, chances)
    assert shown(panel).shape == (2 * 3 * 8, 4 * 3 * 12, 3) and "recall 0.00" in panel.text.value
    panel.sliders["pos_weight"].value = 100
    pred = chances > 1 / 101
    assert f"precision {(pred & (chances > 0.3)).sum() / pred.sum():.2f} · recall 1.00" in panel.text.value
    first = overlay(images[0], chances[0] > 0.3, pred[0], zoom=3)
    np.testing.assert_array_equal(shown(panel)[:24, :36], first)


def test_the_overlap_map_opens_at_its_peak_with_a_threshold():
    overlap = np.zeros((10, 12, 9), np.float32)
    overlap[2:4, 3:5, 6], overlap[6, 6, 2] = 0.4, 0.08
    affine = np.diag([10.0, 10, 10, 1])
    background = np.full(overlap.shape, 90, np.uint8)
    background[0, 0, 0] = 255
    viewer = lab.widgets.overlap_panel(overlap, affine, background, zoom=5)
    assert viewer.position == [2, 3, 6] and viewer.threshold == 0.1 and viewer.names == ["share of subjects"]
    data, _ = viewer._repr_mimebundle_()
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))))
    blue = picture[..., 2].astype(int) - picture[..., 0] > 30
    assert 50 < blue.sum() <= 100 and blue[5 * (12 - 1 - 3) + 2, 5 * 2 + 2] and not blue[5 * 6, 5 * 6]


def test_the_disc_follows_the_mouse():
    panel = lab.dice_playground()
    panel.picture.point = [28 / 63, 30 / 63]
    assert (panel.sliders["x"].value, panel.sliders["y"].value) == (28, 30) and "Dice 1.00" in panel.text.value


@pytest.fixture
def store():
    """Two scans of six slices, one on each site; lesions of 0, 4, 4, 16, 16 and 144 pixels."""
    masks = np.zeros((12, 16, 16), bool)
    for i, side in enumerate([0, 2, 2, 4, 4, 12] * 2):
        masks[i, :side, :side] = True
    table = pandas.DataFrame({
        "subject": ["a"] * 6 + ["b"] * 6, "session": "t01", "site": ["S1"] * 6 + ["S2"] * 6, "z": [*range(6)] * 2,
        "lesion_pixels": masks.sum(axis=(1, 2)),
    })
    images = np.random.default_rng(0).integers(1, 255, masks.shape, dtype=np.uint8)
    return SliceStore(None, images, masks, table, {"z_step": 2, "data_hash": "squares", "scale": 4})


def test_the_worst_slices_come_first_and_undefined_ones_not_at_all(store):
    predictions = store.masks.copy()
    predictions[3, :4, :2] = False  # Dice 2/3
    predictions[7] = False          # Dice 0
    rows = np.arange(12)
    scores = slice_scores(store, rows, predictions)
    order, dice = worst_first(store, rows, scores)
    assert order.tolist()[:2] == [7, 3] and sorted(order) == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11]
    assert dice[3] == pytest.approx(2 / 3)
    assert worst_first(store, rows, scores, site="S1")[0].tolist() == [3, 1, 2, 4, 5]
    assert worst_first(store, rows, scores, subject="b", size="up to 10 pixels")[0].tolist() == [7, 8]
    sizes = {name: len(worst_first(store, rows, scores, size=name)[0]) for name in SIZES}
    assert sizes == {"any": 10, "none": 0, "up to 10 pixels": 4, "11 to 100": 4, "over 100": 2}
    with pytest.raises(lab.DataError, match="12 rows and 3 predictions"):
        slice_scores(store, rows, predictions[:3])


def test_filters_fill_the_page_and_a_slice_opens_its_scan(store):
    rows = np.array([1, 3, 5, 7, 9])
    predictions = store.masks[rows].copy()
    predictions[2] = False  # row 5
    browser = lab.browse(store, predictions, rows, count=2)
    assert browser.shown.tolist()[0] == 2 and len(browser.grid.pictures) == 2 and browser.page.max == 3
    assert browser.pages.value == "of 3; 5 slices"
    assert browser.grid.captions[0] == "a t01, z = 5\ntrue 4.6, called 0.0 ml\nDice 0.00"
    browser.site.value = "S2"
    assert set(browser.rows[browser.shown]) <= {7, 9}
    browser.site.value = "any"
    browser.open_shown(0)
    (viewer,) = browser.opened.children
    assert isinstance(viewer, SliceViewer) and viewer.index == 5 and viewer.shape == [16, 16, 6]
    data, _ = browser._repr_mimebundle_()
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))))
    first = overlay(store.images[5], store.masks[5], predictions[2], zoom=3)
    np.testing.assert_array_equal(picture[:48, :48], first)


def test_slices_are_ordered_by_what_was_missed_invented_or_uncertain(store):
    rows = np.arange(12)
    chances = store.masks * np.float32(0.9)
    chances[3] *= 0.2             # 16 pixels missed
    chances[10, 12:, 12:] = 0.8   # 16 pixels invented
    chances[5] = np.where(store.masks[5], 0.6, 0)  # 144 pixels that are hardly lesion
    for order, first in (("missed", 3), ("false", 10), ("uncertainty", 5)):
        assert worst_first(store, rows, slice_scores(store, rows, chances), order=order)[0][0] == first
    browser = lab.browse(store, chances)
    assert "uncertainty" in dict(browser.order.options)
    assert "uncertainty" not in dict(lab.browse(store, store.masks).order.options)
    browser.order.value = "false"
    assert browser.shown[0] == 10


@pytest.mark.parametrize("top", [1, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
def test_masks_of_any_type_are_browsed_as_masks(store, top, dtype):
    pred = store.masks[::-1]
    expected, scores = lab.browse(store, pred), slice_scores(store, np.arange(12), pred)
    for given in (pred * dtype(top), (pred * dtype(top)).tolist()):
        browser = lab.browse(store, given)
        assert browser.shown.tolist() == expected.shown.tolist() and "uncertainty" not in dict(browser.order.options)
        pandas.testing.assert_frame_equal(slice_scores(store, np.arange(12), given), scores)


def test_what_is_neither_mask_nor_probability_is_not_ranked(store):
    for given, line in ((np.where(store.masks, np.nan, 0.0), "the prediction holds NaN or infinite voxels: 368"),
                        (np.where(store.masks, 3.5, -4.5), "goes from -4.5 to 3.5; expected.*apply a sigmoid"),
                        (store.masks * 1 + store.masks[::-1], "goes from 0 to 2; expected.*of labels pass one")):
        for rank in (lambda pred: lab.browse(store, pred), lambda pred: slice_scores(store, np.arange(12), pred)):
            with pytest.raises(lab.DataError, match=line):
                rank(given)


def test_a_slice_opens_its_scan_at_full_resolution(tmp_path):
    scans = lab.find_scans(lab.make_cohort(tmp_path / "cohort", 1, progress=False))
    store = lab.prepare_slices(scans, progress=False)
    browser = lab.browse(store, store.masks, scans=scans)
    browser.open_shown(0)
    (viewer,) = browser.opened.children
    row = store.table.iloc[browser.rows[browser.shown[0]]]
    assert viewer.shape == [197, 233, 189] and viewer.index == row["z"]
    loaded = lab.load_scan(scans[0])
    shown = unpack(viewer.predictions[0], viewer.shape) > 127
    places = [np.argwhere(mask).mean(axis=0) for mask in (shown, loaded.mask)]
    assert np.abs(places[0] - places[1]).max() < 4  # mm: a block of the store


def test_without_anywidget_tiles_have_buttons(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "atlas_lab.widgets.tiles", None)
    browser = lab.browse(store, store.masks, count=2)
    browser.grid.children[1].children[1].click()
    assert len(browser.opened.children) == 1 and len(browser.grid.children) == 2


def test_a_run_s_record_can_be_browsed(store):
    data = {"data_hash": store.about["data_hash"], "source": "squares"}
    run = lab.experiment.Run(lab.RunConfig(), [], {}, {}, data, {}, {}, 0.0,
                  {"rows": [1, 3, 5], "masks": pack_masks(store.masks[[1, 3, 5]])})
    browser = lab.browse(store, run)
    assert browser.rows.tolist() == [1, 3, 5] and np.array_equal(browser.predictions, store.masks[[1, 3, 5]])
    with pytest.raises(lab.DataError, match="no predictions in its record"):
        lab.browse(store, replace(run, examples={}))
    with pytest.raises(lab.DataError, match="recorded on other data"):
        lab.browse(store, replace(run, data={"data_hash": "other", "source": "circles"}))
