"""Every release's layout: the embedded cohort written in each is found whole and loads as the same arrays."""

import shutil

import nibabel
import numpy as np
import pytest
from atlas_tree import AFFINE, box_mask, head, save, write_scan

import atlas_lab as lab
from atlas_lab.data.layouts import LAYOUTS, match_path, scan_names
from atlas_lab.data.nifti import GridWarning

SUBJECTS = 4  # the last of them was scanned twice


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    """The same four subjects in every layout."""
    root = tmp_path_factory.mktemp("layouts")
    return {name: lab.make_cohort(root / name, SUBJECTS, 0, name, progress=False, version=1) for name in LAYOUTS}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_scan_and_mask_of_a_layout_is_found(cohorts, name):
    scans = lab.find_scans(cohorts[name])
    assert len(scans) == SUBJECTS + 1 and len({scan.subject for scan in scans}) == SUBJECTS
    assert {scan.release for scan in scans} == {name} and all(scan.synthetic for scan in scans)
    assert len({scan.site for scan in scans}) == 3
    n_masks = len([p for p in cohorts[name].rglob("*.nii.gz") if "esion" in p.name])
    assert sum(len(scan.masks) for scan in scans) == n_masks
    assert lab.check_scans(scans, jobs=1, progress=False).empty
    assert name in lab.data.source_of(scans)


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name != "R1.1"])
def test_all_layouts_load_as_the_same_arrays(cohorts, name):
    # Sites and subjects are numbered in the same order in all, so the sorted lists go together.
    for one, other in zip(lab.find_scans(cohorts["R1.1"]), lab.find_scans(cohorts[name]), strict=True):
        for a, b in zip(lab.load_scan(one), lab.load_scan(other), strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(lab.data.load_lesion(one)[0], lab.data.load_lesion(other)[0])


def test_raw_volumes_point_everywhere_on_disk(cohorts):
    scans = lab.find_scans(cohorts["R2.1 raw"])
    axes = {"".join(nibabel.aff2axcodes(nibabel.load(scan.t1w).affine)) for scan in scans}
    assert axes == {"RAS", "LPI", "PIR", "LAS"}


@pytest.mark.parametrize("below", ["", "ATLAS_2", "ATLAS_2/Training", "ATLAS_2/Training/R001"])
def test_a_release_is_found_from_above_and_below(cohorts, below):
    scans = lab.find_scans(cohorts["R2.0"] / below)
    assert len(scans) == (2 if below.endswith("R001") else SUBJECTS + 1)
    assert scans[0].name == "r001s000/ses-1"


def test_unpacked_files_and_a_folder_per_file_are_found(tmp_path):
    write_scan(tmp_path, "Site1", "031768", masks=[box_mask((60,) * 3), box_mask((80,) * 3)])
    folder = tmp_path / "ATLAS_R1.1/Site1/031768/t01"
    for path in list(folder.glob("*.nii.gz")):
        inner = folder / path.name.removesuffix(".gz")
        inner.mkdir()
        nibabel.save(nibabel.load(path), inner / inner.name)
        path.unlink()
    (scan,) = lab.find_scans(tmp_path)
    assert len(scan.masks) == 2 and lab.load_scan(scan).mask.sum() == 2 * 12 * 14 * 10


def test_testing_scans_are_left_out_unless_asked_for(cohorts, tmp_path, capsys):
    shutil.copytree(cohorts["R2.0"], tmp_path / "release")
    release = tmp_path / "release" / "ATLAS_2"
    (release / "Testing").mkdir()
    shutil.move(release / "Training" / "R002", release / "Testing" / "R002")
    for mask in (release / "Testing").rglob("*mask*"):
        mask.unlink()
    assert {scan.site for scan in lab.find_scans(release)} == {"R001", "R003"}
    assert "1 testing scans without masks left out" in capsys.readouterr().err
    (scan,) = lab.find_scans(release, part="testing")
    assert scan.part == "testing" and scan.masks == ()
    with pytest.raises(lab.DataError, match="other part"):
        lab.find_scans(release / "Testing")


def test_registered_scans_are_preferred_to_raw_ones_of_the_same_people(cohorts, tmp_path, capsys):
    for name in ("R2.1", "R2.1 raw"):
        shutil.copytree(cohorts[name] / "ATLAS_2.1", tmp_path / "ATLAS_2.1", dirs_exist_ok=True)
    assert {scan.release for scan in lab.find_scans(tmp_path)} == {"R2.1"}
    assert "5 raw scans of R2.1 left out" in capsys.readouterr().err
    assert {s.release for s in lab.find_scans(tmp_path / "ATLAS_2.1/Training_Raw")} == {"R2.1 raw"}


def test_releases_that_share_people_are_not_mixed(cohorts, tmp_path):
    for name in ("R1.1", "R2.0"):
        shutil.copytree(cohorts[name], tmp_path, dirs_exist_ok=True)
    with pytest.raises(lab.DataError, match=r"R1\.1 and R2\.0; the releases share people"):
        lab.find_scans(tmp_path)


def test_a_layout_nobody_knows_is_refused(tmp_path):
    with pytest.raises(lab.DataError, match=r"'R3' is not known; choose one of R1\.1, R1\.2, R2\.0"):
        lab.make_cohort(tmp_path, 1, layout="R3")


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_path_made_from_a_template_is_recognised_as_that_layout(name, tmp_path):
    layout = LAYOUTS[name]
    path = tmp_path / layout.folder / layout.t1w.format(**scan_names(layout, 1, 32401, 7, 2))
    found, match = match_path(path)
    assert found is layout and match["subject"] in path.name


def test_a_volume_off_the_grid_is_resampled_to_it_and_that_is_said(tmp_path):
    coarse, mask = head(3)[::2, ::2, ::2], box_mask((60, 80, 60), (20, 20, 20))[::2, ::2, ::2]
    affine = AFFINE @ np.diag([2.0, 2, 2, 1])
    folder = tmp_path / "ATLAS_R1.1/Site1/031768/t01"
    save(folder / "031768_t1w_deface_stx.nii.gz", coarse, affine)
    save(folder / "031768_LesionSmooth_stx.nii.gz", mask, affine)
    (scan,) = lab.find_scans(tmp_path)
    with pytest.warns(GridWarning, match=r"031768_t1w_deface_stx\.nii\.gz.*of 2 x 2 x 2 mm, resampled.*not registered"):
        image, lesion, found = lab.load_scan(scan)
    assert image.shape == lesion.shape == (197, 233, 189) and lesion.dtype == bool and image.dtype == np.float32
    np.testing.assert_array_equal(found, AFFINE)
    inside = np.argwhere(lesion)
    assert np.abs(inside.mean(axis=0) - np.array([69, 89, 69])).max() < 1.1 and 6000 < lesion.sum() < 10000
    assert abs(image[100, 100, 100] - head(3)[100, 100, 100]) < 10
    notes = list(lab.check_scans([scan], jobs=1, progress=False).itertuples())
    assert "resampled" in notes[0].problem and not any(note.unusable for note in notes)
    assert any("doesn't lie in MNI space" in note.problem for note in notes)  # grey noise is no brain
