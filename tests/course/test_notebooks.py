"""The notebooks as a learner meets them: their skeleton, their size, their words, their minutes, and hidden answers."""

import json
import re

import pytest

from atlas_lab.course.minutes import minutes_of
from atlas_lab.course.registry import EXERCISES
from atlas_lab.files import REPOSITORY

PATHS = sorted((REPOSITORY / "notebooks").glob("[0-9]*.ipynb"))
NOTEBOOKS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in PATHS}
GLOSSARY = (REPOSITORY / "docs" / "glossary.md").read_text(encoding="utf-8")
TERMS = {row[0]: row[2] for row in (
    [part.strip() for part in line.strip("|").split("|")] for line in GLOSSARY.splitlines() if line.startswith("|")
) if row[2].isdigit()}


def text(cell):
    return "".join(cell["source"])


def cells(notebook, kind):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def prose(cell):
    """Markdown without code, pictures and formulas' names."""
    return re.sub(r"```.*?```|<code>.*?</code>|`[^`]*`|!\[[^]]*\]\([^)]*\)", " ", text(cell), flags=re.DOTALL)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_skeleton(name):
    """A question, the paper's place, minutes, what one will be able to do; at the end three lines."""
    notebook = NOTEBOOKS[name]
    first, last = text(notebook["cells"][0]), text(notebook["cells"][-1])
    assert re.match(rf"# {name[:2]} · .+[?]|# {name[:2]} · As written, as run", first)
    assert "*Paper: " in first and "You will be able to\n" in first
    heading, _, lines = last.rpartition("## In three lines\n")
    assert heading is not None and len(re.findall(r"^- ", lines, re.MULTILINE)) == 3


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_size(name):
    assert (REPOSITORY / "notebooks" / f"{name}.ipynb").stat().st_size <= 250_000
    assert [text(cell) for cell in cells(NOTEBOOKS[name], "code") if len(text(cell).splitlines()) > 20] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_picture_has_a_text_in_its_place(name):
    for cell in cells(NOTEBOOKS[name], "markdown"):
        assert all(len(alt) > 20 for alt in re.findall(r"!\[([^]]*)\]\(", text(cell))), text(cell)
    without = []
    for cell in cells(NOTEBOOKS[name], "code"):
        drawn = any("image/png" in output.get("data", {}) for output in cell["outputs"])
        alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
        if drawn and len(alt) < 20:
            without.append(text(cell))
    assert without == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_second_code_cell_draws(name):
    """Something to look at comes before anything to train or to write; a cell that draws has an `alt`."""
    second = cells(NOTEBOOKS[name], "code")[1]
    assert "image" in second["metadata"].get("mystnb", {}) and "run_experiment" not in text(second)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_answer_is_visible_below_a_prediction(name):
    """The next cell that computes something is kept without outputs, and what it shows is folded."""
    waiting = False
    for cell in NOTEBOOKS[name]["cells"]:
        source = text(cell)
        if cell["cell_type"] == "markdown":
            if waiting == "shown":
                assert not source.startswith("**What you saw.**"), source[:80]
            waiting = "asked" if "**Predict" in source else waiting if waiting == "asked" else False
        elif waiting == "asked" and "def my_" not in source and "predict_first" not in source:
            is_panel = "_panel(" in source or "playground(" in source  # it shows nothing before it is moved
            assert is_panel or cell["outputs"] == [], source[:80]
            waiting = "shown"
        if "predict_first(" in source and cell["cell_type"] == "code":
            waiting = "asked"
        if "reveal" in cell["metadata"].get("tags", []):
            assert cell["outputs"] == [], source[:80]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_task_is_folded_away(name):
    """What is to be done stands outside of hints and answers, which need not be opened."""
    for cell in cells(NOTEBOOKS[name], "markdown"):
        for fold in re.findall(r"<details>.*?</details>", text(cell), re.DOTALL):
            assert "**Predict" not in fold and not re.search("^#", fold, re.MULTILINE), fold[:80]


def test_no_word_is_used_before_it_is_explained():
    """The first cell of a notebook, which says what it is about, is left out."""
    pages = [(name, prose(cell)) for name, notebook in NOTEBOOKS.items() for cell in cells(notebook, "markdown")[1:]]
    raw = [text(cell) for notebook in NOTEBOOKS.values() for cell in cells(notebook, "markdown")[1:]]
    for term, number in TERMS.items():
        used = [i for i, (_, words) in enumerate(pages) if re.search(rf"\b{re.escape(term)}\b", words)]
        explained = [i for i, words in enumerate(raw) if re.search(rf"\*\*`?{re.escape(term)}`?\*\*", words)]
        assert explained, f"{term} is explained nowhere"
        assert not used or used[0] >= explained[0], f"{term}: {pages[used[0]][1][:200]}"
        assert pages[explained[0]][0].startswith(number), f"{term} is explained in {pages[explained[0]][0]}"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_minutes_are_as_computed(name):
    reading, doing = minutes = minutes_of(NOTEBOOKS[name])
    found = re.search(r"About (\d+) minutes, (\d+) of them doing \(estimates\)", text(NOTEBOOKS[name]["cells"][0]))
    assert found and (int(found[1]), int(found[2])) == (minutes.total, doing), (reading, doing, minutes.total)


def test_the_readme_has_the_same_minutes():
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"\(notebooks/(\w+)\.ipynb\).*\| (\d+) \|$", readme, re.MULTILINE)
    told = {name: int(minutes) for name, minutes in rows}
    assert told == {name: minutes_of(notebook).total for name, notebook in NOTEBOOKS.items()}


def test_half_of_the_minutes_are_doing():
    minutes = [minutes_of(notebook) for notebook in NOTEBOOKS.values()]
    assert sum(doing for _, doing in minutes) >= sum(reading for reading, _ in minutes)


def test_each_exercise_stands_in_its_notebook_once_with_its_numbers_and_a_hint():
    for name, exercise in EXERCISES.items():
        where = [stem for stem, notebook in NOTEBOOKS.items() for cell in cells(notebook, "code")
                 if f"lab.exercises.check_{name}(my_{name})" in text(cell)]
        assert [stem[:2] for stem in where] == [exercise.notebook], name
        written = "\n".join(text(cell) for cell in cells(NOTEBOOKS[where[0]], "markdown"))
        size = f"(difficulty {exercise.difficulty} of 5, importance {exercise.importance} of 5, {exercise.minutes} m"
        assert size in written and f'show_solution("{name}")' in written
        hints = [part for part in written.split("### Exercise") if f'show_solution("{name}")' in part]
        assert "<summary>Hint</summary>" in hints[0].split(f'show_solution("{name}")')[0]


def test_three_to_nine_and_eleven_have_a_run_of_the_learner_s_own():
    for name, notebook in NOTEBOOKS.items():
        written = "\n".join(text(cell) for cell in notebook["cells"])
        assert ("Your own run" in written and "EPOCHS = " in written) == (name[:2] in "03 04 05 06 07 08 09 11"), name
        assert "predict_first(" in written or "**Predict" in written
