"""Cutting to slices, against numbers worked out by hand or by another way."""

import gzip
import os
from types import SimpleNamespace

import nibabel
import numpy as np
import pandas
import pytest
from atlas_tree import write_scan

import atlas_lab as lab
from atlas_lab.data.slicing import axial_slices, downsample, mask_to_slices, stack_affine
from atlas_lab.grid import AFFINE, GRID


@pytest.mark.parametrize("n, is_lesion", [(7, False), (8, True), (9, True)])  # of the 16 voxels of a block
def test_a_pixel_is_lesion_from_half_of_its_block_on(n, is_lesion):
    mask = np.zeros(GRID, bool)
    y_top = GRID[1] - 1 - 40  # rows count from the front: block 10 of 4 rows begins there
    mask[[80 + i % 4 for i in range(n)], [y_top - i // 4 for i in range(n)], 90] = True
    found = mask_to_slices(mask, 4, 1)[90]
    assert found.sum() == is_lesion and (not is_lesion or found.any(axis=1).argmax() == 10 - 1)  # one row is trimmed


@pytest.mark.parametrize("scale, z_step", [(1, 1), (2, 3), (3, 2), (4, 2), (5, 1)])
def test_stacked_slices_lie_where_the_means_of_their_voxels_lie(scale, z_step):
    places = np.stack(np.meshgrid(*[np.arange(n) for n in GRID], indexing="ij")).astype(np.float64)
    stack = stack_affine(SimpleNamespace(about={"scale": scale, "z_step": z_step}))
    for axis in range(3):
        mm = places[axis] + AFFINE[axis, 3]
        means = downsample(axial_slices(mm, z_step), scale).transpose(2, 1, 0)[:, ::-1]  # RAS, as the affine says
        index = np.indices(means.shape)[axis]
        np.testing.assert_allclose(stack[axis, axis] * index + stack[axis, 3], means, atol=1e-4)


def test_the_typical_scan_surpasses_four_fifths():
    names = [f"{i:06d}" for i in range(10)]
    rng = np.random.default_rng(0)
    areas = rng.permutation(10)
    rows = [(name, "t01", area if z == 3 else 0) for name, area in zip(names, areas, strict=True) for z in range(5)]
    table = pandas.DataFrame(rows, columns=["subject", "session", "lesion_pixels"])
    store = SimpleNamespace(table=table, scan_names=(table["subject"] + "/" + table["session"]).to_numpy(str))
    scans = [SimpleNamespace(name=f"{name}/t01") for name in names]
    chosen = lab.data.typical_scan(scans, store)
    assert areas[scans.index(chosen)] == 8  # of the areas 0 to 9, eight are smaller


def test_a_file_of_another_time_is_another_file(tmp_path):
    path = write_scan(tmp_path, "Site1", "031768")
    scans = lab.find_scans(tmp_path)
    first = lab.prepare_slices(scans, 4, 20, jobs=1, progress=False)
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
    assert lab.prepare_slices(scans, 4, 20, jobs=1, progress=False).folder != first.folder


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_mask_drawn_anew_gives_other_slices_though_size_and_time_stayed(tmp_path, ending):
    folder = tmp_path / "ATLAS_R1.1" / "Site1" / "031768" / "t01"
    folder.mkdir(parents=True)
    image = np.random.default_rng(0).random(GRID, np.float32) + 1
    found = []
    for corner in (60, 90):
        mask = np.zeros(GRID, np.uint8)
        mask[corner:corner + 20, 100:120, 80:100] = 1
        for name, values in (("t1w_deface", image), ("LesionSmooth", mask)):
            path = folder / f"031768_{name}_stx{ending}"
            raw = nibabel.Nifti1Image(values, AFFINE).to_bytes()
            path.write_bytes(raw if ending == ".nii" else gzip.compress(raw, 0))  # stored: as long whatever it holds
            os.utime(path, (10**9, 10**9))
        found.append(lab.prepare_slices(lab.find_scans(tmp_path), 4, 20, jobs=1, progress=False))
    first, second = (np.array(store.masks) for store in found)
    assert first.any() and second.any() and not (first & second).any()


def test_scans_of_one_name_are_refused(tmp_path):
    write_scan(tmp_path, "Site1", "031768")
    scans = lab.find_scans(tmp_path)
    with pytest.raises(lab.DataError, match="031768/t01: 2 of the scans have this name"):
        lab.prepare_slices(scans * 2, 4, 20, jobs=1, progress=False)
    assert len(lab.prepare_slices(iter(scans), 4, 20, jobs=1, progress=False)) == 10  # a generator is a list as well
