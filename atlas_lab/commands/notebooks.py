"""`notebooks`: a copy of the course to work in."""

import shutil
from pathlib import Path

from atlas_lab.files import DataError, atomic_path
from atlas_lab.system.disk import expand
from atlas_lab.system.shipped import IN_A_CLONE, SHIPPED

__all__ = ["add", "copy_course"]

# What the course is: the notebooks, the figures and pages that they point to, and what is for teachers.
FILES = ("notebooks/*.ipynb", "figures/*.png", "figures/*.md", "teaching/**/*")
IN_A_CLONE_ONLY = "tests, benchmarks and the pages of the site are in a clone of the repository alone"


def add(command):
    """Add this command."""
    sub = command("notebooks", _run_notebooks, "Copy the course's notebooks to a folder, to work in.")
    sub.add_argument("folder", type=expand, help="folder to copy them to; what lies there already is kept")


def copy_course(folder: Path) -> list[Path]:
    """Copy notebooks, the figures they show and the teaching files; returns the paths written.

    Raises DataError, before anything is copied, if one of the files is there already with other contents: it may be a
    learner's work.
    """
    pairs = [(path, folder / path.relative_to(SHIPPED)) for pattern in FILES
             for path in sorted(SHIPPED.glob(pattern)) if path.is_file()]
    for source, target in pairs:
        if target.exists() and target.read_bytes() != source.read_bytes():
            raise DataError(f"{target} is there already, and is not as shipped; name another folder, or move it away")
    for source, target in pairs:
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
    return [target for _, target in pairs]


def _run_notebooks(options):
    """The command `notebooks`."""
    written = copy_course(options.folder)
    count = sum(path.suffix == ".ipynb" for path in written)
    first = min(path for path in written if path.suffix == ".ipynb")
    print(f"{count} notebooks in {options.folder / 'notebooks'}; open them with: jupyter lab "
          f"--notebook-dir {options.folder} {first} (pip install \"atlas-lab[lab]\" brings JupyterLab)")
    if not IN_A_CLONE:
        print(IN_A_CLONE_ONLY)
