"""The network that `predict` takes by default: chosen, written with its card, and used."""

import pytest
import torch
from boxes import store_of

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.experiment.inference import open_model
from atlas_lab.experiment.post_processing import PostProcessing
from atlas_lab.experiment.run import load_run
from atlas_lab.paper import people_records, processing_choice, shipped_network
from atlas_lab.paper.many_people import MANY
from atlas_lab.paper.people_plan import PEOPLE
from atlas_lab.paper.processing_choice import load_processed, process_rows
from atlas_lab.paper.shipped_network import ROWS, chosen_record, ship_network
from atlas_lab.scoring.bootstrap import people_interval


def recorded(row, seeds=None):
    """Scores of a row as little as the choice looks at."""
    scans = [{"subject": "a", "dice": 0.5}]
    return [{"row": row, "config": {"cohort": seed, "seed": seed}, "scores": {"plain": scans}}
            for seed in reversed(range(seeds or PEOPLE[row].seeds))]


def test_the_first_row_with_all_its_seeds_is_shipped():
    people = recorded("final: U-Net") + recorded("final: best", 4) + recorded("baseline")
    assert chosen_record(people)["row"] == "final: U-Net" and chosen_record(people)["config"]["seed"] == 0
    assert chosen_record(people + recorded("final: best"))["row"] == "final: best"
    with pytest.raises(lab.DataError, match="is recorded with all its seeds; make them with: atlas-lab people"):
        chosen_record(recorded("U-Net") + recorded("final: U-Net", 2))
    assert set(ROWS) <= {MANY, *PEOPLE}


def test_a_network_is_written_with_its_card(others, tmp_path, monkeypatch):
    people_records.record_people(["final: U-Net"], tmp_path, 1, lambda line: None)
    with pytest.raises(lab.DataError, match="what is done to the answers of 'final: U-Net' is not recorded"):
        ship_network(tmp_path, tmp_path / "net.pt")
    way = PostProcessing(True, 0.6, 0.1)
    monkeypatch.setattr(processing_choice, "choose_processing", lambda *_: (way, []))
    process_rows([], tmp_path, lambda line: None)
    out = ship_network(tmp_path, tmp_path / "net.pt")
    saved, card = open_model(out), (tmp_path / "net.md").read_text(encoding="utf-8")
    run = next(path for path in tmp_path.glob("unet-*.json"))
    trained = lab.load_model(load_run(run), store_of(7))
    assert all(torch.equal(a, b) for a, b in zip(saved.model.state_dict().values(), trained.state_dict().values(),
                                                 strict=True))
    assert f"{sum(p.numel() for p in trained.parameters()):,} parameters" in card and "Not for" in card
    assert saved.processing == way and f"| asked | {way.describe()} |" in card
    told = [people_interval({scan["subject"]: scan["dice"] for scan in record["scores"]["plain"]})
            for (record,) in (load_processed(tmp_path), people_records.load_people(tmp_path))]
    lines = card.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("| subject Dice | "))
    assert lines[first] == f"| subject Dice | {told[0]} |"
    assert lines[first + 1] == f"| the same, of its answers as they are | {told[1]} |"
    assert "people without lesion (3 of them)" in card and "{" not in card
    assert main(["people", "--ship", "--out", str(tmp_path / "empty")]) == 2


def test_a_wheel_s_network_is_not_written_over(monkeypatch):
    monkeypatch.setattr(shipped_network, "IN_A_CLONE", False)
    with pytest.raises(lab.DataError, match="work in a clone"):
        ship_network()


def test_where_no_network_comes_with_the_lab_predict_says_so(tmp_path, monkeypatch, capsys):
    nowhere = tmp_path / "none.pt"
    monkeypatch.setattr("atlas_lab.commands.own_scans.SHIPPED_NETWORK", nowhere)
    monkeypatch.setattr("atlas_lab.experiment.inference.SHIPPED_NETWORK", nowhere)
    scan = lab.cohort(2, progress=False)[0].t1w
    assert main(["predict", str(scan), "-o", str(tmp_path / "mask.nii.gz")]) == 2
    assert "no network comes with this version" in capsys.readouterr().err and not (tmp_path / "mask.nii.gz").exists()
