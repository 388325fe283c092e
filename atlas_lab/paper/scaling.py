"""How far the laptop is from the paper: Dice against updates, resolution and people, and what follows for full size."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from atlas_lab.config import PROFILES
from atlas_lab.experiment.operating_point import PAPER_UPDATES
from atlas_lab.experiment.run import RECORDS, Run, load_runs, longest_runs
from atlas_lab.paper.ablation_figures import data_of, names_of
from atlas_lab.paper.ablations import variant_config
from atlas_lab.paper.evidence import NotRecorded
from atlas_lab.paper.scaling_plan import EPOCHS
from atlas_lab.paper.study import STUDY_RECORDS
from atlas_lab.plots.roads import plot_roads
from atlas_lab.statistics import Interval

__all__ = [
    "SCALING_RECORDS", "Line", "Points", "expected_full_size", "fit_line", "scaling_figure", "scaling_points",
    "scaling_runs",
]

SCALING_RECORDS = RECORDS / "scaling"
BASE = PROFILES["study"].config
FEWEST = 4  # points at different places, for a line and what it leaves


class Points(NamedTuple):
    """A score at several places: float arrays (N,), one number for each run."""

    at: np.ndarray
    score: np.ndarray


class Line(NamedTuple):
    """A straight line by least squares: score = intercept + slope log2(at), and what a new run's score is expected."""

    intercept: float
    slope: float
    count: int
    middle: float    # mean of log2(at)
    spread: float    # sum of squared distances from it
    residual: float  # standard deviation around the line, with count - 2

    def predict(self, at: float, level: float = 0.90) -> Interval:
        """The score of one new run, with the interval that a share `level` of such runs falls into.

        Student's t with count - 2 degrees of freedom, as for any least-squares line (Draper and Smith 1998, section
        1.4); it takes the runs to scatter alike everywhere, and the line to go on straight.
        """
        from scipy.special import stdtrit

        x = np.log2(at)
        mean = self.intercept + self.slope * x
        error = self.residual * np.sqrt(1 + 1 / self.count + (x - self.middle) ** 2 / self.spread)
        half = stdtrit(self.count - 2, (1 + level) / 2) * error
        return Interval(float(mean), float(mean - half), float(mean + half))


def fit_line(points: Points) -> Line:
    """A line through points whose places are taken by their logarithm. Raises NotRecorded for too few places."""
    if len(np.unique(points.at)) < FEWEST:
        raise NotRecorded(f"a line through {len(np.unique(points.at))} places says nothing; record {FEWEST} at least")
    x, y = np.log2(points.at), np.asarray(points.score, float)
    slope, intercept = np.polyfit(x, y, 1)
    residual = np.sqrt(((y - intercept - slope * x) ** 2).sum() / (len(x) - 2))
    return Line(float(intercept), float(slope), len(x), float(x.mean()), float(((x - x.mean()) ** 2).sum()),
                float(residual))


def scaling_runs(runs: Sequence[Run] | None = None) -> list[Run]:
    """The runs that the roads are drawn from: the study's, by default those that the lab ships, and those it ships
    along the roads.

    A run that both have is taken from the roads, where it is scored at 1 mm too.
    """
    def shipped(folder):
        return load_runs(folder) if folder.is_dir() else []

    study = shipped(STUDY_RECORDS) if runs is None else runs
    return list({run.name: run for run in [*study, *shipped(SCALING_RECORDS)]}.values())


def scaling_points(runs: Sequence[Run], along: str, split: str = "slice", variant: str = "weight 10") -> Points:
    """The scores of a variant's runs along one of three roads, all else equal.

    Parameters
    ----------
    along : {"updates", "scale", "people"}
        Dice on dev after 1, 2, 4, ... epochs, and the last if it is far from these, against the updates until then
        (points of one run lean the same way, so that a line's band is a little narrow); Dice at 1 mm after EPOCHS
        epochs against mm a pixel; Dice after as many updates against the people.

    Raises
    ------
    NotRecorded
        If no run is there.
    """
    found = [point for run in _runs_along(runs, along, split, variant) for point in _points_of(run, along)]
    if not found:
        raise NotRecorded(f"{variant}, by {split}: no run along {along} is recorded")
    return Points(*np.array(sorted(found), float).T)


def _runs_along(runs, along, split, variant):
    """A variant's runs that have points along a road; of one training the longest, or points would count twice."""
    wanted = replace(variant_config(variant, BASE), split_by=split, epochs=1)
    free = {"seed": 0, "cohort": 0, "epochs": 1} | ({along: getattr(wanted, along)} if along != "updates" else {})
    same = [run for run in runs if replace(run.config, **free) == wanted and _points_of(run, along)]
    return list(longest_runs(same).values())


def _points_of(run, along):
    """What one run adds to the points: pairs of place and score."""
    an_epoch = run.point["updates_an_epoch"]
    if along == "updates":
        last = len(run.history)
        shown = [2**k for k in range(last.bit_length())]  # epochs 1, 2, 4, ...: equal steps of log2
        shown += [last] if last > 1.4 * shown[-1] else []
        return [(an_epoch * epoch, run.curve()[epoch - 1]) for epoch in shown]
    if along == "scale":
        is_scored = len(run.history) == EPOCHS and "dev_fine" in run.final
        return [(run.config.scale, run.final["dev_fine"]["mean_dice"]["value"])] if is_scored else []
    epochs = round(EPOCHS * PROFILES["study"].n_subjects / run.point["subjects"])
    return [(run.point["subjects"], run.curve()[epochs - 1])] if len(run.history) >= epochs else []


def expected_full_size(runs: Sequence[Run]) -> Interval:
    """The Dice that a run of the baseline as written is expected to have at 1 mm after ten epochs, with 90 % interval.

    From the line through the runs at 8 to 2 mm, all scored at 1 mm. Raises NotRecorded where they are not there.
    """
    return fit_line(scaling_points(runs, "scale", variant="baseline")).predict(1)


ROADS = {  # what changes -> the label of its axis, and the paper's place
    "updates": ("updates of the weights", 60 * PAPER_UPDATES), "scale": ("mm a pixel; all scored at 1 mm", 1),
    "people": ("people", PROFILES["paper"].n_subjects),
}


NAMES = {"weight 10": "weight 10", "baseline": "weight 100, as written"}  # a road shows the first that has a line


def scaling_figure(runs: Sequence[Run]) -> tuple[Figure, dict]:
    """Dice along the three roads, by slice and by subject, with 90 % bands for a new run.

    A road has the first variant of NAMES with enough places for a line; without one it is marked as not run. Returns
    the figure and its provenance. Raises NotRecorded if no road has enough.
    """
    roads, titles, used = {}, {}, {}
    for along, (label, _) in ROADS.items():
        variant, roads[label] = _road(runs, along)
        shown = [run for split in roads[label] for run in _runs_along(runs, along, split, variant)]
        seeds = len({run.config.seed for run in shown})
        titles[label] = f"{NAMES[variant]}; " + (f"up to {seeds} seeds" if seeds > 1 else "1 seed") if shown else ""
        used |= {run.name: run for run in shown}
    if not used:
        raise NotRecorded(f"no variant is recorded at {FEWEST} places of a road: of {', '.join(ROADS)}")
    figure = plot_roads(roads, dict(ROADS.values()), titles)
    return figure, names_of(used.values()) | data_of([*used.values()])


def _road(runs, along):
    """The first variant that has a line along a road, and split -> (places, scores, function to an Interval).

    None, and nothing, if there is none.
    """
    for variant in NAMES:
        found = {}
        for split in ("slice", "subject"):
            try:
                points = scaling_points(runs, along, split, variant)
                found[split] = (*points, fit_line(points).predict)
            except NotRecorded:
                continue
        if found:
            return variant, found
    return None, {}
