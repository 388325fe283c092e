"""The overlays' colours: kept in small pictures, apart for colour-blind readers, and seen on every grey."""

import base64
import io
import itertools

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from atlas_lab.plots.overlay import (
    ERROR_COLOURS,
    PREDICTION_COLOUR,
    TARGET_COLOUR,
    contrast,
    label_colours,
    overlay,
    overlay_errors,
)
from atlas_lab.plots.style import few_colours

# Machado, Oliveira and Fernandes 2009, table 1, severity 1.0; on linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def cielab(colour, blindness):
    """A colour as seen under a blindness, in CIELAB."""
    channels = np.array(colour) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(BLINDNESS[blindness]) @ linear, 0, 1)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(np.maximum(matrix @ seen / [0.9505, 1, 1.089], 1e-6))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_errors_stay_apart_for_colour_blind_readers(blindness):
    for one, other in itertools.combinations(ERROR_COLOURS.values(), 2):
        assert np.linalg.norm(cielab(one, blindness) - cielab(other, blindness)) > 30


def test_contrast_is_that_of_the_guidelines():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)  # WebAIM's well-known example
    assert contrast(TARGET_COLOUR, TARGET_COLOUR) == 1


def test_an_outline_with_its_halo_stands_out_from_every_grey():
    for grey in range(256):
        image = np.full((20, 20), grey, np.uint8)
        mask = np.zeros(image.shape, bool)
        mask[5:15, 5:15] = True
        row = overlay(image, mask, line=2, halo=1)[10]
        assert (row[5:7] == TARGET_COLOUR).all() and (row[[4, 7]] == 0).all() and (row[[3, 8]] == grey).all()
        assert contrast(row[5], row[4]) >= 3 and max(contrast(row[4], row[3]), contrast(row[5], row[3])) >= 3


def test_errors_are_coloured_by_what_they_are():
    image = np.full((1, 4), 100, np.uint8)
    target, pred = np.array([[0, 0, 1, 1]], bool), np.array([[0, 1, 0, 1]], bool)
    none, fp, fn, tp = overlay_errors(image, target, pred, opacity=1)[0]
    assert tuple(none) == (100,) * 3
    assert (tuple(fp), tuple(fn), tuple(tp)) == (ERROR_COLOURS["fp"], ERROR_COLOURS["fn"], ERROR_COLOURS["tp"])


def test_labels_differ():
    assert len(set(label_colours(60))) == 60 and label_colours(0) == []


def test_a_palette_keeps_the_overlays_colours_and_few_others():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 60, 3), dtype=np.uint8)
    for k, colour in enumerate((TARGET_COLOUR, PREDICTION_COLOUR, *ERROR_COLOURS.values())):
        pixels[k, :3] = colour
    found = np.asarray(few_colours(Image.fromarray(pixels), 96).convert("RGB"))
    for k, colour in enumerate((TARGET_COLOUR, PREDICTION_COLOUR, *ERROR_COLOURS.values())):
        assert (found[k, :3] == colour).all()
    assert len(np.unique(found.reshape(-1, 3), axis=0)) <= 96


def test_a_small_prediction_stays_blue_on_a_large_brain_and_white_stays_white():
    ramp = np.tile(np.linspace(0, 255, 300).astype(np.uint8), (300, 1))  # every grey, most of the picture
    prediction = np.zeros(ramp.shape, bool)
    prediction[140:148, 100:200:5] = True
    page = np.full((400, 400, 3), 255, np.uint8)
    page[50:350, 50:350] = overlay(ramp, prediction=prediction)
    found = np.asarray(few_colours(Image.fromarray(page), 96).convert("RGB")).astype(int)
    blue = np.abs(found - page)[50:350, 50:350][prediction]
    assert blue.max() <= 20 and blue.mean() < 8
    assert (found[0, 0] == 255).all()


def test_a_notebook_s_figure_shows_the_outline_in_its_colour():
    code = """
import numpy as np
from atlas_lab.plots.slices import show_slice
from atlas_lab.plots.style import small_pictures
small_pictures()
image = np.random.default_rng(0).integers(0, 255, (100, 80), dtype=np.uint8)
mask = np.zeros(image.shape, bool); mask[20:60, 20:60] = True
show_slice(image, mask);
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (data,) = (output["data"]["image/png"] for output in notebook.cells[0].outputs if "data" in output
               and "image/png" in output["data"])
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
    far = np.abs(picture.astype(int) - TARGET_COLOUR).max(axis=-1)
    assert (far < 10).sum() > 100  # most are off by one or two: drawn so by matplotlib
