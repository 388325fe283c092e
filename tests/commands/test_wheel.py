"""The wheel, built from the source distribution and used in a place where there is no clone."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest

from atlas_lab.files import REPOSITORY

BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"


def run(*command, **options):
    """What a command prints; it has to end well."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with an environment in it that has the wheel, and the packages of this one except for the lab."""
    pytest.importorskip("setuptools", "77")
    folder = tmp_path_factory.mktemp("clean")
    source = folder / "source"
    tracked = run("git", "-C", REPOSITORY, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    for name in tracked:
        if (REPOSITORY / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, source / name)
    archive = run(sys.executable, "-c", BUILD, "build_sdist", folder, cwd=source).splitlines()[-1]
    with tarfile.open(folder / archive) as packed:
        packed.extractall(folder, filter="data")
    unpacked = folder / archive.removesuffix(".tar.gz")
    wheel = run(sys.executable, "-c", BUILD, "build_wheel", folder, cwd=unpacked).splitlines()[-1]
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    run(sys.executable, "-m", "pip", "--python", scripts / "python", "install", "--quiet", "--no-deps", folder / wheel)
    packages = run(scripts / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # Added after the installation: pip never sees the lab of this environment, and its .pth file isn't read.
    (Path(packages) / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder, scripts


@pytest.fixture
def lab(place, monkeypatch):
    """Runs a program of the clean environment, in its folder."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return lambda name, *words: run(place[1] / name, *words, cwd=place[0])


def test_it_is_the_wheel_s_own_code_and_records(lab, place):
    code = "import atlas_lab as lab; print(lab.__file__); print(len(lab.load_runs()))"
    path, count = lab("python", "-c", code).splitlines()
    assert Path(path).is_relative_to(place[0] / "venv")
    assert int(count) == len(list((REPOSITORY / "figures" / "runs").glob("*.json"))) > 200
    assert lab("atlas-lab", "--version").startswith("atlas-lab 0.")
    assert "records in" in lab("atlas-lab", "runs", "--shipped").splitlines()[-1]


def test_the_claims_are_judged_from_what_the_wheel_has(lab):
    code = """
from atlas_lab.experiment.run import load_runs
from atlas_lab.paper.claims import judge_claims
from atlas_lab.paper.control_records import load_controls
from atlas_lab.paper.evidence import Records
from atlas_lab.paper.study import StudyRecords
assert load_controls() and StudyRecords().runs
print(judge_claims(Records(load_runs()))["C2"]["slice"].verdict)
"""
    assert lab("python", "-c", code) == "holds\n"


def test_the_course_is_copied_with_what_it_points_to(lab, place):
    text = lab("atlas-lab", "notebooks", "course")
    assert "a clone of the repository alone" in text and "jupyter lab" in text
    for path in [*(REPOSITORY / "notebooks").glob("*.ipynb"), *(REPOSITORY / "figures").glob("*.png")]:
        assert (place[0] / "course" / path.relative_to(REPOSITORY)).read_bytes() == path.read_bytes()


def test_a_network_is_trained_and_its_record_listed(lab, place, tree, monkeypatch):
    monkeypatch.setenv("ATLAS_DATA", str(tree))
    line = lab("atlas-lab", "-q", "train", "--profile", "quick", "epochs=1", "--out", "runs")
    assert line.startswith("dev Dice ")
    assert lab("atlas-lab", "runs", "runs").splitlines()[-1] == "1 records in runs"
