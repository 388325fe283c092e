"""Answers to a quiz as learners write them: what running the cells would give is read, or else that is said."""

import json

import pytest

from atlas_lab.course.class_grade import grade_student
from atlas_lab.course.class_key import Key
from atlas_lab.course.class_source import read_source

EMPTY = 'quiz_answers = {"01.1": "", "01.2": ""}'


def source_of(tmp_path, *cells):
    """What is read of a notebook with these code cells."""
    values = {"cells": [{"cell_type": "code", "source": text} for text in cells]}
    (tmp_path / "01_a.ipynb").write_text(json.dumps(values))
    return read_source(tmp_path / "01_a.ipynb")


@pytest.mark.parametrize("cell", [
    'quiz_answers = {"01.1": "b", "01.2": "c"}', 'quiz_answers: dict = {"01.1": "b", "01.2": "c"}',
    'quiz_answers["01.1"] = "b"\nquiz_answers["01.2"] = "c"', 'quiz_answers.update({"01.1": "b", "01.2": "c"})',
    'quiz_answers |= {"01.1": "b", "01.2": "c"}', 'quiz_answers.update([("01.1", "b"), ("01.2", "c")])',
    '%time quiz_answers\nquiz_answers["01.1"], other = "b", 1\nquiz_answers = {"01.1": "b", "01.2": "c"}',
])
def test_what_running_gives_is_read(tmp_path, cell):
    source = source_of(tmp_path, EMPTY, cell, 'print("answered" if quiz_answers.get("01.1") else "not")')
    names = {}
    exec("\n".join([EMPTY, *(line for line in cell.split("\n") if not line.startswith("%"))]), names)
    assert source.answers == names["quiz_answers"] == {"01.1": "b", "01.2": "c"} and source.unread == ""


@pytest.mark.parametrize("written", ["b", "B", " b ", "(b)", "b)", "b.", "[B]", "'b'", "b. The second"])
def test_a_letter_counts_however_it_is_set(tmp_path, written):
    assert source_of(tmp_path, f"quiz_answers = {{'01.1': {written!r}}}").answers == {"01.1": "b"}


@pytest.mark.parametrize("cell", [
    'quiz_answers = {"01.1": b}', 'quiz_answers["01.1"] = choose()', 'quiz_answers = dict(zip(names, "bc"))',
    'for name in names:\n    quiz_answers[name] = "b"', 'quiz_answers.setdefault("01.1", "b")',
    'quiz_answers = {"01.1": "b" "01.2": "c"', 'quiz_answers["01.1"], other = "b", 1', "quiz_answers = 3",
])
def test_what_only_running_would_show_is_told(tmp_path, cell):
    assert source_of(tmp_path, EMPTY, cell).unread
    marks = grade_student("heron", {"01": tmp_path / "01_a.ipynb"}, Key("a secret", ("01",)), False, 60)
    told, = [mark for mark in marks if mark.item == "quiz"]
    assert told.mistake == "quiz_answers can't be read" and told.detail and told.of == 0
