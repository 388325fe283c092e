"""A second set of answers, which the checks were not built against: wrong ones are refused, right ones pass."""

from collections import Counter

import answers_of_notebook_11 as last
import pytest
import second_answers
import second_answers_later

from atlas_lab.course.judging import judge_attempt
from atlas_lab.course.registry import EXERCISES

RIGHT = second_answers.RIGHT + second_answers_later.RIGHT + last.SECOND_RIGHT
WRONG = second_answers.WRONG + second_answers_later.WRONG + last.SECOND_WRONG
KEYS = ("", "a teacher's")
pytestmark = pytest.mark.usefixtures("one_thread")


def named(answers):
    return [pytest.param(name, attempt, id=f"{name}: {what}") for name, what, attempt in answers]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name, attempt", named(RIGHT))
def test_a_right_answer_in_another_style_passes(name, attempt, key):
    assert judge_attempt(EXERCISES[name], attempt, key).message == "Passed"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name, attempt", named(WRONG))
def test_a_wrong_answer_is_refused(name, attempt, key):
    """And not for a reason that has nothing to do with it: none of these raises."""
    result = judge_attempt(EXERCISES[name], attempt, key)
    assert not result.passed and result.mistake != "raises an error", result.message


def test_every_exercise_has_answers_here():
    right, wrong = Counter(name for name, *_ in RIGHT), Counter(name for name, *_ in WRONG)
    assert {name: (right[name] >= 1, wrong[name] >= 2) for name in EXERCISES} == dict.fromkeys(EXERCISES, (True, True))
