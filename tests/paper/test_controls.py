"""The controls: masks against other ways of finding them, scores as a network's, records, tables."""

import json
from dataclasses import replace

import numpy as np
import pandas
import pytest
import torch
from scipy import stats
from sklearn.neighbors import NearestNeighbors

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.dataset import SliceDataset, SliceStore
from atlas_lab.experiment.experiment import final_scores
from atlas_lab.experiment.permuted_masks import permute_masks
from atlas_lab.files import DataError
from atlas_lab.paper.control_records import (
    RECORDS,
    ControlConfig,
    cohort_diameters,
    control_intervals,
    controls_table,
    controls_text,
    load_controls,
    planned_controls,
    record_control,
    record_controls,
)
from atlas_lab.paper.controls import CONTROLS, control_masks, lesion_frequency, mask_scores
from atlas_lab.splits import Split, split_slices


def store_of(images, masks, subjects, z):
    """A store in memory."""
    table = pandas.DataFrame({"subject": subjects, "session": "t01", "site": "Site1", "z": z,
                              "lesion_pixels": masks.sum(axis=(1, 2))})
    about = {"source": "made for a test", "n_scans": len(set(subjects)), "scale": 4, "z_step": 1, "data_hash": "0123"}
    return SliceStore(None, images, masks, table, about)


@pytest.fixture(scope="module")
def store():
    """Eight people of twelve slices; neighbouring slices of one are nearly the same, and so are their dark lesions."""
    rng, images, masks = np.random.default_rng(0), [], []
    for _ in range(8):
        head = rng.integers(90, 200, (24, 20))
        y, x = rng.integers(3, 12, 2)
        for z in range(12):
            mask = np.zeros((24, 20), bool)
            if 3 <= z < 9:
                mask[y + z // 4 : y + 6, x : x + 6] = True
            images.append(np.where(mask, 30, head + rng.integers(-9, 9, head.shape)).astype(np.uint8))
            masks.append(mask)
    subjects = np.repeat([f"{i:06d}" for i in range(8)], 12)
    return store_of(np.array(images), np.array(masks), subjects, np.tile(np.arange(12), 8))


def test_the_copying_machine_takes_the_mask_of_the_nearest_slice(store):
    split = split_slices(store, "slice")
    pixels = store.images.reshape(len(store), -1).astype(float)
    nearest = NearestNeighbors(n_neighbors=1).fit(pixels[split.train]).kneighbors(pixels[split.dev])[1][:, 0]
    masks, _ = control_masks("copying machine", store, split)
    np.testing.assert_array_equal(masks, store.masks[split.train][nearest])


def test_the_lesion_map_by_hand():
    masks = np.zeros((6, 4, 4), bool)  # three people of two slices
    masks[0, 1, 1] = masks[2, 1, 1] = True  # lesion in both people of train at the lower slice,
    masks[2, 2, 2] = True                   # and here in one of two
    masks[4, 3, 3] = True                   # of dev: never looked at
    store = store_of(np.ones((6, 4, 4), np.uint8), masks, np.repeat(["a", "b", "c"], 2), [0, 1] * 3)
    split = Split(np.arange(4), np.arange(4, 6))
    frequency, count = lesion_frequency(store, split.train)
    assert count.tolist() == [2, 2] and frequency.sum() == 1.5 and frequency[0, 1, 1] == 1 and frequency[0, 2, 2] == 0.5
    found, chosen = control_masks("lesion map", store, split)
    assert chosen == {"threshold": 0.5}  # Dice on train 2 * 3 / (4 + 3); from 1 on it is 2 * 2 / (2 + 3)
    assert np.argwhere(found).tolist() == [[0, 1, 1], [0, 2, 2]]


@pytest.mark.parametrize("control", CONTROLS)
def test_masks_of_dev_are_looked_at_for_scores_alone(store, control):
    split = split_slices(store, "slice")
    altered = store.masks.copy()
    altered[split.dev] = ~altered[split.dev]
    other = replace(store, masks=altered, table=store.table.assign(lesion_pixels=altered.sum(axis=(1, 2))))
    one, again = (control_masks(control, each, split)[0] for each in (store, other))
    assert one.any()
    np.testing.assert_array_equal(one, again)


def test_rows_may_come_in_any_order(store):
    order = np.random.default_rng(3).permutation(len(store))
    mixed = replace(store, images=store.images[order], masks=store.masks[order],
                    table=store.table.iloc[order].reset_index(drop=True))
    place = np.argsort(order)
    split = split_slices(store, "slice")
    moved = Split(*(np.sort(place[rows]) for rows in split))
    for control in ("lesion map", "copying machine"):
        one, other = (control_masks(control, *each)[0] for each in ((store, split), (mixed, moved)))
        np.testing.assert_array_equal(other, one[np.argsort(place[split.dev])])


def test_masks_are_scored_as_a_network_s(store):
    torch.manual_seed(0)
    model, rows = lab.BaselineNet(store.shape, start_probability=0.5), np.arange(7, 60)
    found = mask_scores(lab.predict(model, store.images[rows]) > 0.5, store, rows)
    assert found == final_scores(model, SliceDataset(store, rows))
    assert found["mean_dice"]["value"] > 0


def test_with_permuted_masks_a_copy_is_right_by_slice_only(store):
    values = {}
    for split_by in ("slice", "block", "subject"):
        for labels in ("true", "swapped"):
            config = ControlConfig("copying machine", split_by=split_by, labels=labels, seed=2)
            values[split_by, labels] = record_control(config, store).dev["mean_dice"]["value"]
    permuted = permute_masks(store, 2)
    split = split_slices(permuted, "slice", seed=2)
    pixels = store.images.reshape(len(store), -1).astype(float)
    apart = ((pixels[split.dev][:, None] - pixels[split.train][None]) ** 2).sum(axis=2)
    copied = permuted.masks[split.train[apart.argmin(axis=1)]]
    assert values["slice", "swapped"] == pytest.approx(lab.mean_dice(copied, permuted.masks[split.dev]))
    assert values["slice", "true"] > 0.7 and values["slice", "swapped"] > 0.7
    assert values["subject", "swapped"] < 0.4


def test_no_such_control_and_nothing_to_learn_from(store):
    with pytest.raises(DataError, match="there is no control 'oracle'; choose one of copying machine"):
        control_masks("oracle", store, split_slices(store))
    with pytest.raises(DataError, match="there is no control 'oracle'"):
        planned_controls(["oracle"])
    empty = replace(store, masks=np.zeros_like(store.masks))
    with pytest.raises(DataError, match="train has no lesion"):
        control_masks("lesion map", empty, split_slices(store))


def test_a_plan_has_each_case_once_and_a_cohort_for_each_seed(monkeypatch):
    plan = planned_controls()
    assert len({config.name for config in plan}) == len(plan) == 5 * (4 * 6 + 1)
    assert all(config.cohort == config.seed for config in plan)
    assert {config.cohort for config in planned_controls(profile="course")} == {0}
    monkeypatch.setenv("ATLAS_DATA", "somewhere")
    assert {config.cohort for config in plan} == {0, 1, 2, 3, 4} and {c.cohort for c in planned_controls()} == {0}


def small_plan():
    return planned_controls(["copying machine", "lesion map"], seeds=2)


def test_records_are_made_once_and_read_back(store, tmp_path):
    lines = []
    record_controls(small_plan(), lambda _: store, tmp_path, lines.append)
    assert len(lines) == len(list(tmp_path.iterdir())) == 2 * 13
    records = load_controls(tmp_path)
    assert {record.config for record in records} == set(small_plan())
    assert records[0].dev["mean_dice"].keys() == {"value", "low", "high"}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    record_controls(small_plan(), lambda _: store, tmp_path, lines.append)
    assert len(lines) == 26 and before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    other = replace(store, about=store.about | {"data_hash": "4567"})
    record_controls(small_plan()[:1], lambda _: other, tmp_path, lines.append)
    assert len(lines) == 27 and {record.data["data_hash"] for record in load_controls(tmp_path)} == {"0123", "4567"}


def test_records_of_patients_are_not_written_into_a_repository(store):
    plan = [replace(config, seed=99) for config in small_plan()]
    with pytest.raises(DataError, match="data use agreement"):
        record_controls(plan, lambda _: store, RECORDS, lambda line: None)
    assert not list(RECORDS.glob("*seed99*"))


def test_records_know_the_diameter_of_their_cohort_s_lesions(store, tmp_path):
    wider = replace(store, about=store.about | {"scale": 8})
    record_controls(small_plan(), lambda config: wider if config.cohort else store, tmp_path, lambda line: None)
    fullest = store.masks.reshape(8, 12, -1).sum(2).max(1)
    expected = np.median(np.sqrt(fullest * 4**2 / np.pi)) * 2
    assert cohort_diameters(load_controls(tmp_path)) == pytest.approx([expected, 2 * expected])


def test_a_record_that_was_changed_is_refused(store, tmp_path):
    record_controls(small_plan()[:1], lambda _: store, tmp_path, lambda line: None)
    (path,) = tmp_path.iterdir()
    values = json.loads(path.read_text())
    values["dev"]["mean_dice"]["value"] = 0.99
    path.write_text(json.dumps(values))
    with pytest.raises(DataError, match="the contents don't fit the checksum"):
        load_controls(tmp_path)
    path.write_text("[]")
    with pytest.raises(DataError, match="not the record of a control"):
        load_controls(tmp_path)


def test_intervals_and_table_are_those_of_the_records(store, tmp_path):
    record_controls(small_plan(), lambda _: store, tmp_path, lambda line: None)
    records = load_controls(tmp_path)
    values = [record.dev["subject_dice"]["value"] for record in records
              if (record.config.control, record.config.labels) == ("copying machine", "swapped")
              and record.config.split_by == "block"]
    low, high = stats.t.interval(0.95, 1, np.mean(values), stats.sem(values))
    found = control_intervals(records, "subject_dice")["copying machine", "swapped", 0.3, "block"]
    assert found == pytest.approx((np.mean(values), low, high))
    table = controls_table(records, "subject_dice").splitlines()
    assert len(table) == 2 + 5 and f"| {found} |" in table[4] and "70%" in table[3]
    assert table[4].startswith("| copying machine | of other people |")


def test_the_records_that_are_shipped_are_synthetic_and_whole():
    for record in load_controls():
        assert record.data["source"].startswith("synthetic cohort, not patient data")
        assert record.config.control in CONTROLS


def test_the_command_records_what_is_missing_and_refuses_what_there_is_not(store, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr("atlas_lab.commands.training.prepare", lambda config, options: asked.append(config) or store)
    command = ["controls", "--profile", "study", "--seeds", "2", "--out", str(tmp_path), "lesion map"]
    assert main(command) == 0
    assert len(load_controls(tmp_path)) == 12
    assert [(config.cohort, config.z_step) for config in asked] == [(0, 1), (1, 1)]
    first = len(capsys.readouterr().out.splitlines())
    assert first == 12 and main(command) == 0 and capsys.readouterr().out == ""
    assert main([*command, "oracle"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "there is no control 'oracle'" in line


def test_the_section_says_what_its_numbers_are_of(store, tmp_path):
    record_controls(small_plan(), lambda _: store, tmp_path, lambda line: None)
    records = load_controls(tmp_path)
    text = controls_text(records)
    assert "26 records" in text and "8 scans, 96 slices" in text and "2 seeds on 2 cohorts" in text
    assert controls_table(records) in text and controls_table(records, "subject_dice") in text
