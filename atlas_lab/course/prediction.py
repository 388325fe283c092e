"""Guess first, then look: a question whose answer is locked before the cell that shows it is run."""

import html
from collections.abc import Sequence

from atlas_lab.course.learner import kept_guess, note_guess
from atlas_lab.files import DataError

__all__ = ["Guess", "predict_first"]


class Guess:
    """A question with its choices; shown in a notebook as buttons, of which the first that is pressed counts.

    Attributes
    ----------
    guessed : str or None
        What was chosen; None as long as nobody has.
    """

    def __init__(self, question: str, choices: Sequence[str], own_run: bool = False):
        self.question, self.choices, self.guessed = question, list(choices), None
        self._buttons, self._is_answered, self._own_run = None, False, own_run

    def lock(self, choice: str) -> None:
        """Choose, once; without buttons, as in `guess.lock("twice")`. Raises DataError if it is none of the choices.

        Of a question whose answer was shown before, the guess of then stands: it is no guess any more.
        """
        first = self.guessed is None
        self._choose(choice)
        if first and self._is_answered:
            print(self._state())

    def _choose(self, choice):
        """Lock a choice, or the guess that was made before the answer was seen."""
        if choice not in self.choices:
            raise DataError(f"{choice!r} is no choice; choose one of {', '.join(map(repr, self.choices))}")
        if self.guessed is None:
            kept = self._kept()
            self._is_answered = "measured" in kept
            self.guessed = kept["guessed"] if self._is_answered else choice
            if not self._is_answered:
                note_guess(self.question, guessed=choice)

    def _kept(self):
        """What progress holds of this question, if that guess is still one of its choices; else {}.

        Nor does a guess about one design hold for the next.
        """
        kept = {} if self._own_run else kept_guess(self.question)
        return kept if kept.get("guessed") in self.choices else {}

    def _state(self):
        """What is locked, in words."""
        if self._is_answered:
            return f"Answered before: your guess was {self.guessed}."
        return f"Locked: {self.guessed}. Run the next cell."

    def reveal(self, measured: str, enough: bool = True) -> None:
        """Print the guess beside what was measured, one of the choices, and keep both.

        Without a guess on this object the one that was kept counts, as after a restart of the kernel. Of a run that was
        not `enough` to judge a guess by, it says so, and keeps nothing.
        """
        if measured not in self.choices:
            raise DataError(f"{measured!r} is no choice; choose one of {', '.join(map(repr, self.choices))}")
        if not enough:
            print("Too short a run to judge your guess by: set EPOCHS as the text says, and run this cell again.")
            return
        self.guessed = self.guessed or self._kept().get("guessed")
        if self.guessed is None:
            print(f"No guess was made. Measured: {measured}")
            return
        self._is_answered = True
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
            self._choose(button.description)
            for other in self._buttons:
                other.disabled, other.button_style = True, "info" if other.description == self.guessed else ""
            line.value = self._state()

        for button in self._buttons:
            button.on_click(press)
        return ipywidgets.VBox([ipywidgets.Label(f"Predict: {self.question}"), *self._buttons, line])


def predict_first(question: str, choices: Sequence[str], own_run: bool = False) -> Guess:
    """Ask for a guess before the next cell is run; `reveal` there sets it beside what was measured.

    Nobody is waited for: run unattended, it asks nothing. The guess is kept with the learner's progress, on this
    machine alone (`progress`).

    Parameters
    ----------
    question : str
    choices : sequence of str, at least two
    own_run : bool
        The question is about a run that the learner designs: about another design one may guess anew.

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
    return Guess(question, choices, own_run)
