"""The README: short, its first numbers those of the records, its links and buttons right."""

import json
import re

import pytest

from atlas_lab.files import REPOSITORY
from atlas_lab.paper.evidence import NotRecorded, Records
from atlas_lab.paper.hook import COPYING, find_hook, hook_text, write_hook
from atlas_lab.paper.study_page import shipped_study
from atlas_lab.paper.tables import marked_block

README = REPOSITORY / "README.md"
PAGES = [README, *sorted((REPOSITORY / "docs").glob("*.md"))]


@pytest.fixture
def buttons(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "docs"))
    import buttons

    return buttons


def test_the_readme_is_short():
    text = re.sub("<!--.*?-->|<[^>]*>", "", README.read_text(encoding="utf-8"))
    assert len(text.split()) <= 1200


def test_its_first_table_is_that_of_the_records_and_its_sentences_are_true():
    """After new records: `make figures`."""
    hook = find_hook(shipped_study())
    text = README.read_text(encoding="utf-8")
    assert marked_block("hook", hook_text(hook)) in text
    assert "copies the mask of the most similar slice beats every network" in text
    assert hook.copied[COPYING]["slice"].low > hook.dice["slice"].high
    for by_split in (hook.dice, *hook.copied.values()):
        assert by_split["subject"].high < by_split["slice"].low / 2
    assert "over five seeds" in text and {len(runs) for runs in hook.runs.values()} == {5}
    drawn = json.loads((REPOSITORY / "figures" / "hook.json").read_text())["runs"]
    assert drawn == [run.name for runs in hook.runs.values() for run in runs]


def test_without_records_the_table_stays(tmp_path):
    page, lines = tmp_path / "README.md", []
    page.write_text(marked_block("hook", "as it was\n"))
    write_hook(Records([]), page, lines.append)
    assert page.read_text() == marked_block("hook", "as it was\n") and "is not written" in lines[0]
    with pytest.raises(NotRecorded):
        find_hook(Records([]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text) + re.findall(r'src="(.*?)"', text)
    files = [link for link in links if not link.startswith("http")]
    assert [link for link in files if not (page.parent / link).exists()] == []
    assert files or page.name not in ("README.md", "results.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_picture_says_what_it_shows(page):
    text = page.read_text(encoding="utf-8")
    assert "![](" not in text
    assert all('alt="' in tag for tag in re.findall("<img .*?>", text, re.DOTALL))


def test_every_command_in_the_pages_is_one():
    from atlas_lab.cli import parser

    commands = next(action.choices for action in parser()._actions if action.dest == "command" or action.choices)
    named = [name for page in PAGES for name in re.findall(
        r"(?:^|`|\$\()(?:atlas-lab|\S*python -m atlas_lab)(?: -q)? ([a-z]\w+)", page.read_text(encoding="utf-8"), re.M)]
    assert set(named) >= {"train", "sweep", "runs", "view", "notebooks"} and set(named) <= set(commands)


def test_no_button_shows_before_there_is_an_address(buttons):
    found = buttons.buttons(**buttons.addresses())
    assert marked_block("buttons", found) in README.read_text(encoding="utf-8")
    assert buttons.buttons("", "") == ""


def test_the_buttons_of_an_address(buttons):
    text = buttons.buttons("https://github.com/some-one/atlas-lab.git", "https://some-one.github.io/atlas-lab/")
    notebook = "notebooks/01_explore_the_data.ipynb"
    assert (REPOSITORY / notebook).exists()
    assert f"(https://colab.research.google.com/github/some-one/atlas-lab/blob/main/{notebook})" in text
    assert "(https://mybinder.org/v2/gh/some-one/atlas-lab/HEAD?urlpath=lab/tree/notebooks)" in text
    assert text.splitlines()[0].endswith("[**Read as a site**](https://some-one.github.io/atlas-lab/)")
    assert "%pip install git+https://github.com/some-one/atlas-lab.git" in text and text.endswith("\n")
    assert buttons.buttons("", "https://x.y/") == "[**Read as a site**](https://x.y/)\n"
