"""What the runs on new people say: paired effects of each row, the best model, and the rules for C15 and C16.

Committed before any of their records. An effect is the mean over people of subject Dice of a row less that of the row
it is compared with, on the same people; its interval resamples people, all cohorts together. It covers other people of
one generator and, with three cohorts, other trainings; it covers no patients.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from atlas_lab.config import RunConfig
from atlas_lab.files import DataError
from atlas_lab.paper.people_plan import FOLDS, PEOPLE, best_config
from atlas_lab.paper.verdicts import FAILS, HOLDS, NOT_RUN, UNDECIDED, Finding
from atlas_lab.scoring.bootstrap import paired_difference, people_interval
from atlas_lab.scoring.scans import by_group, by_subject, size_group
from atlas_lab.statistics import Interval

__all__ = ["CANDIDATES", "RULE_TEXTS", "chosen_best", "effect", "effects_table", "groups_table", "judge_people",
           "named_scans", "people_page", "people_scores"]

A_LOT = 0.05  # of subject Dice: our reading of C16's "a lot"
CANDIDATES = tuple(name for name, row in PEOPLE.items()
                   if row.against == "U-Net" and row.settings and "stage" not in row.settings)


def people_scores(records: Sequence[Mapping], row: str, score: str = "dice", way: str = "plain") -> dict[str, float]:
    """A score of each person whom a row's networks had not seen: "cohort/person" -> score.

    `way` is one of a record's: "plain", "flipped too", "cascade", ... Raises DataError unless all the row's runs are
    recorded.
    """
    return by_subject(_scans_of(records, row, score, way), score)


def _scans_of(records, row, score, way="plain"):
    """The scans of all runs of a row, see `named_scans`."""
    mine = [record for record in records if record["row"] == row]
    needed = FOLDS.get(PEOPLE[row].folds, PEOPLE[row].seeds)
    if len(mine) < needed:
        raise DataError(f"{row}: {len(mine)} of {needed} runs are recorded; make the others with: atlas-lab people")
    return named_scans(mine, score, way)


def named_scans(records: Sequence[Mapping], score: str, way: str = "plain") -> list[dict]:
    """The scans of some records, their people named with their cohort, a score that is none as NaN."""
    return [scan | {"subject": f"{record['config']['cohort']}/{scan['subject']}",
                    score: np.nan if scan[score] is None else scan[score]}
            for record in records for scan in record["scores"][way]]


def effect(records: Sequence[Mapping], row: str, score: str = "dice", way: str = "plain") -> Interval:
    """The mean over people of a row's score less that of the row it is compared with, with its interval."""
    against = PEOPLE[row].against
    if against is None:
        raise DataError(f"{row} is compared with nothing")
    return paired_difference(people_scores(records, row, score, way), people_scores(records, against, score))


def chosen_best(records: Sequence[Mapping]) -> RunConfig:
    """The settings of the best model, see `best_config`. Raises DataError unless all its candidates are recorded."""
    return best_config({row: effect(records, row) for row in CANDIDATES})


def effects_table(records: Sequence[Mapping]) -> str:
    """Subject Dice of each recorded row with its interval, and its paired effect, as Markdown."""
    lines = ["| row | subject Dice | against | paired difference | lesion F1 |", "|" + "---|" * 5]
    for name, row in PEOPLE.items():
        if "stage" in row.settings:
            continue
        try:
            dice, f1 = (people_interval(people_scores(records, name, score)) for score in ("dice", "lesion_f1"))
        except DataError:
            lines.append(f"| {name} | not run | {row.against or ''} | | |")
            continue
        has_pairs = row.against and not row.folds and name != "final: baseline"  # else other people were scored
        is_paired = has_pairs and any(record["row"] == row.against for record in records)
        difference = f"{effect(records, name):+.3f}" if is_paired else ""
        lines.append(f"| {name} | {dice} | {row.against or ''} | {difference} | {f1} |")
    return "\n".join(lines) + "\n"


def groups_table(records: Sequence[Mapping], row: str, score: str = "dice") -> str:
    """A row's score by lesion size, territory and site, with intervals over people, as Markdown."""
    scans = _scans_of(records, row, score)
    lines = [f"| {row} | people | {score} |", "|---|---|---|"]
    for what, group in (("size", size_group), ("territory", lambda scan: scan.get("territory", "unknown")),
                        ("site", lambda scan: scan["site"])):
        for name, people in by_group(scans, score, group).items():
            lines.append(f"| {what}: {name} | {len(people)} | {people_interval(people)} |")
    return "\n".join(lines) + "\n"


def people_page(records: Sequence[Mapping]) -> str:
    """What is recorded so far: every row's scores and effect, the U-Net's by group, and the verdicts, as Markdown."""
    parts = [effects_table(records)]
    if any(record["row"] == "U-Net" for record in records):
        parts.append(groups_table(records, "U-Net"))
    parts.append("\n".join(f"{name}: {found.verdict}. {found.measured or found.decides}"
                           for name, found in judge_people(records).items()) + "\n")
    return "\n".join(parts)


def _c15(records):
    """A cascade helps: all three stages together against the mask's network alone, on the same people."""
    ones, others, start = (people_scores(records, "cascade: place", way=way)
                           for way in ("cascade", "mask alone", "perfect start"))
    difference, ceiling = paired_difference(ones, others), paired_difference(start, others)
    return _verdict(difference, 0.0, f"cascade minus its mask network alone: subject Dice {difference:+.3f}; behind "
                                     f"perfect first stages {ceiling:+.3f}")


def _c16(records):
    """A volumetric model helps a lot: against the two-dimensional U-Net of about as many parameters and updates."""
    difference = effect(records, "volumetric, width 4", "dice")
    return _verdict(difference, A_LOT, f"volumetric minus two-dimensional U-Net: subject Dice {difference:+.3f}")


def _verdict(difference, bound, measured):
    """Holds, or does not, where the whole interval lies on one side of the bound."""
    verdict = HOLDS if difference.low > bound else FAILS if difference.high < bound else UNDECIDED
    return Finding(verdict, measured, "" if verdict != UNDECIDED else "more people, on more cohorts")


RULES = {"C15": _c15, "C16": _c16}
RULE_TEXTS = {
    "C15": "subject Dice of the cascade above that of its own mask network alone, on the same people",
    "C16": f"subject Dice of the volumetric U-Net more than {A_LOT} above the flat one's (our reading of \"a lot\")",
}


def judge_people(records: Sequence[Mapping]) -> dict[str, Finding]:
    """The findings on the paper's two pieces of future work: C15, the cascade, and C16, the volumetric model."""
    findings = {}
    for name, rule in RULES.items():
        try:
            findings[name] = rule(records)
        except DataError as error:
            findings[name] = Finding(NOT_RUN, "", str(error))
    return findings
