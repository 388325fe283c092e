"""Records trained again: those that agree, one that was changed, and those that can't be compared here."""

import json
from dataclasses import replace

import pytest
import torch

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.paper import replays

CONFIG = lab.RunConfig(epochs=3, batch_size=20, z_step=12, train_scored_every=2)


@pytest.fixture
def record(scans, tmp_path, monkeypatch):
    """The record of a short run, alone in a folder, on people whom replays find again."""
    monkeypatch.setattr(replays, "cohort", lambda *_, **__: scans)
    torch.set_num_threads(1)
    store = lab.prepare_slices(scans, CONFIG.scale, CONFIG.z_step, progress=False)
    run = lab.run_experiment(CONFIG, store, lambda line: None)
    lab.save_run(run, tmp_path / "records")
    return run


def changed(run, **environment):
    """A copy of a run whose Dice in the second epoch somebody has put up."""
    history = json.loads(json.dumps(run.history))
    history[1]["dev"]["mean_dice"] = (history[1]["dev"]["mean_dice"] or 0) + 0.1
    return replace(run, history=history, environment=run.environment | environment)


def test_a_record_is_trained_again_and_agrees(record, tmp_path, capsys):
    assert main(["replay", str(tmp_path / "records")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out == [f"{record.name}: the live run agrees with its record bit for bit in the first epoch",
                   "0 of 1 records disagree"]
    assert main(["replay", str(tmp_path / "records" / f"{record.name}.json"), "--epochs", "9"]) == 0
    assert "bit for bit in all 3 epochs" in capsys.readouterr().out


def test_a_changed_number_is_found_where_its_epoch_is_made_again(record, tmp_path, capsys):
    lab.save_run(changed(record), tmp_path / "records")
    assert main(["replay", str(tmp_path / "records")]) == 0  # its first epoch is as it was
    assert main(["replay", str(tmp_path / "records"), "--epochs", "2", "--jobs", "1"]) == 1
    out = capsys.readouterr().out
    assert f"disagrees with its record {record.name}: largest difference in Dice of the first 2 epochs 0.1" in out
    assert out.endswith("1 of 1 records disagree\n")


def test_what_cannot_be_compared_here_is_left_out_and_counted(record, monkeypatch):
    monkeypatch.setattr("atlas_lab.experiment.replay.pick_device", lambda: torch.device("cpu"))
    elsewhere, lines = replace(record, data=record.data | {"data_hash": "0" * 16}), []
    assert replays.replay_records([changed(record, device="NVIDIA T4"), elsewhere], 3, report=lines.append) == (0, 0)
    gpu, data = lines
    assert gpu.startswith("1 records were made on a GPU") and data.startswith("1 records were made on other data")


def test_an_epoch_in_which_train_was_not_scored_is_held_against_dev_alone(record):
    live = replace(record, history=json.loads(json.dumps(record.history)))
    assert "train" not in record.history[0]
    live.history[0]["dev"]["loss"] *= 1.004
    assert "loss of the first epoch 0.40%" in lab.experiment.agreement_text(live, record)
    live.history[0]["dev"]["loss"] = None
    with pytest.raises(lab.DataError, match="disagrees with its record"):
        lab.experiment.agreement_text(live, record)


def test_mistakes_end_in_one_line(record, tmp_path, capsys):
    assert main(["replay", "nowhere"]) == 2
    assert "nowhere: there is no record" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        main(["replay", str(tmp_path / "records"), "--epochs", "0"])
    assert end.value.code == 2 and "no whole number from 1 on" in capsys.readouterr().err
    with pytest.raises(lab.DataError, match="epochs is 0; at least 1"):
        replays.replay_records([], epochs=0)
