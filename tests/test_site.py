"""The web edition's own parts: folded answers, dead links found, every page of the course in the list of pages."""

import json
import re

import pytest

from atlas_lab.files import REPOSITORY

DOCS = REPOSITORY / "docs"


@pytest.fixture
def build(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    import build_site

    return build_site


@pytest.fixture
def links(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    import site_links

    return site_links


def test_what_a_reader_is_to_predict_is_folded_and_known_without_a_run(build):
    known = {"output_type": "stream", "name": "stdout", "text": "Dice 0.4\n"}
    cell = {"metadata": {"tags": ["reveal"], "reveal": {"outputs": [known]}}, "outputs": []}
    build.fold_answer(cell)
    assert cell["metadata"]["tags"] == ["reveal", "hide-output"] and cell["outputs"] == [known]
    ran = {"metadata": {"tags": ["reveal"], "reveal": {"outputs": [known]}}, "outputs": ["from a run"]}
    build.fold_answer(ran)
    assert ran["outputs"] == ["from a run"]
    other = {"metadata": {}, "outputs": []}
    build.fold_answer(other)
    assert other == {"metadata": {}, "outputs": []}


def test_dead_links_are_those_that_lead_nowhere(links, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "other.html").write_text('<h2 id="here">a</h2><a href="../page.html">back</a>')
    (tmp_path / "a file.txt").write_text("text")
    (tmp_path / "page.html").write_text(
        '<a href="deep/other.html#here">1</a><a href="deep/other.html#gone">2</a><a href="missing.html">3</a>'
        '<img src="a%20file.txt"><a href="https://example.org/none">4</a><a href="#top">5</a><a href="#nowhere">6</a>')
    assert links.dead_links(tmp_path) == [
        "page.html: deep/other.html#gone", "page.html: missing.html", "page.html: #nowhere"]


def test_every_page_is_in_the_list_of_pages():
    listed = set(re.findall(r"^([\w./*-]+)$", (DOCS / "index.md").read_text(encoding="utf-8"), re.MULTILINE))
    for page in DOCS.glob("*.md"):
        assert page.stem == "index" or page.stem in listed or f"{page.stem}*" in listed, page.name
    assert {"viewers", "names", "../notebooks/*", "../teaching/*"} <= listed
    for page in (REPOSITORY / "figures").glob("*.md"):
        assert f"../figures/{page.stem}" in listed


def test_what_scale_costs_follows_from_its_inputs(monkeypatch):
    """The page is what the script writes, and a run's cost what its steps, scorings and comparisons come to by hand."""
    monkeypatch.syspath_prepend(str(DOCS))
    import scaling

    inputs = json.loads((DOCS / "scaling.json").read_text(encoding="utf-8"))
    assert scaling.page(inputs) == (DOCS / "scaling.md").read_text(encoding="utf-8")
    pace, measured = scaling.pace_of(inputs, "paper", "R1.1"), inputs["measured"]
    assert (pace.n_train, pace.n_dev) == (30_297, 12_984) and pace.steps == pytest.approx(302.967)
    pairs = 30_296.7 * 12_984.3
    by_hand = measured["paper"]["copying"] / 665 * 43_281 + 2 * pairs * 58 * 49 / measured["product_flops"]
    assert pace.copying == pytest.approx(by_hand)
    assert scaling.exchange(inputs, 2, "network_bytes_per_s") == pytest.approx(4 * 93_705_297 / 1.25e9)
