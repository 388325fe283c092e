"""All exercises by name, and the check that a learner calls."""

from collections.abc import Callable

from atlas_lab.course.exercise import Exercise
from atlas_lab.course.judging import judge_attempt
from atlas_lab.course.result import Result
from atlas_lab.course.topics import (
    audit,
    baseline,
    depth,
    leaks,
    ledger,
    maps,
    optimisation,
    people,
    pooling,
    scans,
    weights,
)

__all__ = ["EXERCISES", "check_attempt"]

TOPICS = (scans, maps, baseline, weights, optimisation, pooling, depth, leaks, audit, ledger, people)
EXERCISES: dict[str, Exercise] = {exercise.name: exercise for topic in TOPICS for exercise in topic.EXERCISES}


def check_attempt(name: str, attempt: Callable, key: str = "") -> Result:
    """Judge a learner's function, print what there is to say, and hand the Result back."""
    result = judge_attempt(EXERCISES[name], attempt, key)
    print(result.message)
    return result
