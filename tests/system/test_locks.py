"""Locks and unfinished files, with processes that wait, die and come back."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from atlas_lab.files import atomic_path
from atlas_lab.system.locks import PRIVATE, locked, private_folder, remove_orphans


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def start(code, *arguments):
    """A Python process that has printed its first line."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], **pipes, text=True)
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    return process


HOLDS = """
import sys, time
from pathlib import Path
from atlas_lab.system.locks import locked
with locked(Path(sys.argv[1]), "making it"):
    print("ready", flush=True)
    sys.stdin.read()
"""
WRITES = """
import sys
from atlas_lab.files import atomic_path
with atomic_path(sys.argv[1]) as path:
    path.write_text("half")
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_lock_leaves_no_file_and_can_be_taken_again(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "a", "making it") as waited:
            assert not waited and names(tmp_path) == [".a.lock"]
        assert names(tmp_path) == []


def test_the_second_waits_says_so_and_goes_on_when_the_first_is_done(tmp_path, capsys):
    order, held = [], threading.Event()

    def second():
        held.wait()
        with locked(tmp_path / "a", "making it") as waited:
            order.append(("second", waited))

    thread = threading.Thread(target=second)
    thread.start()
    with locked(tmp_path / "a", "making it"):
        held.set()
        thread.join(1)
        assert thread.is_alive()
        order.append("first")
    thread.join()
    assert order == ["first", ("second", True)]
    assert capsys.readouterr().err == f"another process is making it, {tmp_path / 'a'}; waiting for it\n"


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
def test_a_lock_dies_with_its_owner(tmp_path):
    process = start(HOLDS, tmp_path / "a")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert names(tmp_path) == [".a.lock"]  # what it left is no obstacle
    with locked(tmp_path / "a", "making it"):
        pass
    assert names(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
def test_unfinished_files_of_the_dead_go_and_those_of_the_living_stay(tmp_path):
    living, dead = start(WRITES, tmp_path / "living.txt"), start(WRITES, tmp_path / "dead.txt")
    dead.kill()
    dead.communicate()
    assert len(names(tmp_path)) == 2 and all(name.startswith(PRIVATE) for name in names(tmp_path))
    with atomic_path(tmp_path / "mine.txt") as path:
        path.write_text("mine")
    assert len([name for name in names(tmp_path) if name.startswith(PRIVATE)]) == 1
    living.communicate("")
    assert names(tmp_path) == ["living.txt", "mine.txt"] and (tmp_path / "living.txt").read_text() == "half"


def test_links_in_place_of_unfinished_files_are_not_followed(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("1")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / f"{PRIVATE}link").symlink_to(tmp_path / "precious")
    remove_orphans(tmp_path / "here")
    assert (tmp_path / "precious" / "file").read_text() == "1"
    (tmp_path / "precious" / "lock").write_text("2")
    (tmp_path / "here" / ".a.lock").symlink_to(tmp_path / "precious" / "lock")
    with pytest.raises(OSError), locked(tmp_path / "here" / "a", "making it"):
        pytest.fail("the body must not run")
    assert (tmp_path / "precious" / "lock").read_text() == "2"


def test_nobody_can_guess_a_private_folder(tmp_path):
    found = set()
    for _ in range(20):
        with private_folder(tmp_path) as folder:
            found.add(folder.name)
            assert folder.stat().st_mode & 0o777 == 0o700
    assert len(found) == 20 and names(tmp_path) == []
