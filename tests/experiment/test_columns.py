"""A history as columns: by hand, there and back, and in a record on disk."""

import json

import pandas
import pytest

import atlas_lab as lab
from atlas_lab.experiment.columns import columns_from_history, history_from_columns
from atlas_lab.experiment.run import RECORDS, checksum, load_run, run_to_dict

HISTORY = [
    {"epoch": 1, "seconds": 0.5, "dev": {"loss": 0.3, "recall": None}},
    {"epoch": 2, "seconds": 0.6, "dev": {"loss": 0.2, "recall": 0.25}, "train": {"loss": 0.1, "recall": 1.0}},
]
COLUMNS = {
    "epoch": [1, 2], "seconds": [0.5, 0.6], "dev": {"epoch": [1, 2], "loss": [0.3, 0.2], "recall": [None, 0.25]},
    "train": {"epoch": [2], "loss": [0.1], "recall": [1.0]},
}


def test_columns_by_hand_and_back():
    assert columns_from_history(HISTORY) == COLUMNS and history_from_columns(COLUMNS) == HISTORY
    assert columns_from_history([]) == {} and history_from_columns({}) == []


def test_a_value_that_an_epoch_lacks_is_none():
    assert columns_from_history([{"epoch": 1, "a": 5}, {"epoch": 2}]) == {"epoch": [1, 2], "a": [5, None]}


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError):
        history_from_columns({"epoch": [1, 2], "seconds": [0.5]})
    with pytest.raises(ValueError):
        history_from_columns({"epoch": [1], "dev": {"epoch": [1], "loss": []}})


@pytest.fixture
def shipped():
    return max(RECORDS.glob("study/*e60-seed0*.json"))


def test_a_record_on_disk_is_what_pandas_takes(shipped):
    run, on_disk = load_run(shipped), json.loads(shipped.read_text(encoding="utf-8"))
    dev = pandas.DataFrame(on_disk["history"]["dev"]).set_index("epoch")
    assert dev.mean_dice.tolist() == run.curve().tolist() and len(dev) == run.config.epochs
    train = pandas.DataFrame(on_disk["history"]["train"]).set_index("epoch")
    assert set(train.index) < set(dev.index) and run.curve(part="train")[train.index[0] - 1] == train.mean_dice.iloc[0]


def test_a_record_with_a_list_of_epochs_is_read_as_ever(tmp_path, shipped):
    run = load_run(shipped)
    values = run_to_dict(run)
    assert isinstance(values["history"], list)
    (path := tmp_path / shipped.name).write_text(json.dumps(values | {"checksum": checksum(values)}), encoding="utf-8")
    assert path.stat().st_size > 1.5 * shipped.stat().st_size
    assert run_to_dict(load_run(path)) == values


def test_a_record_whose_columns_do_not_fit_gets_one_line(tmp_path, shipped):
    values = json.loads(shipped.read_text(encoding="utf-8"))
    del values["checksum"]
    for spoil in (lambda dev: dev["epoch"].pop(), lambda dev: dev["epoch"].__setitem__(0, 99)):
        spoiled = json.loads(json.dumps(values))
        spoil(spoiled["history"]["dev"])
        path = tmp_path / shipped.name
        path.write_text(json.dumps(spoiled | {"checksum": checksum(spoiled)}), encoding="utf-8")
        with pytest.raises(lab.DataError, match="not a run record"):
            load_run(path)
