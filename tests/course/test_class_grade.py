"""Marks of simulated learners, honest and not: what they get is what their functions are worth, and nothing else."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from learners import LEARNERS, POINTS, STUBS, hand_in

from atlas_lab.cli import main
from atlas_lab.course import sandbox
from atlas_lab.course.class_build import build_class
from atlas_lab.course.class_grade import Mark, grade_class, write_marks
from atlas_lab.course.class_key import Key, read_key, save_key
from atlas_lab.files import DataError

KEY = Key("a secret of the test's own", ("01",))


def is_shut_in():
    """Whether bubblewrap works here."""
    try:
        sandbox.require_sandbox(unsafe=False)
    except DataError:
        return False
    return True


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def marks_of(rows, student):
    return {row["item"]: (int(row["points"]), row["mistake"]) for row in rows
            if row["student"] == student and row["item"] in POINTS}


@pytest.mark.skipif(not is_shut_in(), reason="bubblewrap isn't here, or may not make user namespaces")
def test_learners_get_what_they_are_worth(tmp_path):
    out, key, inbox = tmp_path / "marks" / "grades.csv", tmp_path / "key.json", tmp_path / "in"
    save_key(key, KEY)
    kept = Path(sandbox.__file__)
    targets = [out, key, tmp_path, inbox / "right", kept, kept.parents[1], Path.home()]
    for name, (cells, *_) in LEARNERS.items():
        hand_in(inbox / name, cells, targets, KEY.quiz("01") if name == "right" else {"01.1": "?"})
    (inbox / "nothing").mkdir()
    before = {path: path.read_bytes() for path in [key, kept, *inbox.rglob("*.ipynb")]}
    assert main(["class", "grade", str(inbox), "--key", str(key), "--out", str(out), "--seconds", "3"]) == 0
    rows = rows_of(out)
    for name, (_, masks, place) in LEARNERS.items():
        assert marks_of(rows, name) == {"combine_masks": masks, "voxel_to_mm": place} | {
            item: (0, "not attempted") for item in POINTS if item not in ("combine_masks", "voxel_to_mm")}, name
    assert marks_of(rows, "nothing") == dict.fromkeys(POINTS, (0, "not attempted"))
    quiz = {name: sum(int(row["points"]) for row in rows if row["student"] == name and row["item"].startswith("quiz"))
            for name in LEARNERS}
    assert quiz == {name: 3 * (name == "right") for name in LEARNERS}
    assert {row["student"] for row in rows} == {*LEARNERS, "nothing"}
    assert {path: path.read_bytes() for path in before} == before
    assert {path.name for path in out.parent.iterdir()} == {"grades.csv"} and out.stat().st_mode & 0o077 == 0


def test_without_a_sandbox_limits_hold_where_that_is_wanted(tmp_path):
    for name in ("right", "loop"):
        hand_in(tmp_path / "in" / name, LEARNERS[name][0])
    out = grade_class(tmp_path / "in", KEY, tmp_path / "grades.csv", unsafe=True, seconds=2)
    for name in ("right", "loop"):
        _, masks, place = LEARNERS[name]
        found = marks_of(rows_of(out), name)
        assert (found["combine_masks"], found["voxel_to_mm"]) == (masks, place)


def test_without_bubblewrap_it_refuses(tmp_path, monkeypatch, capsys):
    hand_in(tmp_path / "in" / "right", LEARNERS["right"][0])
    save_key(tmp_path / "key.json", KEY)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    command = ["class", "grade", str(tmp_path / "in"), "--key", str(tmp_path / "key.json"), "--out"]
    assert main([*command, str(tmp_path / "grades.csv")]) == 2
    assert "--unsafe" in capsys.readouterr().err and not (tmp_path / "grades.csv").exists()


def test_what_is_known_without_running_needs_no_sandbox(tmp_path, monkeypatch):
    monkeypatch.setattr("atlas_lab.course.class_grade.require_sandbox", lambda unsafe: None)
    monkeypatch.setattr("atlas_lab.course.class_grade.run_tasks", lambda tasks, unsafe: [{}] * len(tasks))
    calls = "import atlas_lab as lab\n\n\ndef helper(masks):\n    return lab.data.scans.combine_masks(masks)"
    hand_in(tmp_path / "calls", [calls, "def my_combine_masks(masks):\n    return helper(masks)"])
    hand_in(tmp_path / "syntax", ["def my_combine_masks(masks):\n    return masks[0"])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "01_explore_the_data.ipynb").write_text("[" * 100_000)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "01_explore_the_data.ipynb").symlink_to(tmp_path / "calls" / "01_explore_the_data.ipynb")
    hand_in(tmp_path / "died", LEARNERS["right"][0])
    rows = rows_of(grade_class(tmp_path, KEY, tmp_path.parent / f"{tmp_path.name}.csv"))
    mistakes = {row["student"]: row["mistake"] for row in rows if row["item"] == "combine_masks"}
    assert mistakes == {"calls": "hands the work to the lab's own function", "syntax": "raises an error",
                        "broken": "not attempted", "link": "not attempted", "died": "raises an error"}
    assert {row["student"]: row["mistake"] for row in rows if row["item"] == "notebook"} == {
        "broken": "not a notebook (RecursionError)", "link": "left out"}


def test_the_learners_error_is_told_beside_the_case(tmp_path):
    cell = "import numpy as np\n\n\ndef my_combine_masks(masks):\n    return np.any(mask_of_mine, axis=0)"
    hand_in(tmp_path / "in" / "heron", [cell])
    row, *_ = [row for row in rows_of(grade_class(tmp_path / "in", KEY, tmp_path / "grades.csv", unsafe=True))
               if row["item"] == "combine_masks"]
    assert row["mistake"] == "raises an error"
    assert row["detail"].startswith("NameError: name 'mask_of_mine' is not defined (")


def test_notebooks_of_another_class_are_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("atlas_lab.course.class_grade.require_sandbox", lambda unsafe: None)
    monkeypatch.setattr("atlas_lab.course.class_grade.run_tasks", lambda tasks, unsafe: [{}] * len(tasks))
    other = Key("a secret of another class", ("01",))
    for name, key in (("ours", KEY), ("theirs", other)):
        save_key(tmp_path / f"{name}.json", key)
        built = build_class(tmp_path / "course" / name, ("01",), tmp_path / f"{name}.json")
        (tmp_path / "in").mkdir(exist_ok=True)
        shutil.copytree(built / "instructor", tmp_path / "in" / name)
        text = "".join(path.read_text() for path in (built / "student").iterdir())
        assert key.mark() in text and not any(key.of(exercise) in text for exercise in POINTS)
    hand_in(tmp_path / "in" / "older", [STUBS])
    hand_in(tmp_path / "in" / "odd", [STUBS], metadata={"atlas_lab": ["key"]})
    rows = rows_of(grade_class(tmp_path / "in", KEY, tmp_path / "grades.csv"))
    told = {row["student"]: row["mistake"] for row in rows if row["item"] == "notebook"}
    assert told == {"theirs": "this notebook was built with another key"}
    assert capsys.readouterr().err == "atlas-lab: theirs, part 01: this notebook was built with another key\n"
    assert sum(int(row["points"]) for row in rows if row["student"] == "ours" and "quiz" in row["item"]) == 3


def test_a_spreadsheet_runs_nothing_from_the_table(tmp_path):
    write_marks(tmp_path / "grades.csv", [Mark("=cmd|' /C calc'!A0", "01", "x", 0, 1, "\t@SUM(1)", "a\nb")])
    row, = rows_of(tmp_path / "grades.csv")
    assert (row["student"], row["mistake"], row["detail"]) == ("'=cmd|' /C calc'!A0", "' @SUM(1)", "a b")


def test_marks_and_keys_never_lie_where_git_takes_them_up(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path / "tree")], check=True)
    hand_in(tmp_path / "in" / "right", LEARNERS["right"][0])
    with pytest.raises(DataError, match="git takes it up"):
        grade_class(tmp_path / "in", KEY, tmp_path / "tree" / "grades.csv", unsafe=True)
    with pytest.raises(DataError, match="git takes it up"):
        save_key(tmp_path / "tree" / "key.json", KEY)
    (tmp_path / "not.json").write_text('{"secret": ""}')
    with pytest.raises(DataError, match="not the key of a class"):
        read_key(tmp_path / "not.json")


@pytest.mark.parametrize("out", ["folder", "file/grades.csv"])
def test_a_table_that_cant_be_written_is_told_before_anything_is_run(tmp_path, monkeypatch, capsys, out):
    monkeypatch.setattr("atlas_lab.course.class_grade.run_tasks", lambda tasks, unsafe: pytest.fail("graded"))
    hand_in(tmp_path / "in" / "right", LEARNERS["right"][0])
    save_key(tmp_path / "key.json", KEY)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    command = ["class", "grade", str(tmp_path / "in"), "--unsafe", "--key", str(tmp_path / "key.json"), "--out"]
    assert main([*command, str(tmp_path / out)]) == 2
    assert out.partition("/")[0] in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("seconds", [0, -5])
def test_no_time_is_no_grading(tmp_path, seconds):
    hand_in(tmp_path / "in" / "right", LEARNERS["right"][0])
    with pytest.raises(DataError, match=f"seconds is {seconds}; expected 1 or more"):
        grade_class(tmp_path / "in", KEY, tmp_path / "grades.csv", unsafe=True, seconds=seconds)


def test_where_there_is_no_sandbox_at_all_it_is_said():
    """Windows has neither forks nor limits for processes."""
    code = ("import os, sys; del os.fork; sys.modules['resource'] = None; "
            "from atlas_lab.course.sandbox import require_sandbox; require_sandbox(False)")
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "DataError: class grade needs Linux or macOS" in ended.stderr
