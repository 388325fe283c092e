"""Real lesion masks in place of grown ones: they go by their affine, and their volumes are accounted for."""

import json

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from atlas_lab.data.scans import find_scans, load_scan, source_of
from atlas_lab.data.whose import source_of_file
from atlas_lab.files import REPOSITORY, DataError, check_target
from atlas_lab.phantom.cohort import make_cohort
from atlas_lab.phantom.real_masks import account_of_volumes, masks_of_subjects


def write_right_to_left_mask(folder):
    """A ball of 8 mm around (-30, -20, 30) mm, on a grid of 2 mm whose x axis runs from right to left."""
    affine = np.array([[-2.0, 0, 0, 78], [0, 2, 0, -112], [0, 0, 2, -50], [0, 0, 0, 1]])
    index = np.indices((79, 95, 68)).reshape(3, -1)
    mm = affine[:3, :3] @ index + affine[:3, 3:]
    ball = np.linalg.norm(mm - [[-30], [-20], [30]], axis=0).reshape(79, 95, 68) < 8
    folder.mkdir()
    nibabel.save(nibabel.Nifti1Image(ball.astype(np.uint8), affine), folder / "ball.nii.gz")
    return folder


def test_real_masks_go_by_their_affine(tmp_path):
    folder = write_right_to_left_mask(tmp_path / "masks")
    root = make_cohort(tmp_path / "out", 2, lesions=folder, jobs=1, progress=False)
    marker = json.loads((root / "ATLAS_R1.1" / "synthetic.json").read_text())
    assert marker["lesions"].startswith("real masks: masks")
    mirrored = {r["subject"]: r["aimed"]["mirrored"] for r in marker["subjects"]}
    for scan in find_scans(root):
        mask, affine = load_scan(scan)[1:]
        centre = ndimage.center_of_mass(mask) + affine[:3, 3]
        x = 30 if mirrored[scan.subject] else -30
        np.testing.assert_allclose(centre, (x, -20, 30), atol=8)
    # The lesions can be read off such scans, so nothing that shows them may get into a repository.
    for source in (source_of(find_scans(root)), source_of_file(find_scans(root)[0].t1w)):
        assert source.startswith("real lesions in synthetic people")
        with pytest.raises(DataError, match="data use agreement"):
            check_target(REPOSITORY / "page.html", source)
    with pytest.raises(DataError, match="choose another folder"):
        make_cohort(root, 2, progress=False)


def test_a_truncated_mask_is_named(tmp_path):
    path = write_right_to_left_mask(tmp_path / "masks") / "ball.nii.gz"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"ball\.nii\.gz"):
        make_cohort(tmp_path / "out", 1, lesions=path.parent, progress=False)


@pytest.mark.parametrize("harm, said", [
    (lambda ball: 1 - ball, "over half of a brain"), (lambda ball: ball + 2 * np.roll(ball, 9, 0), "holds the labels"),
    (lambda ball: ball * 0, "no lesion voxel"),
])
def test_a_file_that_is_no_mask_is_refused_before_a_subject_is_made(harm, said, tmp_path):
    path = write_right_to_left_mask(tmp_path / "masks") / "ball.nii.gz"
    image = nibabel.load(path)
    ball = np.asarray(image.dataobj)
    nibabel.save(nibabel.Nifti1Image(harm(ball).astype(np.uint8), image.affine), path)
    with pytest.raises(DataError, match=said):
        masks_of_subjects([0], 0, path.parent)
    assert masks_of_subjects([0], 0, write_right_to_left_mask(tmp_path / "sound"))


def test_a_mask_that_lies_nowhere_or_ends_in_capitals(tmp_path):
    path = write_right_to_left_mask(tmp_path / "masks") / "ball.nii.gz"
    path = path.rename(path.with_name("BALL.NII.GZ"))
    assert masks_of_subjects([0], 0, path.parent) == {0: path}
    image = nibabel.load(path)
    bare = nibabel.Nifti1Image(np.asarray(image.dataobj), None)
    bare.to_filename(tmp_path / "masks" / "bare.nii.gz")
    path.unlink()
    with pytest.raises(DataError, match="no orientation"):
        masks_of_subjects([0], 0, path.parent)


def test_real_masks_keep_their_volume_and_the_account_says_so(real_lesions, tmp_path, capsys):
    root = make_cohort(tmp_path, 2, lesions=real_lesions, jobs=1, progress=False)
    kept = []
    for record in json.loads((root / "ATLAS_R1.1" / "synthetic.json").read_text())["subjects"]:
        original = np.asarray(nibabel.load(real_lesions / record["aimed"]["mask"]).dataobj).sum() / 1000
        assert record["aimed"]["file_ml"] == pytest.approx(original, abs=1e-3)
        kept.append(record["measured"]["true_ml"] / original)
        assert 0.65 < kept[-1] < 1.25
    said = capsys.readouterr().err
    assert "real masks: lesions of" in said and f"{np.median(kept):.2f} in the median" in said


def test_the_account_counts_a_mask_that_two_subjects_got_twice():
    records = [{"aimed": {"mask": mask, "file_ml": file_ml}, "measured": {"true_ml": true_ml}}
               for mask, file_ml, true_ml in (("a", 10, 1), ("b", 10, 9), ("a", 10, 10), ("dust", 0.0, 0.001))]
    said = account_of_volumes(records)
    assert "of 0.67 times the files' volume in 4 subjects" in said and "0.95 in the median" in said
    assert "least 0.10 (a), most 1.00 (" in said


def test_masks_in_folders_below_and_of_other_formats_are_left_out_with_a_word(tmp_path, capsys):
    folder = write_right_to_left_mask(tmp_path / "masks")
    write_right_to_left_mask(folder / "more")
    (folder / "other.mgz").write_bytes(b"x")
    make_cohort(tmp_path / "out", 1, lesions=folder, jobs=1, progress=False, version=1)
    said = "2 volumes lie in folders below or are of other formats than NIfTI and were left out"
    assert capsys.readouterr().err.count(said) == 1
