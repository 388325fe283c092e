"""Finding, loading and checking scans; each kind of bad input gives one clear line."""

import gzip
import shutil
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from atlas_tree import AFFINE, box_mask, head, save, write_scan

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.data.nifti import refuse_not_finite
from atlas_lab.files import lab_home


def test_finds_every_scan_and_all_its_masks(scans):
    assert [(s.site, s.subject, s.session, len(s.masks)) for s in scans] == [
        ("Site1", "031768", "t01", 1), ("Site1", "031769", "t01", 2), ("Site1", "031770", "t01", 1),
        ("Site2", "031801", "t01", 1), ("Site2", "031802", "t01", 1), ("Site2", "031802", "t02", 1),
    ]
    assert {s.release for s in scans} == {"R1.1"}
    assert not any(s.synthetic for s in scans)


@pytest.mark.parametrize("below", ["", "ATLAS_R1.1"])
def test_finds_them_from_the_release_folder_and_from_above(tree, scans, below):
    assert [s.name for s in lab.find_scans(tree / below)] == [s.name for s in scans]


def test_the_marker_of_the_embedded_cohort_makes_scans_synthetic(tmp_path):
    write_scan(tmp_path, "Site1", "031768")
    (tmp_path / "ATLAS_R1.1" / "synthetic.json").write_text("{}")
    assert [s.synthetic for s in lab.find_scans(tmp_path)] == [True]


def test_a_person_s_scan_behind_a_link_is_not_synthetic(tmp_path):
    write_scan(tmp_path / "people", "Site1", "031768")
    write_scan(tmp_path / "made", "Site1", "031769")
    (tmp_path / "made/ATLAS_R1.1/synthetic.json").write_text("{}")
    (tmp_path / "made/ATLAS_R1.1/Site1/031768").symlink_to(tmp_path / "people/ATLAS_R1.1/Site1/031768")
    scans = lab.find_scans(tmp_path / "made")
    assert [(scan.subject, scan.synthetic) for scan in scans] == [("031768", False)]
    assert lab.data.source_of(scans) == "ATLAS R1.1"


def test_a_cohort_among_a_release_s_files_is_left_out_and_that_is_said(tmp_path, capsys):
    write_scan(tmp_path, "Site1", "031768")
    for subject in ("031769", "031770"):
        write_scan(tmp_path / "home/cohorts", "Site1", subject)
    (tmp_path / "home/cohorts/ATLAS_R1.1/synthetic.json").write_text("{}")
    assert [scan.subject for scan in lab.find_scans(tmp_path)] == ["031768"]
    assert capsys.readouterr().err == "2 synthetic scans beside real ones left out\n"
    assert [scan.subject for scan in lab.find_scans(tmp_path / "home")] == ["031769", "031770"]


def test_loads_float_image_and_bool_mask_on_the_atlas_grid(scans):
    image, mask, affine = lab.load_scan(scans[0])
    assert image.dtype == np.float32 and image.shape == (197, 233, 189)
    assert mask.dtype == bool and mask.sum() == 12 * 14 * 10
    np.testing.assert_array_equal(affine, AFFINE)


def test_masks_of_0_1_and_0_255_are_ored(scans):
    _, mask, _ = lab.load_scan(scans[1])
    assert mask.sum() == (12 + 6) * 14 * 10  # two boxes of 12 voxels along x that share 6


def test_lesion_alone_equals_lesion_of_the_loaded_scan(scans):
    mask, affine = lab.data.load_lesion(scans[1])
    np.testing.assert_array_equal(mask, lab.load_scan(scans[1]).mask)
    np.testing.assert_array_equal(affine, AFFINE)


def test_excluded_scans_are_left_out_by_name_and_announced(tree, capsys):
    names = [s.name for s in lab.find_scans(tree, exclude=["031769/t01"])]
    assert "031769/t01" not in names and len(names) == 5
    assert "031769/t01" in capsys.readouterr().err
    with pytest.raises(lab.DataError, match="999999/t01"):
        lab.find_scans(tree, exclude=["999999/t01"])
    with pytest.raises(lab.DataError, match="all 6 scans were excluded"):
        lab.find_scans(tree, exclude=[scan.name for scan in lab.find_scans(tree)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_voxels_whose_sum_overflows_are_no_reason_to_refuse_but_one_infinite_voxel_is(dtype):
    volume = np.full((4, 4, 4), np.finfo(dtype).max if dtype != np.uint8 else 255, dtype)
    refuse_not_finite(volume, "large.nii")
    if dtype != np.uint8:
        volume[0, 0, 0], volume[1, 1, 1] = np.inf, -np.inf
        with pytest.raises(lab.DataError, match=r"large\.nii: 2 voxels are NaN or infinite"):
            refuse_not_finite(volume, "large.nii")


def broken_trees():
    """Name of the damage, how to do it to a folder with one good scan, and what the line must say."""

    def t1w(root):
        return root / "ATLAS_R1.1/Site1/031768/t01/031768_t1w_deface_stx.nii.gz"

    def mask(root):
        return t1w(root).with_name("031768_LesionSmooth_stx.nii.gz")

    def truncate(path):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    def with_nan(root):
        image = head(1)
        image[100, 100, 100:103] = np.nan
        save(t1w(root), image)

    return {
        "no mask": (lambda root: mask(root).unlink(), ["031768/t01", "no lesion mask", "exclude"]),
        "truncated T1": (lambda root: truncate(t1w(root)), ["031768_t1w_deface", "damaged", "unpack it again"]),
        "truncated mask": (lambda root: truncate(mask(root)), ["031768_LesionSmooth", "damaged"]),
        "not gzip at all": (lambda root: t1w(root).write_bytes(b"no volume"), ["031768_t1w_deface", "damaged"]),
        "not NIfTI": (lambda root: t1w(root).write_bytes(gzip.compress(b"x" * 999)), ["031768_t1w_deface", "damaged"]),
        "mask of another shape": (
            lambda root: save(mask(root), np.ones((10, 10, 10))), ["LesionSmooth", "(10, 10, 10)", "(197, 233, 189)"]),
        "mask on another grid": (
            lambda root: save(mask(root), box_mask((60,) * 3), np.diag([-1.0, 1, 1, 1])), ["LesionSmooth", "affine"]),
        "NaN in the T1": (with_nan, ["031768_t1w_deface", "3 voxels are NaN"]),
        "mask without lesion": (
            lambda root: save(mask(root), np.zeros((197, 233, 189))), ["031768/t01", "no lesion voxel", "exclude"]),
        "empty T1": (lambda root: save(t1w(root), np.zeros((197, 233, 189), np.float32)), ["t1w", "above 0"]),
    }


@pytest.fixture(scope="module")
def one_scan(tmp_path_factory):
    root = tmp_path_factory.mktemp("one")
    write_scan(root, "Site1", "031768")
    return root


@pytest.mark.parametrize("damage", broken_trees())
def test_a_damaged_scan_gives_one_clear_line_and_nothing_half_written(damage, one_scan, tmp_path):
    root = shutil.copytree(one_scan, tmp_path / "atlas")
    damage, expected = broken_trees()[damage]
    damage(root)
    (scan,) = lab.find_scans(root)
    with pytest.raises(lab.DataError) as caught:
        lab.load_scan(scan)
    message = str(caught.value)
    assert "\n" not in message
    for text in expected:
        assert text in message
    problems = lab.check_scans([scan], jobs=1, progress=False)
    assert problems["problem"].tolist() == [message]
    with pytest.raises(lab.DataError):
        lab.prepare_slices([scan], jobs=1, progress=False)
    assert not list(lab_home().glob("slices/*/about.json"))


def test_the_command_line_says_the_same_line_from_its_workers(one_scan, tmp_path, monkeypatch, capfd):
    root = shutil.copytree(one_scan, tmp_path / "atlas")
    damage, _ = broken_trees()["truncated T1"]
    damage(root)
    with pytest.raises(lab.DataError) as caught:
        lab.load_scan(lab.find_scans(root)[0])
    monkeypatch.setenv("ATLAS_DATA", str(root))
    assert main(["train", "--profile", "quick"]) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("atlas-lab")]
    assert lines == [f"atlas-lab: {caught.value}"]
    assert not list(lab_home().glob("runs/*")) and not list(lab_home().glob("checkpoints/*"))


def test_folders_that_hold_no_release(tmp_path):
    with pytest.raises(lab.DataError, match="no such folder"):
        lab.find_scans(tmp_path / "missing")
    with pytest.raises(lab.DataError, match=r"found 0 NIfTI files.*expected files such as"):
        lab.find_scans(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(lab.DataError, match="is a file"):
        lab.find_scans(tmp_path / "file")


def test_two_volumes_in_one_session_are_refused(tmp_path):
    path = write_scan(tmp_path, "Site1", "031768")
    nibabel.save(nibabel.load(path), path.with_suffix(""))  # the same scan, unpacked beside the packed one
    with pytest.raises(lab.DataError, match="two T1 volumes"):
        lab.find_scans(tmp_path)


def test_the_real_atlas_is_taken_where_atlas_data_says(tree, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ATLAS_DATA", str(tree))
    assert len(lab.cohort()) == 6
    (tmp_path / "file").touch()
    monkeypatch.setenv("ATLAS_DATA", str(tmp_path / "file"))
    assert main(["train", "--profile", "quick"]) == 2
    error = capsys.readouterr().err
    assert "is a file" in error and "ATLAS_DATA" in error and error.count("\n") == 1


def test_the_notice_warns_of_patient_images_only_where_there_are_some(scans):
    assert "6 scans of 5 subjects, 2 sites" in lab.data.data_notice(scans)
    assert "data use agreement" in lab.data.data_notice(scans)
    synthetic = [replace(scan, synthetic=True) for scan in scans]
    assert "synthetic cohort, not patient data" in lab.data.data_notice(synthetic)
    assert "data use agreement" not in lab.data.data_notice(synthetic)
    assert "data use agreement" in lab.data.data_notice([synthetic[0], scans[1]])


def test_check_command_tells_by_its_exit_code(tree, one_scan, tmp_path, capsys):
    assert main(["check", str(tree)]) == 0
    assert "6 scans found, 0 of them unusable" in capsys.readouterr().out
    root = shutil.copytree(one_scan, tmp_path / "atlas")
    next(root.rglob("*LesionSmooth*")).unlink()
    assert main(["check", str(root)]) == 1
    assert "no lesion mask" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "missing")]) == 2
