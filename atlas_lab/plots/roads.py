"""Dice along roads to full size: points, lines, and the band in which a new run is expected."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from atlas_lab.plots.comparisons import SPLIT_MARKS
from atlas_lab.plots.style import COLUMN, GREY, SMALL

__all__ = ["plot_roads"]

NEAR = 0.3  # doublings: the names of places no further apart would lie on one another


def plot_roads(
    roads: dict[str, dict[str, tuple]], goals: dict[str, float], titles: dict[str, str] | None = None,
) -> Figure:
    """One panel for each road, in one column; returns the figure.

    Parameters
    ----------
    roads : dict
        Label of a road's axis -> split -> (places (N,), scores (N,), function from a place to an Interval, or None
        where there are too few points for a line). A road without a split is marked as not run.
    goals : dict
        Label -> the paper's place on this road, which the line is drawn to.
    titles : dict, optional
        Label -> what its panel shows.
    """
    figure, axes = plt.subplots(len(roads), 1, figsize=(COLUMN, 1.75 * len(roads)), layout="constrained")
    with plt.rc_context({"font.size": SMALL}):
        for ax, (label, by_split) in zip(np.atleast_1d(axes), roads.items(), strict=True):
            for split, (at, scores, predict) in by_split.items():
                colour, marker, name = SPLIT_MARKS[split]
                ax.plot(at, scores, marker, color=colour, markersize=3, linestyle="none", label=name)
                if predict is not None:
                    _draw_line(ax, [*at, goals[label]], predict, colour)
            if not by_split:
                ax.set_yticks([])
                ax.text(0.5, 0.4, "not run", transform=ax.transAxes, ha="center", color=GREY)
            ax.set_title((titles or {}).get(label, ""), fontsize=SMALL)
            ax.axvline(goals[label], color="black", linewidth=0.6, linestyle=":")
            ax.annotate("as in\nthe paper", (goals[label], 0), (-2, 2), xycoords=("data", "axes fraction"),
                        textcoords="offset points", ha="right", va="bottom", fontsize=SMALL)
            places = [float(place) for at, *_ in by_split.values() for place in sorted(at)]
            _dress(ax, label, _apart(places, goals[label]))
    fullest = max(zip(roads.values(), np.atleast_1d(axes), strict=True), key=lambda road: len(road[0]))[1]
    fullest.legend(fontsize=SMALL, frameon=False, loc="upper left")
    return figure


def _draw_line(ax, places, predict: Callable, colour):
    """A line with its band, from the first place to the last."""
    grid = np.geomspace(min(places), max(places), 60)
    means, lows, highs = np.transpose([predict(place) for place in grid])
    ax.plot(grid, means, color=colour, linewidth=1)
    ax.fill_between(grid, lows, highs, color=colour, alpha=0.15, linewidth=0)


def _apart(places, goal):
    """The goal, and the places that stand far enough from those before them to be named; sorted.

    Cohorts and splits differ by a few updates an epoch.
    """
    shown = [goal]
    for place in places:
        if all(abs(np.log2(place / other)) > NEAR for other in shown):
            shown.append(place)
    return sorted(shown)


def _dress(ax, label, places):
    """Axes by powers of two, named at the places that there are; coarse pixels stand left, as few people do."""
    ax.set_xscale("log", base=2)
    if label.startswith("mm"):
        ax.invert_xaxis()
    shown = places if len(places) <= 7 else places[::2]
    ax.set_xticks(shown, [f"{place:,.0f}" for place in shown], fontsize=SMALL)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.tick_params(axis="y", labelsize=SMALL)
    ax.set_xlabel(label, fontsize=SMALL)
    ax.set_ylabel("dev Dice", fontsize=SMALL)
    ax.set_ylim(bottom=0)
    ax.spines[["top", "right"]].set_visible(False)
