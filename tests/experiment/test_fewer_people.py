"""Runs on fewer people than the data have."""

from dataclasses import replace

import numpy as np
import pytest
from test_experiment import CONFIG, quiet, small_store

import atlas_lab as lab
from atlas_lab.experiment.fewer_people import some_people
from atlas_lab.experiment.run import unpack_masks


def test_people_are_nested_whole_and_others_for_another_seed():
    store = small_store(n_subjects=12)
    drawn = [set(some_people(store, count, seed=3).table["subject"]) for count in (2, 5, 12)]
    assert [len(people) for people in drawn] == [2, 5, 12] and drawn[0] < drawn[1] < drawn[2]
    few = some_people(store, 5, seed=3)
    rows = np.flatnonzero(store.table["subject"].isin(drawn[1]))
    assert (few.images == store.images[rows]).all() and (few.masks == store.masks[rows]).all()
    assert few.table.index.tolist() == rows.tolist() and few.about["n_scans"] == 5
    assert {frozenset(some_people(store, 5, seed).table["subject"]) for seed in range(5)} != {frozenset(drawn[1])}
    assert some_people(store, None) is store
    with pytest.raises(lab.DataError, match="people is 13, and the data have 12"):
        some_people(store, 13)


@pytest.mark.parametrize("split_by", ["slice", "subject", "block"])
def test_a_run_on_few_people_is_one_on_a_store_of_theirs_and_its_examples_lie_in_the_whole(split_by):
    store, config = small_store(), replace(CONFIG, split_by=split_by, epochs=2)
    few = some_people(store, 5)
    alone = replace(few, table=few.table.reset_index(drop=True))
    run, other = lab.run_experiment(replace(config, people=5), store, quiet), lab.run_experiment(config, alone, quiet)
    for one, another in zip(run.history, other.history, strict=True):
        assert one["dev"] == another["dev"] and one["step_loss"] == another["step_loss"]
    assert run.final == other.final and run.split == other.split and run.point["subjects"] == 5
    assert run.examples["rows"] == few.table.index[other.examples["rows"]].tolist()
    assert (unpack_masks(run.examples["masks"]) == unpack_masks(other.examples["masks"])).all()
