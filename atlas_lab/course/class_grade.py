"""`class grade`: what each student's notebooks are worth, on cases that only the teacher's key draws.

A student's code runs in a sandbox and hands back values. Whether they are right is judged here, by the solutions, in a
process that the code never enters: what it prints, replaces or writes there changes nothing.
"""

import csv
import io
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from atlas_lab.course.class_files import STUDENTS, class_folder, refuse_students_in_repository
from atlas_lab.course.class_inbox import read_inbox
from atlas_lab.course.class_key import Key
from atlas_lab.course.class_quiz import QUIZ
from atlas_lab.course.class_source import Source, read_source
from atlas_lab.course.exercise import Exercise
from atlas_lab.course.judging import Answer, judge
from atlas_lab.course.registry import EXERCISES
from atlas_lab.course.result import LIBRARY, NOT_ATTEMPTED, RAISED, TIME, Result
from atlas_lab.course.sandbox import MEMORY, require_sandbox, run_tasks
from atlas_lab.course.wire import WireError, pack, unpack
from atlas_lab.files import DataError, check_target, write_text

__all__ = ["COLUMNS", "Mark", "grade_class", "grade_student", "write_marks"]

COLUMNS = ("student", "part", "item", "points", "of", "mistake", "detail")
KNOWN_TO_A_RUN = ("", NOT_ATTEMPTED, RAISED, TIME)  # mistakes that are told by the run itself, whatever comes back
OTHER_KEY = "this notebook was built with another key"


@dataclass(frozen=True)
class Mark:
    """One line of the CSV: points (of so many) for an exercise or a question of a quiz, and what went wrong."""

    student: str
    part: str
    item: str
    points: int
    of: int
    mistake: str = ""
    detail: str = ""


def grade_class(folder: Path, key: Key, out: Path | None = None, unsafe: bool = False, seconds: int = 60) -> Path:
    """Grade all students of a folder, write the CSV, and return its path.

    Parameters
    ----------
    folder : path
        One folder for each student, with the notebooks handed in under the names they were built with; see
        `read_inbox` for what else is found.
    key : Key
        Draws the cases and the order of the quizzes' choices.
    out : path, optional
        By default grades.csv in class/ of `lab_home()`.
    unsafe : bool
        See `run_tasks`.
    seconds : int
        Most CPU seconds for all cases of an exercise together, where its own limit isn't lower.

    Raises DataError if there is nobody to grade, no sandbox, no time, or if the CSV can't be written.
    """
    if seconds < 1:
        raise DataError(f"seconds is {seconds}; expected 1 or more")
    out = check_target(refuse_students_in_repository(out or class_folder() / "grades.csv"))
    inbox = read_inbox(folder)
    require_sandbox(unsafe)
    left_out, marks = _left_out(inbox, key), []
    for number, (student, notebooks) in enumerate(inbox.students.items(), start=1):
        found = grade_student(student, notebooks, key, unsafe, seconds)
        for mark in found:
            if mark.mistake == OTHER_KEY:
                print(_printable(f"atlas-lab: {student}, part {mark.part}: {OTHER_KEY}"), file=sys.stderr)
        found += [mark for mark in left_out if mark.student == student]
        print(f"{number} of {len(inbox.students)}: {student}, {sum(mark.points for mark in found)} of "
              f"{sum(mark.of for mark in found)} points", flush=True)
        marks += found
    write_marks(out, marks)
    return out


def _left_out(inbox, key):
    """Tell of each notebook that isn't graded, and of each part that isn't in the key; the marks for the former."""
    lines = [f"{left.path}: left out: {left.why}" for left in inbox.left_out]
    parts = sorted(part for notebooks in inbox.students.values() for part in notebooks if part not in key.parts)
    lines += [f"part {part}: handed in by {parts.count(part)} and not in the key, so it isn't marked; build it into "
              "the class's folder, and grade again" for part in dict.fromkeys(parts)]
    for line in lines:
        print(f"atlas-lab: {_printable(line)}", file=sys.stderr)
    return [Mark(left.student, left.part, "notebook", 0, 0, "left out", f"{left.path}: {left.why}")
            for left in inbox.left_out if left.student]


def grade_student(student: str, notebooks: dict[str, Path], key: Key, unsafe: bool, seconds: int) -> list[Mark]:
    """All marks of a student: of each exercise and each question of the parts that the key was made for."""
    sources = {part: read_source(path) for part, path in notebooks.items()}
    wanted = [exercise for exercise in EXERCISES.values() if exercise.notebook in key.parts]
    tasks, results = {}, {}
    for exercise in wanted:
        source = sources.get(exercise.notebook) or Source()
        at_once = _known_without_running(exercise, source)
        if at_once:
            results[exercise.name] = at_once
        else:
            tasks[exercise.name] = _task(exercise, source, key, seconds)
    for name, outcome in zip(tasks, run_tasks(list(tasks.values()), unsafe), strict=True):
        results[name] = _judged(EXERCISES[name], key, outcome)
    marks = [_mark(student, exercise, results[exercise.name]) for exercise in wanted]
    for part in key.parts:
        source = sources.get(part) or Source()
        for question, right in key.quiz(part).items():
            given = source.answers.get(question, "")
            mistake = "" if given == right else "another choice" if given else NOT_ATTEMPTED
            marks.append(Mark(student, part, f"quiz {question}", int(given == right), 1, mistake))
        if source.unread:
            marks.append(Mark(student, part, "quiz", 0, 0, f"{QUIZ} can't be read", source.unread))
        if source.key not in ("", key.mark()):
            why = "its quiz's choices stand in another order; grade it with the key.json of its own class"
            marks.append(Mark(student, part, "notebook", 0, 0, OTHER_KEY, why))
        if source.problem:
            marks.append(Mark(student, part, "notebook", 0, 0, source.problem))
    return sorted(marks, key=lambda mark: mark.part)


def _known_without_running(exercise, source):
    """The Result of an answer that isn't there, can't be read, or calls what it should be; else None."""
    name = f"my_{exercise.name}"
    if name in source.broken:
        return Result(exercise.name, False, source.broken[name], RAISED, case=source.broken[name])
    if name not in source.bound:
        return Result(exercise.name, False, NOT_ATTEMPTED, NOT_ATTEMPTED)
    if exercise.not_to_be_called & source.mentioned_by(name):
        return Result(exercise.name, False, LIBRARY, LIBRARY)
    return None


def _task(exercise, source, key, seconds):
    """What the sandbox is asked to do."""
    try:
        given = {"cases": pack([case.arguments for case in exercise.cases(key.of(exercise.name))])}
    except WireError:  # a network, say: drawn there, from the key of this exercise alone
        given = {"key": key.of(exercise.name)}
    return {"exercise": exercise.name, "function": f"my_{exercise.name}", "statements": source.statements,
            "seconds": min(seconds, int(exercise.seconds)), "memory": MEMORY, **given}


def _judged(exercise: Exercise, key: Key, outcome: dict) -> Result:
    """Compare what came back with what the solution gives here. What is no answer is a wrong one."""
    cases = exercise.cases(key.of(exercise.name))
    answers = _answers(outcome)
    if len(answers) < len(cases) and not (answers and answers[-1].mistake):
        answers.append(Answer(mistake=outcome.get("ended") if outcome.get("ended") in KNOWN_TO_A_RUN[1:] else RAISED,
                              error="its process ended before it gave an answer"))
    result = judge(exercise, cases, answers[:len(cases)])
    error = "" if result.passed else answers[result.cases].error
    return replace(result, case=f"{error} ({result.case})") if error else result


def _answers(outcome):
    """The Answers in a line from the sandbox, as far as they are some."""
    found = []
    try:
        for packed in outcome.get("answers", []):
            found.append(Answer(unpack(packed["value"]), unpack(packed["gradient"]), str(packed["mistake"])[:100],
                                str(packed["error"])[:300]))
    except (WireError, TypeError, KeyError, AttributeError) as error:
        found.append(Answer(mistake=RAISED, error=f"no value came back: {error}"[:300]))
    return found


def _mark(student, exercise, result):
    """The line of an exercise: its importance in points, or none."""
    points = exercise.importance if result.passed else 0
    return Mark(student, exercise.notebook, exercise.name, points, exercise.importance, result.mistake,
                "" if result.passed or result.mistake == NOT_ATTEMPTED else result.case)


def write_marks(out: Path, marks: list[Mark]) -> None:
    """Write the CSV, readable to its owner alone. A text that a spreadsheet would run as a formula gets a quote."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for mark in marks:
        writer.writerow([_safe(getattr(mark, name)) for name in COLUMNS])
    write_text(out, text.getvalue(), STUDENTS)


def _safe(value):
    """A cell of a table: one line, and no formula."""
    if not isinstance(value, str):
        return value
    line = _printable(value)[:200]
    return f"'{line}" if line.lstrip().startswith(("=", "+", "-", "@")) else line


def _printable(text):
    """A text in one line."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
