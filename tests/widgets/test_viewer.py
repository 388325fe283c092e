"""The viewer's Python side: what is sent to the browser, the still picture, the page, and what is refused."""

import base64
import gzip
import importlib.util
import io
import json
import re
import sys
import tracemalloc
import types
import zlib

import ipywidgets
import nbformat
import nibabel
import numpy as np
import pytest
from atlas_tree import AFFINE, save
from nbclient import NotebookClient
from PIL import Image

import atlas_lab as lab
from atlas_lab.data.intensity import to_uint8, white_point
from atlas_lab.plots.overlay import overlay
from atlas_lab.widgets import still
from atlas_lab.widgets import viewer as viewer_module
from atlas_lab.widgets.plain import PlainViewer


@pytest.fixture
def volumes():
    rng = np.random.default_rng(0)
    image = rng.random((20, 30, 9)).astype(np.float32) * 80
    target, prediction = np.zeros(image.shape, bool), np.zeros(image.shape, bool)
    target[5:9, 10:20, 6], target[5:7, 10:20, 5], prediction[5:9, 15:25, 6] = True, True, True
    return image, target, prediction


def unpacked(data, shape):
    return np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape, order="F")


def unpacked_grey(data, shape):
    steps = unpacked(data, shape).astype(int)
    return np.stack([steps[..., :k + 1].sum(axis=-1) % 256 for k in range(shape[2])], axis=-1)


def turned(volumes, z):
    return [np.flipud(volume[:, :, z].T) for volume in volumes]


def picture_of(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_volume_and_masks_are_sent_once_and_whole(volumes):
    image, target, prediction = volumes
    viewer = lab.view_slices(image, target, {"mask": prediction, "probability": prediction * 0.25})
    np.testing.assert_array_equal(unpacked_grey(viewer.image, image.shape), to_uint8(image, white_point(image)))
    np.testing.assert_array_equal(unpacked(viewer.target, image.shape), target)
    assert viewer.names == ["mask", "probability"] and viewer.probabilities == [False, True]
    np.testing.assert_array_equal(unpacked(viewer.predictions[0], image.shape), prediction * 255)
    np.testing.assert_array_equal(unpacked(viewer.predictions[1], image.shape), prediction * 64)
    assert viewer.shape == list(image.shape) and viewer.affine == [] and viewer.voxel_ml == 0.001


def test_it_opens_on_the_slice_with_most_lesion_and_shows_a_still_picture_of_it(volumes):
    viewer = lab.view_slices(*volumes, zoom=3)
    assert (viewer.plane, viewer.index) == (0, 6)
    image, target, prediction = volumes
    expected = overlay(*turned((to_uint8(image, white_point(image)), target, prediction), 6), zoom=3, line=2, halo=1)
    np.testing.assert_array_equal(picture_of(viewer.still), expected)
    data, _ = viewer._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]) == viewer.still
    assert "application/vnd.jupyter.widget-view+json" in data


@pytest.mark.parametrize("plain", [False, True])
def test_without_masks_it_opens_in_the_middle(volumes, plain):
    viewer = lab.view_slices(volumes[0], plain=plain)
    assert (viewer.slider.value if plain else viewer.index) == 4


def test_a_scan_comes_with_its_mask_and_its_place_in_mm(scans):
    viewer = lab.view_slices(scans[0])
    loaded = lab.load_scan(scans[0])
    assert unpacked(viewer.target, viewer.shape).sum() == loaded.mask.sum()
    assert viewer.affine == AFFINE.ravel().tolist()
    assert loaded.mask[:, :, viewer.index].sum() == loaded.mask.sum(axis=(0, 1)).max()


def test_a_file_is_turned_to_ras(tmp_path, volumes):
    image = nibabel.Nifti1Image(volumes[0], np.diag([2.0, 2, 2, 1]))
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt("LPI"))
    path = tmp_path / "a.nii.gz"
    nibabel.save(image.as_reoriented(turn), path)
    viewer = lab.view_slices(str(path))
    np.testing.assert_array_equal(
        unpacked_grey(viewer.image, volumes[0].shape), to_uint8(volumes[0], white_point(volumes[0])))
    assert viewer.voxel_ml == pytest.approx(0.008)


def test_the_page_holds_everything_and_asks_for_nothing(volumes, tmp_path):
    viewer = lab.view_slices(*volumes)
    text = viewer.save(tmp_path / "page.html", "My slices").read_text()
    assert "<title>My slices</title>" in text and "<h1>My slices</h1>" in text and "name=viewport" in text
    assert "http" not in text and "import " not in text
    values = json.loads(re.search(r"const sent = (\{.*\});", text)[1])
    assert base64.b64decode(values["image"]["base64"]) == viewer.image
    assert values["shape"] == list(volumes[0].shape) and values["names"] == ["prediction"]


@pytest.mark.parametrize("heads", [False, True], ids=["brain", "head"])
def test_a_page_with_target_and_prediction_stays_small(tmp_path, heads):
    rng = np.random.default_rng(0)
    out = lab.make_cohort(tmp_path / "cohort", 1, progress=False, heads=heads)
    (scan,) = lab.find_scans(out)
    blob = lab.load_scan(scan).mask * rng.random((197, 233, 189), np.float32)
    path = lab.view_slices(scan, prediction=blob).save(tmp_path / "page.html")
    assert path.stat().st_size < 5e6


def test_wrong_volumes_are_refused_in_one_line(volumes, tmp_path):
    image, target, _ = volumes
    with pytest.raises(lab.DataError, match=r"shape \(30, 9\); a volume has three axes"):
        lab.view_slices(image[0])
    with pytest.raises(lab.DataError, match=r"\(20, 30, 9, 2\); a volume has three axes"):
        lab.view_slices(np.stack([image, image], -1))
    with pytest.raises(lab.DataError, match=r"target has shape \(19, 30, 9\)"):
        lab.view_slices(image, target[1:])
    with pytest.raises(lab.DataError, match="U-Net has shape"):
        lab.view_slices(image, target, {"U-Net": target[1:]})
    with pytest.raises(lab.DataError, match="no finite voxel"):
        lab.view_slices(np.full((4, 4, 4), np.nan))
    with pytest.raises(lab.DataError, match="the prediction holds NaN"):
        lab.view_slices(image, target, np.where(target, np.nan, 0.5))
    (tmp_path / "a.nii").write_text("no volume")
    with pytest.raises(lab.DataError, match=r"a\.nii: a text, not an image"):
        lab.view_slices(tmp_path / "a.nii")


def test_an_empty_prediction_is_shown_as_such(volumes):
    image, target, prediction = volumes
    viewer = lab.view_slices(image, target, np.zeros_like(prediction))
    assert not unpacked(viewer.predictions[0], image.shape).any()


def test_volumes_are_kept_once_and_making_the_viewer_takes_no_more_than_they_do():
    image = np.random.default_rng(0).random((100, 110, 90), np.float32)
    image[:50] = 0  # air, as around a head
    target, prediction = image > 0.9, image > 0.8
    shown = image.nbytes + target.nbytes + prediction.nbytes
    lab.view_slices(image[90:], target[90:], prediction[90:])
    tracemalloc.start()
    viewer = lab.view_slices(image, target, prediction)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < shown and kept < len(viewer.image) + shown / 10


def test_a_notebook_of_three_viewers_is_small_and_keeps_their_pictures(tmp_path, monkeypatch):
    monkeypatch.setenv("ATLAS_LAB_HOME", str(tmp_path))
    lab.make_cohort(tmp_path / "cohort", 1, progress=False)
    load = f"import atlas_lab as lab\nscan, = lab.find_scans({str(tmp_path / 'cohort')!r})"
    show = ["lab.view_slices(scan)", "lab.view_slices(scan, prediction=lab.load_scan(scan).mask)",
            "lab.view_slices(scan, plain=True)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in (load, *show)])
    NotebookClient(notebook, timeout=300, kernel_name="python3", store_widget_state=False).execute()
    nbformat.write(notebook, tmp_path / "three.ipynb")
    assert (tmp_path / "three.ipynb").stat().st_size < 400_000
    for cell in notebook.cells[1:]:
        assert "image/png" in cell.outputs[0]["data"]


def test_a_closed_viewer_can_still_be_saved(volumes, tmp_path):
    viewer = lab.view_slices(*volumes)
    page = viewer.save(tmp_path / "open.html").read_text()
    viewer.close()
    assert viewer.save(tmp_path / "closed.html").read_text() == page


def test_widgets_are_closed_and_opened_with_all_their_parts(volumes):
    box = ipywidgets.VBox([lab.view_slices(*volumes), ipywidgets.IntSlider()])
    viewer, slider = box.children
    parts = [box, box.layout, viewer, viewer.layout, slider, slider.layout, slider.style]
    still._close(box)
    assert all(part.comm is None for part in parts)
    still._open(box)
    assert all(part.comm is not None for part in parts)


@pytest.mark.parametrize(("parent", "environment", "place"), [
    ({}, {}, "other"), ({"metadata": {"cellId": "ab"}}, {}, "jupyter"),
    ({"metadata": {"cellId": "vscode-notebook-cell:/a"}}, {}, "other"),
    ({"metadata": {"cellId": "ab"}}, {"VSCODE_PID": "1"}, "other"),
    ({"content": {"allow_stdin": False}}, {}, "none"),
])
def test_the_widget_is_named_only_where_it_is_shown_by_name(volumes, monkeypatch, parent, environment, place):
    monkeypatch.delenv("VSCODE_PID", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(still, "_parent_message", lambda: parent)
    assert still.front_end() == place
    if place != "jupyter":
        data, _ = lab.view_slices(*volumes)._repr_mimebundle_()
        assert "image/png" in data and (still.WIDGET_VIEW in data) == (place == "other")


def test_colab_s_way_of_showing_widgets_is_turned_on(monkeypatch):
    asked = []
    output = types.SimpleNamespace(enable_custom_widget_manager=lambda: asked.append(True))
    for name, module in (("google", types.ModuleType("google")), ("google.colab", types.ModuleType("google.colab")),
                         ("google.colab.output", output)):
        monkeypatch.setitem(sys.modules, name, module)
    assert still.front_end() == "other" and asked == [True]


def test_a_marked_picture_is_the_same_picture(volumes):
    picture = lab.view_slices(*volumes).still
    marked = still.with_mark(picture, "0123456789abcdef" * 2)
    np.testing.assert_array_equal(picture_of(marked), picture_of(picture))
    assert Image.open(io.BytesIO(marked)).text == {"widget": "0123456789abcdef" * 2}


# --------------------------------------------------------------------------------------------- in three dimensions

def test_three_dimensions_show_the_same_volumes(volumes):
    pytest.importorskip("ipyniivue", reason="ipyniivue, an extra, is not installed")
    image, target, prediction = volumes
    widget = lab.widgets.view_3d(image, target, {"U-Net": prediction * 0.6})
    assert [volume.name for volume in widget.volumes] == ["image.nii.gz", "target.nii.gz", "U-Net.nii.gz"]
    shown = [nibabel.Nifti1Image.from_bytes(gzip.decompress(volume.data)).get_fdata() for volume in widget.volumes]
    for got, wanted in zip(shown, (to_uint8(image, white_point(image)), target, prediction), strict=True):
        np.testing.assert_array_equal(got, wanted)
    x, y, z = (int(part * n) for part, n in zip(widget.scene.crosshair_pos, image.shape, strict=True))
    assert target[x, y, z] and z == 6


def test_three_dimensions_refuse_what_the_slices_refuse_and_say_what_is_missing(volumes, monkeypatch):
    image, target, _ = volumes
    if importlib.util.find_spec("ipyniivue"):
        with pytest.raises(lab.DataError, match=r"target has shape \(19, 30, 9\)"):
            lab.widgets.view_3d(image, target[1:])
    monkeypatch.setitem(sys.modules, "ipyniivue", None)
    with pytest.raises(lab.DataError, match="pip install"):
        lab.widgets.view_3d(image)


# ------------------------------------------------------------------------------------------------- the plain viewer

def test_without_anywidget_the_plain_viewer_shows_the_same_picture(volumes, monkeypatch):
    first = lab.view_slices(*volumes)
    monkeypatch.setattr(viewer_module, "SliceViewer", None)
    plain = lab.view_slices(*volumes)
    assert isinstance(plain, PlainViewer) and plain.slider.value == first.index
    np.testing.assert_array_equal(picture_of(plain.picture.value), picture_of(first.still))
    data, _ = plain._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]) == plain.picture.value


def test_moving_the_plain_slider_changes_picture_and_text(volumes):
    viewer = lab.view_slices(*volumes, plain=True)
    assert "target 40 voxels · prediction 40 voxels · Dice 0.50" in viewer.text.value
    before = viewer.picture.value
    viewer.slider.value = 5
    assert viewer.picture.value != before
    assert "target 20 voxels · prediction 0 voxels · Dice 0.00" in viewer.text.value
    viewer.slider.value = 0
    assert "Dice undefined (both empty)" in viewer.text.value


def test_the_plain_viewer_tells_the_height_in_mm(tmp_path, volumes):
    path = save(tmp_path / "a.nii.gz", volumes[0], AFFINE)
    viewer = lab.view_slices(path, plain=True)
    assert viewer.text.value.startswith(f"z = {viewer.slider.value - 72} mm")
