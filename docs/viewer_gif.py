"""Draws docs/viewer.gif: the viewer in a browser, moved through a synthetic lesion, and told to colour the errors.

Run: python docs/viewer_gif.py. It needs Chromium and the extra `browser`. The outline is the mask of the scan, drawn as
a rater would; what it is held against is the true lesion, which the cohort keeps beside it.
"""

import hashlib
import io
import shutil
import tempfile
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

import atlas_lab as lab
from atlas_lab.data.scans import source_of
from atlas_lab.files import TRUTH_FOLDER, atomic_path, write_json
from atlas_lab.plots.style import few_colours
from atlas_lab.provenance import code_version

OUT = Path(__file__).with_name("viewer.gif")
SUBJECT = 9  # of the cohort: a large lesion of the cortex
WIDTH, COLOURS = 560, 112  # of the picture: pixels, and how many colours it may have
STEP, STEPS = 3, 9  # slices between two pictures, and pictures on the way to the lesion
MOVE, HOLD = 160, 1600  # milliseconds that a picture is shown
FLAGS = ["--no-sandbox", "--disable-gpu"]
TAKE = "([name, value]) => document.querySelector('.atlas-viewer').viewer.take(name, value)"
READY = "document.querySelector('.atlas-viewer')?.viewer?.panes?.[0]?.data"


def truth_of(scan):
    """The true lesion of a synthetic scan: bool (X, Y, Z)."""
    release = next(folder for folder in scan.t1w.parents if (folder / TRUTH_FOLDER).is_dir())
    return np.asarray(nibabel.load(release / TRUTH_FOLDER / f"{scan.subject}_truth.nii.gz").dataobj) == 1


def pictures_of(viewer, page):
    """The pictures, each with its milliseconds."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        tab = browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme="dark")
        tab.goto(page.as_uri())
        tab.wait_for_function(READY, timeout=120_000)
        x, y, z = viewer.position
        states = [("position", [x, y, z - STEP * left], MOVE) for left in range(STEPS, 0, -1)]
        states += [("position", [x, y, z], HOLD), ("show", "errors", HOLD)]
        found = []
        for name, value, time in states:
            tab.evaluate(TAKE, [name, value])
            tab.wait_for_timeout(200)
            found.append((Image.open(io.BytesIO(tab.locator(".panes").screenshot())), time))
        browser.close()
    return found


def write_gif(pictures, path):
    """Make the pictures small, in one palette, and write them as a GIF that starts again."""
    small = [picture.convert("RGB").resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.LANCZOS)
             for picture, _ in pictures]
    height = max(picture.height for picture in small)
    sheet = Image.new("RGB", (WIDTH, height * len(small)))
    for i, picture in enumerate(small):
        sheet.paste(picture, (0, i * height))
    sheet = few_colours(sheet, COLOURS)  # one palette for all, with the overlays' colours in it
    first, *others = [sheet.crop((0, i * height, WIDTH, i * height + one.height)) for i, one in enumerate(small)]
    with atomic_path(path) as temporary:
        first.save(temporary, "GIF", save_all=True, append_images=others, loop=0, duration=[t for _, t in pictures])


if __name__ == "__main__":
    scans = lab.cohort(version=2)
    if not all(scan.synthetic for scan in scans):
        raise lab.DataError("ATLAS_DATA is set: this picture is of the synthetic cohort; unset it")
    scan = scans[SUBJECT]
    shown = lab.view_slices(scan, prediction={"the true lesion": truth_of(scan)})
    with tempfile.TemporaryDirectory() as folder:
        write_gif(pictures_of(shown, shown.save(Path(folder) / "page.html", "A synthetic scan")), OUT)
    about = {"figure": OUT.name, "sha256": hashlib.sha256(OUT.read_bytes()).hexdigest(), "cohort": "synthetic",
             "source": source_of(scans), "scan": scan.name, "code": code_version()}
    write_json(OUT.with_suffix(".json"), about)
