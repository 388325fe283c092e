"""Scores at 1 mm of coarse predictions."""

import numpy as np
import pandas
import pytest

import atlas_lab as lab
from atlas_lab.data.slicing import axial_slices, downsample
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.fine_scores import fine_scores
from atlas_lab.grid import GRID

CENTRES = {"000001/t01": (60, 120, 90), "000002/t01": (140, 80, 60)}
RADIUS = 15


def ball(name, shift=0):
    x, y, z = CENTRES[name]
    return sum((axis - at) ** 2 for axis, at in zip(np.ogrid[:197, :233, :189], (x + shift, y, z), strict=True)) \
        <= RADIUS**2


def coarse(scale, z_step=3, shift=0):
    """A store of the balls, every z_step-th slice, and the share of each of its pixels that is lesion."""
    share = np.concatenate([downsample(axial_slices(ball(name, shift), z_step), scale) for name in CENTRES])
    each = len(share) // 2
    table = pandas.DataFrame({
        "subject": np.repeat([name[:6] for name in CENTRES], each), "session": "t01", "site": "Site1",
        "z": np.tile(np.arange(0, GRID[2], z_step), 2), "lesion_pixels": (share >= 0.5).sum(axis=(1, 2))})
    about = {"source": "balls", "n_scans": 2, "scale": scale, "z_step": z_step, "data_hash": "0"}
    return SliceStore(None, np.zeros(share.shape, np.uint8), share >= 0.5, table, about), share


@pytest.fixture(scope="module")
def fine():
    return coarse(1, z_step=1)[0]


def test_perfect_slices_at_1_mm_score_1_and_none_score_0(fine):
    store, share = coarse(1)
    everything = np.arange(len(store))
    assert fine_scores(store, everything, share.__getitem__, fine)["mean_dice"]["value"] == 1
    assert fine_scores(store, everything, lambda rows: 0 * share[rows], fine)["mean_dice"]["value"] == 0


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_a_coarse_outline_costs_more_the_coarser_it_is_and_lies_in_place(scale, fine):
    store, share = coarse(scale)
    rows = np.flatnonzero(store.masks.sum(axis=(1, 2)) > 100 / scale**2)
    dice = fine_scores(store, rows, share.__getitem__, fine)["mean_dice"]["value"]
    assert 1 - 0.03 * scale < dice < 1 - 0.002 * scale
    moved = coarse(scale, shift=scale)[1]  # one pixel to the right
    z = CENTRES["000001/t01"][2]
    here, there = (ball("000001/t01", shift)[:, :, z] for shift in (0, scale))
    expected = 2 * (here & there).sum() / (here.sum() + there.sum())
    at_centre = np.flatnonzero((store.table["subject"] == "000001") & (store.table["z"] == z))
    found = fine_scores(store, at_centre, moved.__getitem__, fine)["mean_dice"]["value"]
    assert found == pytest.approx(expected, abs=0.05)


def test_only_the_rows_asked_for_are_scored_in_any_order(fine):
    store, share = coarse(4)
    rows = np.flatnonzero(store.masks.any(axis=(1, 2)))
    some = np.random.default_rng(0).permutation(rows)[:9]
    found = fine_scores(store, some, share.__getitem__, fine)
    alone = [fine_scores(store, [row], share.__getitem__, fine)["mean_dice"]["value"] for row in some]
    assert found["mean_dice"]["value"] == pytest.approx(np.mean(alone))


def test_slices_that_are_not_there_at_1_mm_and_others_than_those_are_refused():
    store, share = coarse(4)
    with pytest.raises(lab.DataError, match="no slice 6 of 000001/t01"):
        fine_scores(store, [2], share.__getitem__, coarse(1, z_step=4)[0])
    with pytest.raises(lab.DataError, match="slices of 2 mm a pixel; scores at 1 mm take those of 1"):
        fine_scores(store, [2], share.__getitem__, coarse(2)[0])


def test_a_run_s_record_has_them_where_the_slices_are_given(fine):
    config = lab.RunConfig(epochs=1, batch_size=20, pos_weight=10.0, z_step=3)
    run = lab.run_experiment(config, coarse(4)[0], lambda line: None, fine_store=fine)
    assert set(run.final["dev_fine"]) == set(run.final["dev"]) - {"centroid_distance"}
