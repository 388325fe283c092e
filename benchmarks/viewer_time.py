"""The viewer beside four peers: key press, threshold step and crosshair drag to new pixels, first paint, page size.

Run: pip install ipympl ipyniivue, then: python benchmarks/viewer_time.py [--json FILE]

One notebook in headless Chromium shows the same 197 x 233 x 189 volume with target and prediction five times: the
viewer, its fallback of plain ipywidgets, ipympl and inline matplotlib under ipywidgets sliders, and ipyniivue. The page
that the viewer saves and nilearn's view_img are opened beside it. Each is driven by real keys and mouse moves
(ipyniivue, which has no slider, by the wheel; view_img, which takes no keys, by clicks). A picture counts as there
when a canvas on the page has been drawn to or an image on the page has loaded; the screen shows it with its next frame.
Last, the viewer's cell is run ten times more, and the heap of the page is taken before and after.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import nbformat
import numpy as np
from playwright.sync_api import TimeoutError as NotInTime
from playwright.sync_api import sync_playwright

PRESSES = 60
FLAGS = [
    "--no-sandbox", "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]
SETUP = """
import matplotlib, matplotlib.pyplot as plt, nibabel, numpy as np, ipywidgets, tempfile
import atlas_lab as lab
shape = (197, 233, 189)
rng = np.random.default_rng(0)
distance = np.sqrt(sum((a - n / 2) ** 2 for a, n in zip(np.ogrid[:197, :233, :189], shape))).astype(np.float32)
image = ((distance < 85) * (60 + 30 * rng.random(shape, dtype=np.float32))).astype(np.uint8)
target, prediction = distance < 30, np.roll(distance < 33, 5, axis=0)
from scipy.ndimage import gaussian_filter
prediction = np.clip(gaussian_filter(prediction.astype(np.float32), 2), 0, 1)
def draw(ax, z, threshold=0.5):
    ax.imshow(image[:, ::-1, z].T, cmap="gray")
    ax.imshow(np.ma.masked_equal(prediction[:, ::-1, z].T > threshold, 0), cmap="Blues", alpha=0.5, vmin=0, vmax=1)
    if target[:, :, z].any():
        ax.contour(target[:, ::-1, z].T, levels=[0.5], colors="orange")
"""
VARIANTS = {
    "ours": "lab.view_slices(image, target, {'prediction': prediction})",
    "ours, plain ipywidgets": "lab.view_slices(image, target, {'prediction': prediction}, plain=True)",
    "ipympl": """
%matplotlib widget
plt.ioff()
figure, ax = plt.subplots(figsize=(4, 4.7))
def show(change):
    ax.clear(); draw(ax, slider.value, cut.value); figure.canvas.draw_idle()
slider, cut = ipywidgets.IntSlider(94, 0, 188), ipywidgets.FloatSlider(0.5, min=0, max=1, step=0.01)
slider.observe(show, "value"); cut.observe(show, "value"); show(None)
ipywidgets.VBox([slider, cut, figure.canvas])
""",
    "inline matplotlib": """
%matplotlib inline
def show(z, threshold):
    figure, ax = plt.subplots(figsize=(4, 4.7)); draw(ax, z, threshold); plt.show()
ipywidgets.interact(show, z=(0, 188), threshold=(0.0, 1.0, 0.01));
""",
    "ipyniivue": """
from ipyniivue import NiiVue
folder = tempfile.mkdtemp()
volumes = []
for name, volume, colours, opacity in [("image", image, "gray", 1), ("target", target, "warm", 0.5),
                                       ("prediction", prediction, "winter", 0.5)]:
    path = f"{folder}/{name}.nii.gz"
    nibabel.save(nibabel.Nifti1Image(volume.astype(np.float32), np.eye(4)), path)
    volumes.append({"path": path, "colormap": colours, "opacity": opacity})
nv = NiiVue(); nv.load_volumes(volumes); nv.set_slice_type(3); nv
""",
}
PAGES = {  # code that writes `path`
    "ours, page": "lab.view_slices(image, target, {'prediction': prediction}).save(path)",
    "nilearn view_img": """
from nilearn.plotting import view_img
image_of = lambda volume: nibabel.Nifti1Image(volume.astype(np.float32), np.diag([1.0, 1, 1, 1]))
view = view_img(image_of(prediction), bg_img=image_of(image), threshold=0.5, resampling_interpolation="nearest")
view.save_as_html(path)
""",
}
# Notes the time of every input and of every picture drawn on a canvas of the page or loaded into an image.
WATCH = """
window.drawn = []; window.frames_ = [];
let noting = false;
const note = (node, gl) => {
  if (noting || !window.watched?.contains(node)) return;
  noting = true;
  queueMicrotask(() => { // when all of the picture has been asked for
    noting = false;
    if (gl) gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)); // waits until it is there
    window.drawn.push(performance.now());
    requestAnimationFrame(() => window.frames_.push(performance.now()));
  });
};
for (const [kind, names] of [[CanvasRenderingContext2D, ["putImageData", "drawImage"]],
                             [WebGL2RenderingContext, ["drawArrays", "drawElements"]]]) {
  for (const name of names) {
    const original = kind.prototype[name];
    kind.prototype[name] = function (...args) {
      const result = original.apply(this, args);
      note(this.canvas, this.readPixels && this);
      return result;
    };
  }
}
document.addEventListener("load", (event) => { if (event.target.tagName === "IMG") note(event.target); }, true);
for (const kind of ["keydown", "wheel", "pointerdown", "pointermove"]) {
  window.addEventListener(kind, () => {
    window.drawn = []; window.frames_ = []; window.pressed = performance.now();
  }, true);
}
"""


def start_jupyter(folder):
    """A JupyterLab on 127.0.0.1 with a notebook of VARIANTS: (process, address of the notebook)."""
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in (SETUP, *VARIANTS.values())]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), Path(folder) / "viewers.ipynb")
    port, token = 20_000 + os.getpid() % 2000, "a-token-for-the-benchmark"
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root",
         f"--IdentityProvider.token={token}", "--expose-app-in-browser", f"--ServerApp.root_dir={folder}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "JUPYTER_CONFIG_DIR": str(folder)},
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(240):
        try:
            urllib.request.urlopen(f"{address}/api?token={token}", timeout=5).read()
            break
        except OSError:
            time.sleep(0.5)
    return server, f"{address}/lab/tree/viewers.ipynb?reset&token={token}"


def run_cell(tab, index):
    """Run the notebook's cell and return once the kernel is idle: seconds to its first picture (NaN if none)."""
    tab.evaluate(f"""() => {{
        const notebook = window.jupyterapp.shell.currentWidget.content;
        notebook.activeCellIndex = {index}; notebook.mode = 'command'; notebook.scrollToItem({index});
        window.watched = notebook.widgets[{index}].node; window.drawn = []; window.started = performance.now();
        window.jupyterapp.commands.execute('notebook:run-cell');
    }}""")
    if index:
        tab.wait_for_function("window.drawn.length > 0", timeout=60_000)
    tab.wait_for_timeout(500)
    tab.wait_for_function("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'",
                          timeout=120_000)
    tab.wait_for_timeout(1500)
    tab.evaluate(f"window.jupyterapp.shell.currentWidget.content.scrollToItem({index}, 'start')")
    return tab.evaluate("(window.drawn[0] - window.started) / 1000") if index else float("nan")


def output(tab, index):
    """The output area of a cell, as Playwright sees it."""
    return tab.locator(".jp-Notebook .jp-Cell").nth(index).locator(".jp-OutputArea")


def action_times(tab, act):
    """Milliseconds from an input to new pixels and to the frame that follows: `act(i)` gives the i-th of PRESSES."""
    pixels, frames = [], []
    for i in range(PRESSES + 3):
        act(i)
        tab.wait_for_function("window.frames_.length > 0", timeout=10_000, polling=20)
        if i >= 3:  # the first ones warm up
            pixels.append(tab.evaluate("window.drawn[0] - window.pressed"))
            frames.append(tab.evaluate("window.frames_[0] - window.pressed"))
        tab.wait_for_timeout(40 + 40 * random.random())  # a hand keeps no step with the screen
    return pixels, frames


def arrow(tab, i):
    """Thirty steps there, thirty back."""
    tab.keyboard.press("ArrowRight" if i % 60 < 30 else "ArrowLeft")


def drag(tab, canvas):
    """A drag over a canvas, one move at a time; returns what makes the i-th move."""
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] * 0.3, box["y"] + min(box["height"], 400) * 0.4
    tab.mouse.move(x, y)
    tab.mouse.down()
    return lambda i: tab.mouse.move(x + 2 * (i + 1), y + (i % 7))


def summary(name, times):
    """Median and 95th percentile of the times to new pixels and to the next frame, as entries of a row."""
    row = {}
    for what, values in zip(("pixels", "frame"), times, strict=True):
        row |= {f"{name}, {what} median ms": float(np.median(values)),
                f"{name}, {what} p95 ms": float(np.percentile(values, 95))}
    return row


def measure(view, hand, name, where):
    """The actions that a viewer has. `view` is its page or frame, `hand` the page, `where` finds parts of it."""
    def arrows(part):
        part.focus()
        return action_times(view, lambda i: arrow(hand, i))

    row, ours = {}, name.startswith("ours") and "plain" not in name
    canvas, sliders = where("canvas.slice-canvas" if ours else "canvas").first, where(".noUi-handle")
    if ours:
        row |= summary("key press", arrows(where(".atlas-viewer").first))
        row |= summary("threshold step", arrows(where("input.threshold").first))
    elif name == "ipyniivue":
        canvas.hover()
        row |= summary("key press", action_times(view, lambda i: hand.mouse.wheel(0, 100 if i % 60 < 30 else -100)))
    elif name == "nilearn view_img":
        box = canvas.bounding_box()
        at = box["x"] + box["width"] / 6, box["y"] + box["height"] / 2
        row |= summary("key press", action_times(view, lambda i: hand.mouse.click(at[0] + 2 * (i % 30), at[1])))
    else:
        for what, slider in zip(("key press", "threshold step"), sliders.all(), strict=False):
            row |= summary(what, arrows(slider))
    if ours or name in ("ipyniivue", "nilearn view_img"):
        row |= summary("crosshair drag", action_times(view, drag(hand, canvas)))
        hand.mouse.up()
    return row


def measure_page(browser, name, path):
    """A saved page: its size, first paint and the actions."""
    tab = browser.new_page(viewport={"width": 1280, "height": 1000})
    tab.add_init_script(WATCH + "window.watched = document;")
    tab.goto(path.as_uri())
    view = tab.frames[-1]  # view_img's is in a frame of its page
    view.wait_for_function("window.drawn.length > 0", timeout=60_000)
    row = {"page MB": path.stat().st_size / 1e6, "first paint s": view.evaluate("window.drawn[0] / 1000")}
    tab.wait_for_timeout(2000)
    row |= measure(view, tab, name, view.locator)
    tab.close()
    return row


def heap_growth(tab, index, times=10):
    """Megabytes by which the heap of the page grows over runs of a cell."""
    client = tab.context.new_cdp_session(tab)

    def heap():
        client.send("HeapProfiler.collectGarbage")
        return client.send("Runtime.getHeapUsage")

    run_cell(tab, index)
    before = [heap()[key] for key in ("usedSize", "backingStorageSize")]
    for _ in range(times):
        run_cell(tab, index)
    after = [heap()[key] for key in ("usedSize", "backingStorageSize")]
    return [(b - a) / 1e6 for a, b in zip(before, after, strict=True)]


def write_pages(folder):
    """The pages of PAGES, written in a process of their own: name -> path."""
    paths = {name: Path(folder) / f"page{i}.html" for i, name in enumerate(PAGES)}
    code = SETUP + "".join(f"\npath = {str(paths[name])!r}\n{source}" for name, source in PAGES.items())
    subprocess.run([sys.executable, "-c", code], check=True)
    return paths


def report(name, row):
    """One row, as it is there."""
    print(name, {key: round(value, 2) if isinstance(value, float) else value for key, value in row.items()}, flush=True)


def main():
    """Measure all and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--pictures", type=Path, help="keep a screenshot of each viewer in this folder")
    arguments = parser.parse_args()
    requests, rows = [], {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server, address = start_jupyter(folder)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        try:
            tab = browser.new_page(viewport={"width": 1280, "height": 1000})
            tab.add_init_script(WATCH)
            tab.on("request", lambda request: requests.append(request.url))
            tab.goto(address)
            tab.wait_for_function(
                "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
                timeout=120_000)
            run_cell(tab, 0)
            for index, name in enumerate(VARIANTS, start=1):
                try:
                    rows[name] = {"first paint s": run_cell(tab, index)}
                    rows[name] |= measure(tab, tab, name, output(tab, index).locator)
                except NotInTime as error:
                    rows.setdefault(name, {})["failed"] = str(error).splitlines()[0]
                report(name, rows[name])
                if arguments.pictures:
                    tab.screenshot(path=arguments.pictures / f"{index}.png")
            rows["ours"]["heap growth over 10 runs MB"], rows["ours"]["buffers MB"] = heap_growth(tab, 1)
            report("ours", {key: value for key, value in rows["ours"].items() if "MB" in key})
            for name, path in write_pages(folder).items():
                rows[name] = measure_page(browser, name, path)
                report(name, rows[name])
        finally:
            browser.close()
            server.terminate()
            server.wait()
    local = ("http://127.0.0.1", "ws://127.0.0.1", "blob:", "data:")
    print("requests that left the machine:", sorted({url for url in requests if not url.startswith(local)}))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
