"""The ledger at the study point on data of one's own, as a page that says nothing of the lab's cohorts."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from atlas_lab.config import PROFILES
from atlas_lab.experiment.run import Run, score_text
from atlas_lab.files import write_text
from atlas_lab.paper.control_records import ControlRecord, controls_table
from atlas_lab.paper.study import StudyRecords, study_table
from atlas_lab.paper.study_claims import STUDY_CLAIMS
from atlas_lab.paper.study_page import study_findings
from atlas_lab.paper.tables import finding_cell
from atlas_lab.paper.verdicts import Finding

__all__ = ["own_study_page", "write_own_study"]

HEAD = """# The ledger at the study point, on data of your own

{source}: {scans} scans, every slice. Written from {count} run records of these data, made by commit {commits}. All
seeds share these people, so an interval covers other trainings and other splits of them, and no other people. The rules
are those of the lab's own ledger, and judge runs at 4 mm a pixel. A rule decides only when its interval lies wholly on
one side; a claim of several parts is as sure as its weakest. The column by subject is our question, not the paper's.

"""
CONTROLS = """
## Controls

Dice, mean over dev's slices, of machines that are no networks, on the same slices; see `atlas-lab controls`.

"""


def own_study_page(
    records: StudyRecords, controls: list[ControlRecord], findings: Mapping[str, Mapping[str, Finding]],
) -> str:
    """The page as Markdown, from records of one's own, which all are of the same scans, and their findings."""
    lines = ["| claim | the paper | rule | by slice | by subject |", "|---|---|---|---|---|"]
    for name, found in findings.items():
        cells = [finding_cell(found.get(split)) for split in ("slice", "subject")]
        lines.append(f"| {name} | {STUDY_CLAIMS[name].text} | {STUDY_CLAIMS[name].rule} | {' | '.join(cells)} |")
    commits = sorted({(run.code["commit"] or "unknown")[:7] for run in records.runs})
    data = max((run.data for run in records.runs), key=lambda data: data["n_scans"])  # a run may be of fewer people
    head = HEAD.format(source=data["source"], scans=data["n_scans"], count=len(records.runs),
                       commits=", ".join(commits))
    same = [record for record in controls if record.config.profile == "study"]
    beside = f"{CONTROLS}{controls_table(same)}" if same else ""
    fine = [run for run in records.runs if run.config.scale == PROFILES["paper"].config.scale]
    # The plan numbers cohorts as seeds, and has no row where both differ; here every run has the one there is.
    planned = [replace(run, config=replace(run.config, cohort=run.config.seed)) for run in records.runs]
    return f"{head}" + "\n".join(lines) + f"\n{beside}{_fine_text(fine)}\n## Runs\n\n{study_table(planned)}"


def _fine_text(runs: list[Run]) -> str:
    """A section on the runs at the paper's resolution; empty without one."""
    if not runs:
        return ""
    lines = [f"| {run.name} | {len(run.history)} | {score_text(run)} |" for run in runs]
    head = "\n## At 1 mm a pixel, as the paper's\n\nEach interval is that over people, of one training.\n\n"
    return head + "\n".join(["| run | epochs | Dice |", "|---|---|---|", *lines]) + "\n"


def write_own_study(records: StudyRecords, controls: list[ControlRecord], out: Path) -> str:
    """Write out/study.md from records of one's own; returns its text."""
    text = own_study_page(records, controls, study_findings(records))
    write_text(out / "study.md", text)
    return text
