"""The records that figures and ledgers are drawn from: those that come with the lab, and a person's own."""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from atlas_lab.config import PROFILES
from atlas_lab.data.scans import Scan, source_of
from atlas_lab.data.slicing import prepare_slices
from atlas_lab.experiment.run import Run, load_runs, runs_folder
from atlas_lab.files import lab_home
from atlas_lab.paper.control_records import ControlRecord, cohort_diameters, load_controls
from atlas_lab.paper.people_records import load_people
from atlas_lab.paper.scaling import scaling_runs
from atlas_lab.paper.study import StudyRecords
from atlas_lab.paper.study_page import shipped_study

__all__ = ["Evidence", "gather_records"]

STUDY = PROFILES["study"].config


class Evidence(NamedTuple):
    """Records to draw from.

    Attributes
    ----------
    runs : list of Run
        Of the course's point and any other, on any data: whoever uses them picks those of the same slices.
    study : StudyRecords
        The runs on every slice: at the study's point, the paper's, and resolutions between them.
    roads : list of Run
        What the roads to full size are drawn from.
    people : list of dict
        Scores on new people, see `load_people`.
    controls : list of ControlRecord
    embedded : bool
        Whether the study is that of the embedded cohorts; else it is of the data that ATLAS_DATA names.
    """

    runs: list[Run]
    study: StudyRecords
    roads: list[Run]
    people: list[dict]
    controls: list[ControlRecord]
    embedded: bool


def gather_records(
    scans: Sequence[Scan], folder: Path | None = None, report: Callable[[str], None] = print,
) -> Evidence:
    """The records that come with the lab and, given a folder, a person's own beside them.

    Of the person's own only those made on the data at hand are taken: on the scans, where ATLAS_DATA names them, and
    then the study is theirs alone; else on the embedded cohorts. Where names are equal they go before the lab's.
    Controls of one's own lie in controls/ of `lab_home()`.

    Raises DataError if there is no such folder, unless it is `runs_folder()`, or if a file in it is no record.
    """
    study = shipped_study()
    shipped = Evidence(load_runs(), study, scaling_runs(study.runs), load_people(), load_controls(), True)
    if folder is None:
        return shipped
    found = load_runs(folder) if folder != runs_folder() or folder.is_dir() else []
    found_controls, on_files = load_controls(lab_home() / "controls"), bool(os.environ.get("ATLAS_DATA"))
    is_ours = _on_scans(scans) if on_files else _on_embedded([*shipped.runs, *shipped.roads], shipped.controls)
    runs = [run for run in found if is_ours(run.data, *_slices(run))]
    controls = [record for record in found_controls if is_ours(record.data, *_control_slices(record))]
    if found:
        report(f"{len(runs)} of {len(found)} records in {folder} were made on these data, and are drawn from")
    every_slice = [run for run in runs if run.config.z_step == STUDY.z_step]
    if on_files:
        diameters = cohort_diameters(record for record in controls if record.config.profile == "study")
        return Evidence(_joined(shipped.runs, runs), StudyRecords(every_slice, diameters), every_slice, [], controls,
                        False)
    study = StudyRecords(_joined(shipped.study.runs, every_slice), shipped.study.diameters)
    controls = [*{record.config: record for record in [*shipped.controls, *controls]}.values()]
    return Evidence(_joined(shipped.runs, runs), study, _joined(shipped.roads, every_slice), shipped.people, controls,
                    True)


def _joined(shipped: Iterable[Run], own: Iterable[Run]) -> list[Run]:
    """Both, each name once; own ones go before."""
    return list({run.name: run for run in [*shipped, *own]}.values())


def _slices(run):
    """What slices of its data a run was made on: the cohort, mm a pixel and the step between slices."""
    return run.config.cohort, run.config.scale, run.config.z_step


def _control_slices(record):
    """The same of a control, whose resolution is its profile's."""
    config = PROFILES[record.config.profile].config
    return record.config.cohort, config.scale, config.z_step


def _on_scans(scans):
    """A function that says whether a record was made on these scans: whether their slices have the record's hash.

    Slices that aren't there yet are prepared, for records of the same source alone.
    """
    source = source_of(scans)
    hash_at = cache(lambda scale, z_step: prepare_slices(scans, scale, z_step).about["data_hash"])
    return lambda data, cohort, scale, z_step: data["source"] == source and data["data_hash"] == hash_at(scale, z_step)


def _on_embedded(runs, controls):
    """A function that says whether a record was made on an embedded cohort: of synthetic people, and on the very slices
    of the lab's records where these have the same cohort.
    """
    known = {_control_slices(record): record.data["data_hash"] for record in controls}
    known |= {_slices(run): run.data["data_hash"] for run in runs}

    def is_ours(data, *slices):
        return data["source"].startswith("synthetic") and known.get(slices, data["data_hash"]) == data["data_hash"]

    return is_ours
