"""The package installs and imports as the README says, by pip and by conda alike."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

import atlas_lab as lab

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {"torch": "pytorch", "isal": "python-isal"}


def requirements(*extras):
    """Name -> version range of the dependencies in pyproject.toml, those of some extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + [line for name in extras for line in project["optional-dependencies"][name]]
    lines = [line.partition(";")[0] for line in lines]  # conda has no markers of platforms
    return {re.match(r"[\w-]+", line)[0]: re.sub(r"^[\w-]+", "", line) for line in lines}


def test_the_conda_environment_agrees_with_pyproject():
    text = (ROOT / "environment.yml").read_text()
    listed = dict(re.findall(r"^  - ([a-z][\w-]*)((?:[<>=].*)?)$", text, re.MULTILINE))
    assert listed.pop("python") == ">=3.11" and "pip" in listed
    listed.pop("pip")
    # The pattern takes the list of channels too; they come first and have no version.
    assert [name for name in listed if not listed[name]] == ["conda-forge", "nodefaults"]
    ranges = {name: version for name, version in listed.items() if version}
    assert ranges == {CONDA_NAMES.get(name, name): version for name, version in requirements("lab", "test").items()}
    assert text.rstrip().endswith("- pip:\n      - -e .")


def test_every_dependency_has_a_tested_version():
    lines = (ROOT / "constraints.txt").read_text().lower().splitlines()
    pinned = {line.partition("==")[0].replace("_", "-") for line in lines if "==" in line}
    assert {name.lower() for name in requirements("lab", "test", "scan")} <= pinned


@pytest.mark.skipif(torch.version.cuda is not None, reason="this torch is a CUDA build, which brings its libraries")
def test_no_cuda_package_came_along():
    names = [distribution.metadata["Name"] for distribution in importlib.metadata.distributions()]
    assert not [name for name in names if name.lower().startswith("nvidia")]


def test_slow_libraries_are_not_imported_with_the_package():
    code = "import sys, atlas_lab; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    assert not loaded & {"nilearn", "monai", "matplotlib", "ipywidgets", "pandas", "scipy", "sklearn"}


def test_every_public_name_is_there_and_documented():
    for name in (name for name in dir(lab) if not name.startswith("_")):
        value = getattr(lab, name)
        if callable(value):
            assert value.__doc__, f"{name} has no docstring"


def test_command_line_explains_itself():
    for command in ([], ["cohort"], ["check"], ["train"], ["sweep"], ["figures"]):
        text = subprocess.check_output([sys.executable, "-m", "atlas_lab", *command, "--help"], text=True)
        assert "usage: atlas-lab" in text
