"""The page of the study point on data of one's own: whose numbers they are, and nothing of the lab's cohorts."""

from dataclasses import replace

import pytest

from atlas_lab.experiment.run import load_runs
from atlas_lab.paper.control_records import load_controls
from atlas_lab.paper.own_study import own_study_page
from atlas_lab.paper.study import STUDY_RECORDS, StudyRecords
from atlas_lab.paper.study_page import study_findings

ATLAS = {"source": "ATLAS R1.1", "n_scans": 229}


@pytest.fixture(scope="module")
def runs():
    """The shipped records as they would be on ATLAS, where all seeds have one cohort."""
    return [replace(run, data=run.data | ATLAS, config=replace(run.config, cohort=0))
            for run in load_runs(STUDY_RECORDS)]


def page_of(runs, controls=()):
    records = StudyRecords(runs)
    return own_study_page(records, list(controls), study_findings(records))


def test_the_paper_s_numbers_are_judged_and_every_run_is_counted(runs):
    page = page_of(runs)
    assert "ATLAS R1.1: 229 scans" in page and f"Written from {len(runs)} run records" in page
    assert "| C1 | baseline: Dice 0.15 to 0.19 after 10 epochs | absolute: needs ATLAS | **does not hold**" in page
    assert "| baseline | baseline | slice | 5 | 10 | 5 | 5 |" in page
    assert "synthetic" not in page and "220" not in page and "## Controls" not in page and "## At 1 mm" not in page


def test_controls_and_runs_at_1_mm_stand_beside_the_claims(runs):
    fewer = replace(runs[0], data=runs[0].data | {"n_scans": 12})
    fine = replace(runs[0], config=replace(runs[0].config, scale=1))
    page = page_of([fewer, *runs, fine], load_controls())
    assert f"| {fine.name} | {len(fine.history)} | dev Dice" in page and "229 scans" in page
    assert "| copying machine | true |" in page
