"""Beside the plan: its best settings, taught by five times as many people; the network that `predict` uses.

A network of the plan learns from 154 people. Five times as many brought the U-Net more than any change of it did, and
left it hardly better on those it learnt from than on others (benchmarks/more_people.py). So the best settings get as
many here, in as many updates as a final row of the plan, and a rate that drops before the last epoch. All of this was
committed before the network was trained. It is scored once, as a final row is, on people of cohort 100.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from atlas_lab.config import RunConfig, config_from_plain, run_name
from atlas_lab.experiment.run import Run, load_runs
from atlas_lab.experiment.score_tables import group_table
from atlas_lab.files import DataError
from atlas_lab.paper.people_claims import chosen_best, named_scans, people_scores
from atlas_lab.paper.people_plan import PEOPLE
from atlas_lab.paper.people_progress import recorded_so_far
from atlas_lab.scoring.bootstrap import paired_difference, people_interval
from atlas_lab.scoring.scans import by_subject
from atlas_lab.system.shipped import SHIPPED_NETWORK

__all__ = ["BESIDE", "MANY", "beside_table", "final_scores", "groups_of", "many_people_config", "of_seed_0",
           "scores_of"]

MANY = "final: many people"
SETTINGS = {"people": 880, "dev_fraction": 0.125, "epochs": 4, "lr_drop_epoch": 3, "train_scored_every": 4}
BESIDE = "The best settings on 770 people, 6,000 updates; scored on cohort 100. About 1.5 core hours."
FINAL = ("final: baseline", "final: U-Net", "final: best", MANY)


def many_people_config(records: Sequence[Mapping]) -> RunConfig:
    """The run's settings: 770 people teach, 110 only score. Raises DataError until the best can be chosen."""
    return replace(chosen_best(records), **SETTINGS)


def scores_of(
    records: Sequence[Mapping], row: str, score: str = "dice", way: str = "plain",
) -> dict[str, float]:
    """A score of each person, as `people_scores` gives it for a row of the plan, or for MANY.

    Raises DataError where runs are missing, and KeyError where they were not scored in that way.
    """
    if row in PEOPLE:
        return people_scores(records, row, score, way)
    mine = [record for record in records if record["row"] == row]
    if not mine:
        raise DataError(f"{row} is not recorded; make it with: atlas-lab people")
    return by_subject(named_scans(mine, score, way), score)


def groups_of(records: Sequence[Mapping], row: str) -> str:
    """Subject Dice of a row's people by group, see `group_table`, as Markdown.

    Raises DataError where runs are missing.
    """
    scores_of(records, row)
    scans = named_scans([record for record in records if record["row"] == row], "dice", "plain")
    return "\n".join(group_table(scans)) + "\n"


def final_scores(records: Sequence[Mapping], score: str = "dice") -> dict[str, dict[str, float]]:
    """Row -> a score of each person of cohort 100: the final networks of seed 0 that are recorded, MANY as the last."""
    first = of_seed_0(records)
    return {row: recorded_so_far([first[row]], row, score)[0] for row in FINAL if row in first}


def of_seed_0(records: Sequence[Mapping]) -> dict[str, Mapping]:
    """Row -> the scores of its network of seed 0, where there are any."""
    return {record["row"]: record for record in records if record["config"]["seed"] == 0}


def beside_table(records: Sequence[Mapping], runs: Sequence[Run] | None = None) -> str:
    """The final networks of seed 0, all scored on the same people of cohort 100, as Markdown; "" without MANY.

    Parameters
    ----------
    records, runs
        Scores and records of the runs on new people; by default the records that the lab ships.
    """
    dice, f1 = (final_scores(records, score) for score in ("dice", "lesion_f1"))
    if MANY not in dice:
        return ""
    by_name = {run.name: run for run in (load_runs(SHIPPED_NETWORK.parent) if runs is None else runs)}
    first = of_seed_0(records)
    heads = "network of seed 0", "learnt from", "updates", "subject Dice", "many people less this", "lesion F1"
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for row, found in dice.items():
        run = by_name[run_name(config_from_plain(first[row]["config"]))]
        people = run.point["subjects"] - run.split["dev_subjects"]
        more = "" if row == MANY else f"{paired_difference(dice[MANY], found):+.3f}"
        lines.append(f"| {row.removeprefix('final: ')} | {people} people | {run.point['updates']:,} | "
                     f"{people_interval(found)} | {more} | {people_interval(f1[row])} |")
    return "\n".join(lines) + "\n"
