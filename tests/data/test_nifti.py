"""Damaged files: whatever is flipped, cut or overwritten, reading ends in a DataError or in a checked volume."""

import gzip
import zlib

import nibabel
import numpy as np
import pytest
from atlas_tree import save
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import atlas_lab as lab
from atlas_lab.data import stream
from atlas_lab.data.nifti import read_volume
from atlas_lab.data.scans import read_t1w
from atlas_lab.grid import bounding_box, to_ras


def small_file(path, dtype=np.float32):
    rng = np.random.default_rng(0)
    return save(path, rng.integers(0, 90, (9, 8, 7)).astype(dtype), np.diag([2.0, 2, 2, 1]))


def mutate(data, rng):
    """One damage: bits flipped, the end cut off, a stretch of the header overwritten, or bytes put in between."""
    data = bytearray(data)
    kind = rng.integers(5)
    if kind == 0:
        for place in rng.integers(len(data), size=rng.integers(1, 9)):
            data[place] ^= 1 << rng.integers(8)
    elif kind == 1:
        del data[rng.integers(len(data)):]
    elif kind == 2:
        start = rng.integers(min(len(data), 348))
        data[start : start + 4] = rng.bytes(4)
    elif kind == 3:
        place = rng.integers(len(data))
        data[place:place] = rng.bytes(rng.integers(1, 50))
    else:
        place = 40 + 2 * rng.integers(8)  # the header's dimensions
        data[place : place + 2] = int(rng.integers(-32768, 32767)).to_bytes(2, "little", signed=True)
    return bytes(data)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("packing", ["inside", "outside", "none"])
def test_a_thousand_damaged_files_end_in_a_named_error_or_a_checked_volume(tmp_path, packing):
    """Damage to the file inside of gzip, to the gzip stream, and to a file that is not packed."""
    plain = small_file(tmp_path / "plain.nii").read_bytes()
    suffix = ".nii" if packing == "none" else ".nii.gz"
    rng = np.random.default_rng(7)
    refused = 0
    for i in range(340):
        data = gzip.compress(plain, 1) if packing == "outside" else plain
        data = mutate(data, rng)
        path = tmp_path / f"file_{i}{suffix}"
        path.write_bytes(gzip.compress(data, 1) if packing == "inside" else data)
        try:
            image, affine = read_t1w(path)
        except lab.DataError as error:
            assert path.name in str(error) and "\n" not in str(error)
            refused += 1
        else:
            assert image.ndim == 3 and np.isfinite(image).all() and image.dtype == np.float32
            assert affine.shape == (4, 4) and np.isfinite(affine).all() and abs(np.linalg.det(affine)) > 1e-4
        path.unlink()
    assert refused > (300 if packing == "outside" else 60)


def test_a_bit_flipped_in_the_packed_stream_is_found_by_the_checksum(tmp_path):
    path = small_file(tmp_path / "a.nii.gz")
    whole = gzip.compress(gzip.decompress(path.read_bytes()), 0)  # stored, not deflated: any byte may be changed
    path.write_bytes(whole[:900] + bytes([whole[900] ^ 1]) + whole[901:])
    with pytest.raises(lab.DataError, match=r"incorrect data check|Incorrect checksum"):
        read_volume(path)
    assert np.isfinite(nibabel.load(path).get_fdata()).all()  # nibabel alone does not see it


def test_packed_or_not_is_told_by_the_contents_and_not_by_the_name(tmp_path):
    path = small_file(tmp_path / "a.nii")
    wrong = tmp_path / "b.nii.gz"
    wrong.write_bytes(path.read_bytes())
    np.testing.assert_array_equal(read_volume(wrong)[0], read_volume(path)[0])


@pytest.mark.parametrize("unpacker", ["isal", "zlib"])
def test_either_library_reads_gzip_whole_and_misses_no_byte(unpacker, tmp_path, monkeypatch):
    if unpacker == "zlib":
        monkeypatch.setattr(stream, "unpacker", zlib)
    data = small_file(tmp_path / "a.nii").read_bytes()
    expected, path = read_volume(tmp_path / "a.nii")[0], tmp_path / "b.nii.gz"
    whole = gzip.compress(data)
    for packed in (whole, gzip.compress(data[:500]) + gzip.compress(data[500:]), whole + bytes(512)):
        path.write_bytes(packed)
        np.testing.assert_array_equal(read_volume(path)[0], expected)
    for packed in (whole[:-1], whole[:-9], whole[: len(whole) // 2], whole[:12], whole + b"tail", whole + whole,
                   gzip.compress(data[:-1]), gzip.compress(data + b"x"), whole[:-8] + b"abcd" + whole[-4:]):
        path.write_bytes(packed)
        with pytest.raises(lab.DataError, match="the file is damaged or incomplete"):
            read_volume(path)


def test_a_gzip_file_of_several_members_is_read_whole(tmp_path):
    path = small_file(tmp_path / "a.nii")
    data = path.read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(data[:500]) + gzip.compress(b"") + gzip.compress(data[500:]))
    np.testing.assert_array_equal(read_volume(tmp_path / "b.nii.gz")[0], read_volume(path)[0])


@pytest.mark.parametrize(("shape", "text"), [
    ((5, 5), r"its shape is \(5, 5\), a slice or a line"), ((5, 5, 1), "a slice or a line"),
    ((5, 5, 5, 2), r"four dimensions: 2 volumes.*fslroi.*index_img"),
    ((5, 5, 5, 1, 3), r"\(5, 5, 5, 1, 3\); .*IN\.slicer\[:, :, :, 0, 0\]"),
])
def test_other_than_three_dimensions_are_refused_and_not_called_damaged(tmp_path, shape, text):
    path = save(tmp_path / "a.nii.gz", np.ones(shape, np.float32))
    with pytest.raises(lab.DataError, match=text) as caught:
        read_volume(path)
    assert "damaged" not in str(caught.value)


def test_further_axes_of_one_voxel_are_dropped(tmp_path):
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    path = save(tmp_path / "a.nii.gz", array[..., None, None])
    np.testing.assert_array_equal(read_volume(path)[0], array)


def test_colours_and_complex_numbers_are_refused(tmp_path):
    path = save(tmp_path / "a.nii.gz", np.ones((5, 5, 5), np.complex64))
    with pytest.raises(lab.DataError, match="complex64; expected numbers"):
        read_volume(path)


def test_nifti_2_is_read_too(tmp_path):
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    nibabel.save(nibabel.Nifti2Image(array, np.eye(4)), tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii.gz")[0], array)


@pytest.mark.parametrize("axes", ["RAS", "LPI", "PIR", "ASL"])
def test_turning_keeps_every_voxel_at_its_place_in_mm(axes):
    rng = np.random.default_rng(1)
    volume = rng.random((4, 5, 6))
    affine = np.diag([1.0, 2, 3, 1]) + rng.normal(scale=0.05, size=(4, 4)) * [[1], [1], [1], [0]]
    image = nibabel.Nifti1Image(volume, affine).as_reoriented(
        nibabel.orientations.ornt_transform(
            nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(axes))
    )
    turned, found = to_ras(image.get_fdata(), image.affine)
    np.testing.assert_array_equal(turned, volume)
    np.testing.assert_allclose(found, affine)


@given(hnp.arrays(bool, st.tuples(*[st.integers(1, 5)] * 3)))
def test_a_bounding_box_holds_the_mask_and_no_smaller_one_does(mask):
    box = bounding_box(mask)
    assert mask[box].sum() == mask.sum()
    for axis in range(3):
        for side in (0, -1):
            assert not mask.any() or np.take(mask[box], side, axis).any()
    assert mask.any() or mask[box].size == 0
