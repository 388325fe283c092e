"""The network that `predict` takes by default: chosen, written with its card, and used."""

import pytest
import torch
from boxes import store_of

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.experiment.inference import open_model
from atlas_lab.experiment.run import load_run
from atlas_lab.paper import people_records, shipped_network
from atlas_lab.paper.many_people import MANY
from atlas_lab.paper.people_plan import PEOPLE
from atlas_lab.paper.shipped_network import ROWS, chosen_record, ship_network


def recorded(row, seeds=None):
    """Scores of a row as little as the choice looks at."""
    scans = [{"subject": "a", "dice": 0.5}]
    return [{"row": row, "config": {"cohort": seed, "seed": seed}, "scores": {"plain": scans}}
            for seed in reversed(range(seeds or PEOPLE[row].seeds))]


def test_the_first_row_with_all_its_seeds_is_shipped():
    people = recorded("U-Net") + recorded("final: U-Net", 4) + recorded("baseline")
    assert chosen_record(people)["row"] == "U-Net" and chosen_record(people)["config"]["seed"] == 0
    assert chosen_record(people + recorded("final: best"))["row"] == "final: best"
    with pytest.raises(lab.DataError, match="is recorded with all its seeds; make them with: atlas-lab people"):
        chosen_record(recorded("U-Net", 2))
    assert set(ROWS) <= {MANY, *PEOPLE}


def test_a_network_is_written_with_its_card(small_people, tmp_path, monkeypatch):
    healthy = store_of(5)
    healthy.masks[:] = False
    monkeypatch.setattr(shipped_network, "healthy_slices", lambda config: healthy)
    people_records.record_people(["U-Net"], tmp_path, 1, lambda line: None)
    out = ship_network(tmp_path, tmp_path / "net.pt")
    saved, card = open_model(out), (tmp_path / "net.md").read_text(encoding="utf-8")
    run = next(path for path in tmp_path.glob("unet-*.json"))
    trained = lab.load_model(load_run(run), store_of(7))
    assert all(torch.equal(a, b) for a, b in zip(saved.model.state_dict().values(), trained.state_dict().values(),
                                                 strict=True))
    assert f"{sum(p.numel() for p in trained.parameters()):,} parameters" in card and "Not for" in card
    assert "| subject Dice | 0." in card or "| subject Dice | 1." in card
    assert "people without lesion (5 of them)" in card and "{" not in card
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
