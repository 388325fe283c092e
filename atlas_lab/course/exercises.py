"""The exercises as a learner meets them: `check_NAME(my_function)` for each, and `show_solution("NAME")`.

A check runs the function on hidden cases and prints "Not attempted yet", "Passed", or the first case that went wrong:
its input, what was expected, what came, and the likely mistake. It hands back a Result.
"""

import inspect

from atlas_lab.course.learner import note_result
from atlas_lab.course.registry import EXERCISES, check_attempt

__all__ = sorted(["EXERCISES", "show_solution", *(f"check_{name}" for name in EXERCISES)])


def show_solution(name: str) -> None:
    """Print a short solution of an exercise; `name` is the exercise's, as in "dice_coefficient"."""
    if name not in EXERCISES:
        raise KeyError(f"no exercise {name!r}; choose one of {', '.join(EXERCISES)}")
    print(inspect.getsource(EXERCISES[name].solution).rstrip())


def _check_of(name):
    """The check of one exercise."""
    def check(attempt, key=""):
        result = check_attempt(name, attempt, key)
        note_result(result)
        return result

    exercise = EXERCISES[name]
    check.__name__ = check.__qualname__ = f"check_{name}"
    check.__doc__ = (f"Check an answer to the exercise \"{exercise.title}\" of notebook {exercise.notebook}; "
                     "returns a Result. Another `key` draws other cases.")
    return check


globals().update({f"check_{name}": _check_of(name) for name in EXERCISES})
