"""What made a number: the code's version, the machine, and the random streams."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from atlas_lab import provenance
from atlas_lab.phantom.streams import SubjectStream
from atlas_lab.provenance import RunStream, code_version, environment


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of a core file, a file of training and a widget, in a folder without git."""
    package = tmp_path / "atlas_lab"
    for name in ("model.py", "experiment/build.py", "experiment/people.py", "widgets/viewer.py", "cli.py", "notes.txt"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(name)
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)
    monkeypatch.setattr(provenance, "PACKAGE", package)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return package


def test_code_version_needs_no_git(package, monkeypatch):
    about = code_version()
    assert about["commit"] is None and about["changed"] is None and len(about["package"]) == 16
    monkeypatch.setenv("PATH", "")
    assert code_version() == about


@pytest.mark.parametrize("name, package_changes, training_changes", [
    ("model.py", True, True), ("experiment/build.py", True, True),
    ("experiment/people.py", True, False), ("widgets/viewer.py", True, False),
    ("cli.py", True, False), ("notes.txt", False, False),
])
def test_an_edited_file_changes_the_digests_that_it_is_part_of(package, name, package_changes, training_changes):
    before = code_version()
    (package / name).write_text("edited")
    after = code_version()
    assert (after["package"] != before["package"], after["training"] != before["training"]) == (
        package_changes, training_changes)


def test_a_moved_file_changes_the_digest(package):
    before = code_version()
    (package / "model.py").rename(package / "network.py")
    assert code_version()["training"] != before["training"]


def test_the_digest_of_this_package_covers_its_folders(monkeypatch):
    """A file anywhere below the package counts, in this very clone."""
    covered = {path.parent.name for path in provenance.PACKAGE.rglob("*.py")}
    assert {"atlas_lab", "experiment", "fast", "data", "paper", "widgets"} <= covered


def test_the_environment_is_complete_and_fits_in_json():
    about = environment()
    assert json.loads(json.dumps(about)) == about
    assert {"python", "torch", "numpy", "processor", "threads", "device"} <= set(about)
    assert about["numpy"] == np.__version__ and about["processor"]


def test_the_environment_names_the_device_of_the_run(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"the GPU {device}")
    assert environment("cpu")["device"] == "cpu" and environment("cuda:1")["device"] == "the GPU cuda:1"


def test_random_streams_keep_their_numbers():
    """Records and cohorts were made with them: another number would give other splits and other subjects."""
    assert [int(stream) for stream in RunStream] == [1, 2, 3, 4, 5]
    assert [int(stream) for stream in SubjectStream][:7] == [1, 2, 3, 4, 5, 6, 7]
    assert SubjectStream.EVEN_COVER == 0xA71A5 and len({*SubjectStream}) == len(SubjectStream.__members__)
    ours = np.random.default_rng([5, 2, SubjectStream.HEAD]).random()
    assert ours == np.random.default_rng([5, 2, 3]).random()


def test_provenance_of_random_numbers_needs_no_torch():
    code = "import sys, atlas_lab.provenance; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_a_package_in_a_foreign_repository_has_no_commit_of_its_own(package, monkeypatch, tmp_path):
    for arguments in (["init", "-q"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty",
                                       "-m", "theirs"]):
        subprocess.run(["git", "-C", tmp_path, *arguments], check=True)
    assert code_version()["commit"] is not None  # a clone has its own
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert code_version()["commit"] is not None  # and what the caller tells git to look at is another's
    monkeypatch.setattr(provenance, "IN_A_CLONE", False)
    assert code_version()["commit"] is None
