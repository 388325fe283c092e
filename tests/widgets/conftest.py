"""A browser and pages in it, for tests of what the viewer draws."""

import os
import subprocess
import sys
import time
import urllib.request

import pytest
from pages import CHROMIUM, FLAGS, READY

from atlas_lab.files import REPOSITORY


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no test in a browser")
    if CHROMIUM is None:
        pytest.skip("Chromium is not on this machine: no test in a browser")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def show(browser, tmp_path):
    """Opens a viewer's page, and afterwards finds that nothing went wrong on it and nothing was asked of a network."""
    tabs = []

    def open_page(viewer, **options):
        path = viewer.save(tmp_path / f"page{len(tabs)}.html")
        tab = browser.new_page(viewport={"width": 1280, "height": 900}, **options)
        tab.problems, tab.requests = [], []
        tab.on("pageerror", lambda error: tab.problems.append(str(error)))
        tab.on("request", lambda request: tab.requests.append(request.url))
        tab.goto(path.as_uri())
        tab.wait_for_function(READY)
        tabs.append(tab)
        return tab

    yield open_page
    for tab in tabs:
        assert tab.problems == [] and all(url.startswith(("file:", "blob:", "data:")) for url in tab.requests)
        tab.close()


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory):
    """A JupyterLab of its own on 127.0.0.1: its folder, and a function that gives the address of a notebook in it."""
    folder = tmp_path_factory.mktemp("lab")
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
    yield folder, lambda name: f"{address}/lab/tree/{name}?reset&token={token}"
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
