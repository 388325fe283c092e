"""The exercises' checks: right answers pass, wrong ones are refused by the name of their mistake."""

from collections import Counter

import answers_of_notebook_11 as last
import numpy as np
import pytest
import right_answers
import right_answers_later
import torch
import wrong_answers
import wrong_answers_later
import wrong_answers_seen

import atlas_lab as lab
from atlas_lab.course.comparing import show
from atlas_lab.course.exercise import MINUTES
from atlas_lab.course.judging import answer_cases, judge, judge_attempt
from atlas_lab.course.registry import EXERCISES, TOPICS
from atlas_lab.course.result import (
    CHANGED,
    GRADIENT,
    LIBRARY,
    NO_FUNCTION,
    NO_RETURN,
    NOT_ATTEMPTED,
    RAISED,
    SHAPE,
    TIME,
    TYPE,
    Result,
)

RIGHT = right_answers.RIGHT + right_answers_later.RIGHT + last.RIGHT
WRONG = wrong_answers.WRONG + wrong_answers_later.WRONG + wrong_answers_seen.WRONG + last.WRONG
NAMES = list(EXERCISES)
pytestmark = pytest.mark.usefixtures("one_thread")


def judged(name, function, key=""):
    """The Result of a function, whoever wrote it."""
    exercise = EXERCISES[name]
    cases = exercise.cases(key)
    return judge(exercise, cases, answer_cases(exercise, function, cases))


# ------------------------------------------------------------------------------------------- right and wrong answers

@pytest.mark.parametrize("name, attempt", RIGHT)
def test_a_right_answer_passes(name, attempt):
    assert judge_attempt(EXERCISES[name], attempt).message == "Passed"


@pytest.mark.parametrize("name, attempt, mistake", WRONG)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_wrong_answer_is_refused_by_the_name_of_its_mistake(name, attempt, mistake):
    result = judge_attempt(EXERCISES[name], attempt)
    assert not result.passed and result.mistake.startswith(mistake), result.message


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", NAMES)
def test_with_another_key_too(name):
    """A teacher's cases tell the same answers apart."""
    for exercise, attempt in RIGHT:
        assert exercise != name or judge_attempt(EXERCISES[name], attempt, "a teacher's").passed
    for exercise, attempt, mistake in WRONG:
        if exercise == name:
            assert judge_attempt(EXERCISES[name], attempt, "a teacher's").mistake.startswith(mistake)


def test_every_exercise_has_answers_here():
    right, wrong = Counter(name for name, _ in RIGHT), Counter(name for name, *_ in WRONG)
    assert all(right[name] >= 2 and wrong[name] >= 4 for name in NAMES)
    assert len(RIGHT) >= 60 and len(WRONG) >= 120


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", NAMES)
def test_solution_and_library_agree_and_each_known_mistake_is_told_from_the_others(name):
    exercise = EXERCISES[name]
    assert judged(name, exercise.solution, "second").passed
    if exercise.library is not None:
        assert judged(name, lambda *arguments: exercise.library(*arguments), "second").passed
    for mistake, wrong in exercise.ways_to_err:
        assert judged(name, wrong, "second").mistake == mistake


# ------------------------------------------------------------------------------------------ mistakes of any exercise

def stub(*arguments):
    raise NotImplementedError


def raises(*arguments):
    raise KeyError("affine")


def raises_as_torch_does(*arguments):
    raise NotImplementedError("no kernel for this type")


ANY = {
    "a stub": (stub, {NOT_ATTEMPTED}), "no return": (lambda *a: None, {NO_RETURN}), "an error": (raises, {RAISED}),
    "too few arguments": (lambda: 0, {RAISED}), "torch's own": (raises_as_torch_does, {RAISED}),
    "a function": (lambda *a: np.mean, {TYPE, RAISED}), "a dictionary": (lambda *a: {"dice": 1.0}, {TYPE, RAISED}),
    "unequal rows": (lambda *a: [[1.0, 2.0], [3.0]], {TYPE, RAISED}),
    "another shape": (lambda *a: np.ones((1, 9, 9, 9)), {TYPE, SHAPE, RAISED}),
}


@pytest.mark.parametrize("kind", ANY)
def test_answers_that_are_wrong_in_every_exercise(kind):
    attempt, mistakes = ANY[kind]
    for name in NAMES:
        found = judge_attempt(EXERCISES[name], attempt)
        assert not found.passed and found.mistake in mistakes, (name, found.mistake)


def test_an_answer_that_never_ends_is_stopped():
    def endless(epoch, rate, drop_epoch):
        while True:
            try:
                epoch += 1
            except Exception:
                epoch = 0

    from dataclasses import replace
    result = judge_attempt(replace(EXERCISES["stepped_rate"], seconds=0.2), endless)
    assert result.mistake == TIME and "not done after 0 seconds" in result.message and "likely" not in result.message


def test_the_lab_s_own_function_is_no_answer():
    assert judge_attempt(EXERCISES["dice_coefficient"], lab.dice_coefficient).mistake == LIBRARY
    assert judge_attempt(EXERCISES["n_updates"], lambda *a: lab.paper.n_updates(*a)).mistake == LIBRARY
    assert judge_attempt(EXERCISES["disc_diameter"], EXERCISES["disc_diameter"].solution).mistake == LIBRARY


def test_an_attempt_that_changes_its_input_is_told_and_spoils_nothing():
    def clears(masks):
        result = np.any([mask > 0 for mask in masks], axis=0)
        masks.clear()
        return result

    def fills(logits, target, pos_weight):
        logits = logits.detach()
        logits[:] = 0
        return logits.sum()

    assert judge_attempt(EXERCISES["combine_masks"], clears).mistake == CHANGED
    assert judge_attempt(EXERCISES["weighted_cross_entropy"], fills).mistake != ""
    assert judged("combine_masks", EXERCISES["combine_masks"].solution).passed


@pytest.mark.parametrize("key", ["", "a", "b", "c", "d", "e"])
def test_a_gradient_that_is_another_is_not_called_lost(key):
    """Whether a small number inside the log shows in the value first or in the gradient alone hangs on the case."""
    def halved(logits, target, pos_weight):
        half = (logits + logits.detach()) / 2
        return EXERCISES["weighted_cross_entropy"].solution(half, target, pos_weight)

    exercise = EXERCISES["weighted_cross_entropy"]
    assert judge_attempt(exercise, halved, key).mistake == GRADIENT
    for small in (1e-8, 1e-7, 1e-6, 1e-5):
        assert judge_attempt(exercise, wrong_answers_seen.plus(small), key).mistake == wrong_answers_seen.IS_CAPPED


# ------------------------------------------------------------------------------------------------- what a check says

def test_input_expected_got_and_mistake_are_shown():
    _, attempt, mistake = next(wrong for wrong in WRONG if wrong[0] == "threshold_for_weight")
    result = judge_attempt(EXERCISES["threshold_for_weight"], attempt)
    lines = result.message.splitlines()
    assert lines[0] == "Not yet. Case: weight 1: one half"
    assert [line.split(None, 1) for line in lines[1:]] == [
        ["pos_weight", "1"], ["expected", "0.5"], ["got", "1"], ["likely", result.mistake]]
    assert result.mistake.startswith(mistake) and result.case == "weight 1: one half" and result.cases == 0


def test_the_learner_s_own_line_is_shown_where_it_raises():
    def attempt(index, affine):
        four_by_four = affine
        return four_by_four @ index

    lines = judge_attempt(EXERCISES["voxel_to_mm"], attempt).message.splitlines()
    assert lines[-1] == "in your line return four_by_four @ index" and lines[-2].startswith("got          ValueError")


def test_an_error_and_the_end_of_the_time_are_told_once():
    """Where no mistake has a name, there is no line that says "raises an error" below the error."""
    message = judge_attempt(EXERCISES["n_updates"], raises).message
    assert "got          KeyError: 'affine'" in message and "likely" not in message
    named = judge_attempt(EXERCISES["overlap_map"], lambda masks: len(masks)).message
    assert "got          TypeError" in named and "likely       a generator has no len" in named


@pytest.mark.parametrize("attempt", [42, None, "my_n_updates", [1, 2], np.ones(3), torch.ones(2, 2)], ids=repr)
def test_what_is_no_function_is_refused_with_what_to_write(attempt):
    for name in NAMES:
        result = judge_attempt(EXERCISES[name], attempt)
        assert not result.passed and result.mistake == NO_FUNCTION
        assert result.message == (f"Not yet: hand over the function itself, check_{name}(my_{name}), without brackets "
                                  "behind its name.")


def test_what_can_be_called_is_a_function():
    class Updates:
        def __call__(self, n_slices, batch_size, epochs):
            return -(-n_slices // batch_size) * epochs

    assert judge_attempt(EXERCISES["n_updates"], Updates()).passed


def test_a_check_prints_its_message_and_hands_a_result_back(capsys):
    result = lab.exercises.check_conv_parameters(lambda kernel, inputs, outputs: kernel**2 * inputs * outputs + outputs)
    assert isinstance(result, Result) and result.passed and result.exercise == "conv_parameters" and result.cases == 4
    assert capsys.readouterr().out == "Passed\n" and str(result) == "Passed"


def test_values_are_shown_short():
    assert show(np.zeros((20, 20), bool)) == "a mask of shape (20, 20), 0 of it True"
    assert show(np.arange(100.0)) == "float64 of shape (100,), from 0 to 99"
    assert show(np.eye(2, dtype=bool)) == "[[1, 0], [0, 1]] of shape (2, 2)"
    assert show((0.12345, torch.tensor(2.0))) == "(0.1235, 2)"
    assert show((np.array([5]), np.array([4, 2]))) == "([5], [4, 2])"
    assert len(show({str(i): i for i in range(100)})) == 100


def test_cases_are_drawn_from_the_key_and_small_enough_to_be_shown():
    for name, exercise in EXERCISES.items():
        first, again, *others = ([[show(value) for value in case.arguments] for case in exercise.cases(key)]
                                 for key in ("", "", "a", "b", "c", "d"))
        assert first == again and len(first) >= 3, name
        assert any(first != other for other in others), name
        assert len({case.text for case in exercise.cases()}) == len(first)


# ------------------------------------------------------------------------------------------- the exercises as a whole

def test_difficulty_importance_minutes_and_notebooks():
    assert len(EXERCISES) == sum(len(topic.EXERCISES) for topic in TOPICS) >= 30
    assert {exercise.notebook for exercise in EXERCISES.values()} == {f"{n:02}" for n in range(1, 12)}
    for exercise in EXERCISES.values():
        assert exercise.difficulty in MINUTES and 1 <= exercise.importance <= 5
        assert exercise.minutes == MINUTES[exercise.difficulty] and len(exercise.mistakes) >= 4


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_is_shown_and_short(capsys, name):
    lab.exercises.show_solution(name)
    out = capsys.readouterr().out
    assert out.startswith(f"def {name}(") and len(out.splitlines()) <= 12


def test_every_exercise_has_a_check():
    checks = {name.removeprefix("check_") for name in lab.exercises.__all__ if name.startswith("check_")}
    assert checks == set(NAMES)
    assert lab.exercises.check_mean_dice.__name__ == "check_mean_dice" and lab.exercises.check_mean_dice.__doc__


def test_an_unknown_exercise_is_refused_with_the_choices():
    with pytest.raises(KeyError, match=r"no exercise 'dice'.*dice_coefficient"):
        lab.exercises.show_solution("dice")
