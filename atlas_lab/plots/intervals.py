"""Many means with their intervals, in panels, one column wide."""

import itertools
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from atlas_lab.plots.comparisons import in_lines
from atlas_lab.plots.style import BLUE, COLUMN, GREEN, GREY, ORANGE, PURPLE, SMALL
from atlas_lab.statistics import Interval

__all__ = ["plot_intervals"]

LETTERS = 28  # of a name in one line
PANEL_COLOURS = (GREY, BLUE, GREEN, ORANGE, PURPLE, "black")  # in turn


def plot_intervals(panels: Mapping[str, Mapping[str, Interval]], label: str, beside: Sequence[float] = ()) -> Figure:
    """One line for each name: its mean as a dot, its interval as a bar; returns the figure.

    Parameters
    ----------
    panels : dict
        Title of a panel -> name of a line -> Interval. Empty panels are left out.
    label : str
        Of the axis.
    beside : list of float
        Where dotted lines stand in all panels, such as the mean of what others are compared with.
    """
    panels = {title: lines for title, lines in panels.items() if lines}
    heights = [len(lines) + 0.6 for lines in panels.values()]
    figure, axes = plt.subplots(len(panels), figsize=(COLUMN, 0.5 + 0.19 * sum(heights)), layout="constrained",
                                sharex=True, squeeze=False, height_ratios=heights)
    for ax, colour, (title, lines) in zip(axes[:, 0], itertools.cycle(PANEL_COLOURS), panels.items()):
        for row, (mean, low, high) in enumerate(lines.values()):
            error = [[mean - low], [high - mean]] if np.isfinite([low, high]).all() else None
            ax.errorbar(mean, row, xerr=error, color=colour, fmt="o", markersize=3.5, capsize=1.5, linewidth=0.8)
        for place in beside:
            ax.axvline(place, color="black", linewidth=0.6, linestyle=":")
        ax.set_yticks(range(len(lines)), [in_lines(name, LETTERS) for name in lines])
        ax.set_ylim(len(lines) - 0.4, -0.6)
        ax.set_title(title, fontsize=SMALL + 0.5, loc="left", pad=2)
        ax.tick_params(labelsize=SMALL, length=2)
        ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlim(left=0)
    ax.set_xlabel(label, fontsize=SMALL)
    return figure
