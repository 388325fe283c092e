"""Where networks fail on people never seen: by lesion size, territory and site, by mimics, on real shapes."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np

from atlas_lab.paper.many_people import groups_of, scores_of
from atlas_lab.paper.people_progress import recorded_so_far
from atlas_lab.scoring.bootstrap import paired_difference, people_interval
from atlas_lab.statistics import Interval

__all__ = ["cost_of_mimics", "error_analysis"]

WAYS = {  # how a final row is scored -> what a table calls it
    "plain": "all people", "flipped too": "with mirrored slices too", "without small": "without small components",
    "ensemble": "ensemble of all seeds", "without mimics": "the first people, without mimics",
    "real shapes": "other people, lesions of real shapes",
}


def cost_of_mimics(records: Sequence[Mapping], row: str, score: str = "dice") -> Interval:
    """How much better a final row scores people when what only looks like a lesion is taken from their brains.

    The paired difference over the people that both ways have, with its interval. Raises KeyError where the row was not
    scored without mimics, and DataError where runs are missing.
    """
    without, all_people = (scores_of(records, row, score, way) for way in ("without mimics", "plain"))
    return paired_difference(without, {name: all_people[name] for name in without})


def error_analysis(records: Sequence[Mapping], row: str) -> str:
    """A final row's scores in each way that is recorded, by group, and on people without lesion, as Markdown."""
    lines = [f"| {row} | subject Dice | lesion F1 |", "|---|---|---|"]
    for way, name in WAYS.items():
        scores = [recorded_so_far(records, row, score, way)[0] for score in ("dice", "lesion_f1")]
        if scores[0]:
            lines.append(f"| {name} | {' | '.join(format(people_interval(of_people)) for of_people in scores)} |")
    parts = ["\n".join(lines) + "\n", groups_of(records, row)]
    with suppress(KeyError):  # not scored so
        parts.append(f"Without mimics the same people score {cost_of_mimics(records, row):+.3f}.\n")
    alarms = [record["scores"]["false alarms"] for record in records
              if record["row"] == row and "false alarms" in record["scores"]]
    if alarms:
        median, largest = (np.mean([found[name] for found in alarms]) for name in ("median_ml", "largest_ml"))
        by = "one network" if len(alarms) == 1 else f"means over {len(alarms)} networks"
        parts.append(f"In people without lesion it calls {median:.2f} ml lesion in the median, {largest:.1f} ml at "
                     f"most ({by}).\n")
    return "\n".join(parts)
