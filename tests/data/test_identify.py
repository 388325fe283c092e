"""What a path is: each kind that people give has its own line with its remedy, and only damage is called damage."""

import gzip
import os
import socket
import warnings
import zipfile

import nibabel
import numpy as np
import pytest
from atlas_tree import AFFINE, head, save

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.data.nifti import ScanWarning, identify, read_volume

VOLUME = np.arange(1, 61, dtype=np.float32).reshape(3, 4, 5)
SMALL = np.array([[2.0, 0, 0, -8], [0, 2, 0, -6], [0, 0, 2, -4], [0, 0, 0, 1]])


def nifti(path):
    return save(path, VOLUME, SMALL)


def mgh(path):
    nibabel.save(nibabel.MGHImage(VOLUME, SMALL), path)


def analyze(path):
    nibabel.save(nibabel.AnalyzeImage(VOLUME, SMALL), path.with_suffix(".img"))
    return path.with_suffix(".hdr")


def pair(path):
    nibabel.save(nibabel.Nifti1Pair(VOLUME, SMALL), path.with_suffix(".img"))
    return path.with_suffix(".hdr")


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("T1.nii", b"x" * 500)


def dicom_folder(path):
    path.mkdir()
    (path / "IM0001").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 100)


def link(path, target):
    path.symlink_to(target)


def listening(path):
    socket.socket(socket.AF_UNIX).bind(os.path.relpath(path))  # a socket's path may have about 100 characters


def kinds():
    """Name, how to make it at a path, the file's name, and what must be said of it."""
    text = {
        "annex link": (lambda p: link(p, "../.git/annex/objects/a/b/MD5E-s9--0.nii.gz/x.nii.gz"), "T1.nii.gz",
                       r"link to a file that is not here.*datalad get"),
        "other link": (lambda p: link(p, "gone.nii.gz"), "T1.nii.gz", r"not here \(gone\.nii\.gz\)"),
        "link to itself": (lambda p: link(p, p.name), "T1.nii.gz", "can't be reached"),
        "annex pointer": (lambda p: p.write_text("/annex/objects/MD5E-s1--0.nii.gz\n"), "T1.nii.gz", "git annex get"),
        "annex link as text": (lambda p: p.write_text("../../../../.git/annex/objects/a/b/K/K"), "T1.nii.gz",
                               "a pointer of git-annex.*datalad get"),
        "lfs pointer": (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1"), "a.nii", "git lfs pull"),
        "folder": (lambda p: p.mkdir(), "T1.nii.gz", "a folder; expected a NIfTI file"),
        "DICOM folder": (dicom_folder, "series", "a folder of DICOM files.*dcm2niix"),
        "DICOM": (lambda p: p.write_bytes(b"\0" * 128 + b"DICM" + b"x" * 900), "IM1.nii", "a DICOM file.*dcm2niix"),
        "pipe": (os.mkfifo, "T1.nii.gz", "a pipe, not a file"),
        "socket": (listening, "T1.nii.gz", "a socket, not a file"),
        "device": (lambda p: link(p, "/dev/zero"), "T1.nii.gz", "a device, not a file"),
        "empty": (lambda p: p.touch(), "T1.nii.gz", "an empty file"),
        "MGH": (mgh, "T1.mgz", "MGH file of FreeSurfer.*mri_convert"),
        "MGH renamed": (mgh, "T1.mgh", "MGH file of FreeSurfer.*mri_convert"),
        "Analyze": (analyze, "T1", "a header of Analyze.*fslchfiletype"),
        "NIfTI pair": (pair, "T1", "the header of a NIfTI pair.*fslchfiletype"),
        "MINC 2": (lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 600), "T1.mnc", "MINC.*mnc2nii"),
        "MINC 1": (lambda p: p.write_bytes(b"CDF\1" + b"\0" * 600), "T1.mnc", "MINC.*mnc2nii"),
        "zip": (zipped, "T1.nii.gz", "a zip archive; unpack it"),
        "web page": (lambda p: p.write_text("<!DOCTYPE html><html>Log in</html>"), "T1.nii.gz", "an HTML page"),
        "web page, packed": (lambda p: p.write_bytes(gzip.compress(b"<html></html>")), "T1.nii.gz", "an HTML page"),
        "text": (lambda p: p.write_text("not a volume"), "T1.nii", "a text, not an image"),
        "numpy": (lambda p: np.save(p.open("wb"), VOLUME), "T1.nii", "a numpy array"),
        "NRRD": (lambda p: p.write_bytes(b"NRRD0004\n"), "T1.nrrd", "NRRD.*SimpleITK"),
    }
    return [pytest.param(*values, id=name) for name, values in text.items()]


@pytest.mark.parametrize(("make", "name", "line"), kinds())
def test_each_kind_is_named_with_its_remedy_and_not_called_damaged(make, name, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    made = make(path)
    path = made if name == "T1" else path
    with pytest.raises(lab.DataError, match=line) as caught:
        read_volume(path)
    assert str(caught.value) == f"{path}: {identify(path)}"
    assert "damaged" not in identify(path) and "\n" not in identify(path)


def test_a_file_that_may_not_be_read_is_no_damaged_one(tmp_path, monkeypatch):
    path = nifti(tmp_path / "a.nii.gz")
    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests may run as root, who may read all
    assert identify(path) == "no permission to read it; ask its owner, or: chmod u+r"


@pytest.mark.parametrize(("source", "name"), [(".nii", "a.nii.gz"), (".nii.gz", "a.nii"), (".nii.gz", "a.NII.GZ"),
                                               (".nii.gz", "a.img"), (".nii.gz", "volume")])
def test_packed_or_not_is_told_by_the_contents_and_not_by_the_name(source, name, tmp_path):
    data = nifti(tmp_path / f"source{source}").read_bytes()
    (tmp_path / name).write_bytes(data)
    assert identify(tmp_path / name) == "NIfTI"
    np.testing.assert_array_equal(read_volume(tmp_path / name)[0], VOLUME)


def header_with(path, array=VOLUME, affine=SMALL, **fields):
    """A file whose header has other values in some fields than nibabel would write."""
    image = nibabel.Nifti1Image(array, affine)
    image.header.set_data_shape(array.shape)
    data = bytearray(image.to_bytes())
    header = np.frombuffer(data, nibabel.Nifti1Header.template_dtype, 1)[0]
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(gzip.compress(bytes(data), 1))
    return path


@pytest.mark.parametrize(("fields", "line"), [
    ({"sform_code": 0, "qform_code": 0}, r"holds no orientation \(the codes of sform and qform are 0\)"),
    ({"dim": [3, 300, 300, 300, 1, 1, 1, 1]}, "claims .* bytes"),
    ({"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]}, "32767 x 32767 x 32767 voxels and the lab takes 64 million"),
    ({"dim": [3, 3, 4, 4, 1, 1, 1, 1]}, "more than the 544 bytes that its header claims.*damaged"),
    ({"dim": [3, 3, 4, 6, 1, 1, 1, 1]}, "ends after 592 of the 640 bytes.*damaged"),
    ({"dim": [3, 3, -4, 5, 1, 1, 1, 1]}, "its dimensions are.*damaged"),
    ({"datatype": 4}, "int16 of 32 bits.*damaged"), ({"datatype": 99}, "no type of voxels numbered 99.*damaged"),
    ({"vox_offset": 0}, "begin at byte 0.*damaged"), ({"vox_offset": np.nan}, "begin at byte nan.*damaged"),
    ({"scl_slope": np.inf}, "scaled by inf.*damaged"), ({"sform_code": 9}, "sform code is 9.*damaged"),
    ({"srow_x": [np.nan, 0, 0, 0]}, "affine is not made of finite numbers.*damaged"),
    ({"srow_x": [2e5, 0, 0, 0]}, "voxels measure 2e.05 x 2 x 2 mm.*damaged"),
    ({"srow_x": [2, 0, 0, 1e8]}, "1e.08 mm from the origin.*damaged"),
    ({"srow_x": [2, 3, 0, 0]}, "axes stand at .* degrees.*damaged"), ({"sizeof_hdr": 349}, "does not begin.*damaged"),
    ({"magic": b"ni1"}, "NIfTI pair"), ({"magic": b"xyz"}, "Analyze"),
])
def test_a_header_that_contradicts_itself_or_its_file_is_refused(fields, line, tmp_path):
    with pytest.raises(lab.DataError, match=line):
        read_volume(header_with(tmp_path / "a.nii.gz", **fields))


@pytest.mark.parametrize(("fields", "affine", "line"), [
    ({"xyzt_units": 1, "srow_x": [.002, 0, 0, -.008], "srow_y": [0, .002, 0, -.006],
      "srow_z": [0, 0, .002, -.004], "pixdim": [1, .002, .002, .002, 0, 0, 0, 0]}, SMALL,
     "in metres; turned to mm"),
    ({"xyzt_units": 3}, SMALL, "says micrometres.*taken as mm"),
    ({"qform_code": 1, "pixdim": [1, 2, 2, 3, 0, 0, 0, 0]}, SMALL, "disagree by up to .* mm; read by its sform"),
    ({"pixdim": [1, 2, 2, 3, 0, 0, 0, 0]}, SMALL, "2 x 2 x 3 mm by its header and 2 x 2 x 2 mm by its sform"),
    ({"qform_code": 1, "quatern_b": 5.0}, SMALL, "qform is no rotation"),
])
def test_an_odd_header_is_warned_of_and_taken_in_mm(fields, affine, line, tmp_path):
    path = header_with(tmp_path / "a.nii.gz", affine=affine, **fields)
    with pytest.warns(ScanWarning, match=line):
        _, found = read_volume(path)
    np.testing.assert_allclose(found, affine, atol=1e-6)


def test_a_scaled_file_reads_as_nibabel_reads_it(tmp_path):
    image = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), SMALL)
    image.header.set_slope_inter(0.25, -3)
    nibabel.save(image, tmp_path / "a.nii.gz")
    expected = np.arange(60).reshape(3, 4, 5) * 0.25 - 3  # by hand; nibabel keeps the stored integers
    header = nibabel.load(tmp_path / "a.nii.gz").dataobj
    found = read_volume(tmp_path / "a.nii.gz")[0]
    np.testing.assert_array_equal(found, np.asarray(header, np.float32))
    assert found.dtype == np.float32 and np.abs(found - expected).max() <= np.abs(header.inter + 3) + 1


@pytest.mark.parametrize("affine", [np.eye(4), np.diag([-1.0, 1, 1, 1])])
def test_a_head_whose_affine_says_nothing_is_refused_by_load_check_and_view(affine, tmp_path):
    path = save(tmp_path / "T1.nii.gz", head(1), affine)
    with pytest.raises(lab.DataError, match="the header holds no orientation"):
        lab.view_slices(path)


@pytest.mark.parametrize("flip", [1, -1])
def test_an_affine_that_a_program_made_up_is_in_doubt(flip, tmp_path):
    image = nibabel.Nifti1Image(head(1), np.eye(4))
    image.header.set_qform(None, 0)
    image.header.set_sform(None, 0)
    middle = image.header.get_base_affine()  # which nibabel gives a header without codes, x flipped
    path = save(tmp_path / "T1.nii.gz", head(1), middle * [[-flip], [1], [1], [1]])
    with pytest.warns(ScanWarning, match="the very middle of the volume.*left and right.*are in doubt; take the file"):
        read_volume(path)
    path = save(tmp_path / "small.nii.gz", VOLUME, np.diag([2.0, 2, 2, 1]) - 2 * np.eye(4, k=3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_volume(path)
        read_volume(save(tmp_path / "mni.nii.gz", head(1)))


def test_nibabel_s_own_lines_do_not_reach_the_user(tmp_path, capfd):
    path = header_with(tmp_path / "a.nii.gz", pixdim=[7, 2, 2, 2, 0, 0, 0, 0], vox_offset=353)
    with pytest.raises(lab.DataError):
        read_volume(path)
    printed = capfd.readouterr()
    assert printed.out == printed.err == ""


def test_sform_and_qform_that_swap_left_and_right_are_named_by_check_and_predict(tmp_path, capsys):
    from atlas_tree import box_mask

    folder = tmp_path / "ATLAS_R1.1/Site1/031768/t01"
    for name, array in (("t1w_deface", head(3)), ("LesionSmooth", box_mask((60, 80, 60)).astype(np.uint8))):
        image = nibabel.Nifti1Image(array, AFFINE)
        image.set_sform(AFFINE, 4)
        image.set_qform(np.diag([-1.0, 1, 1, 1]) @ AFFINE, 1)
        folder.mkdir(parents=True, exist_ok=True)
        nibabel.save(image, folder / f"031768_{name}_stx.nii.gz")
    assert main(["check", str(tmp_path), "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "031768/t01: 031768_t1w_deface_stx.nii.gz: its sform and qform disagree by up to 196 mm" in printed
    assert "left and right are in doubt" in printed
    with pytest.warns(ScanWarning, match="left and right are in doubt"):
        mask = lab.load_scan(lab.find_scans(tmp_path)[0]).mask
    assert np.argwhere(mask)[:, 0].mean() == 65.5  # read by its sform: 60 to 71
