"""The command `cohort`: its options reach the cohort that is made."""

import json

import pytest

from atlas_lab.cli import main
from atlas_lab.files import SYNTHETIC_MARKER
from atlas_lab.phantom import cohort as phantom

DEFAULTS = {"version": 2, "heads": True, "mimics": True, "dark_cores": True, "n_lesions": None}


@pytest.mark.parametrize(
    ("option", "changed"),
    [
        ([], {}), (["--version", "1"], {"version": 1}), (["--brains-only"], {"heads": False}),
        (["--no-mimics"], {"mimics": False}), (["--pale-cores"], {"dark_cores": False}),
        (["--healthy"], {"n_lesions": 0}),
    ],
)
def test_each_option_sets_its_switch_and_no_other(tmp_path, monkeypatch, option, changed):
    given = []
    monkeypatch.setattr(phantom, "make_cohort", lambda out, *rest, **switches: given.append(switches) or out)
    assert main(["cohort", "--out", str(tmp_path), *option]) == 0
    assert given == [DEFAULTS | changed]


def test_a_healthy_cohort_of_brains_from_the_command_line(tmp_path):
    assert main(["cohort", "--out", str(tmp_path), "--subjects", "1", "--healthy", "--brains-only"]) == 0
    about = json.loads(next(tmp_path.glob(f"*/{SYNTHETIC_MARKER}")).read_text())
    assert (about["phantom_version"], about["heads"], about["n_lesions"]) == (2, False, 0)
    assert not list(tmp_path.rglob("*LesionSmooth*"))


def test_switches_that_do_not_go_together_are_refused(tmp_path, capsys):
    assert main(["cohort", "--out", str(tmp_path / "new"), "--version", "1", "--healthy"]) == 2
    assert "version 1 has no heads" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
