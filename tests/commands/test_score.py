"""`score`: what it prints, what it refuses before any work, and what it writes."""

import json
import subprocess

import pytest

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.experiment.inference import save_model
from atlas_lab.files import lab_home

CONFIG = lab.RunConfig(net="unet", width=2, z_step=20, split_by="subject")


@pytest.fixture
def network(scans, tmp_path):
    """A network's file; it is said to have learnt from the scans of the tree."""
    path = tmp_path / "network.pt"
    save_model(path, lab.experiment.build_model(CONFIG, (56, 48)), CONFIG, lab.prepare_slices(scans, 4, 20))
    return path


def test_people_are_scored_whom_the_network_has_not_learnt_from(tree, network, tmp_path, capsys):
    assert main(["score", str(tree), "--model", str(network), "--out", str(tmp_path / "s.json"), "-q"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("2 people, ") and "it learnt from 3 of these people" in out and "| subject Dice " in out
    assert err == "" and out.splitlines()[-1] == f"scores of every scan: {tmp_path / 's.json'}"
    assert len({scan["subject"] for scan in json.loads((tmp_path / "s.json").read_text())["scans"]}) == 2
    assert main(["score", str(tree), "--model", str(network), "--exclude", "031801/t01"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("2 people, 3 scans: ATLAS R1.1\n") and "it learnt from 2 of these people" in out


def test_patients_scores_stay_out_of_repositories(tree, tmp_path, capsys):
    subprocess.run(["git", "init", "-q", tmp_path / "work"], check=True)
    for name, text in (("scores.json", "would show patient images (ATLAS R1.1)"), ("scores.txt", "ends in .json")):
        assert main(["score", str(tree), "--out", str(tmp_path / "work" / name)]) == 2
        out, err = capsys.readouterr()
        assert text in err and out == "" and len(err.splitlines()) == 1
    assert not (lab_home() / "slices").exists()


def test_the_lab_s_own_network_is_the_default(tree, capsys, monkeypatch):
    monkeypatch.setattr("atlas_lab.experiment.scored_scans.score_scans", lambda saved, scans: (saved, scans))
    monkeypatch.setattr("atlas_lab.experiment.score_tables.score_lines", lambda found: [found[0].config.net])
    assert main(["score", str(tree)]) == 0
    assert capsys.readouterr().out == "unet\n"


def test_the_testing_part_is_asked_for_by_name(tree, capsys):
    assert main(["score", str(tree), "--part", "testing"]) == 2
    assert "are of the other part than 'testing'" in capsys.readouterr().err


@pytest.mark.parametrize("read", ["t1w", "network"])
def test_scores_do_not_take_the_place_of_what_is_read(tree, scans, network, tmp_path, capsys, read):
    path = scans[0].t1w if read == "t1w" else network
    before = path.read_bytes()
    (tmp_path / "scores.json").symlink_to(path)
    assert main(["score", str(tree), "--model", str(network), "--out", str(tmp_path / "scores.json")]) == 2
    assert "it would be overwritten: name another" in capsys.readouterr().err and path.read_bytes() == before
