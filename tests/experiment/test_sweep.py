"""Records on disk, sweeps, and the comparison of a live run with its record."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from atlas_tree import box_mask, write_scan

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.config import with_seeds
from atlas_lab.experiment import sweep as sweep_module
from atlas_lab.experiment.inference import open_model
from atlas_lab.experiment.run import RECORDS, checksum, run_to_dict
from atlas_lab.files import lab_home

CONFIG = lab.RunConfig(epochs=2, batch_size=20, z_step=20)


@pytest.fixture(scope="module")
def store(scans, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATLAS_LAB_HOME", str(tmp_path_factory.mktemp("home")))
        return lab.prepare_slices(scans, scale=4, z_step=20, jobs=1, progress=False)


@pytest.fixture
def run(store):
    torch.set_num_threads(1)
    return lab.run_experiment(CONFIG, store, lambda line: None)


def test_a_record_survives_the_disk(run, tmp_path):
    path = lab.save_run(run, tmp_path)
    again = lab.experiment.load_run(path)
    assert again.config == run.config and again.split == run.split and again.data == run.data
    assert np.array_equal(again.curve("loss", "train"), run.curve("loss", "train"))
    text = path.read_text()
    assert "NaN" not in text and json.loads(text)["config"]["pos_weight"] == 100.0
    assert [json.loads(line.rstrip(",]"))["epoch"] for line in text.splitlines() if line.startswith("  ")] == [1, 2]


def test_a_tilde_is_the_home_folder(run, store, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep_module, "_train_all", lambda waiting, *_: waiting)  # nothing may be left to train
    lab.save_run(run, "~/runs")
    for found in (lab.load_runs("~/runs"), lab.sweep([CONFIG], store, "~/runs", report=lambda line: None)):
        assert [one.config for one in found] == [CONFIG]
    assert not (tmp_path / "~").exists()


def test_load_runs_selects_by_settings(run, tmp_path):
    lab.save_run(run, tmp_path)
    lab.save_run(replace(run, config=replace(CONFIG, split_by="subject")), tmp_path)
    assert len(lab.load_runs(tmp_path)) == 2
    (chosen,) = lab.load_runs(tmp_path, split_by="subject", epochs=2)
    assert chosen.config.split_by == "subject"


def test_a_file_that_is_no_record_is_named(tmp_path):
    (tmp_path / "broken.json").write_text('{"config": {}}')
    with pytest.raises(lab.DataError, match=r"broken\.json: not a run record"):
        lab.load_runs(tmp_path)


def test_a_record_without_a_field_names_it(run, tmp_path):
    path = lab.save_run(run, tmp_path)
    values = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in values.items() if name not in ("split", "final")}))
    with pytest.raises(lab.DataError, match=r"\.json: not a run record: final, split missing; make it anew"):
        lab.experiment.load_run(path)


@pytest.mark.parametrize("change", [
    {"seconds": "5"}, {"history": []}, {"environment": {}}, {"point": {"updates": 3}}, {"split": None},
    {"history": [{"epoch": 1, "dev": {}, "seconds": "1"}]}, {"history": [{"epoch": 1, "dev": []}]},
])
def test_a_record_with_a_field_of_another_kind_is_named(change, run, tmp_path):
    values = {**run_to_dict(run), **change}
    values["checksum"] = checksum(values)
    (tmp_path / "odd.json").write_text(json.dumps(values))
    with pytest.raises(lab.DataError, match=r"odd\.json: not a run record"):
        lab.experiment.load_run(tmp_path / "odd.json")


def test_a_record_with_an_impossible_setting_is_named(run, tmp_path):
    values = run_to_dict(run)
    values["config"]["kernels"] = "3"
    values["checksum"] = checksum(values)
    (tmp_path / "odd.json").write_text(json.dumps(values))
    with pytest.raises(lab.DataError, match=r"odd\.json: RunConfig\.kernels is \(3,\)"):
        lab.load_runs(tmp_path)


def test_a_record_that_was_changed_by_hand_is_found_out(run, tmp_path):
    path = lab.save_run(run, tmp_path)
    values = json.loads(path.read_text())
    values["final"]["dev"]["mean_dice"]["value"] = 0.48
    path.write_text(json.dumps(values))
    with pytest.raises(lab.DataError, match=r"\.json: the contents don't fit the checksum"):
        lab.experiment.load_run(path)
    del values["checksum"]
    path.write_text(json.dumps(values))
    with pytest.raises(lab.DataError, match="the contents don't fit the checksum"):
        lab.experiment.load_run(path)


def test_a_sweep_records_every_seed_and_runs_none_twice(store, tmp_path, monkeypatch):
    configs = with_seeds([CONFIG, replace(CONFIG, split_by="subject")], range(2))
    lines = []
    runs = lab.sweep(configs, store, tmp_path, jobs=2, report=lines.append)
    assert [run.config for run in runs] == configs
    assert len(list(tmp_path.glob("*.json"))) == 4
    assert all(run.environment["threads"] == 1 for run in runs)
    monkeypatch.setattr(sweep_module, "train_and_save", lambda *_: pytest.fail("a recorded run was run again"))
    again = lab.sweep(configs, store, tmp_path, jobs=1, report=lines.append)
    assert [run.history for run in again] == [run.history for run in runs]


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
def test_a_sweep_that_is_killed_goes_on_where_it_was(tmp_path, monkeypatch):
    root, home = tmp_path / "atlas", lab_home()
    for i, subject in enumerate(("031768", "031769", "031770")):
        write_scan(root, f"Site{i + 1}", subject)
    monkeypatch.setenv("ATLAS_DATA", str(root))
    command = [sys.executable, "-m", "atlas_lab", "sweep", "--profile", "quick", "--seeds", "1", "--jobs", "2"]
    settings = ["epochs=30", "batch_size=20"]
    sweep = subprocess.Popen([*command, "--out", tmp_path / "killed", *settings], stderr=subprocess.DEVNULL,
                             start_new_session=True)
    wait_for(lambda: list(home.glob("checkpoints/*/checkpoint.pt")))
    sweep.kill()
    sweep.wait()
    (checkpoint,) = home.glob("checkpoints/*/checkpoint.pt")
    # Its workers end with it, and leave a checkpoint of fewer epochs than they were to train.
    wait_for(lambda: subprocess.call(["pgrep", "-g", str(sweep.pid)], stdout=subprocess.DEVNULL) == 1, 300)
    done = len(torch.load(checkpoint, weights_only=True)["history"])
    assert 0 < done < 30, "the worker outlived its sweep"
    assert main([*command[3:], "--out", str(tmp_path / "killed"), *settings]) == 0
    shutil.rmtree(home / "checkpoints")
    assert main([*command[3:], "--out", str(tmp_path / "whole"), *settings]) == 0
    (killed,), (whole,) = lab.load_runs(tmp_path / "killed"), lab.load_runs(tmp_path / "whole")
    assert lab.experiment.compare_runs(killed, whole).identical and killed.history[:done] != []


def wait_for(condition, seconds=120):
    """Until the condition holds."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.02)


def test_a_sweep_s_run_equals_the_same_run_alone(store, run, tmp_path):
    (swept,) = lab.sweep([CONFIG], store, tmp_path, jobs=1, report=lambda line: None)
    agreement = lab.experiment.compare_runs(run, swept)
    assert agreement.identical and agreement.same_data and agreement.same_environment
    assert agreement.epochs == 2


def test_comparison_sees_a_changed_number_and_compares_common_epochs_only(run):
    changed = replace(run, history=json.loads(json.dumps(run.history)))
    changed.history[1]["dev"]["mean_dice"] = run.history[1]["dev"]["mean_dice"] + 0.25
    agreement = lab.experiment.compare_runs(run, changed)
    assert not agreement.identical
    assert agreement.largest_difference["mean_dice"] == pytest.approx(0.25)
    shorter = replace(changed, config=replace(CONFIG, epochs=1), history=changed.history[:1])
    assert lab.experiment.compare_runs(run, shorter).identical
    with pytest.raises(lab.DataError, match="differ in more than their epochs"):
        lab.experiment.compare_runs(run, replace(run, config=replace(CONFIG, seed=5)))


def test_a_run_on_other_data_is_not_held_against_the_record(run):
    elsewhere = replace(run, data={**run.data, "data_hash": "another"}, history=json.loads(json.dumps(run.history)))
    elsewhere.history[0]["dev"]["mean_dice"] = 0.9
    assert "made on other data (ATLAS R1.1)" in lab.experiment.agreement_text(elsewhere, run)
    with pytest.raises(lab.DataError, match="disagrees"):
        lab.experiment.agreement_text(replace(elsewhere, data=run.data), run)


def test_a_number_that_only_one_side_has_is_no_agreement(run):
    changed = replace(run, history=json.loads(json.dumps(run.history)))
    changed.history[0]["dev"]["loss"] = None
    assert not lab.experiment.compare_runs(run, changed).identical


def test_the_shipped_records_are_of_the_embedded_cohort_with_full_provenance():
    runs = lab.load_runs()
    for run in runs:
        assert run.data["source"].startswith("synthetic cohort")
        assert len(run.history) == run.config.epochs
        assert run.code["commit"] and not run.code["changed"]
    assert len({run.data["data_hash"] for run in runs}) <= 1


@pytest.mark.parametrize("folder, most_mb", [("runs", 6), ("controls", 1), ("people", 9)])
def test_the_shipped_records_stay_small(folder, most_mb):
    files = [path for path in (RECORDS.parent / folder).rglob("*") if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in files) < most_mb * 1e6


def test_train_and_sweep_commands_write_records(tmp_path, monkeypatch, capsys):
    root = tmp_path / "atlas"
    for i, subject in enumerate(("031768", "031769", "031770")):
        write_scan(root, f"Site{i + 1}", subject, masks=[box_mask((60, 80, 60), (30, 30, 30))])
    monkeypatch.setenv("ATLAS_DATA", str(root))
    out = tmp_path / "records"
    assert main(["train", "--profile", "quick", "--out", str(out), "epochs=1", "split_by=subject"]) == 0
    assert "dev Dice" in capsys.readouterr().out
    sweep = ["sweep", "--profile", "quick", "--out", str(out), "--seeds", "2", "epochs=1", "pool=max,avg"]
    assert main(sweep) == 0
    assert len(lab.load_runs(out)) == 5
    model = tmp_path / "model.pt"
    assert main(["train", "--profile", "quick", "--out", str(out), "epochs=1", "--save-model", str(model)]) == 0
    network, config, *_ = open_model(model)
    assert config.epochs == 1 and network.input_shape == (56, 48)
    assert len(lab.load_runs(out, pool="avg", seed=1)) == 1
    t1w = next(root.rglob("*t1w*.nii*"))
    before = t1w.read_bytes()
    assert main(["train", "--profile", "quick", "--out", str(out), "epochs=1", "--save-model", str(t1w)]) == 2
    assert "must end in .pt" in capsys.readouterr().err and t1w.read_bytes() == before
    assert main(["train", "epochs=many"]) == 2
    assert "epochs" in capsys.readouterr().err
    scales = ["sweep", "--profile", "quick", "--out", str(tmp_path / "scales"), "--seeds", "1", "epochs=1", "scale=4,8"]
    assert main(scales) == 0  # each on slices of its own
    assert {run.config.scale for run in lab.load_runs(tmp_path / "scales")} == {4, 8}
