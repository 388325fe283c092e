"""The five everyday routes on which patients' data could get into a repository, held against git itself."""

import io
import os
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from atlas_tree import write_scan

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.experiment.run import Run
from atlas_lab.files import atomic_path, refuse_patients_in_repository
from atlas_lab.system.work_tree import open_work_tree

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not on this machine")


def git(tree, *arguments):
    return subprocess.run(["git", "-C", str(tree), *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def tree(tmp_path):
    """A git work tree of somebody, who has told git to ignore data/."""
    folder = tmp_path / "their work"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / ".gitignore").write_text("/data/\n*.nii.gz\n")
    return folder


@pytest.fixture
def patients(tmp_path, monkeypatch):
    """Three scans of people, as ATLAS_DATA."""
    for i, subject in enumerate(("031768", "031769", "031770")):
        write_scan(tmp_path / "atlas", f"Site{i + 1}", subject)
    monkeypatch.setenv("ATLAS_DATA", str(tmp_path / "atlas"))
    return tmp_path / "atlas"


def untracked(tree):
    """What git would take up."""
    return set(git(tree, "status", "--porcelain", "--untracked-files=all").split("\n")) - {"", "?? .gitignore"}


def test_git_is_asked_what_it_ignores(tree, tmp_path, monkeypatch):
    assert open_work_tree(tree / "a.png") == tree == open_work_tree(tree / "new" / "deep" / "a.png")
    assert open_work_tree(tree / "data" / "new" / "a.png") is None and open_work_tree(tree / "a.nii.gz") is None
    assert open_work_tree(tmp_path / "a.png") is None
    (tree / "data").mkdir()
    (tree / "data" / "kept.png").write_text("1")
    git(tree, "add", "--force", "data/kept.png")  # git takes up changes of what it has, ignored or not
    assert open_work_tree(tree / "data" / "kept.png") == tree
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert open_work_tree(tree / "a.png") == tree
    monkeypatch.setenv("PATH", "")  # no git: nobody says that the path is ignored
    assert open_work_tree(tree / "data" / "a.png") == tree


def test_a_private_work_tree_may_hold_patients_once_it_says_so(tree):
    with pytest.raises(lab.DataError, match=r"git config atlas-lab\.patients true") as raised:
        refuse_patients_in_repository(tree / "a.png", "ATLAS R1.1")
    assert "\n" not in str(raised.value) and str(tree) in str(raised.value)
    git(tree, "config", "atlas-lab.patients", "true")
    with atomic_path(tree / "a.png", "ATLAS R1.1") as path:
        path.write_text("1")
    assert os.name == "nt" or (tree / "a.png").stat().st_mode & 0o777 == 0o600  # their owner's alone
    git(tree, "config", "atlas-lab.patients", "false")
    with pytest.raises(lab.DataError):
        refuse_patients_in_repository(tree / "a.png", "ATLAS R1.1")


def test_route_1_an_archive_is_not_unlocked_into_a_work_tree(tree, capsys, monkeypatch):
    (tree / "ATLAS.tar.gz.enc").write_bytes(b"Salted__" + bytes(100))
    monkeypatch.setattr("sys.stdin", io.StringIO("the key"))
    assert main(["unlock", str(tree / "ATLAS.tar.gz.enc")]) == 2
    assert "data use agreement" in capsys.readouterr().err
    assert untracked(tree) == {"?? ATLAS.tar.gz.enc"}


def test_route_2_the_viewer_saves_no_page_there(tree, patients):
    scan = lab.find_scans(patients)[0]
    import nibabel

    for thing in (scan, scan.t1w, str(scan.t1w), nibabel.load(scan.t1w), np.asarray(nibabel.load(scan.t1w).dataobj)):
        with pytest.raises(lab.DataError, match="data use agreement"):
            lab.view_slices(thing).save(tree / "page.html")
    assert untracked(tree) == set()
    synthetic = lab.view_slices(replace(scan, synthetic=True)).save(tree / "page.html")
    assert synthetic.exists()


def test_route_3_a_home_in_a_work_tree_takes_no_slices(tree, patients, monkeypatch):
    monkeypatch.setenv("ATLAS_LAB_HOME", str(tree / "home"))
    with pytest.raises(lab.DataError, match="data use agreement"):
        lab.prepare_slices(lab.find_scans(patients), 4, 20, jobs=1, progress=False)
    assert main(["check", str(patients), "--jobs", "1"]) == 2
    assert untracked(tree) == set()
    monkeypatch.setenv("ATLAS_LAB_HOME", str(tree / "data" / "home"))
    store = lab.prepare_slices(lab.find_scans(patients), 4, 20, jobs=1, progress=False)
    assert untracked(tree) == set() and (store.folder / "table.csv").stat().st_mode & 0o077 == 0


def test_route_4_neither_records_nor_networks_land_there(tree, patients, capsys):
    for place in (["--out", str(tree / "runs")], ["--save-model", str(tree / "net.pt")]):
        assert main(["train", "--profile", "quick", "epochs=1", *place]) == 2
        assert "data use agreement" in capsys.readouterr().err
    assert main(["sweep", "--profile", "quick", "epochs=1", "--out", str(tree / "runs"), "--seeds", "1"]) == 2
    about = {"source": "ATLAS R1.1"}
    run = Run(lab.RunConfig(epochs=0), [], {}, {}, about, {}, {}, 0.0)
    with pytest.raises(lab.DataError, match="data use agreement"):
        lab.save_run(run, tree / "runs")
    assert untracked(tree) == set()


def test_route_5_no_cohort_with_lesions_of_people(tree, patients):
    with pytest.raises(lab.DataError, match="data use agreement"):
        lab.make_cohort(tree / "cohort", 4, lesions=patients, progress=False)
    assert untracked(tree) == set()
