"""The viewer in a real browser: what is on the canvas is what `overlay` gives, as a page and in JupyterLab."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest

import atlas_lab as lab
from atlas_lab.data.intensity import to_uint8, white_point
from atlas_lab.files import REPOSITORY
from atlas_lab.plots.overlay import overlay

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no test in a browser")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not on this machine: no test in a browser")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]
VIEWER = "document.querySelector('.atlas-viewer').viewer"
READY = "document.querySelector('.atlas-viewer')?.viewer?.data"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


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
def page(browser, volumes, tmp_path):
    path = lab.view_slices(volumes[0], volumes[1], {"one": volumes[2], "other": volumes[2] / 2}, zoom=3).save(
        tmp_path / "page.html")
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.problems, tab.requests = [], []
    tab.on("pageerror", lambda error: tab.problems.append(str(error)))
    tab.on("request", lambda request: tab.requests.append(request.url))
    tab.goto(path.as_uri())
    tab.wait_for_function(READY)
    yield tab
    assert tab.problems == [] and all(url.startswith(("file:", "blob:", "data:")) for url in tab.requests)
    tab.close()


def canvas(tab):
    """The pixels of the canvas, uint8 (H, W, 3), after the next frame."""
    data = tab.evaluate("""async () => {
        await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame);
        const c = document.querySelector('.slice-canvas');
        return [c.height, c.width, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data];
    }""")
    return np.array(data[2:], np.uint8).reshape(data[0], data[1], 4)[..., :3]


def expected(volumes, plane, index, threshold=0.5, opacity=0.5, zoom=3, scale=1.0):
    """The same slice by overlay(): columns across, rows from the top down."""
    image, target, probability = volumes
    levels = np.rint(probability * scale * 255)
    cut = {
        "axial": lambda volume: volume[:, ::-1, index].T, "coronal": lambda volume: volume[:, index, ::-1].T,
        "sagittal": lambda volume: volume[index, :, ::-1].T,
    }[plane]
    grey = to_uint8(image, white_point(image))
    return overlay(cut(grey), cut(target), cut(levels > threshold * 255), opacity, zoom=zoom)


def largest(target, axis):
    return int(target.sum(axis=tuple(a for a in range(3) if a != axis)).argmax())


def test_every_plane_shows_what_overlay_gives(page, volumes):
    z = largest(volumes[1], 2)
    np.testing.assert_array_equal(canvas(page), expected(volumes, "axial", z))
    for plane, value, axis in (("coronal", "1", 1), ("sagittal", "2", 0)):
        page.select_option(".plane", value)
        page.click(".largest")
        np.testing.assert_array_equal(canvas(page), expected(volumes, plane, largest(volumes[1], axis)))
        letters = page.eval_on_selector_all(".letter", "spans => spans.map(s => s.textContent)")
        assert letters == {"coronal": ["L", "R", "S", "I"], "sagittal": ["P", "A", "S", "I"]}[plane]


def test_keys_slider_and_buttons_move_through_the_slices(page, volumes):
    z = largest(volumes[1], 2)
    page.focus(".atlas-viewer")
    for keys, index in ((["ArrowRight"], z + 1), (["ArrowLeft"] * 2, z - 1), (["Home"], 0), (["End"], 20)):
        for key in keys:
            page.keyboard.press(key)
        np.testing.assert_array_equal(canvas(page), expected(volumes, "axial", index))
    page.fill(".slice", "4")
    np.testing.assert_array_equal(canvas(page), expected(volumes, "axial", 4))
    page.click(".previous")
    assert page.evaluate(f"{VIEWER}.index[0]") == 2
    page.click(".following")
    assert page.evaluate(f"{VIEWER}.index[0]") == 9


def test_threshold_opacity_and_choice_change_picture_and_scores(page, volumes):
    z = largest(volumes[1], 2)
    page.fill(".threshold", "0.8")
    page.fill(".opacity", "0.3")
    np.testing.assert_array_equal(canvas(page), expected(volumes, "axial", z, 0.8, 0.3))
    tp, fp, fn, _ = (int(count.sum()) for count in lab.confusion_counts(volumes[2] > 0.8, volumes[1]))
    scores = page.inner_text(".scores")
    dice, precision, recall = 2 * tp / (2 * tp + fp + fn), tp / (tp + fp), tp / (tp + fn)
    assert f"Dice {dice:.2f} · precision {precision:.2f} · recall {recall:.2f}" in scores
    assert f"{(tp + fp) / 1000:.1f} ml" in scores
    page.select_option("select.prediction", "1")
    np.testing.assert_array_equal(canvas(page), expected(volumes, "axial", z, 0.8, 0.3, scale=0.5))
    assert page.inner_text(".scores").startswith("other, whole volume: 0.0 ml")


def test_worst_and_best_are_those_of_the_metrics(page, volumes):
    target, pred = (np.moveaxis(volume, 2, 0) for volume in (volumes[1], np.rint(volumes[2] * 255) > 127.5))
    dice = np.where(target.any(axis=(1, 2)), lab.dice_coefficient(pred, target), np.nan)
    for button, index in ((".worst", np.nanargmin(dice)), (".best", np.nanargmax(dice))):
        page.click(button)
        assert page.evaluate(f"{VIEWER}.index[0]") == index


def test_a_click_reads_the_voxel_under_it(page, volumes):
    z = largest(volumes[1], 2)
    page.click(".slice-canvas", position={"x": 3 * 10 + 1, "y": 3 * 12 + 1})
    voxel = (10, 30 - 1 - 12, z)
    words = page.inner_text(".point")
    assert words.startswith("voxel 10, 17, ") and ("· lesion" in words) == bool(volumes[1][voxel])
    assert f"one {volumes[2][voxel]:.2f}" in words


def test_a_drag_draws_its_frames_and_ends_where_the_hand_does(page, volumes):
    drawn = page.evaluate(f"""async () => {{
        const viewer = {VIEWER}, before = viewer.drawn;
        for (let i = 0; i < 60; i++) {{
            viewer.slider.value = i % 21; viewer.slider.oninput();
            await new Promise(requestAnimationFrame);
        }}
        return viewer.drawn - before;
    }}""")
    assert drawn >= 55
    np.testing.assert_array_equal(canvas(page), expected(volumes, "axial", 59 % 21))


def test_play_runs_and_stops(page):
    before = page.evaluate(f"{VIEWER}.index[0]")
    page.click(".play")
    page.wait_for_function(f"{VIEWER}.index[0] !== {before}")
    page.click(".play")
    assert page.evaluate(f"{VIEWER}.playing") == 0


# ------------------------------------------------------------------------------------------------------- JupyterLab

@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    """A JupyterLab of its own on 127.0.0.1, in a folder with a copy of notebook 01. Gives its address."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(REPOSITORY / "notebooks" / "01_explore_the_data.ipynb", folder)
    environment = {name: value for name, value in os.environ.items() if name != "ATLAS_DATA"}
    environment |= {"ATLAS_LAB_HOME": str(REPOSITORY / "data"), "JUPYTER_CONFIG_DIR": str(folder / "config")}
    port, token = 18_000 + os.getpid() % 2000, "a-token-for-the-test"
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root",
         f"--IdentityProvider.token={token}", "--expose-app-in-browser", f"--ServerApp.root_dir={folder}"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    wait_for_server(f"{address}/api?token={token}")
    yield f"{address}/lab/tree/01_explore_the_data.ipynb?reset&token={token}"
    server.terminate()
    server.wait()


def wait_for_server(address, seconds=120):
    ends = time.monotonic() + seconds
    while True:
        try:
            return urllib.request.urlopen(address, timeout=5).read()
        except OSError:
            assert time.monotonic() < ends, "JupyterLab did not start"
            time.sleep(0.5)


def test_notebook_01_shows_the_viewer_in_jupyterlab(browser, jupyter, monkeypatch):
    tab = browser.new_page(viewport={"width": 1280, "height": 1000})
    requests = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(jupyter)
    tab.wait_for_function("window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
                          timeout=120_000)
    tab.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    # Outputs out of sight are drawn only when they are scrolled to.
    tab.wait_for_function("""() => {
        const notebook = window.jupyterapp.shell.currentWidget.content;
        const isOurs = (cell) => cell.model.sharedModel.source.includes('view_slices');
        notebook.activeCellIndex = notebook.widgets.findIndex(isOurs);
        notebook.scrollToItem(notebook.activeCellIndex);
        return """ + READY + """;
    }""", timeout=400_000, polling=2000)
    monkeypatch.setenv("ATLAS_LAB_HOME", str(REPOSITORY / "data"))
    scans = lab.cohort(progress=False)
    image, mask, _ = lab.load_scan(lab.data.typical_scan(scans, lab.prepare_slices(scans, progress=False)))
    index = tab.evaluate(f"{VIEWER}.index[0]")
    assert index == mask.sum(axis=(0, 1)).argmax()
    grey = to_uint8(image, white_point(image))
    tab.evaluate("document.querySelector('.atlas-viewer').focus()")
    for key, shown in ((None, index), ("ArrowRight", index + 1), ("ArrowUp", index + 2), ("Home", 0)):
        if key:
            tab.keyboard.press(key)  # Jupyter has shortcuts of its own on some of these
        turned = [volume[:, ::-1, shown].T for volume in (grey, mask)]
        np.testing.assert_array_equal(canvas(tab), overlay(*turned, zoom=2))
    assert all(url.startswith(("http://127.0.0.1", "blob:", "data:", "ws:")) for url in requests)
    tab.close()
