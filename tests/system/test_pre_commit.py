"""The hook that refuses patients' data, in a repository of its own; and the notebooks here, held to the same."""

import json
import os
import shutil
import subprocess

import pytest

from atlas_lab.files import REPOSITORY

pytestmark = pytest.mark.skipif(not shutil.which("git") or os.name != "posix", reason="needs git and a POSIX shell")
HOOK = REPOSITORY / ".githooks" / "pre-commit"


def notebook(*texts):
    return json.dumps({"cells": [{"cell_type": "code", "source": ["x"], "outputs": [{"text": list(texts)}]}]})


@pytest.fixture
def commit(tmp_path):
    """Writes a file into a repository with the hook and tries to commit it: exit code and what was said."""
    def git(*arguments):
        return subprocess.run(["git", "-C", str(tmp_path), "-c", "user.name=A", "-c", "user.email=a@b", *arguments],
                              capture_output=True, text=True)

    git("init", "--quiet")
    git("config", "core.hooksPath", str(HOOK.parent))

    def attempt(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        git("add", "--force", name)
        ran = git("commit", "--quiet", "-m", "x")
        git("rm", "--quiet", "--cached", "--force", name)
        return ran.returncode, ran.stderr

    return attempt


@pytest.mark.parametrize("name, content, said", [
    ("scan.nii.gz", b"\x1f\x8b", "is a volume"), ("deep/a b/T1.NII", b"1", "is a volume"),
    ("net.pt", b"1", "a network"), ("data/images.npy", b"1", "an array"),
    ("ATLAS.tar.gz.enc", b"Salted__", "an archive"),
    ("a.ipynb", notebook("ATLAS R1.1: 229 scans", "ATLAS is under a data use agreement: clear"), "clear its outputs"),
    ("a.ipynb", "{", "can't be read"), ("runs/r.json", '{"data": {"source": "ATLAS R2.0"}}', "real ATLAS"),
])
def test_patients_data_are_not_committed(commit, name, content, said):
    code, error = commit(name, content)
    assert code == 1 and f"{name} " in error and said in error and "data use agreement" in error


@pytest.mark.parametrize("name, content", [
    ("a.py", "ATLAS is under a data use agreement"), ("a.ipynb", notebook("synthetic cohort, not patient data")),
    ("runs/r.json", '{"data": {"source": "synthetic cohort, not patient data (layout R1.1)"}}'), ("b.png", b"\x89PNG"),
])
def test_all_else_is(commit, name, content):
    assert commit(name, content) == (0, "")


def test_the_network_that_comes_with_the_lab_is_taken_if_it_says_that_no_patient_made_it(commit):
    assert commit("figures/people/network.pt", "source: synthetic cohort, not patient data")[0] == 0
    code, error = commit("figures/people/network.pt", "source: ATLAS R1.1")
    assert code == 1 and "figures/people/network.pt is a volume" in error


def test_the_hook_has_nothing_against_what_is_here(tmp_path):
    scope = {"__name__": "hook"}
    exec(HOOK.read_text(encoding="utf-8"), scope)
    names = subprocess.run(["git", "-C", str(REPOSITORY), "ls-files", "-z"], capture_output=True, text=True).stdout
    found = [name for name in names.split("\0") if name and (REPOSITORY / name).is_file() and scope["problem_of"](
        name, (REPOSITORY / name).read_text(encoding="utf-8", errors="replace"))]
    assert found == [] and (not names or "notebooks/" in names)
