"""Guess first, then look: a question whose answer is locked before the cell that shows it is run."""

import html
from collections.abc import Sequence

from atlas_lab.course.learner import note_guess
from atlas_lab.files import DataError

__all__ = ["Guess", "predict_first"]


class Guess:
    """A question with its choices; shown in a notebook as buttons, of which the first that is pressed counts.

    Attributes
    ----------
    guessed : str or None
        What was chosen; None as long as nobody has.
    """

    def __init__(self, question: str, choices: Sequence[str]):
        self.question, self.choices, self.guessed = question, list(choices), None
        self._buttons = None

    def lock(self, choice: str) -> None:
        """Choose, once; without buttons, as in `guess.lock("twice")`. Raises DataError if it is none of the choices."""
        if choice not in self.choices:
            raise DataError(f"{choice!r} is no choice; choose one of {', '.join(map(repr, self.choices))}")
        if self.guessed is None:
            self.guessed = choice
            note_guess(self.question, guessed=choice)

    def reveal(self, measured: str) -> None:
        """Print the guess beside what was measured, one of the choices, and keep both."""
        if measured not in self.choices:
            raise DataError(f"{measured!r} is no choice; choose one of {', '.join(map(repr, self.choices))}")
        if self.guessed is None:
            print(f"No guess was made. Measured: {measured}")
            return
        note_guess(self.question, guessed=self.guessed, measured=measured)
        right = "as you guessed" if self.guessed == measured else f"your guess was: {self.guessed}"
        print(f"Measured: {measured} ({right})")

    def _repr_mimebundle_(self, include=None, exclude=None):
        """Buttons where there are widgets; the question as text everywhere."""
        choices = "".join(f"<li>{html.escape(choice)}</li>" for choice in self.choices)
        text = f"Predict: {self.question}\n" + "\n".join(f"  - {choice}" for choice in self.choices)
        bundle = {"text/plain": text, "text/html": f"<b>Predict:</b> {html.escape(self.question)}<ul>{choices}</ul>"}
        return bundle | self._widget()._repr_mimebundle_() | bundle

    def _widget(self):
        """The question, a button for each choice, and a line that says what is locked."""
        import ipywidgets

        line = ipywidgets.Label("Not locked yet; the first button that you press counts.")
        self._buttons = [ipywidgets.Button(description=choice, layout={"width": "auto"}) for choice in self.choices]

        def press(button):
            self.lock(button.description)
            for other in self._buttons:
                other.disabled, other.button_style = True, "info" if other.description == self.guessed else ""
            line.value = f"Locked: {self.guessed}. Run the next cell."

        for button in self._buttons:
            button.on_click(press)
        return ipywidgets.VBox([ipywidgets.Label(f"Predict: {self.question}"), *self._buttons, line])


def predict_first(question: str, choices: Sequence[str]) -> Guess:
    """Ask for a guess before the next cell is run; `reveal` there sets it beside what was measured.

    Nobody is waited for: run unattended, it asks nothing. The guess is kept with the learner's progress, on this
    machine alone (`progress`).

    Parameters
    ----------
    question : str
    choices : sequence of str, at least two

    Returns
    -------
    Guess
        Show it as the cell's last line.

    Raises
    ------
    DataError
        If there are fewer than two choices, or two that are equal.
    """
    if len(set(choices)) < max(2, len(choices)):
        raise DataError("a prediction needs two or more choices, all of them different")
    return Guess(question, choices)
