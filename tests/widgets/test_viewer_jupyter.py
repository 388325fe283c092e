"""The viewer in JupyterLab: in the place of its picture, in step with Python, and what a saved notebook shows."""

import shutil

import nbformat
import numpy as np
import pytest
from pages import IDLE, READY, VIEWER, cut, state, voxels

import atlas_lab as lab
from atlas_lab.data.intensity import to_uint8, white_point
from atlas_lab.files import REPOSITORY
from atlas_lab.plots.overlay import overlay


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
    }""", timeout=400_000, polling=2000)
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
