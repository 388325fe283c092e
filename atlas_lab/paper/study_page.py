"""The ledger at the study point as a page: verdicts, effects, what would decide, the runs planned and done."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from atlas_lab.config import plain_settings
from atlas_lab.experiment.run import load_runs
from atlas_lab.files import REPOSITORY, DataError, write_text
from atlas_lab.paper.control_records import cohort_diameters, controls_text, load_controls
from atlas_lab.paper.copying import copying_table
from atlas_lab.paper.full_size import FULL_SIZE_RECORDS, full_size_text
from atlas_lab.paper.many_people import MANY, beside_table
from atlas_lab.paper.people_claims import RULE_TEXTS, chosen_best, effects_table, judge_people
from atlas_lab.paper.people_errors import error_analysis
from atlas_lab.paper.people_plan import PEOPLE as PEOPLE_ROWS
from atlas_lab.paper.people_plan import row_config
from atlas_lab.paper.people_progress import partial_table, people_summary
from atlas_lab.paper.people_records import SHIPPED_PEOPLE, load_people
from atlas_lab.paper.people_scores import compute_table, equal_compute_text, field_scores_table
from atlas_lab.paper.processing_choice import load_processed, processed_row, processing_table
from atlas_lab.paper.study import StudyRecords, study_table
from atlas_lab.paper.study_claims import STUDY_CLAIMS, judge_study
from atlas_lab.paper.tables import finding_cell, write_block
from atlas_lab.paper.verdicts import Finding, holm
from atlas_lab.system.work_tree import git

__all__ = ["shipped_study", "short_study_table", "study_findings", "study_page", "study_verdicts", "write_study"]

RULES = ("study_claims.py", "study.py", "verdicts.py")
PEOPLE_RULES = ("people_claims.py", "people_plan.py")
HEAD = """# The ledger at the study point

220 synthetic people, 4 mm a pixel, every slice, 303 updates an epoch: as many as the paper's. Run seed k is trained on
cohort k, so an interval covers other people of one generator as well as other trainings; it covers no patients. "Holds"
means here, on this cohort and at this point. A rule decides only when its interval lies wholly on one side; a claim of
several parts is as sure as its weakest. A star: it also survives Holm's correction over all claims tested. The columns
by subject are our question, not the paper's.

Rules: commit {rules}; of C15 and C16: commit {people_rules}. The first records that they judge came after them, with
commit {first} and {people_first}. Records: made by commit {records}.

"""
PEOPLE = """
## People never seen

Subject Dice of networks on people that they were not trained on, mean with its 95 % interval over people; each
difference is to the row it is compared with, on the same people. "Not run" here is a row that isn't recorded in full;
how many of its runs are, says the next table. `atlas-lab people --plan` prints what is planned.

"""
COPYING = """
## Does it copy?

The copying machine gives a slice the mask of the training slice that looks most like it. A network that knew more of
a lesion than the next slice tells would agree better with the true masks than with those copied ones. A row has the
runs that end after so many epochs; C13 above has the Dice of all runs after 20, and the agreement of the longest.

"""
CHOICE = """
The best model is the U-Net with, of each setting, the value whose gain is largest and whose interval lies above 0:
{settings}. It is scored once, after twice the epochs, on people on whom nothing was chosen.
"""
FIELD = """
The field's other scores of the whole rows. Calibration is of pixels of probability 0.1 and up: below lie millions of
healthy ones, all of which one network gives 0.014 and another 0.005. Of those called lesion, the last columns give the
mean probability, and the share that is lesion.

"""
TOOK = """
What a run took. Rows with as many updates of the weights have seen as many slices; minutes on a GPU and on a processor
are two things. Dice is the mean over slices, on the people of train and on those of dev. Where the first is far above
the second, a row has fitted its people and not others; where both are low and alike, ten epochs may have been too few.

"""
PROCESSED = """
### What is done to the answers

The rows above are of masks as the networks give them. Mirrored scans asked too, another threshold and small pieces left
out are chosen on a network's own people of dev, by the largest sum of subject Dice and lesion F1, and then scored once,
on the people of cohort 100. `predict` does what was chosen for its network.

"""
PARTIAL = """Of these rows only some runs are recorded. Until the others are, no verdict and no choice rests on them.

"""


def study_findings(records: StudyRecords, people: Sequence[Mapping] = ()) -> dict[str, dict[str, Finding]]:
    """Claim -> {"slice" and "subject": Finding}, from the study's records and the scores of the runs on new people."""
    return judge_study(records) | {name: {"subject": found} for name, found in judge_people(people).items()}


def short_study_table(findings: Mapping[str, Mapping[str, Finding]]) -> str:
    """The verdicts alone as a Markdown table: claim, the paper, by slice, by subject; a star as on the whole page."""
    kept = _survivors(findings)
    lines = ["| claim | the paper | by slice | by subject, our question |", "|---|---|---|---|"]
    for name, found in findings.items():
        verdicts = [found[split].verdict if split in found else "" for split in ("slice", "subject")]
        verdicts[0] += " *" if name in kept else ""
        lines.append(f"| {name} | {STUDY_CLAIMS[name].text} | {' | '.join(verdicts)} |")
    return "\n".join(lines) + "\n\nA star: it also survives Holm's correction over all claims tested.\n"


def _survivors(findings):
    """The claims whose verdict by slice survives Holm's correction."""
    return holm({name: found["slice"].p for name, found in findings.items() if "slice" in found})


def study_verdicts() -> dict[str, dict[str, Finding]]:
    """The findings from the records that the lab ships, see `study_findings`."""
    return study_findings(shipped_study(), load_people())


def shipped_study() -> StudyRecords:
    """The study's records that the lab ships."""
    return StudyRecords(diameters=cohort_diameters(load_controls(profile="study")))


def study_page(
    records: StudyRecords, people: Sequence[Mapping], findings: Mapping[str, Mapping[str, Finding]],
    processed: Sequence[Mapping] = (),
) -> str:
    """The page as Markdown, from the records of the study, the scores on new people, and their `study_findings`.

    `processed` has the scores on new people after post-processing, as `load_processed` gives them.
    """
    kept = _survivors(findings)
    lines = ["| claim | the paper | rule | by slice | by subject |", "|---|---|---|---|---|"]
    for name, found in findings.items():
        claim = STUDY_CLAIMS[name]
        cells = [finding_cell(found.get("slice"), name in kept), finding_cell(found.get("subject"))]
        lines.append(f"| {name} | {claim.text} | {RULE_TEXTS.get(name, claim.rule)} | {' | '.join(cells)} |")
    made_by = sorted({(code["commit"] or "unknown")[:7] for code in
                      [*(run.code for run in records.runs), *(record["code"] for record in people)]})
    head = HEAD.format(rules=_commit_of(RULES), people_rules=_commit_of(PEOPLE_RULES),
                       first=_first_commit_of("figures/runs/study"), people_first=_first_commit_of("figures/people"),
                       records=", ".join(made_by) or "none yet")
    table, controls = "\n".join(lines), load_controls(profile="study")
    beside = f"\n\n{controls_text(controls)}" if controls else "\n"
    copying = copying_table(records.runs)
    beside += f"{COPYING}{copying}" if copying else ""
    beside += _people_text(people, records.runs, processed) if people else ""
    full_size = full_size_text(load_runs(FULL_SIZE_RECORDS))
    return f"{head}{table}{beside}\n{full_size}\n## Runs\n\n{study_table(records.runs)}"


def _people_text(people, study_runs, processed):
    """All sections on people never seen."""
    partial, runs = partial_table(people), load_runs(SHIPPED_PEOPLE)
    text = f"{PEOPLE}{effects_table(people)}{_choice_text(people)}{FIELD}{field_scores_table(people)}"
    text += f"\n{PARTIAL}{partial}" if partial else ""
    equal = equal_compute_text(runs, study_runs)
    text += f"{TOOK}{compute_table(runs)}" + (f"\n{equal}" if equal else "")
    text += "".join(_errors(people, row) for row in (*PEOPLE_ROWS, MANY)
                    if row == "U-Net" or row.startswith("final: "))
    table = processing_table(people, processed) if processed else ""
    return text + (f"{PROCESSED}{table}" if table else "") + _errors(processed, processed_row(MANY))


def _choice_text(people):
    """What the best model is built of, by the plan's rule; empty until all that it chooses from is recorded."""
    try:
        best = chosen_best(people)
    except DataError:
        return ""
    before = plain_settings(replace(row_config("U-Net"), epochs=best.epochs))
    settings = ", ".join(f"{field} {value}" for field, value in plain_settings(best).items() if value != before[field])
    return CHOICE.format(settings=settings or "nothing: it is the U-Net as it was")


def _errors(people, row):
    """A section on where a row's networks fail; empty where not all of its runs are recorded."""
    try:
        return f"\n### {row}\n\n{error_analysis(people, row)}"
    except DataError:
        return ""


def _commit_of(rules):
    """The commit that last changed these files of rules."""
    return _log("-1", "--", *(f"atlas_lab/paper/{name}" for name in rules))


def _first_commit_of(folder):
    """The commit that brought the first file of a folder."""
    return _log("--diff-filter=A", "--", folder)


def _log(*arguments):
    """The last commit that git's log of these arguments names, or "unknown" where there is no git."""
    _, said = git(REPOSITORY, "log", "--format=%h", *arguments)
    return said.split()[-1] if said else "unknown"


def write_study(
    records: StudyRecords, people: Sequence[Mapping], out: Path, page: Path | None = None,
) -> str:
    """Write out/study.md from the study's records and the scores on new people; returns its text.

    Given the page of results, the verdicts are put there too, and the scores on new people.
    """
    findings, processed = study_findings(records, people), load_processed()
    text = study_page(records, people, findings, processed)
    write_text(out / "study.md", text)
    if page is not None:
        write_block(page, "study", short_study_table(findings))
        if people:
            write_block(page, "people", people_summary(people))
            write_block(page, "final-people", beside_table(people))
            write_block(page, "processing", processing_table(people, processed))
    return text
