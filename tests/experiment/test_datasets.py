"""Slices with their neighbours, varied, staged, and as volumes; folds; networks trained on each through `fit`."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from boxes import Z_STEP, store_of

import atlas_lab as lab
from atlas_lab.experiment.build import build_model
from atlas_lab.experiment.datasets import NetDataset, VolumeDataset, build_dataset, scan_rows
from atlas_lab.experiment.folds import choose_split, held_out_groups
from atlas_lab.experiment.prediction import predict_rows, predict_stack
from atlas_lab.experiment.run import without_nan
from atlas_lab.nets.volume import SLAB, VolumeNet, slab_batches

UNET = lab.RunConfig(net="unet", width=2, epochs=2, batch_size=20, split_by="subject", pos_weight=1.0, z_step=Z_STEP)


def quiet(line):
    """Swallow progress lines."""


def test_rows_of_a_scan_go_from_the_lowest_slice_up():
    store = store_of()
    for name, rows in scan_rows(store).items():
        assert store.images[rows, 0, 0].tolist() == [10 * int(name[:6]) + height for height in range(9)]


def test_neighbours_are_the_slices_above_and_below_in_the_same_scan():
    store = store_of()
    images, target = NetDataset(store, context=2)[np.arange(len(store))]
    codes = (images[:, :, 0, 0] * 255).round().int()
    for row in range(len(store)):
        scan, height = divmod(int(store.images[row, 0, 0]), 10)
        assert codes[row].tolist() == [10 * scan + min(max(height + step, 0), 8) for step in (-2, -1, 0, 1, 2)]
    assert torch.equal(target, lab.SliceDataset(store)[np.arange(len(store))][1])
    one, _ = NetDataset(store, context=2)[5]
    assert torch.equal(one, images[5])


def test_plain_settings_have_the_plain_dataset():
    assert type(build_dataset(lab.RunConfig(), store_of(), np.arange(5), training=True)) is lab.SliceDataset


def test_only_training_varies():
    store, config = store_of(), replace(UNET, augment="all")
    training = build_dataset(config, store, np.arange(20), training=True)
    plain = lab.SliceDataset(store, np.arange(20))[np.arange(20)]
    assert not torch.equal(training[np.arange(20)][0], plain[0])
    for dataset in (build_dataset(config, store, np.arange(20)), training.sample(20)):
        assert torch.equal(dataset[np.arange(20)][0], plain[0])


def test_volumes_are_whole_scans_and_slabs_of_them():
    store = store_of()
    whole = VolumeDataset(store, np.flatnonzero(store.table["subject"] < "000003"))
    images, target = whole[[0, 2]]
    assert (images[:, 0, 0, 0] * 255).round().tolist() == [*range(9), *range(20, 29)] and len(whole) == 3
    assert torch.equal(target[:, 0].bool(), torch.from_numpy(store.masks[whole.rows[[*range(9), *range(18, 27)]]]))
    tall = store_of(1, z_step=3)  # 63 slices
    slabs = VolumeDataset(tall, training=True)
    torch.manual_seed(0)
    starts = {round((slabs[[0]][0][0, 0, 0, 0] * 255).item()) for _ in range(60)}
    assert len(slabs) == 2 and len(slabs[[0, 1]][0]) == 2 * SLAB and min(starts) < 4 and max(starts) > 27
    with pytest.raises(lab.DataError, match="whole scans of 9 slices"):
        VolumeDataset(store, np.arange(30))


def test_masks_out_of_jpeg_files_are_scaled_for_volumes_too_and_are_not_moved():
    store, config = store_of(), lab.RunConfig(net="volume_unet", z_step=21, mask_files="jpeg", split_by="subject")
    levels = replace(store, masks=np.full(store.masks.shape, 51, np.uint8))
    assert build_dataset(config, levels, np.arange(len(store)))[[0]][1].unique().tolist() == [pytest.approx(0.2)]
    with pytest.raises(lab.DataError, match="mask_files=exact"):
        build_dataset(replace(config, augment="all"), levels, np.arange(len(store)), training=True)


def test_a_volume_net_gives_slices_back_in_their_order():
    inner = torch.nn.Conv3d(1, 1, (3, 1, 1), padding=(1, 0, 0), bias=False)
    inner.input_shape = (1, 1)
    net = VolumeNet(inner, 4)
    torch.nn.init.ones_(net.net.weight)
    images = torch.arange(8.0).reshape(8, 1, 1, 1)
    assert net.eval()(images).flatten().tolist() == [1, 3, 6, 5, 9, 15, 18, 13]
    assert [len(batch) for batch in slab_batches(lambda n, size: torch.arange(n).split(size), 7, 100)] == [3, 3, 1]



@pytest.mark.parametrize("settings", [
    {"context": 1, "deep_supervision": 2, "loss": "dice_cross_entropy"}, {"stage": "place"}, {"net": "volume_unet"},
    {"augment": "all", "loss": "boundary"},
])
def test_every_network_trains_through_the_same_fit_and_resumes_bit_for_bit(settings):
    torch.set_num_threads(1)
    store, config, lines = store_of(), replace(UNET, **settings), []
    first = lab.run_experiment(config, store, quiet)

    def stop(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lab.run_experiment(config, store, stop, fresh=True)
    again = lab.run_experiment(config, store, lines.append)
    assert len(lines) == 1 and without_nan(first.final) == without_nan(again.final)
    one, other = (without_nan([entry["dev"] for entry in run.history]) for run in (first, again))
    assert one == other
    rows = np.flatnonzero(store.table["subject"] == "000002")[::2]
    model = lab.load_model(again, store)
    found = predict_rows(model, config, store, rows)
    every = predict_rows(model, config, store, np.arange(len(store)))
    np.testing.assert_allclose(found, every[rows], atol=1e-5)
    turned = replace(store, images=store.images[:, :, ::-1])
    answers = predict_rows(model, config, turned, rows)[:, :, ::-1]
    np.testing.assert_allclose(predict_rows(model, config, store, rows, mirrored=True), answers, atol=1e-5)


def test_the_five_folds_hold_every_subject_out_once():
    store = store_of(11)
    splits = [choose_split(replace(UNET, fold=fold), store) for fold in range(5)]
    held = [set(store.table["subject"].iloc[split.dev]) for split in splits]
    assert sorted(name for part in held for name in part) == sorted(set(store.table["subject"]))
    assert {len(part) for part in held} == {2, 3}
    for split, part in zip(splits, held, strict=True):
        assert not part & set(store.table["subject"].iloc[split.train])
        assert sorted([*split.train, *split.dev]) == list(range(len(store)))


def test_each_site_is_left_out_once():
    store = store_of()
    for fold, site in enumerate(["Site1", "Site2", "Site3"]):
        split = choose_split(replace(UNET, split_by="site", fold=fold), store)
        assert set(store.table["site"].iloc[split.dev]) == {site}
    with pytest.raises(lab.DataError, match="fold is 3; by site there are 0 to 2"):
        choose_split(replace(UNET, split_by="site", fold=3), store)
    with pytest.raises(lab.DataError, match="folds are by subject or by site"):
        choose_split(replace(UNET, split_by="slice", fold=0), store)
    with pytest.raises(lab.DataError, match="too few for 5 folds"):
        held_out_groups(["a", "b"], "subject")


@pytest.mark.parametrize("settings", [{}, {"context": 1}, {"net": "volume_unet"}])
def test_a_scan_of_every_millimetre_is_answered_as_its_slices_of_the_store_are(settings):
    """The slices that the store holds too, z_step apart, get the same answer."""
    torch.manual_seed(0)
    store, config = store_of(2), replace(UNET, **settings)
    model, rows = build_model(config, (16, 16)), scan_rows(store)["000001/t01"]
    fine = np.random.default_rng(0).integers(0, 255, (9 * Z_STEP, 16, 16), dtype=np.uint8)
    fine[::Z_STEP] = store.images[rows]
    expected = predict_rows(model, config, store, rows)
    np.testing.assert_allclose(predict_stack(model, config, fine)[::Z_STEP], expected, atol=1e-5)


def test_a_stage_of_the_cascade_gives_no_mask_of_a_scan():
    config = replace(UNET, stage="presence")
    with pytest.raises(lab.DataError, match="the cascade's stage of presence"):
        predict_stack(build_model(config, (16, 16)), config, np.zeros((5, 16, 16), np.uint8))


@pytest.mark.parametrize("settings", [{"context": 1}, {"net": "volume_unet"}])
def test_slices_further_apart_than_the_settings_say_are_refused(settings):
    with pytest.raises(lab.DataError, match="z_step is 2, and these slices are every 21th"):
        build_dataset(replace(UNET, **settings, z_step=2), store_of(1), np.arange(9))
