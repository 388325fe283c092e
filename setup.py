"""Puts what the package needs beside its code into the wheel: notebooks, records and teaching files.

All else stands in pyproject.toml. In a clone the package reads these files where they lie: see system/shipped.py.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SHIPPED = ("notebooks/*.ipynb", "figures/**/*", "teaching/**/*")


class BuildWithShipped(build_py):
    """Copies the shipped files to atlas_lab/shipped in the wheel; an editable install leaves them in their place."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "atlas_lab" / "shipped"
        shutil.rmtree(target, ignore_errors=True)  # of an earlier build
        for path in sorted(path for pattern in SHIPPED for path in ROOT.glob(pattern) if path.is_file()):
            copy = target / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


setup(cmdclass={"build_py": BuildWithShipped})
