"""The exercises' checks: right answers pass, typical wrong ones fail at the case that shows the mistake."""

import numpy as np
import pytest
import torch
from right_answers import RIGHT, cross_entropy_by_logsigmoid
from wrong_answers import WRONG, dice_with, side_swapped

import atlas_lab as lab
from atlas_lab.course.exercises import SOLUTIONS

NAMES = list(SOLUTIONS)


def outcome(capsys, name, attempt):
    """What the check of an exercise prints about an attempt: one line."""
    getattr(lab.exercises, f"check_{name}")(attempt)
    out = capsys.readouterr().out
    assert out.endswith("\n") and out.count("\n") == 1
    return out.strip()


def stub(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize("name, attempt", RIGHT)
def test_a_right_answer_passes(capsys, name, attempt):
    assert outcome(capsys, name, attempt) == "Passed"


@pytest.mark.parametrize("name", NAMES)
def test_the_lab_s_own_function_passes(capsys, name):
    assert outcome(capsys, name, SOLUTIONS[name]) == "Passed"


@pytest.mark.parametrize("name, attempt, case", WRONG)
def test_a_typical_wrong_answer_fails_at_the_case_that_shows_it(capsys, name, attempt, case):
    line = outcome(capsys, name, attempt)
    assert line.startswith("Not yet. Case: ") and case in line.partition(" Expected ")[0]


def test_every_exercise_has_right_and_wrong_answers_here():
    assert {name for name, _ in RIGHT} == set(NAMES)
    assert all(sum(name == exercise for exercise, *_ in WRONG) >= 3 for name in NAMES)


# ------------------------------------------------------------------------------------------------- what a check says

def test_expected_and_got_are_told(capsys):
    line = outcome(capsys, "dice_coefficient", dice_with(both_empty=1.0))
    assert line == "Not yet. Case: both empty: undefined, so NaN. Expected [nan] of shape (1,), got [1.] of shape (1,)"
    line = outcome(capsys, "lesion_side", side_swapped)
    assert line.endswith("Expected 'left', got 'right'")
    line = outcome(capsys, "precision_recall_area", lambda tp, fp, fn: (0.6, 0.75, 0.8))
    assert line.endswith("Expected (0.75, 0.6, 0.8), got (0.6, 0.75, 0.8)")


def test_a_result_of_the_wrong_shape_is_told_with_its_shape(capsys):
    line = outcome(capsys, "dice_coefficient", lambda pred, target: np.ones((1, 1)))
    assert "of shape (1,)" in line and "got [[1.]] of shape (1, 1)" in line


@pytest.mark.parametrize("name", NAMES)
def test_a_stub_is_not_attempted_yet(capsys, name):
    assert outcome(capsys, name, stub) == "Not attempted yet"


@pytest.mark.parametrize("name", NAMES)
def test_an_attempt_that_raises_is_told_not_passed_on(capsys, name):
    def attempt(*arguments):
        raise KeyError("affine")

    line = outcome(capsys, name, attempt)
    assert line.startswith("Not yet. Case: ") and line.endswith("Your function raised KeyError: 'affine'")


@pytest.mark.parametrize("name", NAMES)
def test_an_attempt_with_too_few_arguments_is_told(capsys, name):
    assert "Your function raised TypeError" in outcome(capsys, name, lambda: 0)


WRONG_KINDS = {
    "nothing, for a missing return": lambda: None,
    "a text": lambda: "left?",
    "an empty list": list,
    "a dictionary": lambda: {"dice": 1.0},
    "a list of unequal rows": lambda: [[1.0, 2.0], [3.0]],
    "a list of a number and an array": lambda: [0.5, np.ones(3)],
    "an array of texts": lambda: np.array(["left", "right"]),
    "a function": lambda: np.mean,
    "a tensor with a gradient": lambda: torch.ones(3, requires_grad=True),
}


@pytest.mark.parametrize("kind", WRONG_KINDS)
def test_an_answer_of_the_wrong_kind_is_told_not_an_error_of_the_check(capsys, kind):
    for name in NAMES:
        assert outcome(capsys, name, lambda *arguments: WRONG_KINDS[kind]()).startswith("Not yet. Case: ")


def test_a_right_tensor_that_still_has_its_gradient_passes(capsys):
    def attempt(logits, target, pos_weight):
        return cross_entropy_by_logsigmoid(logits.requires_grad_(), target, pos_weight)

    assert outcome(capsys, "weighted_cross_entropy", attempt) == "Passed"


def ruin(value):
    """Overwrite an argument in place, as far as it goes."""
    if isinstance(value, np.ndarray):
        value[...] = 0
    elif isinstance(value, torch.Tensor):
        value.zero_()
    elif isinstance(value, list):
        for item in value:
            ruin(item)
        value.clear()


@pytest.mark.parametrize("name", NAMES)
def test_an_attempt_that_overwrites_its_input_spoils_nothing(capsys, name):
    """Its own answer is judged by the true values, and so is the next attempt's."""
    def answers_then_ruins(*arguments):
        result = SOLUTIONS[name](*arguments)
        for argument in arguments:
            ruin(argument)
        return result

    def ruins_then_answers(*arguments):
        for argument in arguments:
            ruin(argument)
        return SOLUTIONS[name](*arguments)

    assert outcome(capsys, name, answers_then_ruins) == "Passed"
    unspoilt = ("overlap_map", "best_probability", "n_updates", "neighbour_exposure")  # iterators, numbers, records
    if name not in unspoilt:
        assert outcome(capsys, name, ruins_then_answers).startswith("Not yet. Case: ")
    assert outcome(capsys, name, SOLUTIONS[name]) == "Passed"


def test_a_wrong_attempt_is_run_no_further_than_its_first_wrong_case(capsys):
    calls = []

    def attempt(mask, affine):
        calls.append(affine)
        return lab.data.lesion_volume_ml(mask, affine) if len(calls) == 1 else -1.0

    assert "voxels of 1 x 1 x 3 mm" in outcome(capsys, "lesion_volume_ml", attempt)
    assert len(calls) == 2


# ----------------------------------------------------------------------------------------------------- show_solution

@pytest.mark.parametrize("name", NAMES)
def test_the_solution_is_the_source_of_the_lab_s_own_function(capsys, name):
    lab.exercises.show_solution(name)
    out = capsys.readouterr().out
    assert out.startswith(f"def {name}(")
    first_line = SOLUTIONS[name].__doc__.strip().splitlines()[0]
    assert out.partition(":\n")[2].strip().startswith(f'"""{first_line}')


def test_every_exercise_has_a_check_and_a_solution():
    checks = {name.removeprefix("check_") for name in lab.exercises.__all__ if name.startswith("check_")}
    assert checks == set(NAMES)


def test_an_unknown_exercise_is_refused_with_the_choices():
    with pytest.raises(KeyError, match=r"no exercise 'dice'.*dice_coefficient"):
        lab.exercises.show_solution("dice")
