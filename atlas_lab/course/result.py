"""What a check hands back: whether an answer passed, and if not, by which mistake."""

from dataclasses import dataclass

__all__ = [
    "CHANGED", "GRADIENT", "LIBRARY", "NOT_ATTEMPTED", "NO_FUNCTION", "NO_GRADIENT", "NO_RETURN", "RAISED", "SHAPE",
    "TIME", "TYPE", "Result",
]

# Mistakes that any answer can make; each exercise has its own beside them.
NOT_ATTEMPTED = "not attempted"
NO_FUNCTION = "what is handed over is no function"
NO_RETURN = "returns None: is there a `return`?"
RAISED = "raises an error"
SHAPE = "the shape is another"
TYPE = "the type is another"
CHANGED = "changes its input"
NO_GRADIENT = "can't train: the result has lost its gradient"
GRADIENT = "trains otherwise: the value is right, its gradient is another"
TIME = "takes too long"
LIBRARY = "hands the work to the lab's own function"


@dataclass(frozen=True)
class Result:
    """How an answer to an exercise did.

    Attributes
    ----------
    exercise : str
        Its name, as in "dice_coefficient".
    passed : bool
    message : str
        What the learner reads: the input, what was expected, what came, and the likely mistake.
    mistake : str
        Name of the mistake, one of those above or of the exercise's own; "" if passed, or if it is none that is known.
    case : str
        The first case that went wrong, in words; "" if passed.
    cases : int
        How many cases went right before it.
    seconds : float
        What the answer took, over all cases that were run.
    """

    exercise: str
    passed: bool
    message: str
    mistake: str = ""
    case: str = ""
    cases: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        return self.message

    def _ipython_display_(self) -> None:
        """Nothing: in a notebook the check has printed the message already."""
