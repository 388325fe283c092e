"""Masks are looked at before they are believed: a bad one gets its own line, or a note and the right voxels."""

import shutil
import warnings

import nibabel
import numpy as np
import pytest
from atlas_tree import AFFINE, box_mask, head, save, write_scan
from scipy import ndimage

import atlas_lab as lab
from atlas_lab.data.masks import find_lesion
from atlas_lab.data.nifti import ScanWarning
from atlas_lab.data.scans import load_lesion

BOX = box_mask((60, 80, 60))  # 12 x 14 x 10 voxels: 1,680
PLACE = "ATLAS_R1.1/Site1/031768/t01"


def soft():
    """The box moved by half a voxel and back with cubic splines, as registration does; ripples surround it."""
    crop = BOX[50:90, 70:110, 50:90]
    found = np.zeros_like(BOX)
    found[50:90, 70:110, 50:90] = ndimage.shift(ndimage.shift(crop, 0.5, order=3), -0.5, order=3)
    return found


@pytest.mark.parametrize(("mask", "voxels", "line"), [
    (BOX * 0.999, 1680, None), (BOX * 254.7, 1680, None), (BOX.astype(np.uint8) * 255, 1680, None),
    (BOX + box_mask((90, 80, 60)) * 255, 3360, None), (BOX.astype(bool), 1680, None),
    (BOX + box_mask((90, 80, 60)) * 255 - 0.005 * box_mask((120, 80, 60)), 3360, None),  # a hair below 0 is outside
    (soft(), 1680, "the mask was interpolated: .* between 0 and 1; taken as lesion above 0.5"),
    (soft() * 255, 1680, "the mask was interpolated: .* between 0 and 255; taken as lesion above 127.5"),
    (BOX + 0.02 * box_mask((90, 80, 60)), 1680, "the mask has values up to 5% of 1 beside 0; taken as lesion"),
    (BOX * 2, 1680, "its lesion has the value 2, not 1 or 255"),
    (BOX * 100, 1680, "its lesion has the value 100"),
])
def test_masks_of_many_kinds_give_the_lesion_that_was_drawn(mask, voxels, line):
    if line is None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            lesion = find_lesion(mask, "mask.nii", 0.001)
    else:
        with pytest.warns(ScanWarning, match=rf"mask\.nii: {line}"):
            lesion = find_lesion(mask, "mask.nii", 0.001)
    assert lesion.dtype == bool and abs(int(lesion.sum()) - voxels) <= 0.005 * voxels


@pytest.mark.parametrize(("mask", "line"), [
    (1 - BOX, "covers 8674 ml, over half of a brain; it is inverted"),
    (BOX + 1, r"labels 1, 2 with 8674, 1\.68 ml; choose the lesion's.*label=2"),
    (BOX - 1, "values go from -1 to 0; a mask has 0 outside"),
    (BOX + 2 * box_mask((90, 80, 60)) + 3 * box_mask((120, 80, 60)), r"labels 1, 2, 3 with 1\.68, 1\.68, 1\.68 ml"),
    (box_mask((30, 30, 20), (110, 130, 100)), "covers 1430 ml, over half of a brain"),
    (head(3), "over half of a brain|an image"), (head(3)[:40], None),
    (np.random.default_rng(0).random((20, 20, 20)) * 60 + 1, r"8000 values up to 61; that is an image"),
    (BOX - 3 * box_mask((90, 80, 60)), "values go from -3 to 1"),
    (np.where(BOX > 0, np.nan, 0), "1680 voxels are NaN"), (np.where(BOX > 0, np.inf, 0), "1680 voxels are NaN or inf"),
])
def test_what_is_no_mask_is_refused_by_name(mask, line):
    if line is None:
        assert not find_lesion(mask, "mask.nii", 0.001).any()  # empty: whoever asked says so
        return
    with pytest.raises(lab.DataError, match=rf"mask\.nii: .*({line})"):
        find_lesion(mask, "mask.nii", 0.001)


def test_what_a_soft_mask_loses_at_half_of_its_top_is_measured():
    blurred = ndimage.gaussian_filter(BOX + box_mask((100, 80, 60), (3, 3, 3)), 2)  # whose second lesion stays below it
    with pytest.warns(ScanWarning, match=r"above 0\.5: of 1\.707 ml by its values, 1\.[345]\d* ml; 1 of 2 pieces are "
                                         "lost whole"):
        lesion = find_lesion(blurred, "mask.nii", 0.001)
    assert not lesion[95:].any() and lesion.any()


def test_a_lesion_larger_than_any_known_is_noted():
    with pytest.warns(ScanWarning, match="covers 640 ml; ATLAS's largest lesion has 497 ml"):
        find_lesion(box_mask((40, 50, 40), (80, 100, 80)), "mask.nii", 0.001)


def test_a_mask_of_no_known_size_that_fills_its_volume_is_noted():
    with pytest.warns(ScanWarning, match=r"the target: it fills 96% of its volume; if it is inverted, give mask == 0"):
        lab.view_slices(np.eye(20)[None].repeat(20, 0), np.indices((20, 20, 20)).sum(axis=0) > 10)


def test_one_label_of_a_map_is_chosen_for_all_scans_and_makes_slices_of_its_own(tmp_path):
    labels = BOX + 2 * box_mask((90, 80, 60), (20, 20, 20))
    write_scan(tmp_path, "Site1", "031768", masks=[labels])
    sums = {label: int(lab.load_scan(lab.find_scans(tmp_path, label=label)[0]).mask.sum()) for label in (1, 2)}
    assert sums == {1: 1680, 2: 8000}
    stores = [lab.prepare_slices(lab.find_scans(tmp_path, label=label), jobs=1, progress=False) for label in (1, 2)]
    assert stores[0].folder != stores[1].folder and stores[0].masks.sum() < stores[1].masks.sum()
    with pytest.raises(lab.DataError, match=r"no voxel has the label 3; its values are 0, 1, 2"):
        lab.load_scan(lab.find_scans(tmp_path, label=3)[0])


@pytest.fixture
def two_masks(tmp_path):
    """A scan of two masks, 1,680 and 8,000 voxels: root, and the path of the second."""
    write_scan(tmp_path, "Site1", "031768", masks=[BOX, box_mask((90, 80, 60), (20, 20, 20))])
    return tmp_path, tmp_path / PLACE / "031768_LesionSmooth_1_stx.nii.gz"


def unfetched(path):
    path.unlink()
    path.symlink_to("../../../.git/annex/objects/a/b/MD5E-s9--0.nii.gz/MD5E-s9--0.nii.gz")


def pointer(path):
    path.write_text("/annex/objects/MD5E-s1234--0123456789abcdef.nii.gz\n")


def folder(path):
    path.unlink()
    path.mkdir()


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(("harm", "line"), [
    (unfetched, "a link to a file that is not here; fetch it: datalad get, or git annex get"),
    (pointer, "a pointer of git-annex"), (folder, "a folder; expected a NIfTI file"), (cut_off, "damaged"),
    (lambda path: path.write_bytes(b""), "an empty file"),
])
def test_one_mask_of_two_that_can_t_be_read_makes_the_scan_unusable_and_never_smaller(two_masks, harm, line):
    root, second = two_masks
    assert lab.load_scan(lab.find_scans(root)[0]).mask.sum() == 9680
    harm(second)
    scans = lab.find_scans(root)
    for use in (lab.load_scan, load_lesion, lambda scan: lab.prepare_slices([scan], jobs=1, progress=False)):
        with pytest.raises(lab.DataError, match=line):
            use(scans[0])
    (row,) = lab.check_scans(scans, jobs=1, progress=False).itertuples()
    assert row.unusable and line in row.problem


def test_an_empty_mask_beside_another_is_noted_by_name(two_masks):
    root, second = two_masks
    save(second, np.zeros_like(BOX, np.uint8))
    (scan,) = lab.find_scans(root)
    line = "no lesion voxel in 031768_LesionSmooth_1_stx.nii.gz, beside 1 mask files with some"
    with pytest.warns(ScanWarning, match=line):
        assert lab.load_scan(scan).mask.sum() == 1680
    (row,) = lab.check_scans([scan], jobs=1, progress=False).itertuples()
    assert not row.unusable and line in str(row)


def test_a_mask_that_is_the_t1_is_called_so(tmp_path):
    path = write_scan(tmp_path, "Site1", "031768")
    shutil.copy(path, tmp_path / PLACE / "031768_LesionSmooth_stx.nii.gz")
    with pytest.raises(lab.DataError, match="the mask is the T1 itself"):
        lab.load_scan(lab.find_scans(tmp_path)[0])


def test_another_subject_s_mask_in_the_folder_is_refused_and_other_files_are_not_masks(two_masks):
    root, second = two_masks
    for name in (f"{second.name}.md5", f"{second.name}.part", "031768_LesionSmooth_2_stx.json", f"._{second.name}"):
        second.with_name(name).write_text("no mask")
    assert lab.load_scan(lab.find_scans(root)[0]).mask.sum() == 9680
    shutil.copy(second, second.with_name("031769_LesionSmooth_stx.nii.gz"))
    with pytest.raises(lab.DataError, match=r"031769_LesionSmooth_stx.* named as another subject's or session's file"):
        lab.load_scan(lab.find_scans(root)[0])


def test_a_mask_of_another_session_is_refused(tmp_path):
    place = tmp_path / "ATLAS_2/Training/R001/sub-r001s001/ses-1/anat"
    name = "sub-r001s001_ses-{}_space-MNI152NLin2009aSym_{}.nii.gz"
    save(place / name.format(1, "T1w"), head(3))
    save(place / name.format(2, "label-L_desc-T1lesion_mask"), BOX.astype(np.uint8))
    with pytest.raises(lab.DataError, match="another subject's or session's file"):
        lab.load_scan(lab.find_scans(tmp_path)[0])


def test_a_scan_filed_under_another_subject_is_refused(tmp_path):
    place = tmp_path / "ATLAS_2/Training/R001/sub-r001s001/ses-1/anat"
    name = "sub-r009s009_ses-1_space-MNI152NLin2009aSym_{}.nii.gz"
    save(place / name.format("T1w"), head(3))
    save(place / name.format("label-L_desc-T1lesion_mask"), BOX.astype(np.uint8))
    with pytest.raises(lab.DataError, match=r"r001s001.* named as another subject's"):
        lab.load_scan(lab.find_scans(tmp_path)[0])


def test_a_mask_s_case_is_none_that_a_lesion_is_lost_by(two_masks):
    root, second = two_masks
    both = lab.load_scan(lab.find_scans(root)[0]).mask.sum()
    second.rename(second.with_name(second.name.replace("LesionSmooth", "lesionsmooth")))
    assert lab.load_scan(lab.find_scans(root)[0].t1w).mask.sum() == both


def test_a_mask_stored_with_a_fourth_axis_of_one_volume_is_taken(tmp_path):
    path = write_scan(tmp_path, "Site1", "031768", masks=[BOX])
    mask = path.with_name("031768_LesionSmooth_stx.nii.gz")
    nibabel.save(nibabel.Nifti1Image(BOX.astype(np.uint8)[..., None], AFFINE), mask)
    assert lab.load_scan(lab.find_scans(tmp_path)[0]).mask.sum() == 1680
