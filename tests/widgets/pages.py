"""What tests in a browser share: how Chromium is started, and what is read from a page with a viewer."""

import shutil

import numpy as np

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]
VIEWER = "document.querySelector('.atlas-viewer').viewer"
READY = "document.querySelector('.atlas-viewer')?.viewer?.panes?.[0]?.data"
IDLE = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"


def voxels(tab, pane=0):
    """A slice as it is coloured before it is enlarged, uint8 (rows, columns, 3), after the next frame."""
    data = tab.evaluate("""async (k) => {
        await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame);
        const { data } = document.querySelector('.atlas-viewer').viewer.panes[k];
        return [data.height, data.width, ...data.data];
    }""", pane)
    return np.array(data[2:], np.uint8).reshape(data[0], data[1], 4)[..., :3]


def canvas(tab, pane=0):
    """What is on a canvas, uint8 (H, W, 3)."""
    data = tab.evaluate("""async (k) => {
        await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame);
        const c = document.querySelector('.atlas-viewer').viewer.panes[k].canvas;
        return [c.height, c.width, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data];
    }""", pane)
    return np.array(data[2:], np.uint8).reshape(data[0], data[1], 4)[..., :3]


def state(tab, name):
    return tab.evaluate(f"{VIEWER}.state.{name}")


def give(tab, name, value):
    """Change a part of the state as Python does."""
    tab.evaluate(f"([name, value]) => {VIEWER}.take(name, value)", [name, value])


def cut(volume, plane, index):
    """Axial, coronal and sagittal slices, written out: columns across, rows from the top down."""
    return (volume[:, ::-1, index].T if plane == 0 else volume[:, index, ::-1].T if plane == 1
            else volume[index, :, ::-1].T)
