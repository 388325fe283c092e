"""The slice store, its split, and the Dataset over it."""

import shutil

import nibabel
import numpy as np
import pandas
import pytest
import torch
from atlas_tree import box_mask, write_scan

import atlas_lab as lab
from atlas_lab.data import slicing as slices_module
from atlas_lab.data.intensity import white_point
from atlas_lab.dataset import SliceStore, open_store
from atlas_lab.experiment.permuted_masks import permute_masks
from atlas_lab.splits import Split, neighbour_exposure


@pytest.fixture(scope="module")
def store(scans, tmp_path_factory):
    """The store of the shared tree at the course profile's scale, kept for the whole module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATLAS_LAB_HOME", str(tmp_path_factory.mktemp("home")))
        return lab.prepare_slices(scans, scale=4, z_step=2, jobs=1, progress=False)


def test_shapes_at_every_scale(scans):
    full = lab.prepare_slices(scans[:1], scale=1, z_step=20, jobs=1, progress=False)
    quarter = lab.prepare_slices(scans[:1], scale=4, z_step=20, jobs=1, progress=False)
    assert full.images.shape == (10, 232, 196) and quarter.images.shape == (10, 56, 48)
    assert full.images.dtype == np.uint8 and full.masks.dtype == bool


def test_scale_1_is_the_volume_itself_turned_and_cropped(scans):
    image, mask, _ = lab.load_scan(scans[1])
    store = lab.prepare_slices(scans[1:2], scale=1, z_step=1, jobs=1, progress=False)
    z, x, y = 65, 68, 88
    row = 232 - y  # the front, the highest y, is the first row
    assert store.masks[z, row, x] == mask[x, y, z]
    expected = np.clip(np.rint(image[x, y, z] * 255 / white_point(image)), 0, 255)
    assert store.images[z, row, x] == expected
    # The crop takes the last row (y = 0) and the last column (x = 196), where no lesion is.
    assert store.masks.sum() == mask.sum()


def test_scale_4_averages_blocks(scans):
    image, mask, _ = lab.load_scan(scans[0])
    small = lab.prepare_slices(scans[:1], scale=4, z_step=2, jobs=1, progress=False)
    z = 66
    rows, columns = image[:, ::-1, z].T, mask[:, ::-1, z].T
    r, c = 30, 25  # any pixel: its block starts one trimmed row further down
    block = (slice(4 * (r + 1), 4 * (r + 2)), slice(4 * c, 4 * c + 4))
    assert small.images[z // 2, r, c] == pytest.approx(rows[block].mean() * 255 / white_point(image), abs=0.51)
    assert small.masks[z // 2, r, c] == (columns[block].mean() >= 0.5)


def test_table_names_every_slice(store, scans):
    table = store.table
    assert len(store) == len(table) == 6 * 95
    assert table["subject"].iloc[0] == "031768"  # the leading zero is kept
    assert table["z"].iloc[:95].tolist() == list(range(0, 189, 2))
    np.testing.assert_array_equal(table["lesion_pixels"], store.masks.sum(axis=(1, 2)))
    assert store.scan_names[-1] == "031802/t02"
    assert store.about["source"] == "ATLAS R1.1" and store.about["n_scans"] == 6


def test_a_store_is_made_once_and_anew_when_a_file_changes(scans, tmp_path, monkeypatch):
    root = tmp_path / "atlas"
    write_scan(root, "Site1", "031768")
    found = lab.find_scans(root)
    first = lab.prepare_slices(found, jobs=1, progress=False)
    with monkeypatch.context() as patch:
        patch.setattr(slices_module, "build_store", lambda *_: pytest.fail("built again though nothing changed"))
        assert lab.prepare_slices(found, jobs=1, progress=False).folder == first.folder
    write_scan(root, "Site1", "031768", masks=[box_mask((70, 80, 60))])
    second = lab.prepare_slices(found, jobs=1, progress=False)
    assert second.folder != first.folder and second.about["data_hash"] != first.about["data_hash"]


def test_an_interrupted_store_goes_on_with_the_missing_scans(scans, monkeypatch):
    whole = lab.prepare_slices(scans[:3], jobs=1, progress=False)
    expected = whole.about["data_hash"]
    shutil.rmtree(whole.folder)
    original, loaded = slices_module.scan_to_slices, []

    def fail_at_the_third(scan, *settings):
        loaded.append(scan.name)
        if len(loaded) == 3:
            raise KeyboardInterrupt
        return original(scan, *settings)

    monkeypatch.setattr(slices_module, "scan_to_slices", fail_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        lab.prepare_slices(scans[:3], jobs=1, progress=False)
    assert not whole.folder.exists()
    again = lab.prepare_slices(scans[:3], jobs=1, progress=False)
    assert loaded == [scans[0].name, scans[1].name, scans[2].name, scans[2].name]
    assert again.about["data_hash"] == expected
    assert not list(again.folder.glob("done-*"))


def test_parallel_and_serial_stores_are_equal(scans, tmp_path, monkeypatch, store):
    parallel = lab.prepare_slices(scans, jobs=2, progress=False)
    assert parallel.about["data_hash"] == store.about["data_hash"]


@pytest.mark.parametrize("settings", [{"scale": 0}, {"scale": 60}, {"z_step": 0}])
def test_impossible_settings_are_refused(scans, settings):
    with pytest.raises(lab.DataError, match="scale"):
        lab.prepare_slices(scans, **settings)


def test_no_scans_and_no_store(tmp_path):
    with pytest.raises(lab.DataError, match="no scans"):
        lab.prepare_slices([])
    with pytest.raises(lab.DataError, match="no finished slice store"):
        open_store(tmp_path)


@pytest.mark.parametrize("by", ["slice", "scan", "subject", "site"])
def test_a_split_keeps_groups_whole_and_loses_nothing(store, by):
    train, dev = lab.split_slices(store, by, dev_fraction=0.3, seed=1)
    assert sorted([*train, *dev]) == list(range(len(store)))
    labels = {"slice": np.arange(len(store)), "scan": store.scan_names}.get(by)
    labels = store.table[by].to_numpy() if labels is None else labels
    assert not set(labels[train]) & set(labels[dev])
    n_groups = len(set(labels))
    assert len(set(labels[dev])) == max(1, round(0.3 * n_groups))


def test_a_subject_split_keeps_both_scans_of_a_person_together(store):
    for seed in range(10):
        split = lab.split_slices(store, "subject", seed=seed)
        sides = {name.split("/")[0]: set() for name in store.scan_names}
        for side, rows in zip(("train", "dev"), split, strict=True):
            for name in store.scan_names[rows]:
                sides[name.split("/")[0]].add(side)
        assert all(len(where) == 1 for where in sides.values())


def test_a_split_follows_its_seed(store):
    first, again, other = (lab.split_slices(store, "slice", seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.dev, again.dev)
    assert not np.array_equal(first.dev, other.dev)


def test_a_split_that_is_not_possible(store, scans):
    with pytest.raises(lab.DataError, match="choose one of slice, block, scan, subject, site"):
        lab.split_slices(store, "hemisphere")
    one_site = lab.prepare_slices(scans[:3], z_step=50, jobs=1, progress=False)
    with pytest.raises(lab.DataError, match="can't split by site"):
        lab.split_slices(one_site, "site")


def test_dataset_gives_the_store_as_tensors(store):
    rows = np.array([70, 30, 31])
    dataset = lab.SliceDataset(store, rows)
    image, target = dataset[1]
    assert image.shape == target.shape == (1, 56, 48) and image.dtype == target.dtype == torch.float32
    np.testing.assert_allclose(image[0].numpy(), store.images[30] / 255, rtol=1e-6)
    images, targets = dataset[[0, 2]]
    assert images.shape == (2, 1, 56, 48)
    np.testing.assert_array_equal(targets[1, 0].numpy().astype(bool), store.masks[31])
    assert dataset.table["z"].tolist() == [store.table["z"][row] for row in rows]


def test_dataset_works_with_torch_s_own_loader(store):
    loader = torch.utils.data.DataLoader(lab.SliceDataset(store, np.arange(5)), batch_size=2)
    assert [images.shape[0] for images, _ in loader] == [2, 2, 1]


# ------------------------------------------------------------------------- seen and unseen people, swapped masks

def rows_only(n_scans, n_slices, z_step=2):
    """A store without pictures that are worth looking at: masks that name their scan, z from 0 in steps."""
    n = n_scans * n_slices
    scan = np.repeat(np.arange(n_scans), n_slices)
    masks = np.arange(64).reshape(1, 8, 8) < scan[:, None, None] + 1
    table = pandas.DataFrame({
        "subject": [f"{i // 2:06d}" if i < 4 else f"{i:06d}" for i in scan],  # two subjects have two scans
        "session": [f"t0{i % 2 + 1}" for i in scan], "site": "Site1",
        "z": np.tile(np.arange(n_slices), n_scans) * z_step,
        "lesion_pixels": masks.sum(axis=(1, 2)),
    })
    return SliceStore(None, np.zeros((n, 8, 8), np.uint8), masks, table, {"z_step": z_step})


def test_a_split_both_ways_holds_out_people_and_slices_of_other_people():
    store = rows_only(20, 30)
    split = lab.split_slices(store, "both", 0.4, seed=3)
    assert sorted([*split.train, *split.dev]) == list(range(600))
    subjects = store.table["subject"].to_numpy(str)
    unseen = set(subjects[split.dev]) - set(subjects[split.train])
    assert len(unseen) == round(0.2 * len(set(subjects)))
    seen_rows = [row for row in split.dev if subjects[row] not in unseen]
    assert len(seen_rows) == 120


@pytest.mark.parametrize("by, low, high", [("slice", 0.88, 0.94), ("subject", 0, 0), ("scan", 0, 0)])
def test_neighbour_exposure_is_1_minus_the_square_of_the_dev_share(by, low, high):
    # Both neighbours of a dev slice are in dev too with a chance of 0.3 squared: 0.91 are exposed (FACTS: 91 %).
    store = rows_only(40, 95)
    assert low <= neighbour_exposure(store, lab.split_slices(store, by)) <= high


def test_neighbour_exposure_by_hand():
    store = rows_only(2, 5)
    # Scan 1: rows 0 to 4; scan 2 starts at row 5.
    split = Split(np.array([0, 3, 9]), np.array([1, 5, 6, 8]))
    assert neighbour_exposure(store, split) == 0.5  # row 1 by 0, row 8 by 9; rows 5 and 6 by nothing


def test_swapped_masks_are_all_there_and_are_another_person_s():
    store = rows_only(12, 4)
    swapped = permute_masks(store, seed=1)
    donors = swapped.masks.sum(axis=(1, 2)) - 1  # a mask tells the scan it was made for
    own = np.repeat(np.arange(12), 4)
    assert sorted(donors) == sorted(own)
    subjects = store.table["subject"].to_numpy(str)[::4]
    assert (subjects[donors] != subjects[own]).all()
    assert (swapped.table["lesion_pixels"] == swapped.masks.sum(axis=(1, 2))).all()
    assert swapped.images is store.images and store.masks[0].sum() == 1
    assert not np.array_equal(permute_masks(store, seed=2).masks, swapped.masks)


def test_masks_of_too_few_people_can_not_be_swapped():
    with pytest.raises(lab.DataError, match="at least four subjects"):
        permute_masks(rows_only(2, 4))


def test_the_affine_of_stacked_slices_puts_a_lesion_where_it_was(scans):
    store = lab.prepare_slices(scans[:1], scale=4, z_step=2, jobs=1, progress=False)
    mask, affine = lab.data.load_lesion(scans[0])
    stacked = np.asarray(store.masks).transpose(2, 1, 0)[:, ::-1]
    found = slices_module.stack_affine(store)
    assert "".join(nibabel.aff2axcodes(found)) == "RAS"
    centres = [(a[:3, :3] @ np.argwhere(m).mean(axis=0) + a[:3, 3]) for m, a in ((mask, affine), (stacked, found))]
    assert np.abs(centres[0] - centres[1]).max() < 2.5  # half of a 4 mm pixel, and a little
