"""Builds the web edition: notebooks, pages, figures' pages, the names of the package, teaching files, working viewers.

Run: python docs/build_site.py (or `make site`), after pip install "atlas-lab[site]". It lands in docs/_build/html, and
needs no network; a warning of Sphinx or a dead link within the site ends it with exit code 1. With --execute the
notebooks are run first, all of them (twenty minutes); without, they are shown as they are in the repository, and what
their tests know of the cells that a reader is to predict stands folded below them.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from site_links import dead_links

import atlas_lab as lab
from atlas_lab.files import REPOSITORY, TRUTH_FOLDER

DOCS = REPOSITORY / "docs"
BUILD = DOCS / "_build"
SOURCE, HTML, EXTRA = BUILD / "source", BUILD / "html", BUILD / "extra"
# What pages are made of, in the folders in which they link to one another.
FILES = ("docs/*.md", "docs/*.png", "docs/*.gif", "docs/tried/*", "figures/*.md", "figures/*.png",
         "figures/people/*.md", "teaching/**/*", "benchmarks/*.md", "benchmarks/*.png", "benchmarks/*.py",
         "benchmarks/phantom/*.md", "benchmarks/phantom/*.png", "atlas_lab/phantom/head_NOTICE.txt", "LICENSE")
FRAME = '<iframe src="viewers/{name}.html" title="{title}" style="width:100%;height:{height}px;border:0"></iframe>'


def copy_pages() -> None:
    """Lay the pages out in a folder of their own, as they lie in the repository."""
    for path in sorted({path for pattern in FILES for path in REPOSITORY.glob(pattern) if path.is_file()}):
        target = SOURCE / path.relative_to(REPOSITORY)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        if path.suffix == ".md" and not path.read_text(encoding="utf-8").startswith("# "):
            title = path.stem.replace("_", " ").capitalize()
            target.write_text(f"# {title}\n\n{path.read_text(encoding='utf-8')}", encoding="utf-8")


def drop_missing() -> None:
    """Take the patterns that no page fits out of the list of pages: not every part is there at every time."""
    index = SOURCE / "docs" / "index.md"
    lines = index.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not re.fullmatch(r"[\w./]+\*", line) or list(index.parent.glob(line))]
    index.write_text("\n".join(kept) + "\n", encoding="utf-8")


def copy_notebooks(folder: Path) -> None:
    """Copy notebooks; what a reader is to predict first is folded."""
    for path in sorted(folder.glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            fold_answer(cell)
        target = SOURCE / "notebooks" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(notebook), encoding="utf-8")


def fold_answer(cell: dict) -> None:
    """Fold the outputs of a cell that shows what a prediction came to; where it has none, those its tests know."""
    tags = cell["metadata"].get("tags", [])
    if "reveal" in tags and "hide-output" not in tags:
        cell["metadata"]["tags"] = [*tags, "hide-output"]
        cell["outputs"] = cell["outputs"] or cell["metadata"].get("reveal", {}).get("outputs", [])


def execute() -> Path:
    """Run all notebooks; returns the folder of the executed copies."""
    folder = BUILD / "executed"
    subprocess.run([
        sys.executable, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--output-dir", folder,
        "--ExecutePreprocessor.store_widget_state=False", "--CoalesceStreamsPreprocessor.enabled=True",
        *sorted((REPOSITORY / "notebooks").glob("*.ipynb"))], check=True)
    return folder


def write_viewers() -> None:
    """Write working viewers of one synthetic subject, and the page that frames them."""
    import nibabel
    import numpy as np
    from scipy.ndimage import binary_erosion

    scans = lab.find_scans(lab.make_cohort(BUILD / "cohort", n_subjects=1, seed=7, progress=False))
    release = next(folder for folder in scans[0].t1w.parents if (folder / TRUTH_FOLDER).is_dir())
    truth = nibabel.load(release / TRUTH_FOLDER / f"{scans[0].subject}_truth.nii.gz")
    lesion = np.asarray(truth.dataobj) == 1
    smaller = binary_erosion(lesion, iterations=2)
    viewers = {
        "scan": ("The rater's mask and the true lesion", 640, lab.view_slices(scans[0], prediction={"truth": lesion})),
        "compare": ("Two predictions side by side, errors in colour", 640,
                    lab.widgets.compare(scans[0], {"the true lesion": lesion, "eroded by 2 mm": smaller})),
    }
    lines = ["# Viewers to try", "", "The viewer as `.save()` writes it: a page that works without Python. The subject "
             "is synthetic, not a patient. Click, drag, wheel and keys move through it."]
    for name, (title, height, viewer) in viewers.items():
        (EXTRA / "docs" / "viewers").mkdir(parents=True, exist_ok=True)
        viewer.save(EXTRA / "docs" / "viewers" / f"{name}.html", title)
        lines += ["", f"## {title}", "", "```{raw} html", FRAME.format(name=name, title=title, height=height), "```"]
    (SOURCE / "docs" / "viewers.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_names() -> None:
    """Write the page of the package's names: every name of the door, with its docstring."""
    lines = ["The names of the package", "=" * 24, "", "``import atlas_lab as lab`` gives these, in this order.", ""]
    namespaces = []
    for name in lab.__all__:
        value = getattr(lab, name)
        if hasattr(value, "__path__") or hasattr(value, "__spec__"):
            namespaces.append(f"``lab.{name}``: " + ", ".join(f"``{each}``" for each in value.__all__))
            continue
        if not callable(value):  # a dictionary has no docstring of its own
            lines += [f".. py:data:: atlas_lab.{name}", "", f"   Has: {', '.join(value)}.", ""]
            continue
        kind = ("autoexception" if isinstance(value, type) and issubclass(value, Exception) else "autoclass"
                if isinstance(value, type) else "autofunction")
        lines += [f".. {kind}:: atlas_lab.{name}", ""]
    lines += ["Namespaces", "----------", "", *(f"- {line}" for line in namespaces)]
    (SOURCE / "docs" / "names.rst").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_start() -> None:
    """The page that a visitor of the bare address gets leads to the first one."""
    EXTRA.mkdir(parents=True, exist_ok=True)
    (EXTRA / "index.html").write_text(
        '<!doctype html><meta charset="utf-8"><title>ATLAS Lab</title>'
        '<meta http-equiv="refresh" content="0; url=docs/index.html"><a href="docs/index.html">ATLAS Lab</a>\n')


def main() -> int:
    """Build the site; returns 1 if a page has a warning or a dead link."""
    options = argparse.ArgumentParser(description="Build the web edition into docs/_build/html.")
    options.add_argument("--execute", action="store_true", help="run the notebooks first")
    folder = execute() if options.parse_args().execute else REPOSITORY / "notebooks"
    for place in (SOURCE, HTML, EXTRA):
        shutil.rmtree(place, ignore_errors=True)
    copy_pages()
    copy_notebooks(folder)
    drop_missing()
    write_viewers()
    write_names()
    write_start()
    done = subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-c", DOCS,
                           "-d", BUILD / "doctrees", "-D", f"html_extra_path={EXTRA}", SOURCE, HTML])
    dead = dead_links(HTML)
    print("\n".join([*dead, f"{len(list(HTML.rglob('*.html')))} pages in {HTML}, {len(dead)} dead links"]))
    return 1 if done.returncode or dead else 0


if __name__ == "__main__":
    sys.exit(main())
