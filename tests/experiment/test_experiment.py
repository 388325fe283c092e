"""Training, evaluation, prediction and checkpoints, on a small set of slices with a lesion that can be learnt."""

import threading
import time
from dataclasses import replace

import numpy as np
import pandas
import pytest
import torch

import atlas_lab as lab
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment import checkpoint
from atlas_lab.experiment.permuted_masks import permute_masks
from atlas_lab.experiment.run import run_to_dict, unpack_masks
from atlas_lab.fast import layout as hardware
from atlas_lab.files import working_on
from atlas_lab.splits import neighbour_exposure
from atlas_lab.system import locks

CONFIG = lab.RunConfig(epochs=3, batch_size=20, pos_weight=10.0)


def small_store(n_subjects=8, slices_each=10):
    """Slices of grey noise, every second with a dark square; in memory, with the attributes of a SliceStore."""
    rng = np.random.default_rng(0)
    n = n_subjects * slices_each
    images, masks = rng.integers(100, 140, (n, 16, 16), dtype=np.uint8), np.zeros((n, 16, 16), bool)
    for i in range(0, n, 2):
        y, x = rng.integers(2, 9, 2)
        masks[i, y : y + 5, x : x + 5] = True
        images[i][masks[i]] = 20
    table = pandas.DataFrame({
        "subject": [f"{i // slices_each:06d}" for i in range(n)], "session": "t01",
        "site": ["Site1" if i < n // 2 else "Site2" for i in range(n)], "z": np.arange(n) % slices_each,
        "lesion_pixels": masks.sum(axis=(1, 2)),
    })
    about = {"source": "squares", "n_scans": n_subjects, "scale": 4, "z_step": 1, "data_hash": "0123"}
    return SliceStore(None, images, masks, table, about)


@pytest.fixture(scope="module")
def store():
    torch.set_num_threads(1)
    return small_store()


def quiet(line):
    """Swallow progress lines."""


def weights(run, store):
    return lab.load_model(run, store).state_dict()


def test_same_config_gives_the_same_numbers_bit_for_bit(store):
    first = lab.run_experiment(CONFIG, store, quiet)
    second = lab.run_experiment(CONFIG, store, quiet, fresh=True)
    for one, other in zip(first.history, second.history, strict=True):
        assert {k: v for k, v in one.items() if k != "seconds"} == {k: v for k, v in other.items() if k != "seconds"}
    assert run_to_dict(first)["final"] == run_to_dict(second)["final"]


def test_another_seed_gives_other_numbers(store):
    runs = [lab.run_experiment(replace(CONFIG, epochs=1, seed=seed), store, quiet) for seed in (0, 1)]
    assert runs[0].history[0]["step_loss"] != runs[1].history[0]["step_loss"]


def test_a_resumed_run_equals_an_unbroken_one(store, monkeypatch):
    unbroken = lab.run_experiment(CONFIG, store, quiet)
    expected = weights(unbroken, store)
    (checkpoint.run_folder(CONFIG, store) / "checkpoint.pt").unlink()

    def stop_after_two(line):
        if line.startswith("epoch   2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lab.run_experiment(CONFIG, store, stop_after_two)
    lines = []
    resumed = lab.run_experiment(CONFIG, store, lines.append)
    assert len(lines) == 1  # epochs 1 and 2 were not trained again
    assert np.array_equal(resumed.curve(), unbroken.curve(), equal_nan=True)
    assert run_to_dict(resumed)["final"] == run_to_dict(unbroken)["final"]
    for name, value in weights(resumed, store).items():
        assert torch.equal(value, expected[name])


def test_a_checkpoint_of_other_code_is_not_gone_on_with(store, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "training_digest", lambda: "of last week")
        lab.run_experiment(CONFIG, store, quiet)
    lines = []
    lab.run_experiment(CONFIG, store, lines.append)
    assert len(lines) == CONFIG.epochs


def test_one_step_is_adam_on_the_clipped_gradient_of_the_loss(store):
    """The first epoch of one batch, redone by hand with torch's plain parts."""
    config = replace(CONFIG, epochs=1, batch_size=1000, dropout=0.0, max_grad_norm=0.01)
    run = lab.run_experiment(config, store, quiet)
    torch.manual_seed(config.seed)
    model = lab.BaselineNet((16, 16), dropout=0.0)
    images, target = lab.SliceDataset(store, lab.split_slices(store).train)[np.arange(56)]
    torch.nn.functional.binary_cross_entropy_with_logits(
        model(images), target, pos_weight=torch.tensor(10.0)).backward()
    norm = torch.sqrt(sum((p.grad**2).sum() for p in model.parameters()))
    assert norm > 0.01
    for name, parameter in model.named_parameters():
        gradient = parameter.grad * 0.01 / norm
        # Adam's first step: both moments, corrected for their start at zero, are the gradient and its square.
        expected = parameter - 1e-3 * gradient / (gradient.abs() + 1e-8)
        torch.testing.assert_close(weights(run, store)[name], expected.detach(), atol=2e-5, rtol=0)


def test_training_finds_the_squares(store):
    run = lab.run_experiment(replace(CONFIG, epochs=40, dropout=0.0, pos_weight=1.0), store, quiet)
    assert run.history[-1]["step_loss"] < 0.5 * run.history[0]["step_loss"]
    assert run.final["train"]["mean_dice"]["value"] > 0.5


def test_the_learning_rate_drops_after_its_epoch(store):
    run = lab.run_experiment(replace(CONFIG, epochs=4, lr_drop_epoch=2, lr_drop_factor=0.1), store, quiet)
    assert [entry["learning_rate"] for entry in run.history] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4])


def test_a_run_is_on_the_device_it_was_told(store, monkeypatch):
    monkeypatch.setattr(hardware, "pick_device", lambda: torch.device("cuda"))
    run = lab.run_experiment(replace(CONFIG, epochs=1), store, quiet, device="cpu")
    assert run.environment["device"] == "cpu"


def test_history_final_and_provenance_are_complete(store):
    run = lab.run_experiment(CONFIG, store, quiet)
    assert [entry["epoch"] for entry in run.history] == [1, 2, 3]
    for entry in run.history:
        for part in ("train", "dev"):
            assert set(entry[part]) == {"loss", "mean_dice", "first_100", "precision", "recall", "area_ratio"}
    exposure = neighbour_exposure(store, lab.split_slices(store))
    assert run.split == {
        "n_train": 56, "n_dev": 24, "dev_subjects": 8, "shared_subjects": 8, "neighbour_exposure": round(exposure, 4),
    }
    assert run.data == {"source": "squares", "n_scans": 8, "n_slices": 80, "lesion_slices": 40, "data_hash": "0123"}
    assert run.environment["torch"] == torch.__version__ and run.environment["threads"] == 1
    assert len(run.code["package"]) == 16
    dice = run.final["dev"]["mean_dice"]
    assert dice["low"] <= dice["value"] <= dice["high"]


def test_a_subject_split_shares_no_subject(store):
    run = lab.run_experiment(replace(CONFIG, epochs=1, split_by="subject"), store, quiet)
    assert run.split["shared_subjects"] == 0 and run.split["dev_subjects"] == 2


def test_a_split_both_ways_scores_people_seen_and_unseen(store):
    run = lab.run_experiment(replace(CONFIG, epochs=1, split_by="both", dev_fraction=0.5), store, quiet)
    split = lab.split_slices(store, "both", 0.5)
    subjects = store.table["subject"].to_numpy(str)
    seen = np.isin(subjects[split.dev], subjects[split.train])
    assert set(run.final) == {"train", "dev", "dev_copied", "dev_seen", "dev_unseen"}
    model = lab.load_model(run, store)
    for part, rows in {"dev_seen": split.dev[seen], "dev_unseen": split.dev[~seen]}.items():
        dice = lab.mean_dice(lab.predict(model, store.images[rows]) > 0.5, store.masks[rows])
        assert run.final[part]["mean_dice"]["value"] == pytest.approx(dice)


def test_the_examples_of_a_record_are_what_the_network_predicts(store):
    run = lab.run_experiment(replace(CONFIG, epochs=1), store, quiet)
    rows = np.array(run.examples["rows"])
    area = store.table["lesion_pixels"].to_numpy()[rows]
    assert len(rows) == 12 and (area > 0).all() and (np.diff(area) >= 0).all()
    assert set(rows) <= set(lab.split_slices(store).dev)
    predicted = lab.predict(lab.load_model(run, store), store.images[rows]) > 0.5
    np.testing.assert_array_equal(unpack_masks(run.examples["masks"]), predicted)


def test_swapped_labels_train_on_swapped_masks(store):
    config = replace(CONFIG, epochs=1)
    swapped = lab.run_experiment(replace(config, labels="swapped"), store, quiet)
    by_hand = lab.run_experiment(config, permute_masks(store, config.seed), quiet, fresh=True)
    plain = lab.run_experiment(config, store, quiet, fresh=True)
    assert swapped.history[0]["dev"] == by_hand.history[0]["dev"] != plain.history[0]["dev"]


def test_evaluate_counts_what_the_mask_of_each_slice_says(store, monkeypatch):
    monkeypatch.setattr("atlas_lab.train.SCORED", 3)  # the last of four slices comes alone
    torch.manual_seed(0)
    model = lab.BaselineNet((16, 16))
    dataset = lab.SliceDataset(store, np.array([3, 4, 70, 71]))
    counts = lab.evaluate(model, dataset)
    pred = lab.predict(model, store.images[dataset.rows]) > 0.5
    target = store.masks[dataset.rows]
    np.testing.assert_array_equal(counts.tp, [(p & t).sum() for p, t in zip(pred, target, strict=True)])
    np.testing.assert_array_equal(counts.fn, [(~p & t).sum() for p, t in zip(pred, target, strict=True)])
    assert (counts.tp + counts.fp + counts.fn + counts.tn == 256).all()
    assert np.isnan(counts.loss)


def test_evaluate_leaves_the_model_in_its_mode_and_drops_nothing(store):
    model = lab.BaselineNet((16, 16), dropout=0.9).train()
    dataset = lab.SliceDataset(store)
    loss = lab.experiment.build_loss(CONFIG)
    first, second = (lab.evaluate(model, dataset, loss) for _ in range(2))
    assert first.loss == second.loss and model.training


def test_predict_takes_uint8_and_float(store):
    model = lab.BaselineNet((16, 16))
    images = store.images[:5]
    probability = lab.predict(model, images)
    assert probability.shape == (5, 16, 16) and probability.dtype == np.float32
    assert (probability > 0).all() and (probability < 1).all()
    np.testing.assert_allclose(lab.predict(model, images / np.float32(255)), probability, atol=1e-6)


@pytest.mark.parametrize("change", [
    {"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0.0}, {"dev_fraction": 1.0}, {"dropout": 1.0},
    {"pos_weight": 0.0}, {"pos_weight": -1.0}, {"lr_drop_epoch": 3}, {"lr_drop_epoch": 0}, {"kernels": "3x5"},
    {"kernels": "3"}, {"start_probability": 1.0}, {"labels": "none"}, {"dropout_on": "none"},
    {"last_batch": "long"}, {"scaling": ""}, {"mask_files": "png"},
    {"scored_slices": "100"}, {"scored_slices": 0}, {"epochs": "3"}, {"epochs": True},
    {"kernels": (3,)}, {"kernels": (0, 3)}, {"scale": 50}, {"smooth": -1.0},
    {"net": "resnet"}, {"loss": "hinge"}, {"pool": "median"}, {"split_by": "hemisphere"},
])
def test_a_setting_that_means_nothing_is_refused_before_any_training(store, change):
    with pytest.raises(lab.DataError) as caught:
        lab.run_experiment(replace(CONFIG, **change), store, lambda line: pytest.fail("an epoch was trained"))
    (field,) = change
    assert field in str(caught.value)


def test_a_damaged_checkpoint_says_what_to_do(store):
    lab.run_experiment(replace(CONFIG, epochs=1), store, quiet)
    path = checkpoint.run_folder(replace(CONFIG, epochs=1), store) / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(lab.DataError, match="delete it to train anew"):
        lab.run_experiment(replace(CONFIG, epochs=1), store, quiet)


def test_weights_of_an_untrained_run_are_not_there(store):
    run = lab.run_experiment(replace(CONFIG, epochs=1), store, quiet)
    (checkpoint.run_folder(run.config, store) / "checkpoint.pt").unlink()
    with pytest.raises(lab.DataError, match="no trained network of baseline"):
        lab.load_model(run, store)


def test_a_second_training_of_one_config_waits_says_so_and_trains_nothing(store, capsys):
    expected = lab.run_experiment(CONFIG, store, quiet)
    folder, trained, found = checkpoint.run_folder(CONFIG, store), [], []
    aside = folder.rename(folder.with_name("aside"))

    def second():
        found.append(lab.run_experiment(CONFIG, store, trained.append))

    thread, said = threading.Thread(target=second), ""
    with working_on(folder, "training this network"):  # as the first does while it trains
        thread.start()
        while "waiting for it" not in said:
            assert thread.is_alive()
            said += capsys.readouterr().err
            time.sleep(0.05)
        aside.rename(folder)
    thread.join()
    assert said == f"another process is training this network, {folder}; waiting for it\n" and not trained
    assert run_to_dict(found[0])["history"] == run_to_dict(expected)["history"] and found[0].final == expected.final


def test_a_trained_network_is_scored_where_no_lock_can_be_put(store, monkeypatch):
    expected = lab.run_experiment(CONFIG, store, quiet)
    monkeypatch.setattr(locks, "_take", lambda *_: pytest.fail("asked for a lock though there is nothing to train"))
    assert lab.run_experiment(CONFIG, store, quiet).final == expected.final
