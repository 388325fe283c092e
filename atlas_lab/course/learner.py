"""What a learner has done so far, in a file of the learner's own that git doesn't take up."""

import json
import sys
from pathlib import Path

from atlas_lab.course.class_files import refuse_students_in_repository
from atlas_lab.course.registry import EXERCISES
from atlas_lab.course.result import NOT_ATTEMPTED, Result
from atlas_lab.files import DataError, lab_home, working_on, write_json
from atlas_lab.system.disk import read_plain

__all__ = ["kept_guess", "note_guess", "note_result", "progress", "progress_file", "read_progress"]


def progress_file() -> Path:
    """Where progress is kept: progress.json below `ATLAS_LAB_HOME`, or below data/ here, which git ignores."""
    return lab_home() / "progress.json"


def read_progress() -> dict:
    """What is kept: {"exercises": {name: {"passed", "tries", "mistakes"}}, "guesses": {question: {...}}}.

    Raises DataError if the file can't be read as that.
    """
    path = progress_file()
    if not path.exists():
        return {"exercises": {}, "guesses": {}}
    try:
        kept = json.loads(read_plain(path))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: can't be read as progress ({error}); remove it to begin anew") from error
    if not isinstance(kept, dict) or not {"exercises", "guesses"} <= kept.keys():
        raise DataError(f"{path}: holds no progress of this course; remove it to begin anew")
    return kept


def note_result(result: Result) -> None:
    """Keep how an answer did; an empty stub is not kept, nor is anything outside of a notebook."""
    if result.mistake != NOT_ATTEMPTED and _in_a_notebook():
        _change(lambda kept: _add_result(kept["exercises"], result))


def _add_result(exercises, result):
    entry = exercises.setdefault(result.exercise, {"passed": False, "tries": 0, "mistakes": []})
    entry["tries"] += 1
    entry["passed"] |= result.passed
    if result.mistake and result.mistake not in entry["mistakes"]:
        entry["mistakes"].append(result.mistake)


def note_guess(question: str, **values: object) -> None:
    """Keep a guess, or one and how it came out, in place of an earlier one; outside of a notebook nothing is kept."""
    if _in_a_notebook():
        _change(lambda kept: kept["guesses"].update({question: values}))


def kept_guess(question: str) -> dict:
    """What `note_guess` kept last, {"guessed", "measured"} or less; {} without any, and outside of a notebook."""
    return read_progress()["guesses"].get(question, {}) if _in_a_notebook() else {}


def _in_a_notebook():
    """True in an IPython kernel."""
    shell = sys.modules.get("IPython")
    return shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None


def _change(change):
    """Read, change and write progress, alone."""
    path = refuse_students_in_repository(progress_file(), "a learner's progress, kept below ATLAS_LAB_HOME,")
    path.parent.mkdir(parents=True, exist_ok=True)
    with working_on(path, "noting progress"):
        kept = read_progress()
        change(kept)
        write_json(path, kept)


def progress(notebook: str | None = None):
    """How far you are: one row for each notebook, or with its number, as in "03", for each of its exercises.

    Returns
    -------
    pandas.DataFrame
    """
    import pandas

    kept = read_progress()["exercises"]
    rows = [_row(exercise, kept.get(name, {})) for name, exercise in EXERCISES.items()
            if notebook in (None, exercise.notebook)]
    if not rows:
        raise DataError(f"notebook {notebook!r} has no exercises; give two digits, as in \"03\"")
    table = pandas.DataFrame(rows)
    if notebook is not None:
        return table.drop(columns=["notebook", "done"]).set_index("exercise")
    of_each = table.groupby("notebook")
    return pandas.DataFrame({"exercises": of_each.size(), "passed": of_each["done"].sum(),
                             "tries": of_each["tries"].sum(), "minutes planned": of_each["minutes"].sum()})


def _row(exercise, entry):
    done = bool(entry.get("passed"))
    return {"notebook": exercise.notebook, "exercise": exercise.name, "done": done, "passed": "yes" if done else "",
            "tries": entry.get("tries", 0), "difficulty": "●" * exercise.difficulty + "○" * (5 - exercise.difficulty),
            "importance": "●" * exercise.importance + "○" * (5 - exercise.importance), "minutes": exercise.minutes}
