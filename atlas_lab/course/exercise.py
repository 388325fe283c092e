"""What an exercise is: its place and size, its solution, its cases drawn from a key, its mistakes by name."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = ["MINUTES", "Case", "Exercise"]

# Minutes that an exercise of each difficulty is planned with: 1 is a line or two, 5 is a small program.
MINUTES = {1: 4, 2: 7, 3: 10, 4: 14, 5: 20}


@dataclass(frozen=True)
class Case:
    """One call of the learner's function: what it shows, in words, and the arguments."""

    text: str
    arguments: tuple


@dataclass(frozen=True)
class Exercise:
    """An exercise as data.

    Attributes
    ----------
    name : str
        As in "dice_coefficient"; the learner writes `my_dice_coefficient`.
    notebook : str
        Two digits, as in "03".
    title : str
    difficulty, importance : int
        In five steps; the difficulty gives the minutes.
    solution : callable
        A short, readable function that is right.
    draw_cases : callable
        From a numpy Generator to a list of Case; hidden, and different for another key.
    mistakes : mapping of str to callable, or to a tuple of them
        Name of a mistake -> a function that makes it, or several that make it in ways of their own. An answer that is
        wrong in the same way is told that name.
    library : callable, optional
        The lab's own function that does the same, if there is one other than the solution; an answer that only
        calls it is refused.
    also_refused : tuple of str
        Names of other functions of the lab that would do the work.
    gradient_of : int, optional
        Position of the argument, a tensor, that the result must have a gradient by, which is checked too.
    give : callable, optional
        From copies of a case's arguments to what the function is called with; by default the same.
    ask : callable, optional
        From the function and what it is called with to its result, for one that must be called more than once; by
        default it is called once.
    observe : callable, optional
        From the result and what the function was called with to what is compared; by default the result.
    may_change : bool
        Whether the function may change its arguments.
    seconds : float
        Time limit for all cases together.
    """

    name: str
    notebook: str
    title: str
    difficulty: int
    importance: int
    solution: Callable
    draw_cases: Callable
    mistakes: Mapping[str, Callable | tuple[Callable, ...]] = field(repr=False)
    library: Callable | None = None
    also_refused: tuple[str, ...] = ()
    gradient_of: int | None = None
    give: Callable | None = None
    ask: Callable | None = None
    observe: Callable | None = None
    may_change: bool = False
    seconds: float = 10.0

    @property
    def minutes(self) -> int:
        """Planned minutes, by difficulty."""
        return MINUTES[self.difficulty]

    @property
    def not_to_be_called(self) -> set[str]:
        """Names of the functions that an answer may not hand the work to."""
        return {f.__name__ for f in (self.library, self.solution) if f is not None} | set(self.also_refused)

    @property
    def ways_to_err(self) -> list[tuple[str, Callable]]:
        """The known mistakes, name and function; a name comes once for each way to make it."""
        return [(name, way) for name, ways in self.mistakes.items()
                for way in (ways if isinstance(ways, tuple) else (ways,))]

    def cases(self, key: str = "") -> list[Case]:
        """The cases that a key draws; "" is the notebook's own, a teacher takes another."""
        seed = hashlib.sha256(f"{key}\n{self.name}".encode()).digest()[:8]
        return self.draw_cases(np.random.default_rng(int.from_bytes(seed, "big")))
