"""One door: whatever an image and its masks come as, they lie on one another as they do on disk."""

import gzip

import nibabel
import numpy as np
import pytest
import torch
from atlas_tree import AFFINE, box_mask, head, save, write_scan

import atlas_lab as lab
from atlas_lab.data.door import open_together
from atlas_lab.data.nifti import ScanWarning

RNG = np.random.default_rng(0)
IMAGE = RNG.random((12, 14, 10)).astype(np.float32) * 80 + 1
MASK = np.zeros(IMAGE.shape, bool)
MASK[1:4, 2:9, 3:6] = True  # left, in a RAS volume
PLACE = np.array([[2.0, 0, 0, -12], [0, 2, 0, -14], [0, 0, 2, -10], [0, 0, 0, 1]])
CENTRE = PLACE[:3, :3] @ [2, 5, 4] + PLACE[:3, 3]  # of the lesion, in mm


def stored(array, axes, affine=PLACE):
    """A nibabel image with its axes in that order."""
    codes = nibabel.orientations.axcodes2ornt
    image = nibabel.Nifti1Image(array, affine)
    return image.as_reoriented(nibabel.orientations.ornt_transform(codes("RAS"), codes(axes)))


@pytest.fixture(params=["RAS", "LAS", "PIR", "LPI"])
def files(request, tmp_path):
    """Paths of an image and its mask, stored with those axes."""
    paths = tmp_path / "T1.nii.gz", tmp_path / "mask.nii.gz"
    for path, array in zip(paths, (IMAGE, MASK.astype(np.uint8)), strict=True):
        nibabel.save(stored(array, request.param), path)
    return paths


def centre_of(mask, affine):
    return nibabel.affines.apply_affine(affine, np.argwhere(mask)).mean(axis=0)


@pytest.mark.parametrize("kind", ["path", "text", "nibabel", "array", "tensor", "list", "float", "4D", "0 and 255"])
def test_a_mask_beside_its_file_lies_where_it_lies_on_disk(kind, files):
    t1, mask = files
    array = np.asarray(nibabel.load(mask).dataobj)
    given = {
        "path": mask, "text": str(mask), "nibabel": nibabel.load(mask), "array": array > 0,
        "tensor": torch.from_numpy(array > 0), "list": array.tolist(), "float": nibabel.load(mask).get_fdata(),
        "4D": array[..., None], "0 and 255": array * 255,
    }[kind]
    opened = open_together(t1, given, {"prediction": given})
    np.testing.assert_array_equal(opened.image, IMAGE)
    np.testing.assert_allclose(opened.affine, PLACE)
    for found in (opened.target, opened.predictions["prediction"]):
        assert found.dtype == bool
        np.testing.assert_array_equal(found, MASK)
        np.testing.assert_allclose(centre_of(found, opened.affine), CENTRE)


def test_files_stored_in_other_orders_are_turned_each_by_its_own_affine(files, tmp_path):
    nibabel.save(stored(MASK.astype(np.uint8), "ASL"), tmp_path / "other.nii.gz")
    np.testing.assert_array_equal(open_together(files[0], tmp_path / "other.nii.gz").target, MASK)
    opened = open_together(nibabel.load(files[0]), nibabel.load(files[1]), {"U-Net": tmp_path / "other.nii.gz"})
    np.testing.assert_array_equal(opened.target, opened.predictions["U-Net"])


def test_an_array_beside_the_file_of_its_mask_is_turned_with_it(files):
    opened = open_together(np.asarray(nibabel.load(files[0]).dataobj), files[1])
    np.testing.assert_array_equal(opened.image, IMAGE)
    np.testing.assert_array_equal(opened.target, MASK)
    np.testing.assert_allclose(opened.affine, PLACE)


def test_arrays_alone_are_taken_as_they_are():
    opened = open_together(IMAGE[None, ..., None], MASK.astype(float), {"p": torch.from_numpy(IMAGE / 100)})
    assert opened.affine is None and opened.image.shape == IMAGE.shape
    np.testing.assert_array_equal(opened.target, MASK)
    np.testing.assert_array_equal(opened.predictions["p"], IMAGE / 100)


def test_tensors_that_need_a_gradient_and_bfloat16_are_read():
    opened = open_together(torch.from_numpy(IMAGE).bfloat16(), None,
                           {"target": torch.from_numpy(IMAGE / 100).requires_grad_()})
    np.testing.assert_allclose(opened.image, IMAGE, rtol=0.01)
    assert opened.target is None and opened.predictions["target"].dtype == np.float32


@pytest.mark.parametrize(("target", "prediction", "line"), [
    (MASK[1:], None, r"target has shape \(11, 14, 10\) and the image"),
    (None, MASK * 2 + MASK[::-1], "goes from 0 to 2; expected a mask of 0 and 1, or probabilities.*of labels pass one"),
    (None, IMAGE - 40.5, "to logits apply a sigmoid"), (None, np.where(MASK, np.nan, 0.5), "holds NaN"),
    (IMAGE, None, r"1680 values up to 80\.96; that is an image"), (MASK + 1, None, "holds the labels 1, 2"),
    (None, "probability.txt", "no such file"), (None, np.stack([MASK, MASK], -1), r"\(12, 14, 10, 2\); a volume has"),
    (None, [[1, 2], [3]], "can't be read as an array"), (None, object(), "of type object; pass a path"),
    (None, MASK * 1j, "of type ndarray; pass a path"),
    (nibabel.Nifti1Image(MASK.astype(np.uint8), PLACE * [[1.5], [1], [1], [1]]), None, "lies on another grid"),
    (nibabel.Nifti1Image(MASK[1:].astype(np.uint8), PLACE), None, r"target has shape \(11, 14, 10\)"),
])
def test_what_does_not_lie_on_the_image_or_is_no_mask_is_refused_in_one_line(target, prediction, line):
    with pytest.raises(lab.DataError, match=line) as caught:
        lab.view_slices(nibabel.Nifti1Image(IMAGE, PLACE), target, prediction)
    assert "\n" not in str(caught.value)


def test_a_nibabel_image_without_orientation_is_refused(tmp_path):
    image = nibabel.Nifti1Image(IMAGE, PLACE)
    image.set_sform(PLACE, 0)
    image.set_qform(PLACE, 0)
    with pytest.raises(lab.DataError, match="the image: the header holds no orientation"):
        lab.view_slices(image)


def test_a_head_in_memory_under_an_identity_affine_is_refused_and_a_small_volume_is_not():
    with pytest.raises(lab.DataError, match="the image: the header holds no orientation"):
        lab.view_slices(nibabel.Nifti1Image(head(1), np.eye(4)))
    with pytest.raises(lab.DataError, match="the image: the header holds no orientation"):
        lab.view_slices(nibabel.Nifti1Image(head(1)[..., 60:84], np.diag([1.0, 1, 4, 1])))  # a slab of 96 mm
    assert lab.view_slices(nibabel.Nifti1Image(IMAGE, np.eye(4))).shape == list(IMAGE.shape)


def test_a_damaged_file_behind_a_nibabel_image_is_one_line(tmp_path):
    path = save(tmp_path / "a.nii.gz", IMAGE, PLACE)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(lab.DataError, match="the image can't be read as an array"):
        lab.view_slices(nibabel.load(path))


@pytest.fixture
def scan(tmp_path):
    """A Scan whose files are stored LAS."""
    folder = tmp_path / "ATLAS_R1.1/Site1/031768/t01"
    folder.mkdir(parents=True)
    for name, array in (("t1w_deface", head(3)), ("LesionSmooth", box_mask((60, 80, 60)).astype(np.uint8))):
        nibabel.save(stored(array, "LAS", AFFINE), folder / f"031768_{name}_stx.nii.gz")
    return lab.find_scans(tmp_path)[0]


def test_beside_a_scan_files_come_to_its_grid_and_arrays_have_load_scan_s_axes(scan, tmp_path):
    mask = lab.load_scan(scan).mask
    opened = open_together(scan, None, {"file": scan.masks[0]})
    for found in (opened.target, opened.predictions["file"]):
        np.testing.assert_array_equal(found, mask)
    with pytest.warns(ScanWarning, match="taken to have load_scan's axes, which are not those of 031768_t1w"):
        np.testing.assert_array_equal(open_together(scan, mask).target, mask)
    with pytest.raises(lab.DataError, match=r"the scan's image, as load_scan gives it, \(197, 233, 189\)"):
        open_together(scan, mask[1:])
    write_scan(tmp_path / "ras", "Site1", "031768")
    open_together(lab.find_scans(tmp_path / "ras")[0], mask)  # stored as load_scan gives it: nothing to warn of


def test_every_intensity_range_is_shown_and_read_back(tmp_path):
    z_scored = (IMAGE - IMAGE.mean()) / IMAGE.std()
    for image, low, high in ((MASK, 0, 1), (MASK.astype(np.uint8), 0, 1), (z_scored, -1.7, 1.7), (-IMAGE - 1, -82, -2),
                             ((IMAGE * 1.2).astype(np.uint8), 0, 97), (IMAGE, 0, 81)):
        viewer = lab.view_slices(image)
        assert viewer.black == pytest.approx(low, abs=0.5)
        assert viewer.white == pytest.approx(high, rel=0.05, abs=0.5)
        grey = np.asarray(lab.view_slices(image, plain=True).slices)
        assert grey.max() == 255 and np.percentile(grey, 5) < 60  # neither black nor white all over


@pytest.mark.parametrize("zoom", [0, 6, 2.5, "2", None])
def test_an_impossible_zoom_is_refused(zoom):
    with pytest.raises(lab.DataError, match="expected a whole number of screen pixels per voxel, 1 to 5"):
        lab.view_slices(IMAGE, zoom=zoom)


@pytest.mark.parametrize(("image", "line"), [
    (np.zeros((4, 4, 4)), "every voxel of the image is 0"), (np.full((4, 4, 4), np.inf), "no finite voxel"),
    (np.zeros((4, 4, 0)), r"shape \(4, 4, 0\)"),
])
def test_an_image_with_nothing_to_see_is_refused(image, line):
    with pytest.raises(lab.DataError, match=line):
        lab.view_slices(image)


def test_browse_takes_tensors():
    from atlas_lab.data.door import as_array

    found = as_array(torch.full((2, 3, 3), 0.75, requires_grad=True), "prediction")
    assert isinstance(found, np.ndarray) and (found == 0.75).all()


def test_a_packed_file_under_another_name_opens_as_itself(tmp_path):
    path = save(tmp_path / "a.nii", IMAGE, PLACE)
    (tmp_path / "T1 (1)").write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(open_together(tmp_path / "T1 (1)").image, IMAGE)


def test_an_image_in_memory_is_looked_at_as_its_file_is():
    image = nibabel.Nifti1Image(IMAGE, PLACE)
    image.set_qform(PLACE @ np.diag([-1.0, 1, 1, 1]), 1)
    with pytest.warns(ScanWarning, match="the image: its sform and qform disagree"):
        open_together(image)
