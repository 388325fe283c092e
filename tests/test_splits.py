"""Splits and samples of slices, each group counted by hand, each draw repeated with numpy alone."""

import numpy as np
import pandas
import pytest
import torch

import atlas_lab as lab
from atlas_lab.dataset import SliceStore, open_store
from atlas_lab.provenance import RunStream
from atlas_lab.splits import Split, neighbour_exposure, seen_in_train


def store_of(n_subjects=3, z=range(0, 188, 2), sites=2, step=2):
    """Slices without pictures, of subjects with one scan each."""
    z, n = list(z), n_subjects * len(z)
    subject = np.repeat(np.arange(n_subjects), len(z))
    table = pandas.DataFrame({"subject": [f"{i:06d}" for i in subject], "session": "t01",
                              "site": [f"Site{i % sites}" for i in subject], "z": z * n_subjects})
    images = np.arange(n, dtype=np.uint8).reshape(n, 1, 1) * np.ones((1, 2, 3), np.uint8)
    return SliceStore(None, images, images > n // 2, table, {"z_step": step})


@pytest.mark.parametrize("by", ["slice", "block", "scan", "subject", "both"])
@pytest.mark.parametrize("fraction", [0.3, 0.6])
def test_rows_ascend_and_are_numbers_of_the_store(by, fraction):
    split = lab.split_slices(store_of(10), by, fraction, seed=4)
    for rows in split:
        assert rows.dtype == np.int64 and (np.diff(rows) > 0).all()
    assert sorted(np.concatenate(split)) == list(range(940))


@pytest.mark.parametrize("fraction, n_dev", [(0.001, 1), (0.3, 1), (0.5, 2), (0.75, 2), (0.999, 2)])
def test_each_side_has_a_group_however_small_its_share(fraction, n_dev):
    store = store_of(3)
    assert store.table["subject"].iloc[lab.split_slices(store, "subject", fraction).dev].nunique() == n_dev


def test_a_split_by_slice_is_numpy_s_permutation():
    store = store_of(1, range(20))
    for seed in (0, 7):
        split = lab.split_slices(store, seed=seed)
        assert split.dev.tolist() == sorted(np.random.default_rng(seed).permutation(20)[:6])
    assert lab.split_slices(store).dev.tolist() == lab.split_slices(store, "slice", 0.3, 0).dev.tolist()


def test_a_block_is_thirty_millimetres_of_one_scan():
    store = store_of(4)  # z from 0 to 186: seven blocks to a scan, 15 slices each but for the last
    split = lab.split_slices(store, "block", 0.25, seed=1)
    blocks = [f"{subject} {z // 30}" for subject, z in zip(store.table["subject"], store.table["z"], strict=True)]
    sides = [{blocks[row] for row in rows} for rows in split]
    assert not sides[0] & sides[1] and len(sides[0]) == 21 and len(sides[1]) == 7
    assert blocks.count("000000 0") == 15 and blocks.count("000000 6") == 4


def test_half_of_dev_are_whole_people_and_half_are_slices_of_the_others():
    store, seed = store_of(10, range(10)), 5
    split = lab.split_slices(store, "both", 0.4, seed)
    people = np.random.default_rng(seed).permutation(10)[:2]
    of_others = [row for row in range(100) if row // 10 not in people]
    drawn = np.random.default_rng([seed, RunStream.SLICES_OF_KNOWN_PEOPLE]).permutation(80)[:20]
    expected = [row for row in range(100) if row // 10 in people] + [of_others[i] for i in drawn]
    assert split.dev.tolist() == sorted(expected)
    seen = seen_in_train(store.table["subject"], split)
    assert seen.tolist() == [row // 10 not in people for row in split.dev] and seen.sum() == 20


def test_one_group_cannot_be_split():
    with pytest.raises(lab.DataError) as caught:
        lab.split_slices(store_of(2, sites=1), "site")
    assert str(caught.value) == "can't split by site: all 188 slices are of one site (Site0)"
    with pytest.raises(lab.DataError, match=r"^split_by is 'lobe'; choose one of slice, block"):
        lab.split_slices(store_of(2), "lobe")


@pytest.mark.parametrize("step, train, share", [
    (2, [0], 1 / 3), (2, [3], 1 / 3), (2, [1], 2 / 3), (2, [], 0.0), (4, [1], 1 / 3)])
def test_a_neighbour_is_one_step_up_or_down_in_the_same_scan(step, train, share):
    store = store_of(2, (0, 2, 4, 6), step=step)
    dev = [row for row in range(4) if row not in train][:3]
    other = list(range(4, 8))  # of the second scan, at the same heights: no neighbours
    assert neighbour_exposure(store, Split(np.array(train + other), np.array(dev))) == pytest.approx(share)


def test_a_sample_is_numpy_s_permutation_in_the_dataset_s_order():
    rows = np.array([9, 4, 7, 1, 12, 3])
    dataset = lab.SliceDataset(store_of(2, range(10)), rows)
    for seed in (0, 3):
        drawn = np.random.default_rng([seed, RunStream.SCORED_TRAIN]).permutation(6)[:4]
        assert dataset.sample(4, seed).rows.tolist() == rows[sorted(drawn)].tolist()
    assert dataset.sample(4).rows.tolist() == dataset.sample(4, 0).rows.tolist()
    assert dataset.sample(60).rows.tolist() == rows.tolist() and len(dataset) == 6 == len(dataset.table)
    assert len(lab.SliceDataset(dataset.store, [])) == 0 == len(lab.SliceDataset(dataset.store, ()))


def test_images_are_from_0_to_1_and_masks_out_of_jpeg_files_have_levels():
    store = store_of(1, range(3))
    store.images[:] = np.array([0, 51, 255], np.uint8).reshape(3, 1, 1)
    levels = SliceStore(None, store.images, store.images, store.table, store.about)
    assert lab.SliceDataset(store)[[0, 1, 2]][0].unique().tolist() == pytest.approx([0, 0.2, 1])
    image, target = lab.SliceDataset(levels)[1]
    assert torch.equal(image, target) and target.shape == (1, 2, 3)
    assert lab.SliceDataset(store)[2][1].unique().tolist() == [float(store.masks[2].max())]


def test_a_folder_without_a_store_is_refused_by_name(tmp_path):
    with pytest.raises(lab.DataError) as caught:
        open_store(str(tmp_path))
    assert str(caught.value) == f"{tmp_path}: no finished slice store here; make one with prepare_slices"


@pytest.mark.parametrize("share", [0, 1, -1, 30, float("nan")])
@pytest.mark.parametrize("by", ["slice", "both"])
def test_a_share_of_dev_that_is_none_is_refused(by, share):
    with pytest.raises(lab.DataError, match="dev_fraction"):
        lab.split_slices(store_of(), by, dev_fraction=share)
