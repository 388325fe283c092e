"""Guesses and progress: locked once, kept in the learner's own file, never where git takes it up."""

import json
import subprocess

import nbformat
import pytest

import atlas_lab as lab
from atlas_lab.course import learner
from atlas_lab.course.minutes import keep_seconds
from atlas_lab.course.registry import EXERCISES
from atlas_lab.course.result import NOT_ATTEMPTED, Result
from atlas_lab.course.reveal import hide_reveals, kept_outputs


@pytest.fixture
def in_a_notebook(monkeypatch):
    monkeypatch.setattr(learner, "_in_a_notebook", lambda: True)


def test_a_guess_is_locked_once_and_kept_with_what_was_measured(in_a_notebook, capsys):
    guess = lab.predict_first("Which is larger?", ["this", "that"])
    guess.lock("this")
    guess.lock("that")
    guess.reveal("that")
    assert capsys.readouterr().out == "Measured: that (your guess was: this)\n"
    assert learner.read_progress()["guesses"] == {"Which is larger?": {"guessed": "this", "measured": "that"}}


def test_a_pressed_button_locks_the_others(in_a_notebook):
    guess = lab.predict_first("Which?", ["this", "that"])
    assert "Which?" in guess._repr_mimebundle_()["text/plain"]
    first, second = guess._buttons
    second.click()
    first.click()
    assert guess.guessed == "that" and first.disabled and second.disabled


def answered(question="Which?", choices=("this", "that")):
    """A question that was guessed "this" and measured "that"; what is left of it is in progress alone."""
    guess = lab.predict_first(question, choices)
    guess.lock("this")
    guess.reveal("that")


def test_after_the_answer_the_guess_of_then_stands_also_in_another_kernel(in_a_notebook, capsys):
    answered()
    capsys.readouterr()
    again = lab.predict_first("Which?", ["this", "that"])
    again.lock("that")
    again.lock("that")
    again.reveal("that")
    assert capsys.readouterr().out == (
        "Answered before: your guess was this.\nMeasured: that (your guess was: this)\n")
    assert learner.read_progress()["guesses"] == {"Which?": {"guessed": "this", "measured": "that"}}


def test_of_a_run_of_one_s_own_another_design_may_be_guessed_anew(in_a_notebook, capsys):
    answered("Better?")
    again = lab.predict_first("Better?", ["this", "that"], own_run=True)
    again.lock("that")
    again.reveal("that")
    assert capsys.readouterr().out.endswith("Measured: that (as you guessed)\n")
    assert learner.read_progress()["guesses"] == {"Better?": {"guessed": "that", "measured": "that"}}


def test_a_run_that_is_too_short_judges_no_guess(in_a_notebook, capsys):
    guess = lab.predict_first("Better?", ["this", "that"], own_run=True)
    guess.lock("this")
    guess.reveal("that", enough=False)
    assert "Too short a run" in capsys.readouterr().out
    assert learner.read_progress()["guesses"] == {"Better?": {"guessed": "this"}}
    guess.reveal("that", enough=True)
    assert learner.read_progress()["guesses"] == {"Better?": {"guessed": "this", "measured": "that"}}


def test_a_button_pressed_after_the_answer_says_what_was_guessed(in_a_notebook, capsys):
    answered()
    capsys.readouterr()
    again = lab.predict_first("Which?", ["this", "that"])
    shown = again._widget()
    again._buttons[1].click()
    assert shown.children[-1].value == "Answered before: your guess was this."
    assert [button.button_style for button in again._buttons] == ["info", ""]
    assert all(button.disabled for button in again._buttons) and capsys.readouterr().out == ""


def test_before_the_answer_another_guess_may_be_locked_in_a_cell_run_again(in_a_notebook, capsys):
    lab.predict_first("Which?", ["this", "that"]).lock("this")
    again = lab.predict_first("Which?", ["this", "that"])
    shown = again._widget()
    again._buttons[1].click()
    assert shown.children[-1].value == "Locked: that. Run the next cell."
    again.reveal("that")
    assert capsys.readouterr().out == "Measured: that (as you guessed)\n"


def test_a_question_with_other_words_or_without_the_choice_of_then_is_asked_anew(in_a_notebook, capsys):
    answered()
    for question, choices in (("Which now?", ["this", "that"]), ("Which?", ["that", "neither"])):
        guess = lab.predict_first(question, choices)
        guess.lock("that")
        assert guess.guessed == "that" and learner.read_progress()["guesses"][question] == {"guessed": "that"}
    assert "Answered before" not in capsys.readouterr().out


def test_a_guess_is_not_lost_with_its_kernel(in_a_notebook, capsys):
    lab.predict_first("Which?", ["this", "that"]).lock("this")
    lab.predict_first("Which?", ["this", "that"]).reveal("this")
    lab.predict_first("Which?", ["that", "neither"]).reveal("that")
    assert capsys.readouterr().out == "Measured: this (as you guessed)\nNo guess was made. Measured: that\n"


def test_unattended_nobody_is_asked(capsys):
    guess = lab.predict_first("Which?", ["this", "that"])
    guess.reveal("this")
    assert capsys.readouterr().out == "No guess was made. Measured: this\n"
    assert not learner.progress_file().exists()


def test_impossible_questions_and_answers_are_refused():
    with pytest.raises(lab.DataError, match="two or more choices"):
        lab.predict_first("Which?", ["this", "this"])
    with pytest.raises(lab.DataError, match="'neither' is no choice; choose one of 'this', 'that'"):
        lab.predict_first("Which?", ["this", "that"]).lock("neither")


def test_tries_and_mistakes_are_counted_and_stubs_are_not(in_a_notebook):
    for result in (Result("n_updates", False, "", NOT_ATTEMPTED), Result("n_updates", False, "", "not rounded"),
                   Result("n_updates", True, "Passed"), Result("n_updates", False, "", "not rounded")):
        learner.note_result(result)
    assert learner.read_progress()["exercises"] == {
        "n_updates": {"passed": True, "tries": 3, "mistakes": ["not rounded"]}}
    assert lab.progress().loc["05", ["exercises", "passed", "tries"]].tolist() == [4, 1, 3]
    assert lab.progress("05").loc["n_updates", "passed"] == "yes"
    planned = sum(exercise.minutes for exercise in EXERCISES.values())
    assert lab.progress()["minutes planned"].sum() == planned
    with pytest.raises(lab.DataError, match='give two digits, as in "03"'):
        lab.progress("3")


def test_progress_never_lands_where_git_takes_it_up(in_a_notebook, tmp_path, monkeypatch):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    monkeypatch.setenv("ATLAS_LAB_HOME", str(tmp_path / "home"))
    with pytest.raises(lab.DataError, match="a learner's progress, kept below ATLAS_LAB_HOME, would lie in"):
        learner.note_result(Result("n_updates", True, "Passed"))
    assert not (tmp_path / "home").exists()


def test_a_damaged_file_is_named(in_a_notebook):
    learner.progress_file().parent.mkdir(parents=True)
    for text in ("{", json.dumps([1])):
        learner.progress_file().write_text(text)
        with pytest.raises(lab.DataError, match=r"progress\.json: .*remove it to begin anew"):
            lab.progress()


def test_answers_are_hidden_and_those_that_are_checked_are_kept():
    def cell(*tags):
        output = nbformat.v4.new_output("stream", name="stdout", text="0.64\n")
        return nbformat.v4.new_code_cell("print(dice)", outputs=[output], metadata={"tags": list(tags)})

    notebook = nbformat.v4.new_notebook(cells=[cell("reveal", "nbval-check-output"), cell("reveal"), cell()])
    hide_reveals(notebook)
    checked, plain, shown = notebook.cells
    assert checked.outputs == plain.outputs == [] and shown.outputs[0].text == "0.64\n"
    assert kept_outputs(checked)[0].text == "0.64\n" and kept_outputs(plain) == kept_outputs(shown) == []


def test_seconds_of_a_run_are_kept_in_tens_and_replaced_only_by_quite_others():
    def cell(begun, ended):
        times = {"iopub.status.busy": f"2018-05-01T10:{begun}Z", "shell.execute_reply": f"2018-05-01T10:{ended}Z"}
        return nbformat.v4.new_code_cell("1", metadata={"execution": times})

    def run(*times):
        notebook.cells = [cell(*pair) for pair in times]
        keep_seconds(notebook)
        assert not any("execution" in each.metadata for each in notebook.cells)
        return notebook.metadata["seconds"]

    notebook = nbformat.v4.new_notebook()
    assert run(("00:10", "01:40.5"), ("02:00", "02:03.9")) == 90
    assert run(("00:00", "02:00")) == 90  # 120 s: another machine
    assert run(("00:00", "03:01")) == 180
    notebook.cells = [nbformat.v4.new_code_cell("1")]
    keep_seconds(notebook)
    assert notebook.metadata["seconds"] == 180  # not run: nothing is known anew
