"""The lab's own files when something is wrong with them: made anew, or refused in a line that says what to delete."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.course import learner
from atlas_lab.data.slicing import build_store
from atlas_lab.fast.workers import share_out
from atlas_lab.files import lab_home


def prepared(scans):
    return lab.prepare_slices(scans, scale=4, z_step=20, jobs=1, progress=False)


def state_of(store):
    return store.about["data_hash"], np.asarray(store.images).tobytes(), np.asarray(store.masks).tobytes()


def cut(path):
    with open(path, "rb+") as file:
        file.truncate(path.stat().st_size // 2)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["images.npy", "masks.npy", "table.csv", "about.json"])
@pytest.mark.parametrize("harm", [cut, flip, lambda path: path.unlink(), lambda path: path.write_bytes(b""),
                                  lambda path: path.write_text("[" * 100_000)])
def test_damaged_slices_are_found_out_and_made_anew(scans, name, harm, capsys):
    store = prepared(scans[:2])
    before = state_of(store)
    if name == "about.json" and harm is flip:  # what isn't the hash isn't held against anything: change the hash
        about = json.loads((store.folder / name).read_text())
        (store.folder / name).write_text(json.dumps(about | {"data_hash": "0" * 16}))
    else:
        harm(store.folder / name)
    assert state_of(prepared(scans[:2])) == before
    assert "these slices are damaged, and are made anew" in capsys.readouterr().err
    prepared(scans[:2])
    assert "damaged" not in capsys.readouterr().err


def test_a_store_cut_off_in_its_first_moment_is_begun_again(scans):
    store = prepared(scans[:2])
    before, partial = state_of(store), store.folder.with_name(f"{store.folder.name}.partial")
    shutil.rmtree(store.folder)
    partial.mkdir()
    np.save(partial / "images.npy", np.zeros((3, 4, 4), np.uint8))
    (partial / "done-0").write_text("{}")
    assert state_of(prepared(scans[:2])) == before and not partial.exists()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return lab.make_cohort(tmp_path_factory.mktemp("cohort") / "made", 2, progress=False, version=1, jobs=1)


def test_a_volume_cut_short_is_made_anew(cohort):
    scan = lab.find_scans(cohort)[0]
    before = scan.t1w.read_bytes()
    for harm in (cut, lambda path: path.write_bytes(b""), lambda path: path.unlink()):
        harm(scan.t1w)
        lab.make_cohort(cohort, 2, progress=False, version=1, jobs=1)
        assert scan.t1w.read_bytes() == before


@pytest.mark.parametrize("text", [
    "", "[]", "null", "{", "[" * 100_000, '{"subjects": 5}',
    '{"subjects": [{"index": 0, "files": ["../../etc/passwd"]}]}',
    '{"subjects": [{"index": "0", "files": []}]}', '{"subjects": [7]}', '{"subjects": [{"index": 0, "files": ["/x"]}]}',
])
def test_a_damaged_marker_is_refused_in_one_line(cohort, tmp_path, text):
    shutil.copytree(cohort, tmp_path / "copy")
    marker = next((tmp_path / "copy").rglob("synthetic.json"))
    sound = json.loads(marker.read_text())
    changed = sound | json.loads(text) if text.startswith("{") and text != "{" else None
    marker.write_text(text if changed is None else json.dumps(changed))
    with pytest.raises(lab.DataError, match=r"damaged.*delete the folder") as raised:
        lab.make_cohort(tmp_path / "copy", 2, progress=False, version=1, jobs=1)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 500


def test_two_that_prepare_at_once_end_with_the_same_slices(scans, monkeypatch):
    built = []
    monkeypatch.setattr("atlas_lab.data.slicing.build_store", lambda *rest: (built.append(1), build_store(*rest)))
    import threading

    stores = []
    both = [threading.Thread(target=lambda: stores.append(prepared(scans[:2]))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len(built) == 1 and state_of(stores[0]) == state_of(stores[1])
    assert [path.name for path in (lab_home() / "slices").iterdir()] == [stores[0].folder.name]


def die(_):
    os.kill(os.getpid(), 9)


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
def test_a_killed_worker_ends_in_one_line_on_memory():
    with pytest.raises(lab.DataError, match=r"memory ran out.*--jobs 1") as raised:
        list(share_out(die, [(1,), (2,)], 2))
    assert "\n" not in str(raised.value)
    assert list(share_out(abs, [(-1,), (-2,)], 2)) == [1, 2]  # and the next call works


STARTER = """
import os, sys, time
from atlas_lab.fast.workers import share_out
def work(folder, i):
    open(f"{folder}/{i}", "w").close()
    time.sleep(600)
if __name__ == "__main__":
    list(share_out(work, [(sys.argv[1], i) for i in range(int(sys.argv[2]))], 2))
"""


def workers_of(mark):
    """Ids of the living worker processes that have a text in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_marked = mark.encode() in (folder / "environ").read_bytes()
            if is_marked and b"popen_loky" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are looked up in /proc")
@pytest.mark.parametrize("n_tasks", [2, 1])  # of one task a second worker is started too, which has nothing to do
def test_workers_end_with_the_process_that_started_them(tmp_path, n_tasks):
    (tmp_path / "begun").mkdir()
    (tmp_path / "go.py").write_text(STARTER)
    starter = subprocess.Popen([sys.executable, tmp_path / "go.py", tmp_path / "begun", str(n_tasks)],
                               env={**os.environ, "STARTED_BY": str(tmp_path)})
    ends = time.monotonic() + 240
    while len(os.listdir(tmp_path / "begun")) < n_tasks or len(workers_of(str(tmp_path))) < 2:
        assert starter.poll() is None and time.monotonic() < ends
        time.sleep(0.05)
    starter.kill()
    starter.wait()
    ends = time.monotonic() + 240  # those with nothing to do would end by themselves, but after 300 seconds
    while workers_of(str(tmp_path)):
        assert time.monotonic() < ends, "a worker outlived its starter"
        time.sleep(0.1)


def test_a_lock_that_can_not_be_put_is_one_line(scans, monkeypatch, tmp_path):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(lab.DataError, match="can't be written"):
        prepared(scans[:2])
    with pytest.raises(lab.DataError):
        lab.make_cohort(tmp_path / "home" / "cohort", 2, progress=False)


def test_clean_takes_nothing_from_a_folder_that_is_not_the_lab_s_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ATLAS_LAB_HOME", str(tmp_path))
    for name in ("figures", "thesis", "class"):
        (tmp_path / name).mkdir()
    assert main(["clean", "--yes"]) == 2 and (tmp_path / "figures").is_dir()
    assert "holds thesis besides what the lab makes" in capsys.readouterr().err
    (tmp_path / "thesis").rmdir()
    assert main(["clean", "--yes"]) == 0 and not (tmp_path / "figures").exists()
    assert (tmp_path / "class").is_dir()  # a class's key comes from nowhere again


def test_clean_goes_on_after_a_notebook_and_keeps_a_learner_s_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("ATLAS_LAB_HOME", str(tmp_path / "own"))
    monkeypatch.setattr(learner, "_in_a_notebook", lambda: True)
    learner.note_guess("how many", guess=3)
    (tmp_path / "own/figures").mkdir()
    assert main(["clean", "--yes"]) == 0 and not (tmp_path / "own/figures").exists()
    assert learner.read_progress()["guesses"] == {"how many": {"guess": 3}}
