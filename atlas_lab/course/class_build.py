"""`class build`: students' notebooks with stubs and a quiz, and the teacher's copies with the solutions and the key.

The cells carry nbgrader's metadata, so its `generate_assignment` and `autograde` take the teacher's copies as they are.
"""

import copy
import json
import re
from pathlib import Path

from atlas_lab.course.class_files import STUDENTS, class_folder, refuse_students_in_repository
from atlas_lab.course.class_key import Key, load_quizzes, new_key, read_key, save_key
from atlas_lab.course.class_quiz import QUIZ
from atlas_lab.course.class_solution import solved_cell, split_cell
from atlas_lab.course.registry import EXERCISES
from atlas_lab.files import DataError, write_text
from atlas_lab.system.disk import expand
from atlas_lab.system.shipped import SHIPPED

__all__ = ["build_class", "build_notebook", "parts_of_the_course"]

SOLUTION = re.compile(r"<details><summary>Solution</summary>.*?</details>\n?", re.DOTALL)
HIDDEN = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")  # nbgrader's marks


def parts_of_the_course(wanted: tuple[str, ...] = ()) -> dict[str, Path]:
    """Part -> its notebook, as in {"01": .../01_explore_the_data.ipynb}: those wanted, by default all, in their order.

    Raises DataError for a part that there is none of.
    """
    found = {path.name[:2]: path for path in sorted((SHIPPED / "notebooks").glob("[0-9][0-9]_*.ipynb"))}
    if unknown := sorted(set(wanted) - found.keys()):
        raise DataError(f"there is no part {', '.join(unknown)}; there are {', '.join(found)}")
    return {part: path for part, path in found.items() if not wanted or part in wanted}


def build_class(out: Path | None = None, parts: tuple[str, ...] = (), key_file: Path | None = None) -> Path:
    """Write student/ and instructor/ notebooks and key.json to a folder, and return it.

    A key that is there already is used again, or else marks given before would be of other cases. It keeps its parts,
    with those built now added.

    Parameters
    ----------
    out : path, optional
        By default course/ of `class_folder()`.
    parts : tuple of str
        Such as ("01", "03"); by default all.
    key_file : path, optional
        A key to use, such as another class's.

    Raises DataError for a part that there is none of, or a folder that git takes up: the key is a secret.
    """
    out = expand(out or class_folder() / "course")
    place = out / "key.json"
    refuse_students_in_repository(place, "a class's key and solutions")
    course = parts_of_the_course(parts)
    parts = tuple(course)
    old = read_key(place) if place.exists() else None
    key = read_key(key_file) if key_file else old or new_key(parts)
    kept = old.parts if old and old.secret == key.secret else ()  # those of another secret can't be marked with this
    key = Key(key.secret, tuple(sorted({*kept, *parts})))
    for part, path in course.items():
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for who, shows in (("student", None), ("instructor", STUDENTS)):
            built = build_notebook(notebook, part, key, for_teacher=shows is not None)
            write_text(out / who / path.name, json.dumps(built, indent=1, ensure_ascii=False) + "\n", shows)
    save_key(place, key)
    return out


def build_notebook(notebook: dict, part: str, key: Key, for_teacher: bool) -> dict:
    """One notebook of the course for a class; the one given isn't changed.

    Students get no outputs, no solutions, and a quiz at the end; teachers the same cells with solutions, with hidden
    tests on the key's cases, and with the quiz's answers.
    """
    built = copy.deepcopy(notebook)
    cells = []
    for cell in built["cells"]:
        cell["source"] = text = "".join(cell["source"])
        names = [name for name in EXERCISES if re.search(rf"^(def|class) my_{name}\b", text, re.MULTILINE)]
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
            cells += _exercise_cells(cell, names[0], key, for_teacher) if names else [cell]
        else:
            cell["source"] = text if for_teacher else SOLUTION.sub("", text)
            cells.append(cell)
    built["cells"] = cells + _quiz_cells(part, key, for_teacher)
    who = "teacher" if for_teacher else "student"
    built["metadata"]["atlas_lab"] = {"part": part, "for": who, "key": key.mark()}
    return built


def _exercise_cells(cell, name, key, for_teacher):
    """The cell to write the answer in, and the locked one that checks it."""
    stub, check = split_cell(cell["source"], f"my_{name}")
    exercise = EXERCISES[name]
    answer = solved_cell(f"my_{name}", exercise.solution) if for_teacher else stub
    if for_teacher:
        secret = [f"from atlas_lab.course.registry import check_attempt as check_{name}",
                  f"assert check_{name}({name!r}, my_{name}, key={key.of(name)!r}).passed"]
        check = "\n".join([check, HIDDEN[0], *secret, HIDDEN[1]])
    return [
        {**cell, "source": answer, "metadata": {**cell["metadata"], "nbgrader": _nbgrader(f"answer_{name}", True)}},
        _code(f"check-{name}", check, _nbgrader(f"check_{name}", False, exercise.importance)),
    ]


def _quiz_cells(part, key, for_teacher):
    """The questions, the table to answer them in, and for teachers what is right and why."""
    questions = load_quizzes().get(part, [])
    if not questions:
        return []
    right = key.quiz(part)
    lines = [f"## Quiz\n\nWrite the letter of one answer to each question into `{QUIZ}` below."]
    for number, question in enumerate(questions, start=1):
        lines.append(f"**{part}.{number}** {question['question']}\n")
        lines += [f"- {letter}. {text}" for letter, text, _ in key.choices(part, number, question)]
        lines += [f"\n*Right: {right[f'{part}.{number}']}. {question['why']}*"] if for_teacher else []
        lines.append("")
    table = "\n".join(f'    "{name}": "{letter if for_teacher else ""}",' for name, letter in right.items())
    cells = [
        {"cell_type": "markdown", "id": f"quiz-{part}", "metadata": {}, "source": "\n".join(lines).rstrip()},
        _code(f"quiz-answers-{part}", f"{QUIZ} = {{\n{table}\n}}", _nbgrader(f"quiz_answers_{part}", True)),
    ]
    if for_teacher:
        cells[1]["source"] = f"{QUIZ} = {{}}\n### BEGIN SOLUTION\n{cells[1]['source']}\n### END SOLUTION"
    for name, letter in right.items():
        test = f'print("answered" if {QUIZ}.get("{name}") else "not answered yet")'
        secret = f'\n{HIDDEN[0]}\nassert {QUIZ}.get("{name}", "").strip().lower() == "{letter}"\n{HIDDEN[1]}'
        cells.append(_code(f"quiz-{name.replace('.', '-')}", test + (secret if for_teacher else ""),
                           _nbgrader(f"quiz_{name.replace('.', '_')}", False, 1)))
    return cells


def _code(name, source, nbgrader):
    """A new code cell."""
    return {"cell_type": "code", "id": name[:64].replace("_", "-"), "metadata": {"nbgrader": nbgrader},
            "source": source, "outputs": [], "execution_count": None}


def _nbgrader(name, is_answer, points=None):
    """What nbgrader keeps of a cell: one that students write in, or a locked one that gives points."""
    about = {"grade": points is not None, "grade_id": name, "locked": not is_answer, "schema_version": 3,
             "solution": is_answer, "task": False}
    return about if points is None else {**about, "points": points}
