"""The viewer beside three peers in one JupyterLab: key press to new pixels, a drag of 60 moves, first paint.

Run: pip install ipympl ipyniivue, then: python benchmarks/viewer_time.py [--json FILE]

One notebook in headless Chromium shows the same 197 x 233 x 189 volume with target and prediction five times: the
viewer, its fallback of plain ipywidgets, ipympl and inline matplotlib under an ipywidgets slider, and ipyniivue. Each
is driven by real key presses and mouse moves (ipyniivue, which has no slider, by the wheel). A picture counts as there
when a canvas on the page has been drawn to or an image on the page has loaded; the screen shows it with its next
frame. A second time is taken from the key press to the frame after it.
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

PRESSES, MOVES = 60, 60
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
def draw(ax, z):
    ax.imshow(image[:, ::-1, z].T, cmap="gray")
    ax.imshow(np.ma.masked_equal(prediction[:, ::-1, z].T, 0), cmap="Blues", alpha=0.5, vmin=0, vmax=1)
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
    ax.clear(); draw(ax, change["new"]); figure.canvas.draw_idle()
slider = ipywidgets.IntSlider(94, 0, 188); slider.observe(show, "value"); show({"new": 94})
ipywidgets.VBox([slider, figure.canvas])
""",
    "inline matplotlib": """
%matplotlib inline
def show(z):
    figure, ax = plt.subplots(figsize=(4, 4.7)); draw(ax, z); plt.show()
ipywidgets.interact(show, z=(0, 188));
""",
    "ipyniivue": """
from ipyniivue import NiiVue
folder = tempfile.mkdtemp()
volumes = []
for name, volume, colours, opacity in [("image", image, "gray", 1), ("target", target, "warm", 0.5),
                                       ("prediction", prediction, "winter", 0.5)]:
    path = f"{folder}/{name}.nii.gz"
    nibabel.save(nibabel.Nifti1Image(volume.astype(np.uint8), np.eye(4)), path)
    volumes.append({"path": path, "colormap": colours, "opacity": opacity})
nv = NiiVue(); nv.load_volumes(volumes); nv.set_slice_type(0); nv
""",
}
CONTROL = {"ours": ".slice-canvas", "ipyniivue": "canvas"}  # where the keys or the wheel go; else the slider's handle
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
for (const kind of ["keydown", "wheel"]) {
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


def press_times(tab, name, control):
    """Milliseconds from each press to new pixels and to the frame that follows, over PRESSES presses."""
    control.focus() if name != "ipyniivue" else control.hover()
    pixels, frames = [], []
    for i in range(PRESSES + 3):
        if name == "ipyniivue":
            tab.mouse.wheel(0, 100 if i % 60 < 30 else -100)
        else:
            tab.keyboard.press("ArrowRight" if i % 60 < 30 else "ArrowLeft")
        tab.wait_for_function("window.frames_.length > 0", timeout=10_000, polling=20)
        if i >= 3:  # the first ones warm up
            pixels.append(tab.evaluate("window.drawn[0] - window.pressed"))
            frames.append(tab.evaluate("window.frames_[0] - window.pressed"))
        tab.wait_for_timeout(40 + 40 * random.random())  # a hand keeps no step with the screen
    return pixels, frames


def drag_frames(tab, handle):
    """How many pictures are drawn while the slider is dragged through MOVES moves of 4 pixels, 25 ms apart."""
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.evaluate("window.drawn = []")
    for i in range(MOVES):
        began = time.perf_counter()
        tab.mouse.move(x + 4 * (i + 1), y)
        time.sleep(max(0, 0.025 - (time.perf_counter() - began)))
    drawn = tab.evaluate("window.drawn.length")
    tab.wait_for_timeout(100)  # what is still under way counts
    tab.mouse.up()
    return drawn


def slider_handle(tab, name, index):
    """What is dragged: the thumb of our slider at its place, or the handle of ipywidgets' slider."""
    if name != "ours":
        return output(tab, index).locator(".noUi-handle").first
    return output(tab, index).locator("input.slice").first


def measure(tab, name, index):
    """One row of the table."""
    row = {"first paint s": run_cell(tab, index)}
    control = output(tab, index).locator(CONTROL.get(name, ".noUi-handle")).first
    if name == "ours":
        control = output(tab, index).locator(".atlas-viewer").first
    pixels, frames = press_times(tab, name, control)
    for what, times in (("pixels", pixels), ("frame", frames)):
        row |= {f"{what} median ms": float(np.median(times)), f"{what} p95 ms": float(np.percentile(times, 95))}
    if name != "ipyniivue":
        tab.wait_for_timeout(300)
        row["frames in a drag of 60"] = drag_frames(tab, slider_handle(tab, name, index))
    return row


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
                    rows[name] = measure(tab, name, index)
                except NotInTime as error:
                    rows[name] = {"failed": str(error).splitlines()[0]}
                print(name, {key: round(v, 2) if isinstance(v, float) else v for key, v in rows[name].items()})
                if arguments.pictures:
                    tab.screenshot(path=arguments.pictures / f"{index}.png")
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
