"""The write gate: whole files or none, patients' data never in the repository, and one line for whatever goes wrong."""

import errno
import os
import shutil
import stat
import subprocess
import sys

import pytest

import atlas_lab as lab
from atlas_lab import files
from atlas_lab.data.whose import source_of_file
from atlas_lab.files import (
    REPOSITORY,
    SYNTHETIC_MARKER,
    atomic_path,
    check_target,
    refuse_patients_in_repository,
    write_json,
    write_text,
)
from atlas_lab.system.disk import take_room

PATIENT = "ATLAS R1.1"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_and_alone(tmp_path):
    with atomic_path(tmp_path / "new" / "a.nii.gz") as temporary:
        assert temporary.name.endswith(".nii.gz") and temporary.name.startswith(".")
        assert stat.S_IMODE(temporary.parent.stat().st_mode) == 0o700  # nobody else may look into it
        temporary.write_text("whole")
        assert not (tmp_path / "new" / "a.nii.gz").exists()
    assert (tmp_path / "new" / "a.nii.gz").read_text() == "whole" and names(tmp_path / "new") == ["a.nii.gz"]


def test_an_interrupted_writer_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    for error in (KeyboardInterrupt, ValueError):
        with pytest.raises(error), atomic_path(tmp_path / "a.txt") as temporary:
            temporary.write_text("ha")
            raise error
    assert (tmp_path / "a.txt").read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_two_writers_of_one_file_never_share_a_temporary_name(tmp_path):
    with atomic_path(tmp_path / "a.txt") as one, atomic_path(tmp_path / "a.txt") as other:
        assert one.parent != other.parent and one.parent.parent == other.parent.parent == tmp_path
        one.write_text("1")
        other.write_text("2")
    assert (tmp_path / "a.txt").read_text() == "1"  # renamed last


def test_a_name_of_the_greatest_length_can_be_written(tmp_path):
    longest = "a" * (255 - len(".nii.gz")) + ".nii.gz"
    with atomic_path(tmp_path / longest) as temporary:
        temporary.write_bytes(b"1")
    assert names(tmp_path) == [longest]
    with pytest.raises(lab.DataError, match="the name is too long"), atomic_path(tmp_path / f"a{longest}"):
        pytest.fail("the body must not run")


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "real" / "there.json")
    write_json(tmp_path / "link.json", [1])
    assert (tmp_path / "link.json").is_symlink() and (tmp_path / "real" / "there.json").read_text() == "[\n 1\n]\n"


@pytest.mark.parametrize("make, said", [
    (lambda p: p.mkdir(), "is a folder; give the name of a file"),
    (lambda p: os.mkfifo(p), "is a device or a pipe"),
    (lambda p: p.symlink_to(p), "links lead in a circle"),
])
def test_what_is_no_file_is_not_replaced(tmp_path, make, said):
    make(tmp_path / "out.nii")
    before = (tmp_path / "out.nii").lstat()
    with pytest.raises(lab.DataError, match=said) as raised, atomic_path(tmp_path / "out.nii"):
        pytest.fail("the body must not run")
    assert "\n" not in str(raised.value) and str(tmp_path / "out.nii") in str(raised.value)
    assert (tmp_path / "out.nii").lstat().st_ino == before.st_ino and names(tmp_path) == ["out.nii"]


def test_a_path_below_a_file_is_refused(tmp_path):
    (tmp_path / "T1.nii").write_text("scan")
    with pytest.raises(lab.DataError, match="a part of the path is a file"), atomic_path(tmp_path / "T1.nii" / "a.nii"):
        pytest.fail("the body must not run")
    assert (tmp_path / "T1.nii").read_text() == "scan"


def test_room_is_looked_at_first(tmp_path, monkeypatch):
    free = shutil.disk_usage(tmp_path)._replace(free=30_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    assert check_target(tmp_path / "a.nii", room=28_000_000) == tmp_path / "a.nii"
    with pytest.raises(lab.DataError, match=r"about 50 MB are needed and 30\.0 MB free; make room there, or name"):
        check_target(tmp_path / "a.nii", room=50_000_000)
    with pytest.raises(lab.DataError, match="set ATLAS_LAB_HOME to a folder"):
        check_target(files.lab_home() / "slices" / "a.npy", room=50_000_000)
    assert names(tmp_path) == []


@pytest.mark.parametrize("number, said", [
    (errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "your share of the disk is used up"),
    (errno.EROFS, "read-only"), (errno.EACCES, "you may not write there"), (errno.EIO, "Input/output error"),
])
def test_an_error_while_writing_is_one_line_and_leaves_nothing(tmp_path, number, said):
    with pytest.raises(lab.DataError, match=said) as raised, atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise OSError(number, os.strerror(number))
    assert str(raised.value).startswith(f"{tmp_path / 'a.txt'}: can't be written") and names(tmp_path) == []


def test_an_error_of_a_file_that_the_writer_reads_is_not_blamed_on_the_target(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"source\.txt"), atomic_path(tmp_path / "a.txt"):
        (tmp_path / "source.txt").read_text()
    assert names(tmp_path) == []


def run_limited(path, size, imports, body):
    """Run Python that writes to a path through the gate, in a process that may write files of so many bytes only."""
    code = (
        f"import resource, signal, sys, {imports}\n"
        "from atlas_lab.files import atomic_path\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
        f"{body}"
    )
    return subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits of a process")
def test_a_real_limit_of_the_system_is_told_in_one_line(tmp_path):
    ran = run_limited(tmp_path / "a.nii.gz", 1000, "nibabel, numpy as np", (
        "volume = nibabel.Nifti1Image(np.random.default_rng(0).random((30, 30, 30)), np.eye(4))\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    nibabel.save(volume, temporary)\n"
    ))
    assert ran.returncode == 1 and names(tmp_path) == []
    assert f"DataError: {tmp_path / 'a.nii.gz'}: can't be written: the file would be too large" in ran.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits of a process")
def test_torch_too_tells_what_the_system_says(tmp_path):
    ran = run_limited(tmp_path / "m.pt", 100_000, "torch", (
        "with atomic_path(sys.argv[1]) as temporary, open(temporary, 'wb') as file:\n"
        "    torch.save({'weights': torch.zeros(300_000)}, file)\n"
    ))
    assert ran.returncode == 1 and names(tmp_path) == []
    assert f"DataError: {tmp_path / 'm.pt'}: can't be written: the file would be too large" in ran.stderr


def test_errors_of_other_kinds_pass_through(tmp_path):
    with pytest.raises(RuntimeError, match="a bug"), atomic_path(tmp_path / "a.txt"):
        raise RuntimeError("a bug")
    assert names(tmp_path) == []


# ---------------------------------------------------------------------------------------------------- patients' data

@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A folder that stands for the repository."""
    for name in ("clone/figures", "clone/data"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr("atlas_lab.files.REPOSITORY", tmp_path / "clone")
    return tmp_path / "clone"


def test_patients_do_not_go_into_the_repository_by_any_spelling(repository, tmp_path):
    (tmp_path / "way-in").symlink_to(repository / "figures")
    (tmp_path / "in.png").symlink_to(repository / "figures" / "a.png")
    (repository / "data" / "out").symlink_to(repository / "figures")
    for path in (
        repository / "a.png", repository / "figures" / "a.png", repository / "data" / ".." / "figures" / "a.png",
        tmp_path / "way-in" / "a.png", tmp_path / "in.png", repository / "data" / "out" / "a.png",
    ):
        with pytest.raises(lab.DataError, match="data use agreement"), atomic_path(path, shows=PATIENT):
            pytest.fail("the body must not run")
        with pytest.raises(lab.DataError, match="data use agreement"):
            write_json(path, {}, shows=PATIENT)
    assert names(repository) == ["data", "figures"] and names(repository / "figures") == []


def test_patients_may_go_elsewhere_and_into_data(repository, tmp_path):
    for path in (repository / "data" / "a.png", tmp_path / "a.png"):
        with atomic_path(path, shows=PATIENT) as temporary:
            temporary.write_text("1")
        assert path.exists()


def test_synthetic_data_and_plain_results_may_go_into_the_repository(repository):
    for shows in (None, "synthetic cohort, not patient data (layout R1.1)"):
        write_json(repository / "figures" / "a.json", 1, shows)
    assert names(repository / "figures") == ["a.json"]


def test_the_repository_is_this_one():
    with pytest.raises(lab.DataError, match="data use agreement"):
        refuse_patients_in_repository(REPOSITORY / "figures" / "a.png", PATIENT)
    refuse_patients_in_repository(REPOSITORY / "data" / "a.png", PATIENT)


def test_whose_data_a_file_holds(tmp_path):
    scan = tmp_path / "ATLAS_R1.1" / "Site1" / "a.nii"
    scan.parent.mkdir(parents=True)
    scan.write_text("1")
    assert source_of_file(scan) == "a.nii, a scan of a person"
    (tmp_path / "ATLAS_R1.1" / SYNTHETIC_MARKER).write_text("{}")
    assert source_of_file(scan).startswith("synthetic")
    (tmp_path / "person.nii").write_text("2")
    (tmp_path / "ATLAS_R1.1" / "person.nii").symlink_to(tmp_path / "person.nii")  # a link makes nobody synthetic
    assert source_of_file(tmp_path / "ATLAS_R1.1" / "person.nii") == "person.nii, a scan of a person"


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system sets no room aside")
def test_a_file_to_be_mapped_takes_its_room_at_once(tmp_path):
    with open(tmp_path / "a.npy", "wb") as file:
        file.truncate(2_000_000)  # as a memory map makes it: a hole
    assert (tmp_path / "a.npy").stat().st_blocks * 512 < 2_000_000
    take_room(tmp_path / "a.npy")
    stat = (tmp_path / "a.npy").stat()
    assert stat.st_size == 2_000_000 and stat.st_blocks * 512 >= 2_000_000


def test_a_text_with_signs_that_utf_8_can_t_hold_is_written_whole(tmp_path):
    write_text(tmp_path / "a.txt", "é caf\udce9")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == r"é caf\udce9"
