"""Refusals in one line that need something out of the way: no memory, a huge table, a head without a brain."""

import sys
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
from atlas_tree import write_scan

import atlas_lab as lab
from atlas_lab.data import metadata, stream
from atlas_lab.data.nifti import ScanWarning
from atlas_lab.data.stripping import find_brain


def test_no_masks_have_no_overlap():
    with pytest.raises(lab.DataError, match="there are no masks to overlap"):
        lab.overlap_map([])


def test_a_table_of_too_many_bytes_is_not_read(tmp_path):
    path = tmp_path / "table.csv"
    with open(path, "wb") as file:
        file.truncate(metadata.LARGEST + 1)  # without a byte on disk
    with pytest.raises(lab.DataError, match=rf"table\.csv.*it has over {metadata.LARGEST >> 20} MiB"):
        metadata.load_metadata(path)


def test_a_volume_that_memory_does_not_hold_is_named(tmp_path, monkeypatch):
    path = write_scan(tmp_path, "Site1", "031768")

    def full(*_):
        raise MemoryError

    monkeypatch.setattr(stream, "_refuse_claim", full)
    with pytest.raises(lab.DataError, match=r"031768.*not enough memory for its 3 MiB; close other programs"):
        stream.read_contents(path, lambda head: 3 << 20)


def brain_of(voxels):
    """A stand-in for deepbet that finds so many voxels of 1 ml, or nothing at all."""
    class BrainExtraction:
        def __init__(self, no_gpu):
            assert no_gpu

        def run(self, image):
            if voxels is None:
                raise ValueError("zero-size array to reduction operation minimum which has no identity")
            mask = np.zeros(image.shape, np.uint8)
            mask.ravel()[:voxels] = 1
            return None, nibabel.Nifti1Image(mask, image.affine), None

    return SimpleNamespace(BrainExtraction=BrainExtraction)


@pytest.mark.parametrize("voxels, message", [
    (None, "deepbet found no brain in it; is it a T1-weighted head"),
    (599, "deepbet found a brain of 599 ml, which none has"), (2201, "deepbet found a brain of 2,201 ml"),
])
def test_what_is_no_brain_is_not_cut_out(monkeypatch, voxels, message):
    monkeypatch.setitem(sys.modules, "deepbet", brain_of(voxels))
    with pytest.raises(lab.DataError, match=rf"head\.nii: {message}"):
        find_brain(np.zeros((15, 15, 15), np.float32), np.diag([10.0, 10.0, 10.0, 1.0]), "head.nii")


@pytest.mark.parametrize("voxels", [600, 2199])
def test_a_brain_of_a_brain_s_size_is_taken(monkeypatch, voxels):
    monkeypatch.setitem(sys.modules, "deepbet", brain_of(voxels))
    found = find_brain(np.zeros((15, 15, 15), np.float32), np.diag([10.0, 10.0, 10.0, 1.0]), "head.nii")
    assert found.dtype == bool and found.sum() == voxels


@pytest.mark.parametrize("text, side", [
    ("Session date,Subject ID,Session,Side\n1,sub-r001s001,ses-1,Left\n", "Left"),
    ("Subject ID,Session,Side\nsub-r001s001,ses-1,Left,\n", "Left"),    # a field too many in each row
    ("Subject ID,Session,Side\nsub-R001S001,1.0,Left\n", "Left"),
])
def test_habits_of_spreadsheets_are_undone(text, side, tmp_path):
    (tmp_path / "metadata.csv").write_text(text)
    table, notes = metadata.match_metadata([SimpleNamespace(name="r001s001/ses-1")], tmp_path)
    assert table["Side"].tolist() == [side] and notes == []


@pytest.mark.parametrize("before, line", [("", 3), ("sep=,\n", 4), ("\n\n", 5)])
def test_a_row_moved_by_a_comma_is_left_aside_and_named(before, line, tmp_path):
    rows = '32400,t01,"first, and\nsecond",R\n32401,t01,left, old,L\n32402,t01,left, old,\n32403,t01,,\n'
    (tmp_path / "metadata.csv").write_text(f"{before}Subject ID,Session,Notes,Lesion\n{rows}")
    scans = [SimpleNamespace(name=f"03240{i}/t01") for i in range(4)]
    table, (note,) = metadata.match_metadata(scans, tmp_path)
    assert table["Lesion"].fillna("-").tolist() == ["R", "-", "-", "-"]
    assert table["Notes"].fillna("-").tolist() == ["first, and\nsecond", "-", "-", "-"]
    assert "metadata.csv: rows with more cells than the 4 of the header" in note
    assert f"in line {line + 1}, {line + 2}, are left aside; put a cell that holds ',' in quotes" in note
    with pytest.warns(ScanWarning, match=r"metadata\.csv: rows with more cells"):
        assert metadata.load_metadata(tmp_path / "metadata.csv").index.tolist() == ["032400/t01", "032403/t01"]


@pytest.mark.parametrize("text", [
    'Subject ID;Session;"Notes (a, b, c, d, e)";Side\n31768;t01;"one, two";Left\n',
    "sep=;\nSubject ID;Session;Side\n31768;t01;Left\n", '"sep=|"\r\nSubject ID|Session|Side\r\n31768|t01|Left\r\n',
    "SEP=\t\nSubject ID\tSession\tSide\n31768\tt01\tLeft\n", "Subject ID,Session,Side\n31768,t01,Left,\n1,t01,Right,\n",
    '\n\n"Subject ID","Session","Side"\n\n31768,t01,Left\n,,\n',
])
def test_separators_are_those_outside_of_quotes_or_of_excel_s_first_line(text, tmp_path):
    (tmp_path / "metadata.csv").write_text(text, newline="")
    table, notes = metadata.match_metadata([SimpleNamespace(name="031768/t01")], tmp_path)
    assert table["Side"].tolist() == ["Left"] and notes == []


@pytest.mark.parametrize("text, reason", [
    ('Subject ID,Session,Side\n31768,t01,"Left\n31769,t01,Right\n', "a quote is not closed"), ("\n", "it is empty"),
])
def test_a_table_with_an_open_quote_or_nothing_in_it_is_left_aside(text, reason, tmp_path):
    (tmp_path / "metadata.csv").write_text(text)
    table, (note,) = metadata.match_metadata([SimpleNamespace(name="031768/t01")], tmp_path)
    assert table is None and f"can't be read as a table ({reason})" in note


def test_rows_that_contradict_one_another_are_noted(tmp_path):
    rows = "sub-r001s001,ses-1,Left\nsub-r001s001,ses-1,Right\nsub-r001s002,ses-1,Left\nsub-r001s002,ses-1,Left\n"
    (tmp_path / "metadata.csv").write_text(f"Subject ID,Session,Side\n{rows}")
    scans = [SimpleNamespace(name=f"r001s00{i}/ses-1") for i in (1, 2)]
    table, (note,) = metadata.match_metadata(scans, tmp_path)
    assert table["Side"].tolist() == ["Left", "Left"]
    assert "rows that differ for r001s001/ses-1; the first of each is taken" in note
