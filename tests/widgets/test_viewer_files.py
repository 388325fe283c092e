"""What the viewer writes, pictures, films, pages and drawings, and what a converted notebook shows of it."""

import base64
import io
import zlib

import nbformat
import nibabel
import numpy as np
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter, SlidesExporter
from PIL import Image, ImageSequence

import atlas_lab as lab
from atlas_lab import files
from atlas_lab.data.nifti import GridWarning, ScanWarning
from atlas_lab.grid import AFFINE as ATLAS
from atlas_lab.plots.overlay import ERROR_COLOURS, TARGET_COLOUR
from atlas_lab.widgets.drawings import put_back
from atlas_lab.widgets.volumes import OwnGrid, own_grid

AFFINE = np.diag([-2.0, 2, 6, 1])  # stored LAS, slices three times as thick as pixels


@pytest.fixture
def scan(tmp_path):
    rng = np.random.default_rng(0)
    image, mask = rng.random((20, 24, 9), np.float32) * 90, np.zeros((20, 24, 9), np.uint8)
    mask[4:9, 5:12, 3:6] = 1
    for name, volume in (("t1", image), ("mask", mask)):
        nibabel.save(nibabel.Nifti1Image(volume, AFFINE), tmp_path / f"{name}.nii.gz")
    return tmp_path / "t1.nii.gz", tmp_path / "mask.nii.gz"


def test_a_picture_has_the_true_shape_and_what_is_set(scan, tmp_path):
    viewer = lab.view_slices(*scan, prediction={"one": scan[1]})
    for plane, size in enumerate(((40, 48), (40, 54), (48, 54))):  # 2 pixels per voxel of 2 mm
        assert Image.open(viewer.save_picture(tmp_path / "a.png", plane)).size == size
    before = np.asarray(Image.open(viewer.save_picture(tmp_path / "a.png", 0)))
    assert (before == TARGET_COLOUR).all(axis=-1).any()
    viewer.show, viewer.opacity, viewer.convention = "errors", 1.0, "radiological"
    after = np.asarray(Image.open(viewer.save_picture(tmp_path / "a.png", 0)))
    yellow = (after == ERROR_COLOURS["tp"]).all(axis=-1)
    rows, columns = np.nonzero(yellow)
    assert yellow.sum() > 100 and columns.max() == 2 * 9 - 1  # mirrored: as stored; a letter hides a part
    assert (rows.min(), rows.max()) == (2 * (24 - 12), 2 * (24 - 5) - 1)
    with pytest.raises(lab.DataError, match=r"must end in \.png or \.gif"):
        viewer.save_picture(tmp_path / "a.jpg")


def test_a_film_has_a_picture_for_each_slice(scan, tmp_path):
    film = Image.open(lab.view_slices(*scan).save_picture(tmp_path / "a.gif", 0))
    assert film.n_frames == 9 and film.info["loop"] == 0
    shown = [bool((np.asarray(frame.convert("RGB")) == TARGET_COLOUR).all(axis=-1).any())
             for frame in ImageSequence.Iterator(film)]
    assert shown == [3 <= z < 6 for z in range(9)]


def test_a_patient_s_picture_page_and_drawing_stay_out_of_the_repository(scan):
    viewer = lab.view_slices(*scan)
    viewer.drawings = [{"name": "drawing 1", "data": zlib.compress(np.ones((20, 24, 9), np.uint8).tobytes())}]
    for write, name in ((viewer.save, "a.html"), (viewer.save_picture, "a.png"), (viewer.save_drawing, "a.nii.gz")):
        with pytest.raises(lab.DataError, match="data use agreement"):
            write(files.REPOSITORY / name)
        assert not (files.REPOSITORY / name).exists()


def test_a_drawing_that_is_not_there_or_has_no_grid_is_refused(scan, tmp_path):
    viewer = lab.view_slices(*scan)
    with pytest.raises(lab.DataError, match="no drawing has been kept yet"):
        viewer.drawing()
    viewer.drawings = [{"name": "drawing 1", "data": zlib.compress(bytes(20 * 24 * 9))}]
    with pytest.raises(lab.DataError, match="those kept are drawing 1"):
        viewer.drawing("mine")
    with pytest.raises(lab.DataError, match=r"must end in \.nii"):
        viewer.save_drawing(tmp_path / "a.img")
    viewer = lab.view_slices(np.random.default_rng(0).random((20, 24, 9)))
    with pytest.raises(lab.DataError, match="came as an array"):
        viewer.save_drawing(tmp_path / "a.nii.gz")


def test_a_drawing_on_a_resampled_scan_goes_back_by_resampling_and_says_so():
    on_grid = np.zeros((197, 233, 189), bool)
    on_grid[80:100, 100:130, 90:110] = True
    own = OwnGrid((100, 117, 95), np.array([[2.0, 0, 0, -98], [0, 2, 0, -134], [0, 0, 2, -72], [0, 0, 0, 1]]), None)
    with pytest.warns(GridWarning, match=r"its 12\.00 ml are 1[0-9]\.\d\d ml"):
        back = put_back(on_grid, ATLAS, own)
    assert back.shape == own.shape and back[45, 57, 50] and not back[30, 57, 50]


def test_voxels_that_are_no_numbers_are_shown_black_with_a_word():
    image = np.random.default_rng(0).random((20, 24, 9))
    image[0, 0, :3] = np.nan, np.inf, -np.inf
    with pytest.warns(ScanWarning, match="3 voxels of the image are NaN or infinite, and shown black"):
        lab.view_slices(image)


def test_a_drawing_on_an_image_in_metres_lies_where_its_file_says(tmp_path):
    header = nibabel.Nifti1Header()
    header.set_xyzt_units("meter")
    affine = np.diag([0.002, 0.002, 0.002, 1]) @ [[1, 0, 0, -49], [0, 1, 0, -67], [0, 0, 1, -36], [0, 0, 0, 1]]
    image = nibabel.Nifti1Image(np.random.default_rng(0).random((20, 24, 9), np.float32), affine, header)
    nibabel.save(image, tmp_path / "a.nii.gz")
    for grid in (own_grid(image), own_grid(tmp_path / "a.nii.gz")):
        np.testing.assert_allclose(grid.affine, 1000 * affine - 999 * np.diag([0, 0, 0, 1]), rtol=1e-6)
        assert grid.shape == (20, 24, 9)


def test_compare_wants_two_predictions_and_views_refuse_what_they_do_not_know(scan):
    for wrong in ({"one": scan[1]}, scan[1]):
        with pytest.raises(lab.DataError, match="two or more predictions"):
            lab.widgets.compare(scan[0], wrong)
    viewer = lab.widgets.compare(scan[0], {"one": scan[1], "two": scan[1]})
    assert (viewer.show, viewer.pane_layout) == ("differences", "side")
    for wrong in ({"show": "nonsense"}, {"layout": "nonsense"}):
        with pytest.raises(lab.DataError, match="'nonsense'; choose one of"):
            lab.view_slices(scan[0], **wrong)


def test_what_is_set_in_python_is_kept_inside_and_in_step(scan):
    viewer = lab.view_slices(*scan)
    viewer.position = [50, -3, 4]
    assert viewer.position == [19, 0, 4] and viewer.index == 4
    viewer.plane = 2
    assert viewer.index == 19
    viewer.index = 99
    assert viewer.index == 19 and viewer.position[0] == 19


def executed(code):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=120, kernel_name="python3", store_widget_state=False).execute()
    return notebook


CODE = """
import numpy as np, atlas_lab as lab
image = np.random.default_rng(0).random((20, 30, 9))
lab.view_slices(image, image > 0.99, embed={embed})
"""


def test_a_converted_notebook_shows_the_picture(tmp_path):
    notebook = executed(CODE.format(embed=False))
    (output,) = notebook.cells[0].outputs
    assert "application/vnd.jupyter.widget-view+json" not in output["data"]
    picture = output["data"]["image/png"].strip()
    assert Image.open(io.BytesIO(base64.b64decode(picture))).size == (40, 60)
    for exporter in (HTMLExporter(), SlidesExporter()):
        assert picture[:200] in exporter.from_notebook_node(notebook)[0]


def test_an_embedded_page_works_in_a_converted_notebook(browser, tmp_path):
    notebook = executed(CODE.format(embed=True))
    body, _ = HTMLExporter().from_notebook_node(notebook)
    (tmp_path / "a.html").write_text(body)
    tab = browser.new_page()
    tab.goto((tmp_path / "a.html").as_uri())
    frame = tab.frame_locator("iframe")
    frame.locator(".slice-canvas").first.click()
    assert frame.locator(".line").first.inner_text().startswith("axial z = ")
    assert not tab.locator("img[alt='a slice']").is_visible()
    tab.close()
