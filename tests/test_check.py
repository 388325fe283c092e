"""The quality report: each oddity that is known in public is built and must be told."""

import json
import os
import shutil
import sys

import nibabel
import numpy as np
import pandas
import pytest
from atlas_tree import box_mask, head, save, write_scan

import atlas_lab as lab
from atlas_lab.check import count_notes
from atlas_lab.cli import main
from atlas_lab.data.metadata import find_metadata, join_metadata, load_metadata
from atlas_lab.data.nifti import ScanWarning
from atlas_lab.files import lab_home


def problems_of(root):
    return {row.scan: row.problem for row in lab.check_scans(lab.find_scans(root), jobs=1, progress=False).itertuples()}


def test_a_release_without_faults_has_no_findings(scans):
    assert lab.check_scans([scans[0], scans[2]], jobs=1, progress=False).empty


def test_the_same_scan_under_two_names_is_told_on_both(scans, tmp_path):
    write_scan(tmp_path, "Site1", "031768")
    path = write_scan(tmp_path, "Site1", "031769", masks=[box_mask((70, 80, 60))], image=head(31768))
    nibabel.save(nibabel.load(path), path.with_suffix(""))  # packed or not, the voxels count
    path.unlink()
    found = problems_of(tmp_path)
    assert found == {
        "031768/t01": "the T1 is the same as that of 031769/t01",
        "031769/t01": "the T1 is the same as that of 031768/t01",
    }


def test_a_mask_outside_of_the_brain_is_told(tmp_path):
    write_scan(tmp_path, "Site1", "031768", masks=[box_mask((5, 5, 150))])
    assert problems_of(tmp_path) == {"031768/t01": "100% of the lesion lies outside of the MNI152 brain"}


def test_intensities_out_of_range_are_told(tmp_path):
    image = head(1)
    image[100, 100, 100], image[101, 100, 100] = 4000, -3
    write_scan(tmp_path, "Site1", "031768", image=image)
    assert "intensities from -3 to 4000" in problems_of(tmp_path)["031768/t01"]


def test_a_suspect_of_public_fame_is_named(tmp_path):
    write_scan(tmp_path, "Site1", "031768")
    source = tmp_path / "ATLAS_R1.1/Site1/031768/t01"
    folder = tmp_path / "two/ATLAS_2/Training/R009/sub-r009s003/ses-1/anat"
    folder.mkdir(parents=True)
    stem = folder / "sub-r009s003_ses-1_space-MNI152NLin2009aSym"
    shutil.copy(source / "031768_t1w_deface_stx.nii.gz", f"{stem}_T1w.nii.gz")
    shutil.copy(source / "031768_LesionSmooth_stx.nii.gz", f"{stem}_label-L_desc-T1lesion_mask.nii.gz")
    assert problems_of(tmp_path / "two") == {"r009s003/ses-1": "its mask is reported not to fit"}


def test_counts_are_held_against_the_published_ones_for_real_releases_only(scans):
    notes = count_notes(scans)
    assert notes[0] == "found 6 scans with masks; R1.1 has 229"
    assert "Site1 3 of 55" in notes[1] and "Site8 0 of 35" in notes[1]
    assert count_notes(lab.find_scans(lab.make_cohort(lab_home() / "c", 1, progress=False))) == []


def test_the_report_has_a_picture_of_every_usable_scan_and_the_exit_code_tells(tmp_path, capsys):
    write_scan(tmp_path / "atlas", "Site1", "031768")
    write_scan(tmp_path / "atlas", "Site1", "031769", masks=[np.zeros((197, 233, 189))])
    assert main(["check", str(tmp_path / "atlas"), "--jobs", "1"]) == 1
    printed = capsys.readouterr().out
    assert "patient images" in printed and "2 scans found, 1 of them unusable" in printed
    assert "031769/t01: 031769/t01: no lesion voxel" in printed
    report = json.loads((lab_home() / "check/report.json").read_text())
    assert report["unusable"] == 1 and [f["scan"] for f in report["findings"]] == ["031768/t01", "031769/t01"]
    assert report["findings"][0]["volume_ml"] == 1.68 and report["findings"][1]["unusable"]
    page = (lab_home() / "check/report.html").read_text()
    assert page.count("data:image/png;base64,") == 1 and "031769/t01" in page and "<script" not in page
    assert main(["check", str(tmp_path / "atlas"), "--jobs", "1", "--exclude", "031769/t01"]) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse names that are no text")
def test_names_that_are_no_text_or_hold_line_breaks_are_told_as_codes_and_the_report_is_whole(tmp_path, capsys):
    root = tmp_path / os.fsdecode(b"caf\xe9")
    folder = write_scan(root, "Site1", "031768").parent
    twos = box_mask((70, 80, 60), value=2.0)
    for name in (b"031768_LesionSmooth_a\nb\xe9\x1b[31m_stx.nii.gz", b"031768_Lesion\nother\x1b[31m.nii.gz"):
        save(folder / os.fsdecode(name), twos)
    (root / "ATLAS_R1.1" / "metadata.csv").write_text("Subject ID,Session\nr009s009,1\n")
    assert main(["check", str(root), "--jobs", "1", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert r"a\nb\udce9\x1b[31m_stx" in printed.out and r"Lesion\nother\x1b[31m.nii.gz" in printed.err
    assert "\x1b" not in printed.out + printed.err
    assert [line for line in printed.out.splitlines() if line.startswith("b")] == []
    assert r"a\nb\udce9\x1b[31m_stx" in (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert r"caf\udce9" in (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert len(json.loads((tmp_path / "out/report.json").read_text())["findings"]) == 1


def test_the_report_of_patients_does_not_go_into_the_repository(tmp_path, capsys):
    from atlas_lab.files import REPOSITORY

    write_scan(tmp_path, "Site1", "031768")
    assert main(["check", str(tmp_path), "--jobs", "1", "--out", str(REPOSITORY / "figures")]) == 2
    assert "data use agreement" in capsys.readouterr().err
    assert not (REPOSITORY / "figures" / "report.html").exists()


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_metadata_joins_though_ids_lost_their_zero_and_sessions_got_a_space(scans, tree, tmp_path, suffix):
    table = pandas.DataFrame({
        "INDI Site ID": ["Site1", "Site2", "Site2"], "INDI Subject ID": [31768, 31802, 31802],
        "Session": [" t01", " t01", "t02"], "Stroke type": ["Embolic", "other", ""],
    })
    path = tmp_path / f"ATLAS_Meta-Data_Release_1.1_updated{suffix}"
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_excel(path, index=False)
    joined = join_metadata(scans, tmp_path)
    assert joined.index.tolist() == [scan.name for scan in scans]
    assert joined["Stroke type"].fillna("-").tolist() == ["Embolic", "-", "-", "-", "other", "-"]


def test_metadata_of_bids_names(tmp_path):
    path = tmp_path / "20220425_ATLAS_2.0_MetaData.csv"
    path.write_text("Subject ID,Session,Site\nsub-r001s001,ses-1,R001\nr001s002,1,R001\n")
    assert load_metadata(path).index.tolist() == ["r001s001/ses-1", "r001s002/ses-1"]
    below = tmp_path / "Training"
    below.mkdir()
    assert find_metadata(below) == [path]


def test_metadata_of_other_separators_and_letter_case(tmp_path):
    for name, separator in (("metadata.csv", "|"), ("MetaData.tsv", "\t")):
        (tmp_path / name).write_text(separator.join(["Subject ID", "Session", "Site"]) + "\n"
                                     + separator.join(["SUB-r001s001", "01", "R001"]) + "\n")
        assert load_metadata(tmp_path / name).index.tolist() == ["r001s001/ses-1"]
    assert len(find_metadata(tmp_path)) == 2


def test_a_table_that_is_none_says_so(tmp_path):
    path = tmp_path / "metadata.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(lab.DataError, match=r"metadata\.csv: no column is named after the subject; found a, b"):
        load_metadata(path)
    (tmp_path / "metadata.xlsx").write_bytes(b"no table")
    with pytest.raises(lab.DataError, match=r"metadata\.xlsx: can't be read as a table"):
        load_metadata(tmp_path / "metadata.xlsx")
    (tmp_path / "x").mkdir()
    with pytest.warns(ScanWarning, match=r"metadata\.csv: no column is named.*left aside"):
        assert join_metadata([], tmp_path / "x") is None


ROWS = "Site ID;Subject ID;Session;Notes\nSite1;31768;t01;lésion à gauche, côté\n"
COMMAS = 'Site ID,Subject ID,Session,Notes\nSite1,31768,t01,"lésion à gauche, côté"\n'


@pytest.mark.parametrize("data", [
    COMMAS.encode(), COMMAS.encode("cp1252"), COMMAS.encode("utf-8-sig"), COMMAS.encode("utf-16"), ROWS.encode(),
    ROWS.encode("cp1252"), ROWS.replace(";", "\t").encode("utf-16"), ROWS.replace("\n", "\r\n").encode("cp1252"),
])
def test_a_table_as_excel_saves_it_is_read_in_any_encoding_and_with_any_separator(data, scans, tmp_path, recwarn):
    (tmp_path / "ATLAS_Meta-Data.csv").write_bytes(data)
    joined = join_metadata(scans, tmp_path)
    assert joined["Notes"].iloc[0] == "lésion à gauche, côté" and joined["Notes"].isna().sum() == 5
    guessed = ["cp1252, which makes one word 'lésion'" in str(warning.message) for warning in recwarn]
    assert guessed == ([True] if b"\xe9" in data and data[:1] != b"\xff" else [])


def test_a_table_in_a_macintosh_s_letters_is_not_read_without_a_word(tmp_path):
    path = tmp_path / "ATLAS_Meta-Data.csv"
    path.write_bytes(COMMAS.encode("mac_roman"))
    with pytest.warns(ScanWarning, match=r"Meta-Data\.csv: is no UTF-8.* one word 'lŽsion'; if that is wrong, save"):
        assert load_metadata(path).index.tolist() == ["031768/t01"]


@pytest.mark.parametrize(("name", "data", "line"), [
    ("openneuro_metadata.csv", b"participant_id,age\nsub-01,44\n", "no column is named after the subject"),
    ("other_metadata.csv", b"subject,session\n99,t01\n", "holds no row of these 1 scans"),
    ("metadata.csv", b"a,b\n1,2,3,4\n\0", "it is no text"), ("metadata.csv", b"", "an empty file"),
    ("metadata.xlsx", b"PK no table", "can't be read as a table"), ("metadata.csv", None, "a folder; expected a table"),
])
def test_somebody_else_s_table_is_one_note_and_every_scan_is_checked(name, data, line, tmp_path, capsys):
    write_scan(tmp_path, "Site1", "031768")
    (tmp_path / name).mkdir() if data is None else (tmp_path / name).write_bytes(data)
    assert main(["check", str(tmp_path / "ATLAS_R1.1"), "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    notes = [text for text in printed.splitlines() if name in text]
    assert len(notes) == 1 and line in notes[0] and notes[0].endswith("; left aside")
    assert "1 scans found, 0 of them unusable" in printed


def test_the_embedded_cohort_s_own_table_fits_its_scans():
    out = lab.make_cohort(lab_home() / "c", 1, progress=False)
    joined = join_metadata(lab.find_scans(out), out)
    assert joined["Notes"].tolist() == ["synthetic, not patient data"]


def test_a_brain_whose_contrast_is_inverted_is_noted(capsys):
    out = lab.make_cohort(lab_home() / "c", 2, progress=False)
    inverted, _ = lab.find_scans(out)
    values = nibabel.load(inverted.t1w).get_fdata(dtype=np.float32)
    save(inverted.t1w, np.where(values > 0, 100 - values, 0).clip(0, 100))
    assert main(["check", str(out), "--jobs", "1"]) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if "correlates with the MNI152 template" in line]
    assert len(notes) == 1 and notes[0].startswith(f"{inverted.name}: ") and "its contrast is inverted" in notes[0]


def test_an_image_without_lesion_mask_is_unusable(tmp_path):
    path = write_scan(tmp_path, "Site1", "031768")
    save(path.with_name("031768_LesionSmooth_stx.nii.gz"), np.zeros((10, 10, 10)))
    (row,) = lab.check_scans(lab.find_scans(tmp_path), jobs=1, progress=False).itertuples()
    assert row.unusable and "(10, 10, 10)" in row.problem
