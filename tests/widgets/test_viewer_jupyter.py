"""The viewer in JupyterLab: in the place of its picture, in step with Python, and what a saved notebook shows."""

import json
import shutil

import nbformat
import numpy as np
import pytest
from pages import IDLE, READY, cut, state, voxels

import atlas_lab as lab
from atlas_lab.data.intensity import to_uint8, white_point
from atlas_lab.files import REPOSITORY
from atlas_lab.plots.overlay import overlay

SETUP = """
import numpy as np, atlas_lab as lab
rng = np.random.default_rng(0)
image = rng.random((60, 50, 40)).astype(np.float32)
target = np.zeros(image.shape, bool)
target[10:20, 20:30, 15:22] = True
"""
SHOW = "viewer = lab.view_slices(image, target, {'one': target * 0.7, 'two': target * 0.3})\nviewer"
CELLS = [SETUP, SHOW, "viewer", ""]


class Notebook:
    """A notebook in JupyterLab: its cells are run one by one, and what Python prints is read back."""

    def __init__(self, browser, jupyter, name, cells):
        folder, self.address = jupyter
        self.path = folder / name
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        cells = [nbformat.v4.new_code_cell(source) for source in cells]
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), self.path)
        self.tab, self.problems = browser.new_page(viewport={"width": 1280, "height": 1600}), []
        self.tab.on("pageerror", lambda error: self.problems.append(str(error)))
        self.open()

    def open(self):
        self.tab.goto(self.address(self.path.name))
        self.tab.wait_for_function(IDLE, timeout=120_000)

    def run(self, index, source=None):
        """Run a cell, with other source if it is given; returns the text of its output once the kernel is idle."""
        self.tab.evaluate("""async ([index, source]) => {
            const app = window.jupyterapp, { content } = app.shell.currentWidget;
            content.activeCellIndex = index;
            if (source !== null) content.activeCell.model.sharedModel.setSource(source);
            await app.commands.execute('notebook:run-cell');
        }""", [index, source])
        return self.tab.locator(".jp-Cell").nth(index).locator(".jp-OutputArea").first.inner_text()

    def states(self, name):
        """That part of the state of every viewer on the page."""
        return self.tab.evaluate(f"[...document.querySelectorAll('.atlas-viewer')].map(n => n.viewer.state.{name})")


@pytest.fixture
def notebook(browser, jupyter):
    notebook = Notebook(browser, jupyter, "viewers.ipynb", CELLS)
    yield notebook
    assert notebook.problems == []
    notebook.tab.evaluate("() => window.jupyterapp.shell.currentWidget?.sessionContext?.shutdown()")
    notebook.tab.close()


def wait_for(tab, condition):
    tab.wait_for_function(f"(() => {{ const all = [...document.querySelectorAll('.atlas-viewer')].map(n => n.viewer); "
                          f"return {condition}; }})()", timeout=20_000)


VALUES = {
    "index": 7, "plane": 1, "position": [3, 4, 5], "threshold": 0.25, "thresholds": [0.9, 0.1], "opacity": 0.8,
    "zoom": 6.0, "window": [0.2, 0.6], "chosen": 1, "show": "errors", "pane_layout": "side",
    "convention": "radiological", "fill": False, "show_target": False, "crosshair": False, "line_width": 4,
}


def test_python_and_two_views_are_in_step(notebook):
    for index in range(3):
        notebook.run(index)
    tab = notebook.tab
    wait_for(tab, "all.length === 2 && all.every((v) => v.profile)")
    for name, value in VALUES.items():
        notebook.run(3, f"viewer.{name} = {value!r}")
        wait_for(tab, f"all.every((v) => JSON.stringify(v.state.{name}) === JSON.stringify({json.dumps(value)}))")
        assert json.loads(notebook.run(3, f"import json; print(json.dumps(viewer.{name}))")) == value
    tab.evaluate("document.querySelectorAll('.atlas-viewer')[0].viewer.moveTo([9, 8, 7])")
    wait_for(tab, "all.every((v) => String(v.state.position) === '9,8,7')")  # the other view follows
    tab.wait_for_timeout(500)
    assert notebook.run(3, "print(viewer.position, viewer.index)").strip() == "[9, 8, 7] 8"
    for view in range(2):  # a mask kept in one view is there in the other, and in Python
        tab.evaluate(f"document.querySelectorAll('.atlas-viewer')[{view}].viewer.draw_()")
        tab.evaluate(f"document.querySelectorAll('.atlas-viewer')[{view}].viewer.dab()")
        tab.evaluate(f"document.querySelectorAll('.atlas-viewer')[{view}].viewer.keepDrawing()")
        wait_for(tab, f"all.every((v) => v.names.length === {3 + view})")
    tab.wait_for_timeout(500)
    assert notebook.run(3, "print(len(viewer.drawings), viewer.drawing('drawing 1').shape)").strip() == "2 (60, 50, 40)"


def test_a_saved_notebook_shows_its_picture_without_a_kernel_s_widgets(notebook):
    for index in range(2):
        notebook.run(index)
    wait_for(notebook.tab, "all.length === 1 && all[0].profile")
    notebook.tab.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    notebook.tab.wait_for_timeout(1500)
    saved = nbformat.read(notebook.path, as_version=4)
    assert set(saved.cells[1].outputs[0]["data"]) == {"image/png", "text/plain"}
    notebook.tab.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    notebook.tab.wait_for_timeout(1000)
    notebook.open()
    notebook.tab.wait_for_selector(".jp-OutputArea img", timeout=30_000)
    assert "model not found" not in notebook.tab.inner_text(".jp-Notebook")
    assert notebook.tab.evaluate("document.querySelector('.jp-OutputArea img').naturalWidth") > 50


def test_jupyterlab_leaves_the_keys_to_a_focused_slider(notebook):
    for index in range(2):
        notebook.run(index)
    wait_for(notebook.tab, "all.length === 1 && all[0].profile")
    presses = ((".threshold >> nth=0", "ArrowRight", "threshold", 0.51), (".opacity", "ArrowLeft", "opacity", 0.49),
               (".atlas-viewer", "Home", "index", 0))
    for control, key, name, value in presses:
        notebook.tab.focus(control)
        notebook.tab.keyboard.press(key)
        assert notebook.states(name) == [value]


def test_panels_and_tiles_take_the_place_of_their_pictures_too(notebook):
    notebook.run(0)
    notebook.run(1, "panel = lab.dice_playground()\npanel")
    image = notebook.tab.locator(".jp-OutputArea img[alt^='the picture']")
    image.wait_for()
    box = image.bounding_box()
    notebook.tab.mouse.move(box["x"] + box["width"] * 28.2 / 63, box["y"] + box["height"] * 30.2 / 63)
    notebook.tab.mouse.down()
    notebook.tab.mouse.up()
    notebook.tab.wait_for_timeout(500)
    assert notebook.run(3, "print(panel.sliders['x'].value, panel.sliders['y'].value)").strip() == "28 30"
    notebook.run(2, "from atlas_lab.widgets.tiles import Tiles\nfrom atlas_lab.widgets.still import png\n"
                    "opened = []\ntiles = Tiles(opened.append)\n"
                    "tiles.show([png(np.zeros((9, 9, 3), np.uint8))] * 2, ['one', '<b>two'])\ntiles")
    notebook.tab.locator(".atlas-tiles button", has_text="<b>two").click()
    notebook.tab.wait_for_timeout(500)
    assert notebook.run(3, "print(opened)").strip() == "[1]"


def test_running_a_cell_again_and_again_leaves_nothing_behind(notebook):
    notebook.run(0)
    page, nodes = notebook.tab.context.new_cdp_session(notebook.tab), []
    for _ in range(6):
        notebook.run(1)
        wait_for(notebook.tab, "all.length === 1 && all[0].profile")
        page.send("HeapProfiler.collectGarbage")
        nodes.append(page.send("Memory.getDOMCounters")["nodes"])
    assert nodes[-1] - nodes[1] < notebook.tab.locator(".atlas-viewer *").count()  # not even one viewer more
    alive = "import ipywidgets; print(sum(type(w).__name__ in ('SliceViewer', 'Mount') for w in " \
            "ipywidgets.widgets.widget._instances.values()))"
    assert notebook.run(3, alive).strip() == "2"


def test_the_viewer_in_jupyterlab_has_no_serious_fault_of_access(notebook):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    for index in range(2):
        notebook.run(index)
    wait_for(notebook.tab, "all.length === 1 && all[0].profile")
    found = axe.Axe().run(notebook.tab, ".atlas-viewer").response["violations"]
    assert [fault["id"] for fault in found if fault["impact"] in ("serious", "critical")] == []


def test_notebook_01_shows_the_viewer(browser, jupyter, monkeypatch):
    folder, address = jupyter
    shutil.copy(REPOSITORY / "notebooks" / "01_explore_the_data.ipynb", folder)
    tab = browser.new_page(viewport={"width": 1280, "height": 1000})
    requests = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(address("01_explore_the_data.ipynb"))
    tab.wait_for_function(IDLE, timeout=120_000)
    tab.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    # Outputs out of sight are drawn only when they are scrolled to.
    tab.wait_for_function("""() => {
        const notebook = window.jupyterapp.shell.currentWidget.content;
        const isOurs = (cell) => cell.model.sharedModel.source.includes('view_slices');
        notebook.activeCellIndex = notebook.widgets.findIndex(isOurs);
        notebook.scrollToItem(notebook.activeCellIndex);
        return """ + READY + """;
    }""", timeout=1_800_000, polling=2000)
    monkeypatch.setenv("ATLAS_LAB_HOME", str(REPOSITORY / "data"))
    scans = lab.cohort(progress=False)
    image, mask, _ = lab.load_scan(lab.data.typical_scan(scans, lab.prepare_slices(scans, progress=False)))
    index = state(tab, "index")
    assert index == mask.sum(axis=(0, 1)).argmax()
    grey = to_uint8(image, white_point(image))
    tab.evaluate("document.querySelector('.atlas-viewer').focus()")
    for key, shown in ((None, index), ("ArrowRight", index + 1), ("ArrowUp", index + 2), ("Home", 0)):
        if key:
            tab.keyboard.press(key)  # Jupyter has shortcuts of its own on some of these
        np.testing.assert_array_equal(voxels(tab), overlay(cut(grey, 0, shown)))
        assert state(tab, "index") == shown
    assert all(url.startswith(("http://127.0.0.1", "blob:", "data:", "ws:")) for url in requests)
    tab.close()
