"""Training curves."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from atlas_lab.experiment.run import Run
from atlas_lab.plots.style import BLUE, GREY

__all__ = ["plot_histories", "plot_history", "plot_split_curves"]


def plot_histories(
    runs: list[Run], score: str = "mean_dice", label: str = "Dice", ax: Axes | None = None,
) -> Axes:
    """A score against the epoch: dev solid, train dashed; thin lines are seeds, the thick one is their mean.

    Parameters
    ----------
    runs : list of Run
        Runs that differ in nothing but the seed.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(4.5, 3), layout="constrained")
    ends = {}
    for part, colour, style in (("train", GREY, "--"), ("dev", BLUE, "-")):
        curves = np.array([run.curve(score, part) for run in runs])
        epochs = np.arange(1, curves.shape[1] + 1)
        ax.plot(epochs, curves.T, style, color=colour, linewidth=0.6, alpha=0.6)
        mean = curves.mean(axis=0)
        ax.plot(epochs, mean, style, color=colour, linewidth=1.8)
        ends[part] = (mean[-1], colour)
    # The upper label stands on its curve's end and the lower one hangs from it, so that they never overlap.
    for (part, (end, colour)), align in zip(sorted(ends.items(), key=lambda item: item[1][0]), ("top", "bottom"),
                                            strict=True):
        ax.annotate(part, (epochs[-1], end), (4, 0), textcoords="offset points", color=colour, fontsize=9, va=align)
    ax.set(xlabel="epoch", ylabel=label)
    ax.spines[["top", "right"]].set_visible(False)
    ax.margins(x=0.02)
    return ax


def plot_split_curves(groups: list[list[Run]]) -> Figure:
    """Dice against the epoch, one panel per way of splitting, on one scale; returns the figure.

    Parameters
    ----------
    groups : list of list of Run
        Runs of one panel differ in nothing but the seed.
    """
    figure, axes = plt.subplots(1, len(groups), figsize=(3.6 * len(groups), 3), sharey=True, layout="constrained")
    for ax, runs in zip(np.atleast_1d(axes), groups, strict=True):
        plot_histories(runs, ax=ax)
        ax.set_title(f"split by {runs[0].config.split_by}, {len(runs)} seeds", fontsize=9)
        ax.label_outer()
    return figure


def plot_history(run: Run, score: str = "mean_dice", label: str = "Dice", ax: Axes | None = None) -> Axes:
    """A score of one run against the epoch; see `plot_histories`."""
    return plot_histories([run], score, label, ax)
