"""The page's table of benchmarks is that of the recorded results, and the sides' arithmetic is right."""

import json
import sys

import numpy as np
import pytest

from atlas_lab.files import REPOSITORY
from atlas_lab.grid import GRID
from atlas_lab.paper.tables import marked_block

BENCHMARKS = REPOSITORY / "benchmarks"


@pytest.fixture
def modules(monkeypatch):
    """The benchmarks' modules that need no peers."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import run
    import sides

    yield run, sides
    for name in ("run", "sides", "pipeline", "training"):
        sys.modules.pop(name, None)


def test_the_page_s_table_is_that_of_the_results(modules):
    run, _ = modules
    text = (REPOSITORY / "docs" / "speed.md").read_text(encoding="utf-8")
    table = run.page_table(json.loads((BENCHMARKS / "results.json").read_text()))
    assert marked_block("bench", table) in text


def test_the_page_s_table_of_more_people_is_that_of_its_results_and_the_records(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import more_people

    found = json.loads(more_people.OUT.read_text())
    table = more_people.page_table(found)
    assert marked_block("more-people", table) in (REPOSITORY / "docs" / "results.md").read_text(encoding="utf-8")
    mean = np.mean([dice for one in found.values() for dice in one["dice"].values()])
    assert f"| more people | 770 people | {len(found)} |" in table and f"| {mean:.3f} [" in table


def test_the_page_s_table_of_transfer_is_that_of_its_results(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import transfer

    table = transfer.page_tables(json.loads(transfer.OUT.read_text()))
    assert marked_block("transfer", table) in (REPOSITORY / "docs" / "real_data.md").read_text(encoding="utf-8")


def test_the_page_s_table_of_the_gpu_is_that_of_its_results(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu

    table = gpu.page_table(json.loads((BENCHMARKS / "gpu.json").read_text()))
    assert marked_block("gpu", table) in (REPOSITORY / "docs" / "speed.md").read_text(encoding="utf-8")
    assert "| baseline, 4 mm | 4.2 ms | 1.8 ms | 2.4 x |" in table


def test_the_page_s_table_of_moved_heads_is_that_of_its_results_and_each_head_fits_its_new_grid(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import moved_heads

    table = moved_heads.page_table(json.loads((BENCHMARKS / "moved_heads.json").read_text()))
    assert marked_block("moved", table) in (REPOSITORY / "docs" / "real_data.md").read_text(encoding="utf-8")
    head, rng = np.zeros(GRID, np.float32), np.random.default_rng(1)
    head[40:150, 30:200, 20:180] = 1
    for _ in range(5):
        place = moved_heads.random_place(rng)
        image = moved_heads.moved(head, place, "nearest")
        ml = np.count_nonzero(image.get_fdata() > 0.5) * moved_heads.VOXEL**3 / 1000
        assert ml == pytest.approx(head.sum() / 1000 * np.linalg.det(place[:3, :3]), rel=0.02)


def test_numbers_in_the_table_need_no_exponent(modules):
    run, _ = modules
    texts = {1854.17: "1,854", 123.6: "124", 99.4: "99.4", 1.4438: "1.44", 0.4634: "0.463"}
    assert [run.number(value) for value in texts] == list(texts.values())


def test_ratios_say_how_many_times_better_ours_is(modules):
    _, sides = modules
    rates = {"ours": {"median": 30.0}, "other": {"median": 10.0}}
    assert sides.row("rate", "slices/s", rates, higher_is_better=True)["times_better"] == {"other": 3.0}
    assert sides.row("time", "s", rates)["times_better"] == {"other": pytest.approx(1 / 3)}


def test_sides_are_timed_in_turn(modules):
    _, sides = modules
    calls = []
    times = sides.in_turn({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3)
    assert calls == ["a", "b"] * 3
    assert all(side["min"] <= side["median"] <= side["max"] and side["rounds"] == 3 for side in times.values())
