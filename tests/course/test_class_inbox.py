"""What is found of a class's work in folders as students leave them, and what is said of the rest."""

import csv

import pytest
from learners import IMPORTS, MASKS, POINTS, STUBS, hand_in

from atlas_lab.course.class_grade import grade_class
from atlas_lab.course.class_inbox import read_inbox
from atlas_lab.course.class_key import Key
from atlas_lab.files import DataError

NAME = "01_explore_the_data.ipynb"
KEY = Key("a secret of the test's own", ("01",))


def put(folder, *names):
    """Empty files in a folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")


@pytest.mark.parametrize("others", [
    ["01_explore_the_data-Copy1.ipynb"], ["01_explore_the_data (1).ipynb"], ["01_Explore.ipynb", "01_a.ipynb"],
    ["old/01_explore_the_data.ipynb", "a/b/01_explore_the_data.ipynb"],
])
def test_of_several_the_name_as_built_counts_and_the_others_are_told(tmp_path, others):
    put(tmp_path / "heron", NAME, *others)
    inbox = read_inbox(tmp_path)
    assert inbox.students == {"heron": {"01": tmp_path / "heron" / NAME}}
    assert {left.path.as_posix() for left in inbox.left_out} == {f"heron/{name}" for name in others}
    assert {(left.student, left.part) for left in inbox.left_out} == {("heron", "01")}
    assert all(f"heron/{NAME} is graded" in left.why for left in inbox.left_out)


@pytest.mark.parametrize("name", [
    f"01/{NAME}", f"a/b/c/{NAME}", "01_explore_the_data.IPYNB", "01_EXPLORE_the_data.ipynb", "01_mine.ipynb",
    "01_explore_the_data-Copy1.ipynb",
])
def test_the_only_one_is_found_wherever_it_lies(tmp_path, name):
    put(tmp_path / "heron", name)
    assert read_inbox(tmp_path).students == {"heron": {"01": tmp_path / "heron" / name}}
    assert read_inbox(tmp_path).left_out == []


@pytest.mark.parametrize("name", ["1_explore.ipynb", "explore_the_data.ipynb", "heron_01_explore_the_data.ipynb",
                                  "Untitled.ipynb", "99_more.ipynb"])
def test_a_name_that_says_no_part_is_told(tmp_path, name):
    put(tmp_path / "heron", name)
    inbox = read_inbox(tmp_path)
    assert inbox.students == {"heron": {}}
    left, = inbox.left_out
    assert left.path.name == name and left.part == "" and NAME in left.why


def test_loose_notebooks_and_links_are_told_and_hidden_copies_arent(tmp_path):
    put(tmp_path / "in", NAME, f"heron/.ipynb_checkpoints/{NAME}", "heron/notes.txt", f"wren/{NAME}")
    (tmp_path / "in" / "heron" / NAME).symlink_to(tmp_path / "in" / "wren" / NAME)
    (tmp_path / "in" / "crow").symlink_to(tmp_path / "in" / "wren")
    inbox = read_inbox(tmp_path / "in")
    assert inbox.students == {"heron": {}, "wren": {"01": tmp_path / "in" / "wren" / NAME}}
    assert [(left.path.as_posix(), left.why.split()[-1]) for left in inbox.left_out] == [
        (NAME, "one"), ("crow", "to"), (f"heron/{NAME}", "to")]


def test_without_students_folders_there_is_nobody_to_grade(tmp_path):
    put(tmp_path, NAME)
    with pytest.raises(DataError, match="no folders in it"):
        read_inbox(tmp_path)


def test_the_marks_are_those_of_the_notebook_that_counts(tmp_path, capsys):
    hand_in(tmp_path / "in" / "heron", [IMPORTS, MASKS])
    hand_in(tmp_path / "in" / "heron", [IMPORTS, STUBS], name="01_explore_the_data-Copy1.ipynb")
    put(tmp_path / "in", "loose.ipynb", "heron/03_the_baseline.ipynb")
    with open(grade_class(tmp_path / "in", KEY, tmp_path / "grades.csv", unsafe=True), encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    points = {row["item"]: int(row["points"]) for row in rows}
    assert points["combine_masks"] == POINTS["combine_masks"]
    row, = [row for row in rows if row["item"] == "notebook"]
    assert (row["mistake"], row["part"]) == ("left out", "01")
    assert row["detail"].startswith("heron/01_explore_the_data-Copy1.ipynb: ")
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in told] == ["atlas-lab"] * 3
    assert "loose.ipynb" in told[0] and "Copy1" in told[1] and "part 03: handed in by 1 and not in the key" in told[2]
