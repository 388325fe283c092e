"""The files of scores on new people: plain JSON that any program reads, small, and the same values when read back."""

import json

import pandas
import pytest

import atlas_lab as lab
from atlas_lab.paper import people_records
from atlas_lab.paper.score_files import load_scores, save_scores

SCANS = [{"subject": "031700", "session": "t01", "dice": 0.1 + 0.2, "hd95": None, "pred_ml": 0.0},
         {"subject": "031701", "session": "t02", "dice": 0.0, "hd95": 88.5, "pred_ml": 3.25}]
VALUES = {"row": "U-Net", "scores": {"plain": SCANS, "real shapes": [], "calibration": {"said": [0.5, 0.9]},
                                     "false alarms": {"people": 3, "median_ml": 0.0}}}
SHOWS = "synthetic cohort, not patient data"


def test_scores_come_back_as_they_were_given(tmp_path):
    save_scores(tmp_path / "a.json", VALUES, SHOWS)
    assert load_scores(tmp_path / "a.json") == VALUES


def test_a_file_is_a_table_to_any_program(tmp_path):
    save_scores(tmp_path / "a.json", VALUES, SHOWS)
    table = pandas.DataFrame(json.loads((tmp_path / "a.json").read_text())["scores"]["plain"]["columns"])
    assert list(table) == list(SCANS[0]) and table["dice"].tolist() == [0.1 + 0.2, 0.0]
    assert table["hd95"].isna().tolist() == [True, False]


def test_a_scan_without_one_of_the_scores_is_not_written(tmp_path):
    for scans in ([*SCANS, {"subject": "031702"}], [{"subject": "031702"}, *SCANS]):
        with pytest.raises(KeyError):
            save_scores(tmp_path / "a.json", VALUES | {"scores": {"plain": scans}}, SHOWS)
    assert not list(tmp_path.iterdir())


def test_a_changed_file_and_one_without_scores_are_refused(tmp_path):
    path = tmp_path / "a.json"
    save_scores(path, VALUES, SHOWS)
    path.write_text(path.read_text().replace("88.5", "8.5"))
    with pytest.raises(lab.DataError, match="changed after it was written"):
        load_scores(path)
    path.write_text('{"row": "U-Net"}')
    with pytest.raises(lab.DataError, match="not the scores of a run: scores missing"):
        load_scores(path)


def test_a_recorded_row_is_such_a_file(small_people, tmp_path):
    path, *_ = people_records.record_people(["baseline"], tmp_path, 1, lambda line: None)
    values = load_scores(path)
    assert values["row"] == "baseline" and values["config"]["net"] == "baseline"
    assert {"plain", "flipped too", "without small", "calibration"} == set(values["scores"])
    assert len({scan["subject"] for scan in values["scores"]["plain"]}) == len(values["scores"]["plain"]) > 1
