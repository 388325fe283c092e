"""What a record says of how it was made: operating point, first steps, threads of each epoch; and kept states."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_experiment import CONFIG, quiet, small_store

import atlas_lab as lab
from atlas_lab.config import with_seeds
from atlas_lab.experiment import checkpoint
from atlas_lab.experiment import sweep as sweep_module
from atlas_lab.experiment.first_steps import FIRST_STEPS, first_losses
from atlas_lab.experiment.run import checksum, load_run, run_to_dict, save_run
from atlas_lab.experiment.start import start_training
from atlas_lab.splits import BLOCK_MM, neighbour_exposure


@pytest.fixture(scope="module")
def store():
    return small_store()


def test_a_decayed_run_goes_on_from_a_kept_state_as_if_unbroken(store):
    decayed = replace(CONFIG, epochs=4, lr_drop_epoch=2)
    unbroken = lab.run_experiment(decayed, store, quiet)
    expected = lab.load_model(unbroken, store).state_dict()
    (checkpoint.run_folder(decayed, store) / "checkpoint.pt").unlink()
    lab.run_experiment(CONFIG, store, quiet, keep=(2,))
    lines = []
    again = lab.run_experiment(decayed, store, lines.append)
    assert len(lines) == 2  # epochs 1 and 2 are those of the constant rate
    assert np.array_equal(again.curve(), unbroken.curve(), equal_nan=True)
    for name, value in lab.load_model(again, store).state_dict().items():
        assert torch.equal(value, expected[name])


def test_a_longer_run_goes_on_from_a_shorter_one_s_kept_end_but_not_past_a_drop(store):
    lab.run_experiment(CONFIG, store, quiet, keep=(3,))
    lines = []
    lab.run_experiment(replace(CONFIG, epochs=5), store, lines.append)
    assert len(lines) == 2
    lines.clear()
    lab.run_experiment(replace(CONFIG, epochs=5, lr_drop_epoch=2), store, lines.append)
    assert len(lines) == 5  # the state of epoch 3 had no drop after epoch 2


def test_each_epoch_says_with_how_many_threads_it_was_made(store):
    """Two threads for the first epochs, then one: the record claims neither for all."""
    torch.set_num_threads(2)

    def stop_after_two(line):
        if line.startswith("epoch   2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lab.run_experiment(CONFIG, store, stop_after_two, device="cpu")
    torch.set_num_threads(1)
    run = lab.run_experiment(CONFIG, store, quiet, device="cpu")
    assert [entry["made_by"]["threads"] for entry in run.history] == [2, 2, 1]
    assert run.environment["threads"] == [1, 2]
    assert {entry["made_by"]["device"] for entry in run.history} == {"cpu"}
    assert len({entry["made_by"]["host"] for entry in run.history}) == 1


def test_first_steps_are_the_losses_of_the_first_batches_whatever_the_seed(store, tmp_path):
    config = replace(CONFIG, batch_size=5, epochs=1)  # 56 slices: 12 steps an epoch
    losses = first_losses(config, store)
    assert len(losses) == 12 < FIRST_STEPS and losses == first_losses(replace(config, seed=3, cohort=3), store)
    torch.set_num_threads(1)
    run = lab.run_experiment(config, store, quiet, device="cpu", replay_store=store)
    assert run.first_steps == losses
    assert run.history[0]["step_loss"] == pytest.approx(np.mean(losses), rel=1e-6)
    assert load_run(save_run(run, tmp_path)).first_steps == losses
    assert first_losses(replace(config, learning_rate=1.01e-3), store) != losses


def test_the_operating_point_is_told_by_numbers_and_in_words(store):
    run = lab.run_experiment(replace(CONFIG, epochs=2, split_by="subject"), store, quiet)
    assert run.point["name"] == "other" and run.point["subjects"] == 8
    assert run.point["updates_an_epoch"] == 3 and run.point["updates"] == 6  # 60 slices in batches of 20
    assert run.point["receptive_field_mm"] == 56
    assert run.point["differs"].startswith("4 mm a pixel, not 1: a deepest feature sees 56 mm, not 14; ")
    assert "split by subject, not by slice" in run.point["differs"]
    assert run_to_dict(run)["point"]["parameters"] == lab.count_parameters(lab.BaselineNet((16, 16)))


def test_train_is_scored_in_every_second_epoch_and_that_changes_no_other_number(store):
    every, second = (lab.run_experiment(replace(CONFIG, epochs=4, train_scored_every=n), store, quiet) for n in (1, 2))
    assert np.isnan(second.curve(part="train")).tolist() == [True, False, True, False]
    assert np.array_equal(second.curve(), every.curve())
    assert second.curve(part="train")[3] == every.curve(part="train")[3]


def test_a_sample_of_dev_is_scored_after_each_epoch_and_all_of_it_at_the_end(store, monkeypatch):
    whole, some = (lab.run_experiment(replace(CONFIG, epochs=2, dev_sample=n), store, quiet) for n in (None, 6))
    assert [entry["step_loss"] for entry in some.history] == [entry["step_loss"] for entry in whole.history]
    assert some.final == whole.final and whole.split["n_dev"] > 6
    assert some.history[-1]["dev"] != whole.history[-1]["dev"]
    start = start_training(some.config, store)
    dev = lab.SliceDataset(store, start.split.dev).sample(6, CONFIG.seed)
    lab.fit(start.model, start.loss, start.optimizer, lab.SliceDataset(store, start.split.train), dev, 2,
            batch_size=CONFIG.batch_size, seed=CONFIG.seed)
    assert some.history[-1]["dev"]["loss"] == lab.evaluate(start.model, dev, start.loss).loss


def test_seed_k_is_trained_on_cohort_k_where_a_profile_says_so():
    runs = with_seeds([CONFIG], range(3), own_cohorts=True)
    assert [(run.seed, run.cohort) for run in runs] == [(0, 0), (1, 1), (2, 2)]
    assert {run.cohort for run in with_seeds([replace(CONFIG, cohort=4)], range(3))} == {4}
    assert lab.PROFILES["study"].own_cohorts and not lab.PROFILES["course"].own_cohorts


def test_a_block_is_on_one_side_and_every_person_on_both():
    store = small_store(n_subjects=4, slices_each=189)
    split = lab.split_slices(store, "block")
    block = store.table["subject"] + "/" + (store.table["z"] // BLOCK_MM).astype(str)
    assert not set(block[split.train]) & set(block[split.dev])
    assert set(store.table["subject"][split.train]) == set(store.table["subject"][split.dev])
    exposure = {by: neighbour_exposure(store, lab.split_slices(store, by)) for by in ("slice", "block", "subject")}
    assert exposure["slice"] > 0.8 > 0.1 > exposure["block"] > exposure["subject"] == 0


def test_what_was_learnt_from_patients_is_their_owner_s_alone_to_read(store):
    people = replace(store, about=store.about | {"source": "ATLAS R1.1"})
    config = replace(CONFIG, epochs=1, seed=5)
    lab.run_experiment(config, people, quiet, keep=(1,))
    for path in (checkpoint.run_folder(config, store) / "checkpoint.pt",
                 checkpoint.kept_folder(config, store) / "epoch-0001.pt"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_record_of_wrong_types_or_size_and_a_missing_folder_are_named(store, tmp_path):
    path = save_run(lab.run_experiment(replace(CONFIG, epochs=1), store, quiet), tmp_path)
    values = json.loads(path.read_text())
    wrong_pool = {"config": values["config"] | {"pool": 3}}
    for change, message in ({"history": "none"}, "no list of epochs"), (wrong_pool, "pool"):
        changed = {name: value for name, value in (values | change).items() if name != "checksum"}
        path.write_text(json.dumps(changed | {"checksum": checksum(changed)}))
        with pytest.raises(lab.DataError, match=message):
            load_run(path)
    os.truncate(path, 40_000_000)
    with pytest.raises(lab.DataError, match="40 MB are too many"):
        load_run(path)
    with pytest.raises(lab.DataError, match="no such folder"):
        lab.load_runs(tmp_path / "nonexistent")


def test_a_sweep_names_the_runs_that_ended_early_after_all_others(store, tmp_path, monkeypatch):
    configs = with_seeds([CONFIG], range(2))
    run = lab.run_experiment(configs[1], store, quiet)

    def one_fails(function, tasks, jobs, in_order):
        yield False, "seed0: the loss of epoch 3 is nan, so training ended"
        save_run(run, tmp_path)
        yield True, "seed1: recorded"

    monkeypatch.setattr(sweep_module, "share_out", one_fails)
    lines = []
    with pytest.raises(lab.DataError, match=r"^1 of 2 runs ended early, without a record: seed0: the loss of epoch 3"):
        lab.sweep(configs, store, tmp_path, report=lines.append)
    assert lines[1:] == ["1/2 seed0: the loss of epoch 3 is nan, so training ended", "2/2 seed1: recorded"]
