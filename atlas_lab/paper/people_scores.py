"""The rows on new people beyond Dice: the field's other scores, calibration, and what each row took to train."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from atlas_lab.config import run_name
from atlas_lab.experiment.run import Run, finals
from atlas_lab.files import DataError
from atlas_lab.paper.many_people import MANY, scores_of
from atlas_lab.paper.people_plan import PEOPLE, row_runs
from atlas_lab.scoring.bootstrap import people_interval

__all__ = ["Reliability", "compute_table", "equal_compute_text", "field_scores_table", "reliability"]

# Score -> (heading, statistic over people, format). A surface has no distance where a mask is empty: the medians are
# those of the people with both.
FIELD = {
    "surface_dice": ("surface Dice", np.mean, ".3f"), "hd95": ("HD95, mm, median", np.median, ".1f"),
    "assd": ("ASSD, mm, median", np.median, ".1f"),
    "volume_difference_ml": ("volume difference, ml, median", np.median, ".1f"),
    "count_difference": ("lesion count difference", np.mean, ".1f"),
}
# Of a record's ten bins of probability. Those below 0.1 hold tens of millions of healthy pixels of a network that gives
# them all 0.014, and few of one that gives them 0.005: an error over all bins would be that of these alone.
UNSURE, CALLED = slice(1, None), slice(5, None)
PROCESSOR = "one processor thread"
SMALL, MORE_EPOCHS = "U-Net, width 4", 20  # which take about as long as one another


def field_scores_table(records: Sequence[Mapping]) -> str:
    """Every whole row's other scores with intervals over people, and its calibration, as Markdown.

    Calibration is that of a row's networks together: the expected calibration error (see `Calibration`) of pixels of
    probability 0.1 and up, and for those called lesion, how probable they are said to be and how many are.
    """
    heads = [*(heading for heading, _, _ in FIELD.values()), "calibration error", "called lesion: said", "true"]
    lines = [f"| row | {' | '.join(heads)} |", "|" + "---|" * (len(heads) + 1)]
    for row in (*PEOPLE, MANY):
        try:
            cells = [format(people_interval(scores_of(records, row, score), statistic), form)
                     for score, (_, statistic, form) in FIELD.items()]
            cells += _calibration_cells(reliability(records, row))
        except (DataError, KeyError):  # some runs are missing; or the row is a stage, without masks
            continue
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


class Reliability(NamedTuple):
    """Of each tenth of probability: what its pixels were called on average, the share of lesion, and how many they are.

    float arrays (10,); pixels called less than 0.01 are left out.
    """

    said: np.ndarray
    found: np.ndarray
    pixels: np.ndarray


def reliability(records: Sequence[Mapping], row: str) -> Reliability:
    """Whether the probabilities of a row's networks, taken together, are what they say, on people never seen.

    Raises DataError if none is recorded.
    """
    bins = [record["scores"]["calibration"] for record in records
            if record["row"] == row and "calibration" in record["scores"]]
    if not bins:
        raise DataError(f"no network of {row!r} is recorded with its calibration")
    said, found, pixels = (np.array([one[name] for one in bins], float) for name in ("said", "found", "pixels"))
    total = pixels.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return Reliability(*(np.nansum(pixels * values, axis=0) / total for values in (said, found)), total)


def _calibration_cells(found: Reliability) -> list[str]:
    """The three columns of calibration."""
    said, found, pixels = found

    def mean(values, part):
        return np.nansum(values[part] * pixels[part]) / pixels[part].sum()

    return [f"{value:.2f}" for value in (mean(np.abs(said - found), UNSURE), mean(said, CALLED), mean(found, CALLED))]


def compute_table(runs: Sequence[Run]) -> str:
    """What a run of each recorded row took and how well it knows its own people, means over its runs, as Markdown.

    Dice is the mean over slices, of train's people and of dev's, none of them varied; a stage of the cascade has none.
    """
    by_name = {run.name: run for run in runs}
    lines = ["| row | parameters | updates of the weights | minutes a run | Dice on train | on dev |", "|" + "---|" * 6]
    for row in PEOPLE:
        if row == "final: best":  # its settings are chosen once the others are recorded
            continue
        found = [by_name[name] for config in row_runs(row) if (name := run_name(config)) in by_name]
        if found:
            parameters, updates = (np.mean([run.point[what] for run in found]) for what in ("parameters", "updates"))
            dice = ["", ""] if "stage" in PEOPLE[row].settings else [
                f"{np.mean(finals(found, 'mean_dice', part)):.2f}" for part in ("train", "dev")]
            lines.append(f"| {row} | {parameters:,.0f} | {updates:,.0f} | {_minutes(found)} | {' | '.join(dice)} |")
    return "\n".join(lines) + "\n"


def equal_compute_text(runs: Sequence[Run], longer: Sequence[Run]) -> str:
    """The U-Net of width 4 beside the paper's network after more epochs, in about as much time of a processor thread.

    In words, with the mean Dice of whole scans over the same cohorts, both out of the runs' records; "" where one of
    the two isn't recorded.

    Parameters
    ----------
    runs : list of Run
        Records of the rows on new people.
    longer : list of Run
        Among them the paper's network by subject with MORE_EPOCHS.
    """
    planned = row_runs(SMALL), [replace(config, epochs=MORE_EPOCHS) for config in row_runs("baseline")]
    small, paper = ([run for run in found if run.config in configs]
                    for found, configs in zip((runs, longer), planned, strict=True))
    minutes = [_minutes_by_device(group).get(PROCESSOR) for group in (small, paper)]
    if (len(small), len(paper)) != tuple(map(len, planned)) or None in minutes:
        return ""
    dice = [np.mean(finals(group, "subject_dice")) for group in (small, paper)]
    return (f"At about equal compute: {PEOPLE[SMALL].epochs} epochs of the U-Net of width 4 took {minutes[0]:.0f} "
            f"minutes of a processor thread, {MORE_EPOCHS} of the paper's network {minutes[1]:.0f}. Their Dice of "
            f"whole scans, mean on dev of cohorts 0 to {len(small) - 1}: {dice[0]:.3f} and {dice[1]:.3f}.\n")


def _minutes(runs):
    """Minutes of a run, by the kind of device, as text."""
    return ", ".join(f"{minutes:.0f} on {name}" for name, minutes in sorted(_minutes_by_device(runs).items()))


def _minutes_by_device(runs):
    """Kind of device -> mean minutes of the runs that were made on it."""
    by_device = {}
    for run in runs:
        name = PROCESSOR if run.environment["device"] == "cpu" else "a GPU"
        by_device.setdefault(name, []).append(run.seconds / 60)
    return {name: np.mean(minutes) for name, minutes in by_device.items()}
