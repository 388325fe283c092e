"""Which records are drawn from: on the embedded cohorts the lab's, and a person's own that are of the same people."""

from dataclasses import asdict, replace

import pytest

import atlas_lab as lab
from atlas_lab.experiment.run import checksum, load_runs, runs_folder
from atlas_lab.files import lab_home, write_json
from atlas_lab.paper.control_records import load_controls
from atlas_lab.paper.own_runs import gather_records
from atlas_lab.paper.study import STUDY_RECORDS, StudyRecords


@pytest.fixture(scope="module")
def shipped():
    """A shipped record of the study, and one of the course."""
    return load_runs(STUDY_RECORDS, pos_weight=100.0)[0], load_runs(pos_weight=100.0)[0]


def test_without_a_folder_only_what_comes_with_the_lab_is_drawn_from(shipped):
    lab.save_run(replace(shipped[0], seconds=1.0))
    found = gather_records([])
    assert found.embedded and found.runs == load_runs() and found.study.runs == StudyRecords().runs
    assert found.controls == load_controls() and found.people


def test_own_runs_on_the_embedded_cohorts_go_before_the_lab_s_and_those_on_other_people_are_left_out(shipped, tmp_path):
    study, course = shipped
    mine = [
        replace(study, seconds=1.0),                                               # made again
        replace(course, config=replace(course.config, seed=9)),                    # one more seed
        replace(study, config=replace(study.config, scale=5), data=study.data | {"data_hash": "new"}),  # not the lab's
    ]
    theirs = [
        replace(study, config=replace(study.config, dropout=0.5), data=study.data | {"data_hash": "other"}),
        replace(study, config=replace(study.config, dropout=0.6), data=study.data | {"source": "ATLAS R1.1"}),
    ]
    for run in [*mine, *theirs]:
        lab.save_run(run, tmp_path)
    lines = []
    found, before = gather_records([], tmp_path, lines.append), gather_records([])
    assert "3 of 5 records" in lines[0]
    assert {run.name for run in found.runs} - {run.name for run in before.runs} == {
        mine[1].name, mine[2].name, study.name}
    again = {run.name: run.seconds for run in found.study.runs}
    assert again[study.name] == 1.0 and len(again) == len(before.study.runs) + 1 and mine[2].name in again
    assert found.study.diameters == before.study.diameters and found.embedded


def test_own_controls_lie_beside_the_runs(shipped):
    record = load_controls(profile="study")[0]
    for name, changed in (("mine", record), ("theirs", replace(record, data=record.data | {"data_hash": "other"}))):
        values = asdict(replace(changed, config=replace(changed.config, seed=9), seconds=float(len(name))))
        write_json(lab_home() / "controls" / f"{name}.json", {**values, "checksum": checksum(values)})
    found = gather_records([], runs_folder()).controls
    assert [one.seconds for one in found if one.config.seed == 9] == [4.0] and len(found) == len(load_controls()) + 1


def test_a_folder_that_was_named_must_be_there(tmp_path):
    assert gather_records([], runs_folder()).runs == load_runs()
    with pytest.raises(lab.DataError, match="there is no such folder"):
        gather_records([], tmp_path / "nowhere")
