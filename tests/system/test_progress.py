"""Bars, lines of progress and results: which stream each goes to, and what quiet takes away."""

import pytest

from atlas_lab.system.progress import QUIET, bar, note, result, time_left


def test_progress_is_on_stderr_and_results_are_on_stdout(capsys):
    note("epoch 1")
    result("Dice 0.5")
    assert list(bar(range(3), "counting", 3)) == [0, 1, 2]
    out, err = capsys.readouterr()
    assert out == "Dice 0.5\n" and err.startswith("epoch 1\n") and "counting: 100%" in err


def test_quiet_takes_progress_away_and_leaves_results(capsys, monkeypatch):
    monkeypatch.setenv(QUIET, "1")
    note("epoch 1")
    result("Dice 0.5")
    assert list(bar(range(3), "counting", 3)) == [0, 1, 2]
    assert capsys.readouterr() == ("Dice 0.5\n", "")


def test_a_bar_that_nobody_asked_for_is_not_shown(capsys):
    for shown in (False, None):
        assert list(bar(range(3), "counting", 3, shown)) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_a_line_takes_the_bar_on_a_terminal_away_and_brings_it_back(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with bar(total=2, text="counting", mininterval=0) as shown:
        shown.update(1)
        result("1/2: Dice 0.5")
    out, err = capsys.readouterr()
    assert out == "1/2: Dice 0.5\n"
    assert err.count("counting:  50%") >= 2  # before the line, and again below it


@pytest.mark.parametrize("seconds, done, total, text", [
    (30, 3, 10, "70 s left"), (60, 1, 3, "2 min left"), (3600, 1, 4, "3 h left"), (10, 10, 10, ""),
])
def test_the_rest_is_expected_to_go_on_as_it_went(seconds, done, total, text):
    assert time_left(seconds, done, total) == text
