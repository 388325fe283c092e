"""The account of a scan: what each step did to its lesion, by numbers known beforehand."""

import json

import nibabel
import numpy as np
import pytest
from atlas_tree import AFFINE, box_mask, head, save, write_scan

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.data.account import coarse_brain
from atlas_lab.data.nifti import GridWarning, ScanWarning
from atlas_lab.data.scans import load_lesion, load_with_account
from atlas_lab.data.slicing import scan_to_slices
from atlas_lab.files import lab_home


def only_scan(root, masks):
    write_scan(root, "Site1", "031768", masks=masks)
    return lab.find_scans(root)[0]


def test_files_joined_grid_and_side_are_counted_by_hand(tmp_path):
    scan = only_scan(tmp_path, [box_mask((60, 80, 60)), box_mask((66, 80, 60), value=255.0)])
    _, account = load_with_account(scan, coarse_brain())
    assert account.files_ml == {"031768_LesionSmooth_1_stx.nii.gz": 1.68, "031768_LesionSmooth_stx.nii.gz": 1.68}
    assert account.joined_ml == account.grid_ml == pytest.approx(18 * 14 * 10 / 1000)
    assert account.side_mm == account.grid_side_mm == pytest.approx(60 + 8.5 - 98)  # voxels 60 to 77; x = 0 is 98
    assert account.changes() == ["lesion 3.36 ml in 2 files, 2.52 ml joined"]
    assert 0.6 < account.brain_covered < 0.95 and account.clipped < 0.01


def test_a_lesion_that_changes_on_the_grid_is_told_when_it_alone_is_loaded(tmp_path):
    t1w = write_scan(tmp_path, "Site1", "031768", masks=[box_mask((60, 80, 60), (2, 2, 1))])
    affine = AFFINE @ np.diag([1.2, 1.2, 1.2, 1])
    for path in t1w.parent.iterdir():
        save(path, np.asarray(nibabel.load(path).dataobj), affine)
    with pytest.warns(ScanWarning, match=r"031768/t01: lesion .* ml in the files, .* ml on ATLAS's grid"):
        load_lesion(lab.find_scans(tmp_path)[0])


def test_lesions_that_vanish_in_slices_are_counted(tmp_path):
    """Three lesions: 24 x 24 x 20 voxels at a block's corner, and two of 12 voxels that no block is half full of."""
    scan = only_scan(tmp_path, [box_mask((60, 80, 60), (24, 24, 20)), box_mask((110, 100, 80), (2, 2, 3)),
                                box_mask((130, 101, 91), (2, 2, 3))])
    _, masks, account = scan_to_slices(scan, 4, 2)
    assert (account.lesions, account.lesions_cut) == (3, 1)
    assert account.grid_ml == pytest.approx(11.544) and account.slices_ml == masks.sum() * 16 * 2 / 1000
    assert "2 of 3 lesions have no pixel in the slices" in account.slice_changes()
    _, masks, account = scan_to_slices(scan, 1, 1)
    assert (account.lesions, account.lesions_cut) == (3, 3)
    assert account.slices_ml == account.grid_ml and account.changes() == []


def test_a_store_keeps_the_accounts_of_its_scans_and_says_what_was_lost(tmp_path, capsys):
    scan = only_scan(tmp_path, [box_mask((60, 80, 60), (3, 3, 1))])
    store = lab.prepare_slices([scan], jobs=1, progress=False)
    (account,) = json.loads((store.folder / "accounts.json").read_text())
    assert account["scan"] == "031768/t01" and account["grid_ml"] == 0.009 and account["lesions"] == 1
    assert account["slices_ml"] == store.masks.sum() * 0.032
    assert "1 of 1 scans lost or changed more than a tenth" in capsys.readouterr().err
    assert not list(store.folder.glob("done-*"))


def test_check_shows_the_account_of_each_scan(tmp_path, capsys):
    only_scan(tmp_path, [box_mask((60, 80, 60)), box_mask((110, 100, 80), (2, 2, 3))])
    assert main(["check", str(tmp_path), "--jobs", "1"]) == 0
    assert "in slices of 4 mm, every 2nd, 1 of 1 scans change" in capsys.readouterr().out
    (found,) = json.loads((lab_home() / "check/report.json").read_text())["findings"]
    assert found["account"]["line"].startswith("lesion 1.69 ml in 2 files, 1.69 ml joined, 1.69 ml on ATLAS's grid, ")
    assert found["account"]["line"].endswith("its centre 32 mm left of the middle")
    assert "1 of 2 lesions have no pixel in the slices" in found["account"]["slices"]
    assert "1 of 2 lesions have no pixel" in (lab_home() / "check/report.html").read_text()


@pytest.fixture
def fine_scan(tmp_path):
    """A T1 of 0.5 mm voxels with a lesion of one of them, which a grid of 1 mm does not hit."""
    folder = tmp_path / "ATLAS_R1.1/Site1/031768/t01"
    affine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    affine[:3, 3] += (60, 70, 60)
    mask = np.zeros((120, 120, 100), np.uint8)
    mask[61, 61, 61] = 1
    image = np.pad(np.full((100, 100, 80), 60, np.float32), 10)
    image[20, 20, 20] = 61  # of two values alone it would be a mask
    save(folder / "031768_t1w_deface_stx.nii.gz", image, affine)
    save(folder / "031768_LesionSmooth_stx.nii.gz", mask, affine)
    return lab.find_scans(tmp_path)[0], folder


@pytest.mark.filterwarnings("ignore::atlas_lab.data.nifti.GridWarning")
def test_a_lesion_lost_on_the_way_to_the_grid_is_refused_and_one_that_shrinks_is_said(fine_scan):
    scan, folder = fine_scan
    with pytest.raises(lab.DataError, match="nothing of it lies on ATLAS's grid"):
        lab.load_scan(scan)
    with pytest.raises(lab.DataError, match="nothing of it lies on ATLAS's grid"):
        load_lesion(scan)
    image = nibabel.load(folder / "031768_LesionSmooth_stx.nii.gz")
    mask = np.zeros(image.shape, np.uint8)
    mask[61:64, 61:64, 61:64] = 1  # 27 voxels of 1/8 mm3: 0.0034 ml; of the 1 mm grid 1 to 8 voxels
    save(folder / "031768_LesionSmooth_stx.nii.gz", mask, image.affine)
    with pytest.warns(ScanWarning, match=r"lesion 0\.0033[78] ml in the files, 0\.00[18] ml on ATLAS's grid"):
        assert lab.load_scan(scan).mask.sum() in (1, 8)
    (row, *more) = lab.check_scans([scan], jobs=1, progress=False).itertuples()
    assert row.problem == "was off ATLAS's grid and was resampled"
    assert any("on ATLAS's grid" in other.problem for other in more)
    assert any("fills" in other.problem and "not in MNI space" in other.problem for other in more)


def test_a_scan_that_misses_the_grid_is_refused(tmp_path):
    folder = tmp_path / "ATLAS_R1.1/Site1/031768/t01"
    affine = AFFINE.copy()
    affine[0, 3] += 500
    save(folder / "031768_t1w_deface_stx.nii.gz", head(1), affine)
    save(folder / "031768_LesionSmooth_stx.nii.gz", box_mask((60, 80, 60)), affine)
    with pytest.warns(GridWarning), pytest.raises(lab.DataError, match="nothing of it lies on ATLAS's grid"):
        lab.load_scan(lab.find_scans(tmp_path)[0])
