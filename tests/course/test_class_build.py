"""Notebooks built for a class: what students get, what teachers keep, and that the two agree."""

import json
import re
import subprocess
import sys

import nbformat
import pytest

from atlas_lab.cli import main
from atlas_lab.course.class_build import build_class, build_notebook, parts_of_the_course
from atlas_lab.course.class_key import Key, load_quizzes, read_key, save_key
from atlas_lab.course.class_slides import slides_of
from atlas_lab.course.class_solution import BEGIN, solved_cell, split_cell
from atlas_lab.course.class_source import read_source
from atlas_lab.course.judging import judge_attempt
from atlas_lab.course.registry import EXERCISES
from atlas_lab.course.wire import WireError, pack, unpack
from atlas_lab.files import DataError

KEY = Key("a secret of the test's own", ("01",))
STUB = "def my_combine_masks(masks):\n    raise NotImplementedError"
CELL = STUB + "\n\n\nlab.exercises.check_combine_masks(my_combine_masks)"
NOTEBOOK = {"cells": [
    {"cell_type": "markdown", "id": "a", "metadata": {}, "source": [
        "# 01 · A title\n", "<details><summary>Hint</summary>Any.</details>\n",
        "<details><summary>Solution</summary>Run <code>show_solution</code>.</details>\n", "## Next\n", "Text."]},
    {"cell_type": "code", "id": "b", "metadata": {}, "source": [CELL], "execution_count": 3, "outputs": [
        {"output_type": "stream", "name": "stdout", "text": ["Not attempted yet\n"]},
        {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo="}, "metadata": {}}]},
], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def sources(notebook):
    return "\n".join(cell["source"] for cell in notebook["cells"])


def test_students_get_stubs_without_outputs_solutions_or_the_key():
    built = build_notebook(NOTEBOOK, "01", KEY, for_teacher=False)
    nbformat.validate(nbformat.from_dict(built))
    text = json.dumps(built)
    assert all(cell.get("outputs", []) == [] for cell in built["cells"])
    assert "raise NotImplementedError" in text and BEGIN not in text and "HIDDEN" not in text
    assert KEY.secret not in text and KEY.of("combine_masks") not in text
    assert "Hint" in text and "show_solution" not in text and "Right:" not in text
    answer, check = built["cells"][1:3]
    assert answer["metadata"]["nbgrader"]["solution"] and not answer["metadata"]["nbgrader"]["locked"]
    assert check["metadata"]["nbgrader"]["points"] == EXERCISES["combine_masks"].importance
    assert "check_combine_masks" in check["source"] and "check_combine_masks" not in answer["source"]


def test_teachers_get_the_solution_hidden_tests_and_the_quizs_answers():
    built = build_notebook(NOTEBOOK, "01", KEY, for_teacher=True)
    nbformat.validate(nbformat.from_dict(built))
    text = sources(built)
    assert BEGIN in text and KEY.of("combine_masks") in text and text.count("Right:") == len(load_quizzes()["01"])
    names = {}
    exec(built["cells"][1]["source"], names)
    assert judge_attempt(EXERCISES["combine_masks"], names["my_combine_masks"], KEY.of("combine_masks")).passed


def test_a_quiz_filled_in_by_its_own_letters_is_read_back_as_right(tmp_path):
    built = build_notebook(NOTEBOOK, "01", KEY, for_teacher=True)
    (tmp_path / "01_a.ipynb").write_text(json.dumps(built))
    assert read_source(tmp_path / "01_a.ipynb").answers == KEY.quiz("01")
    for question, letter in KEY.quiz("01").items():
        number = int(question[-1])
        line, = re.findall(rf"^- {letter}\. (.*)$", sources(built).split(f"**{question}**")[1].split("*Right")[0], re.M)
        assert line == load_quizzes()["01"][number - 1]["right"]


def test_another_class_has_the_choices_in_another_order_and_other_cases():
    others = [Key(f"secret {i}", ("01",)) for i in range(20)]
    assert len({tuple(key.quiz("01").values()) for key in others}) > 5
    assert len({key.of("combine_masks") for key in others}) == 20


@pytest.mark.parametrize("name", EXERCISES)
def test_each_solution_stands_alone_under_the_learners_name(name):
    cell = solved_cell(f"my_{name}", EXERCISES[name].solution)
    names = {}
    exec(cell, names)
    assert cell.count(BEGIN) == 1 and callable(names[f"my_{name}"])


def test_quizzes_have_a_right_choice_and_three_wrong_ones_for_each_part():
    quizzes = load_quizzes()
    assert set(quizzes) >= set(parts_of_the_course())
    for questions in quizzes.values():
        assert len(questions) >= 3
        for question in questions:
            assert len({question["right"], *question["wrong"]}) == 4 and question["why"]


def test_the_command_keeps_its_key_and_writes_nothing_where_git_takes_it_up(tmp_path, capsys):
    command = ["class", "build", "--parts", "01", "--out"]
    assert main([*command, str(tmp_path / "course")]) == 0
    key = read_key(tmp_path / "course" / "key.json")
    assert main([*command, str(tmp_path / "course")]) == 0
    assert read_key(tmp_path / "course" / "key.json") == key
    for private in (tmp_path / "course" / "key.json", *(tmp_path / "course" / "instructor").iterdir()):
        assert private.stat().st_mode & 0o077 == 0
    subprocess.run(["git", "init", "-q", str(tmp_path / "tree")], check=True)
    assert main([*command, str(tmp_path / "tree")]) == 2
    assert "key and solutions" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "tree").iterdir()] == [".git"]
    with pytest.raises(DataError, match="no part 99"):
        build_class(tmp_path / "course", ("99",))


def test_a_key_keeps_the_parts_that_were_built_before(tmp_path):
    place = build_class(tmp_path / "course", ("01", "04")) / "key.json"
    secret = read_key(place).secret
    build_class(tmp_path / "course", ("03",))
    assert read_key(place) == Key(secret, ("01", "03", "04"))
    build_class(tmp_path / "course", ("02",), place)
    assert read_key(place) == Key(secret, ("01", "02", "03", "04"))
    save_key(tmp_path / "key.json", KEY)
    build_class(tmp_path / "course", ("03",), tmp_path / "key.json")
    assert read_key(place) == Key(KEY.secret, ("03",))


def test_the_cell_of_an_exercise_is_cut_after_its_function():
    assert split_cell(CELL, "my_combine_masks") == (
        STUB, "lab.exercises.check_combine_masks(my_combine_masks)")


def test_slides_are_cut_at_headings_and_show_pictures_but_no_code():
    title, following, picture = slides_of(NOTEBOOK)
    assert "A title" in title and "details" not in title and "Text." in following
    assert 'alt="picture of the section: Next"' in picture and "my_combine_masks" not in title + following + picture


def test_only_data_passes_through_the_pipe():
    import numpy as np
    import torch

    value = (None, True, 3, float("nan"), "text", [np.float32(2.5), np.arange(6).reshape(2, 3) > 2],
             torch.ones(2), np.array(["a", "bc"]))
    back = unpack(json.loads(json.dumps(pack(value))))
    assert repr(back) == repr(value).replace("np.float32(2.5)", "array(2.5, dtype=float32)")
    for bad in (object(), np.array([object()]), {1: 2}, [[[[[[[[[[1]]]]]]]]]]):
        with pytest.raises(WireError):
            pack(bad)
    for bad in ({"array": ["|O", [1], "AAAAAAAAAAA="]}, {"array": ["<f8", [10**12], ""]}, {"array": ["<f8", [-1], ""]},
                {"plain": {}}, {"float": 3}, {"texts": [[9], ["a"]]}, [], {"pickle": "gASVAAAA"}):
        with pytest.raises(WireError):
            unpack(bad)


def test_slides_without_nbconvert_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "nbconvert.filters.markdown_mistune", None)
    with pytest.raises(DataError, match=r"slides need nbconvert; .*atlas-lab\[lab\]"):
        slides_of(NOTEBOOK)
