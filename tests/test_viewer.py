"""The first viewer: what it shows is what `overlay` gives."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

import atlas_lab as lab
from atlas_lab.intensity import to_uint8, white_point


def shown(viewer):
    return np.asarray(Image.open(io.BytesIO(viewer.picture.value)))


@pytest.fixture
def volumes():
    rng = np.random.default_rng(0)
    image = rng.random((20, 30, 9)).astype(np.float32) * 80
    target, prediction = np.zeros(image.shape, bool), np.zeros(image.shape, bool)
    target[5:9, 10:20, 6], target[5:7, 10:20, 5], prediction[5:9, 15:25, 6] = True, True, True
    return image, target, prediction


def test_opens_on_the_slice_with_most_lesion_and_draws_it(volumes):
    image, target, prediction = volumes
    viewer = lab.view_slices(image, target, prediction, zoom=3)
    assert viewer.slider.value == 6 and viewer.slider.max == 8
    grey = to_uint8(image, white_point(image))
    turned = [np.flipud(volume[:, :, 6].T) for volume in (grey, target, prediction)]
    np.testing.assert_array_equal(shown(viewer), lab.overlay(*turned, zoom=3))


def test_moving_the_slider_changes_picture_and_text(volumes):
    viewer = lab.view_slices(*volumes)
    assert "target 40 voxels · prediction 40 voxels · Dice 0.50" in viewer.text.value
    before = viewer.picture.value
    viewer.slider.value = 5
    assert viewer.picture.value != before
    assert "target 20 voxels · prediction 0 voxels · Dice 0.00" in viewer.text.value
    viewer.slider.value = 0
    assert "Dice undefined (both empty)" in viewer.text.value


def test_a_scan_is_loaded_with_its_mask_and_its_height_in_mm(scans):
    viewer = lab.view_slices(scans[0])
    z = viewer.slider.value
    assert lab.load_scan(scans[0]).mask[:, :, z].any()
    assert viewer.text.value.startswith(f"z = {z - 72} mm")
    assert shown(viewer).shape == (2 * 233, 2 * 197, 3)


def test_without_masks_it_opens_in_the_middle(volumes):
    assert lab.view_slices(volumes[0]).slider.value == 4


def test_a_saved_notebook_keeps_a_picture(volumes):
    viewer = lab.view_slices(*volumes)
    data, _ = viewer._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]) == viewer.picture.value
    assert "application/vnd.jupyter.widget-view+json" in data


def test_wrong_volumes_are_refused(volumes):
    image, target, _ = volumes
    with pytest.raises(lab.DataError, match="three"):
        lab.view_slices(image[0])
    with pytest.raises(lab.DataError, match=r"target has shape \(19, 30, 9\)"):
        lab.view_slices(image, target[1:])
