"""How an answer is judged: run on cases, compared with the solution, its mistake named.

Running and judging are apart: a grader runs `answer_cases` where the learner's code can do no harm, carries the answers
over as plain values, and judges them where the learner's code can't reach.
"""

import copy
import inspect
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from atlas_lab.course.comparing import difference, plain, same, show
from atlas_lab.course.exercise import Case, Exercise
from atlas_lab.course.limits import OutOfTime, at_most
from atlas_lab.course.result import (
    CHANGED,
    GRADIENT,
    LIBRARY,
    NO_FUNCTION,
    NO_GRADIENT,
    NOT_ATTEMPTED,
    RAISED,
    TIME,
    Result,
)

__all__ = ["Answer", "answer_cases", "judge", "judge_attempt"]


@dataclass(frozen=True)
class Answer:
    """What a function made of one case.

    Attributes
    ----------
    value : object
        A number, a text, an array, or tuples and lists of them; what the function gave, or what is observed of it.
    gradient : array, optional
        Of the value by the argument that the exercise names.
    mistake : str
        A general mistake that running it showed, or "".
    error : str
        As in "KeyError: 'affine'", or "".
    seconds : float
    line : str
        The learner's own line in which the error was raised, or "".
    """

    value: object = None
    gradient: np.ndarray | None = None
    mistake: str = ""
    error: str = ""
    seconds: float = 0.0
    line: str = ""


def judge_attempt(exercise: Exercise, attempt: Callable, key: str = "") -> Result:
    """Run a learner's function on the cases of a key, here, and judge it."""
    if not callable(attempt):
        text = (f"Not yet: hand over the function itself, check_{exercise.name}(my_{exercise.name}), without brackets "
                "behind its name.")
        return Result(exercise.name, False, text, NO_FUNCTION)
    if _is_the_library(exercise, attempt):
        text = f"Not yet: the exercise is to write what `{exercise.name}` does, not to call it."
        return Result(exercise.name, False, text, LIBRARY)
    cases = exercise.cases(key)
    return judge(exercise, cases, answer_cases(exercise, attempt, cases))


def _is_the_library(exercise, attempt):
    """True if an attempt is a function of the lab, or calls the one that it should be."""
    if (getattr(attempt, "__module__", None) or "").startswith("atlas_lab."):
        return True
    code = getattr(attempt, "__code__", None)
    return code is not None and bool(exercise.not_to_be_called & _names_in(code))


def _names_in(code):
    """Names that a function uses, those in its comprehensions and inner functions too."""
    inner = (_names_in(part) for part in code.co_consts if inspect.iscode(part))
    return set(code.co_names).union(*inner)


def answer_cases(exercise: Exercise, attempt: Callable, cases: Sequence[Case]) -> list[Answer]:
    """What a function makes of each case, as long as it raises nothing and the time lasts."""
    answers, left = [], exercise.seconds
    for case in cases:
        answers.append(_answer(exercise, attempt, case, left))
        left -= answers[-1].seconds
        if answers[-1].mistake in (NOT_ATTEMPTED, RAISED, TIME):
            break
    return answers


def _answer(exercise, attempt, case, seconds):
    """The answer to one case; the function gets copies of the arguments."""
    kept = copy.deepcopy(case.arguments)
    given = exercise.give(*kept) if exercise.give else kept
    if exercise.gradient_of is not None:
        given[exercise.gradient_of].requires_grad_()
    started = time.perf_counter()
    try:
        with at_most(seconds):
            value = exercise.ask(attempt, *given) if exercise.ask else attempt(*given)
            value = exercise.observe(value, given) if exercise.observe else value
            gradient, mistake = _gradient(exercise, value, given)
    except OutOfTime:
        return Answer(mistake=TIME, error=f"not done after {seconds:.0f} seconds", seconds=seconds)
    except NotImplementedError as error:
        is_stub = not str(error)  # torch raises one of its own, with a text
        return Answer(mistake=NOT_ATTEMPTED if is_stub else RAISED, error=_told(error), line=_own_line(error, attempt))
    except Exception as error:  # whatever the learner's code raises is told, not passed on
        return Answer(mistake=RAISED, error=_told(error), line=_own_line(error, attempt))
    took = time.perf_counter() - started
    if not exercise.may_change and not mistake and not _untouched(case.arguments, kept):
        mistake = CHANGED
    return Answer(plain(value), gradient, mistake, seconds=took)


def _told(error):
    """An exception in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _own_line(error, attempt):
    """The last line of the learner's own code on the way to an error; "" if the error came after it."""
    own = getattr(getattr(attempt, "__code__", None), "co_filename", None)
    lines = [frame.line for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own]
    return lines[-1] or "" if lines else ""


def _gradient(exercise, value, given):
    """The gradient of a loss by its logits, and the mistake if there is none."""
    if exercise.gradient_of is None or value is None:
        return None, ""
    if not getattr(value, "requires_grad", False) or value.numel() != 1:
        return None, "" if getattr(value, "requires_grad", False) else NO_GRADIENT
    value.backward()
    gradient = given[exercise.gradient_of].grad
    return (None, NO_GRADIENT) if gradient is None else (plain(gradient), "")


def _untouched(before, after):
    """True if no array, tensor or list among the arguments has changed."""
    for one, other in zip(before, after, strict=True):
        if type(one) in (tuple, list):
            if len(one) != len(other) or not _untouched(one, other):
                return False
        elif isinstance(one, np.ndarray | torch.Tensor):
            one, other = plain(one), plain(other)
            if not np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
                return False
    return True


def judge(exercise: Exercise, cases: Sequence[Case], answers: Sequence[Answer]) -> Result:
    """Compare the answers with the solution's, case by case; the first that is wrong decides.

    Its mistake is named if one of the exercise's known mistakes gives the same answer there; of several, the one that
    gives most of the other answers too.
    """
    right = answer_cases(exercise, exercise.solution, cases)
    seconds = sum(answer.seconds for answer in answers)
    for number, (case, expected, answer) in enumerate(zip(cases, right, answers, strict=False)):
        mistake = answer.mistake or _compare(expected, answer)
        if mistake is None:
            continue
        if mistake == NO_GRADIENT:
            mistake = difference(expected.value, answer.value) or mistake  # another shape or type comes first
        is_value_wrong = answer.mistake == RAISED or difference(expected.value, answer.value) is not None
        if answer.mistake in ("", NO_GRADIENT, RAISED) and (is_value_wrong or mistake == GRADIENT):
            mistake = _known(exercise, cases, answers, number, mistake == GRADIENT) or mistake
        message = _message(exercise, case, expected, answer, mistake)
        return Result(exercise.name, False, message, mistake, case.text, number, seconds)
    return Result(exercise.name, True, "Passed", cases=len(answers), seconds=seconds)


def _compare(expected, answer):
    """None if an answer is right; else the name of a general mistake or ""."""
    found = difference(expected.value, answer.value)
    if found is None and expected.gradient is not None and not same(expected.gradient, answer.gradient):
        return NO_GRADIENT if answer.gradient is None else GRADIENT
    return found


def _known(exercise, cases, answers, number, by_gradient):
    """Of the exercise's own mistakes the one that gives the most of these answers, the wrong one among them; or "".

    Where the value is right and its gradient isn't, answers are alike by both, else by the value.
    """
    best, most = "", 0
    for name, wrong in exercise.ways_to_err:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of divisions by 0 that a mistake makes
            theirs = answer_cases(exercise, wrong, cases)
        agree = [_alike(one, other, by_gradient) for one, other in zip(theirs, answers, strict=False)]
        if number < len(agree) and agree[number] and sum(agree) > most:
            best, most = name, sum(agree)
    return best


def _alike(one, other, by_gradient):
    """True if two answers are the same value, with the same gradient if asked, or the same kind of error."""
    if one.error or other.error:
        kinds = {answer.error.partition(":")[0] for answer in (one, other)}
        return len(kinds) == 1 and (kinds != {"TypeError"} or one.error == other.error)
    return same(one.value, other.value) and (not by_gradient or same(one.gradient, other.gradient))


def _message(exercise, case, expected, answer, mistake):
    """What the learner reads."""
    if mistake == NOT_ATTEMPTED:
        return "Not attempted yet"
    lines = [f"Not yet. Case: {case.text}"]
    names = inspect.signature(exercise.solution).parameters
    lines += [f"  {name:10} {show(value)}" for name, value in zip(names, case.arguments, strict=False)]
    lines.append(f"{'expected':12} {show(expected.value)}")
    lines.append(f"{'got':12} {answer.error or show(answer.value)}")
    if answer.line:
        lines.append(f"{'in your line':12} {answer.line}")
    if mistake not in ("", RAISED, TIME):  # of these two the line "got" has said all
        lines.append(f"{'likely':12} {mistake}")
    return "\n".join(lines)
