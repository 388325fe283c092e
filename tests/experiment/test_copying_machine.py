"""The copying machine against a nearest neighbour by brute force, and slices whose twin is known."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors
from test_experiment import CONFIG, quiet, small_store

import atlas_lab as lab
from atlas_lab.experiment.copying_machine import copied_masks, nearest_rows
from atlas_lab.splits import Split


def test_nearest_rows_are_scikit_learn_s():
    rng = np.random.default_rng(0)
    others, queries = (rng.integers(0, 256, (n, 300)).astype(np.float32) for n in (2500, 1300))
    expected = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(others).kneighbors(queries)[1][:, 0]
    assert np.array_equal(nearest_rows(queries, others), expected)


def test_near_twins_are_told_apart():
    """Bright slices that differ by one grey level in one pixel: float32 sums of squares can't tell which is nearer."""
    others = np.full((3, 2688), 255, np.float32)
    others[0, 0], others[1, :2], others[2, 5] = 254, 254, 253
    queries = np.full((1, 2688), 255, np.float32)
    assert nearest_rows(queries, others).tolist() == [0]
    queries[0, 5] = 253
    assert nearest_rows(queries, others).tolist() == [2]


def test_a_twin_s_mask_is_copied_and_slices_of_1_mm_are_compared_at_4():
    store = small_store()
    images = np.repeat(np.repeat(store.images, 4, axis=1), 4, axis=2)
    masks = np.repeat(np.repeat(store.masks, 4, axis=1), 4, axis=2)
    fine = replace(store, images=images, masks=masks, about=store.about | {"scale": 1})
    split = Split(np.arange(0, 40), np.arange(40, 80))
    twins = np.random.default_rng(1).permutation(40)
    images[40:] = images[twins]
    assert np.array_equal(copied_masks(fine, split), masks[twins])


def test_a_record_says_how_far_its_network_copies():
    """The Dice of its masks on dev with the copied ones, computed here from its own predictions."""
    store = small_store()
    run = lab.run_experiment(replace(CONFIG, epochs=5), store, quiet)
    split = lab.split_slices(store)
    predicted = lab.predict(lab.load_model(run, store), store.images[split.dev]) > 0.5
    expected = lab.mean_dice(predicted, copied_masks(store, split))
    assert run.final["dev_copied"]["mean_dice"]["value"] == pytest.approx(expected)
