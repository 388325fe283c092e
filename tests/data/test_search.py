"""Which scans lie below a folder: behind links, under upper-case endings, and what is left out is said."""

import os
import shutil

import nibabel
import numpy as np
import pytest
from atlas_tree import AFFINE, box_mask, head, save, write_scan

import atlas_lab as lab

NAME = "sub-{0}_ses-1_space-MNI152NLin2009aSym_"
T1W, MASK = NAME + "T1w", NAME + "label-L_desc-T1lesion_mask"


def place_of(root, subject):
    return root / f"ATLAS_2/Training/R001/sub-{subject}/ses-1/anat"


def write(root, subject):
    place = place_of(root, subject)
    save(place / f"{T1W.format(subject)}.nii.gz", head(int(subject[-3:])))
    save(place / f"{MASK.format(subject)}.nii.gz", box_mask((60, 80, 60)).astype(np.uint8))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("store")
    for subject in ("r001s001", "r001s002"):
        write(root, subject)
    return root


def names(root):
    return [(scan.name, len(scan.masks)) for scan in lab.find_scans(root)]


BOTH = [("r001s001/ses-1", 1), ("r001s002/ses-1", 1)]


def test_subjects_behind_linked_folders_are_found_once(store, tmp_path, capsys):
    view = tmp_path / "view/ATLAS_2/Training/R001"
    view.mkdir(parents=True)
    for subject in ("r001s001", "r001s002"):
        (view / f"sub-{subject}").symlink_to(store / f"ATLAS_2/Training/R001/sub-{subject}")
    (view / "again").symlink_to(view)  # a link in a circle
    (view / "sub-r001s001-copy").symlink_to(store / "ATLAS_2/Training/R001/sub-r001s001")
    assert names(tmp_path / "view") == BOTH
    (tmp_path / "linked").symlink_to(store)
    assert names(tmp_path / "linked") == BOTH
    assert capsys.readouterr().err == ""
    assert lab.load_scan(lab.find_scans(tmp_path / "view")[1]).mask.sum() == 1680


def test_a_linked_subject_whose_disk_is_not_here_is_announced(store, tmp_path, capsys):
    root = shutil.copytree(store, tmp_path / "all")
    place = root / "ATLAS_2/Training/R001"
    (place / "sub-r001s003").symlink_to("/not/mounted/sub-r001s003")
    (root / "README").symlink_to(".git/annex/objects/a/b/K/K")
    assert names(root) == BOTH
    error = capsys.readouterr().err
    assert error.startswith("1 links lead to folders that are not here") and "R001/sub-r001s003" in error


def test_a_folder_that_is_here_and_linked_to_goes_by_its_own_name(store, tmp_path):
    root = tmp_path / "all"
    shutil.copytree(store, root / "store")
    (root / "a_link").symlink_to(root / "store")
    assert names(root) == BOTH and "/store/" in str(lab.find_scans(root)[0].t1w)


def test_a_subject_linked_from_another_site_keeps_its_own(tmp_path):
    for site, subject in (("Site1", "031001"), ("Site2", "031000")):
        write_scan(tmp_path / "all", site, subject)
    t1w = next((tmp_path / "all").rglob("*031000*t1w*"))
    own = next(folder for folder in t1w.parents if folder.name == "031000")
    own.parents[1].joinpath("Site1/031000").symlink_to("../Site2/031000")
    found = [(scan.subject, scan.site) for scan in lab.find_scans(tmp_path / "all")]
    assert sorted(found) == [("031000", "Site2"), ("031001", "Site1")]


def test_a_hidden_store_is_found_by_its_links(store, tmp_path):
    root = tmp_path / "all"
    shutil.copytree(store, root / ".store")
    (root / "view").symlink_to(".store")
    assert names(root) == BOTH


@pytest.mark.parametrize("which", [T1W, MASK, None])
def test_endings_in_upper_case_are_nifti(which, store, tmp_path):
    root = shutil.copytree(store, tmp_path / "upper")
    for path in list(root.rglob("*.nii.gz")):
        if which is None or path.name.startswith(which.format("r001s002")):
            path.rename(path.with_name(path.name.replace(".nii.gz", ".NII.GZ")))
    assert names(root) == BOTH
    assert [lab.load_scan(scan).mask.sum() for scan in lab.find_scans(root)] == [1680, 1680]


def test_hidden_folders_are_not_entered_and_copies_under_other_names_are_announced(store, tmp_path, capsys):
    root = shutil.copytree(store, tmp_path / "odd")
    hidden = root / ".git/annex/objects/ATLAS_2/Training/R001/sub-r001s009/ses-1/anat"
    shutil.copytree(place_of(root, "r001s001"), hidden)
    place = place_of(root, "r001s001")
    shutil.copy(place / f"{T1W.format('r001s001')}.nii.gz", place / f"{T1W.format('r001s001')} (1).nii.gz")
    (place / f"{MASK.format('r001s001')}_old.nii.gz").write_bytes(b"")
    assert names(root) == BOTH
    error = capsys.readouterr().err
    assert error.startswith("2 NIfTI files are no T1 volume or mask by a release's names and were left out: ")
    assert "T1w (1).nii.gz" in error and error.count("\n") == 1


def test_a_folder_that_can_t_be_listed_is_announced(store, tmp_path, capsys, monkeypatch):
    walk = os.walk

    def refuse_one(top, onerror, **settings):
        onerror(PermissionError(13, "Permission denied", "locked"))
        return walk(top, onerror=onerror, **settings)

    monkeypatch.setattr(os, "walk", refuse_one)  # the tests may run as root, whom nothing is locked for
    assert names(store) == BOTH
    assert "locked: can't be listed (Permission denied); what lies in it is left out" in capsys.readouterr().err


def test_a_t1_that_is_not_here_is_found_and_named(store, tmp_path):
    root = shutil.copytree(store, tmp_path / "annex")
    path = place_of(root, "r001s002") / f"{T1W.format('r001s002')}.nii.gz"
    path.unlink()
    path.symlink_to("/nowhere/.git/annex/objects/x")
    assert names(root) == BOTH
    table = lab.check_scans(lab.find_scans(root), jobs=1, progress=False)
    assert table[table.unusable].scan.tolist() == ["r001s002/ses-1"]
    assert "datalad get" in table[table.unusable].problem.iloc[0]


def test_a_scan_is_loaded_by_the_path_of_its_t1_too(store, tmp_path):
    path = place_of(store, "r001s001") / f"{T1W.format('r001s001')}.nii.gz"
    assert lab.load_scan(path).mask.sum() == 1680
    other = tmp_path / "T1.nii.gz"
    shutil.copy(path, other)
    with pytest.raises(lab.DataError, match=r"T1\.nii\.gz: not named as the T1 volume of a release"):
        lab.load_scan(other)


def test_a_t1_with_a_fourth_axis_of_one_volume_is_taken_and_two_are_refused_with_the_tool_to_use(store, tmp_path):
    root = shutil.copytree(store, tmp_path / "four")
    path = place_of(root, "r001s001") / f"{T1W.format('r001s001')}.nii.gz"
    whole = lab.load_scan(path).image
    nibabel.save(nibabel.Nifti1Image(whole[..., None], AFFINE), path)
    np.testing.assert_array_equal(lab.load_scan(path).image, whole)
    nibabel.save(nibabel.Nifti1Image(np.stack([whole, whole], -1), AFFINE), path)
    with pytest.raises(lab.DataError, match="four dimensions: 2 volumes, one was expected; extract it: fslroi"):
        lab.load_scan(path)


@pytest.mark.parametrize("ending, said", [(".nii.bz2", "packed with bzip2"), (".mgz", r"\.mgz: "),
                                          (".nii.gz.part", "expected a NIfTI file"), (".img", "one half of")])
def test_a_mask_of_another_format_is_no_lesion_left_out(store, tmp_path, ending, said):
    root = shutil.copytree(store, tmp_path / "all")
    place = place_of(root, "r001s001")
    starts = {".nii.bz2": b"BZh9", ".img": b"\0" * 400}
    (place / f"{MASK.format('r001s001')}.nii.gz").unlink()
    (place / f"{MASK.format('r001s001')}{ending}").write_bytes(starts.get(ending, b"x") * 20)
    scan = lab.find_scans(root)[0]
    assert len(scan.masks) == 1
    with pytest.raises(lab.DataError, match=said):
        lab.load_scan(scan)


def test_a_t1_of_another_format_is_a_scan_that_can_not_be_read(store, tmp_path):
    root = shutil.copytree(store, tmp_path / "all")
    t1w = place_of(root, "r001s001") / f"{T1W.format('r001s001')}.nii.gz"
    nibabel.save(nibabel.Nifti1Pair(head(1), AFFINE), t1w.with_name(t1w.name.replace(".nii.gz", ".img")))
    assert names(root) == BOTH  # what lies beside the NIfTI file is a copy
    t1w.unlink()
    assert names(root) == BOTH
    with pytest.raises(lab.DataError, match=r"\.img: one half of an Analyze or NIfTI pair"):
        lab.load_scan(lab.find_scans(root)[0])
