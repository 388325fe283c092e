"""Scores of a network on scans in words: means over people with their intervals, by lesion size, territory and site."""

from collections.abc import Callable, Sequence
from operator import itemgetter

import numpy as np

from atlas_lab.experiment.people import false_alarms
from atlas_lab.experiment.scored_scans import ScoredScans
from atlas_lab.scoring.bootstrap import people_interval
from atlas_lab.scoring.scans import by_group, by_subject, size_group
from atlas_lab.scoring.surfaces import SURFACE_TOLERANCE_MM

__all__ = ["group_table", "score_lines"]

BOTH = ", median over people with both masks, mm"
UNSIGNED = "the same without its sign, as the challenge has it"
# What a row is called, its score, whether without its sign, the statistic over people, and how numbers are written.
ROWS = (
    ("subject Dice", "dice", False, np.mean, ".3f"),
    ("lesion-wise F1, as the ATLAS challenge has it", "lesion_f1", False, np.mean, ".3f"),
    ("Hausdorff distance, 95th percentile" + BOTH, "hd95", False, np.median, ".1f"),
    ("average surface distance (ASSD)" + BOTH, "assd", False, np.median, ".1f"),
    (f"surface Dice within {SURFACE_TOLERANCE_MM:g} mm", "surface_dice", False, np.mean, ".3f"),
    ("volume, predicted less true, ml", "volume_difference_ml", False, np.mean, "+.2f"),
    (UNSIGNED, "volume_difference_ml", True, np.mean, ".2f"),
    ("number of lesions, predicted less true", "count_difference", False, np.mean, "+.1f"),
    (UNSIGNED, "count_difference", True, np.mean, ".1f"),
)


def score_lines(scored: ScoredScans) -> list[str]:
    """What a network scored, as lines of text and tables in Markdown.

    People without lesion are told by the volume of false alarms, all others by the scores of ROWS.
    """
    people = len({scan["subject"] for scan in scored.scans})
    lines = [f"{people} {'person' if people == 1 else 'people'}, {len(scored.scans)} "
             f"scan{'s' if len(scored.scans) > 1 else ''}: {scored.source}", *scored.notes]
    apart = "every slice" if scored.z_step == 1 else f"slices {scored.z_step} mm apart"
    lines.append(f"scored at {scored.scale} mm a pixel, {apart}; intervals of 95 % resample people: they cover other "
                 "people of this kind, not other trainings")
    healthy, others = ([scan for scan in scored.scans if scan["healthy"] == side] for side in (True, False))
    if others:
        lines += ["", *_table("score", _score_rows(others)), "", *group_table(others)]
    if healthy:
        lines += ["", *_table("false alarms in people without lesion", _alarm_rows(healthy))]
    return lines


def _score_rows(scans: Sequence[dict]) -> list[tuple[str, str, str]]:
    """A row for each of ROWS."""
    rows = []
    for name, score, unsigned, statistic, spec in ROWS:
        values = [{**scan, score: _number(scan[score], unsigned)} for scan in scans]
        rows.append((name, *_told(by_subject(values, score), statistic, spec)))
    return rows


def _number(value: float, unsigned: bool) -> float:
    """A score, without its sign if so wanted; NaN where it is infinite, since one of the two masks is empty."""
    return (abs(value) if unsigned else value) if np.isfinite(value) else float("nan")


def group_table(scans: Sequence[dict]) -> list[str]:
    """Subject Dice by lesion size, by vascular territory where all scans have one, and by site, as lines of Markdown.

    Each of `scans` is as `scores_of_masks` gives it.
    """
    groups = {"size": size_group, "territory": itemgetter("territory"), "site": itemgetter("site")}
    if not all("territory" in scan for scan in scans):
        del groups["territory"]
    return _table("subject Dice", [(f"{what}: {name}", *_told(people, np.mean, ".3f"))
                                   for what, group in groups.items()
                                   for name, people in by_group(scans, "dice", group).items()])


def _alarm_rows(scans: Sequence[dict]) -> list[tuple[str, str, str]]:
    """False alarms by volume, and how many people have any."""
    found, ml = false_alarms(scans), by_subject(scans, "pred_ml")
    return [("median, ml", *_told(ml, np.median, ".2f")),
            ("largest, ml", str(found["people"]), f"{found['largest_ml']:.2f}"),
            ("share of people with any", *_told({name: float(one > 0) for name, one in ml.items()}, np.mean, ".2f"))]


def _told(people: dict[str, float], statistic: Callable, spec: str) -> tuple[str, str]:
    """How many people have a score, and the statistic over them, with its interval if they are two or more."""
    counted = int(np.isfinite(list(people.values())).sum())
    if not counted:
        return "0", ""
    found = people_interval(people, statistic)
    return str(counted), format(found, spec) if counted > 1 else f"{found.mean:{spec}} (one person)"


def _table(title: str, rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """A table in Markdown, its columns as wide as what stands in them."""
    rows = [(title, "people", "value [95 % interval]"), *rows]
    wide = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"| {row[0]:{wide[0]}} | {row[1]:>{wide[1]}} | {row[2]:{wide[2]}} |" for row in rows]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in wide) + "|", *lines[1:]]
