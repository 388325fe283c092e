"""Pictures that compare variants: curves with intervals (Fig. 4), by slice against by subject, the waterfall."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

from atlas_lab.experiment.run import last_epoch, scores
from atlas_lab.plots.style import BLUE, COLOURS, GREY, ORANGE, mark_source
from atlas_lab.statistics import mean_interval

__all__ = ["plot_splits", "plot_variants", "plot_waterfall"]


def plot_waterfall(written, effects):
    """The stack as a waterfall: a bar for each step from the Dice as written to the Dice as run; returns the figure."""
    names = ["as written", *(effect.departure for effect in effects), "as run"]
    heights = [written, *(effect.dice for effect in effects)]
    figure, ax = plt.subplots(figsize=(6.5, 0.9 + 0.36 * len(names)), layout="constrained")
    ends = [written, heights[-1]]
    ax.barh([0, len(names) - 1], [end.mean for end in ends], color=GREY, height=0.6)
    for row, (before, after) in enumerate(pairwise(heights), start=1):
        step = after.mean - before.mean
        ax.barh(row, step, left=before.mean, color=BLUE if step >= 0 else ORANGE, height=0.6)
    rows = [0, *range(1, len(heights)), len(names) - 1]
    shown = [*heights, heights[-1]]
    error = np.transpose([[end.mean - end.low, end.high - end.mean] for end in shown])
    ax.errorbar([end.mean for end in shown], rows, xerr=error, fmt="none", color="black", capsize=2, linewidth=1)
    for row, (before, effect) in enumerate(zip(heights[:-1], effects, strict=True), start=1):
        ax.annotate(f"{effect.in_stack.mean:+.3f}", (max(effect.dice.high, before.mean), row), xytext=(4, 0),
                    textcoords="offset points", va="center", fontsize=8)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set_xlim(left=0)
    ax.set_xlabel("reported dev Dice: mean and 95 % interval over seeds")
    ax.spines[["top", "right"]].set_visible(False)
    return figure


STYLES = ["-", "--", "-.", ":"]
BY_SLICE, BY_SUBJECT = ORANGE, BLUE


def plot_variants(groups, score="mean_dice", part="dev", label="dev Dice", ax=None, last=None):
    """Fig. 4: a score against the epoch, one curve per variant with the 95 % interval over seeds; returns the axes.

    Parameters
    ----------
    groups : dict
        What the curve is called -> list of Run that differ in nothing but the seed.
    last : int, optional
        The last epoch to show.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(3.5, 2.8), layout="constrained")
    ends = []
    for i, (name, runs) in enumerate(groups.items()):
        curves = np.array([run.curve(score, part)[:last] for run in runs])
        epochs = np.arange(1, curves.shape[1] + 1)
        mean, low, high = np.array([mean_interval(column) for column in curves.T]).T
        colour = COLOURS[i % len(COLOURS)]
        ax.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
        ax.plot(epochs, mean, STYLES[i % len(STYLES)], color=colour, linewidth=1.6)
        ends.append((mean[-1], epochs[-1], name, colour))
    ax.set(xlabel="epoch", ylabel=label)
    ax.set_ylim(bottom=0)
    ax.spines[["top", "right"]].set_visible(False)
    _label_ends(ax, ends)
    mark_source(ax.figure, runs[0].data["source"])
    return ax


def _label_ends(ax, ends):
    """Write each curve's name at its end, moved up where two would overlap."""
    low, high = ax.get_ylim()
    step = (high - low) * 0.065
    last = low - step / 2  # a curve that ends at 0 has its name above the axis
    for value, epoch, name, colour in sorted(ends, key=lambda end: end[:2]):
        last = max(value, last + step)
        label = {"xytext": (epoch * 1.03, last), "va": "center", "annotation_clip": False}
        ax.annotate(name, (epoch, value), color=colour, fontsize=8, **label)


def plot_splits(pairs, score="mean_dice", label="dev Dice"):
    """Dev Dice by slice against by subject, one line per variant, after the last epoch of both; returns the figure.

    Parameters
    ----------
    pairs : dict
        Cell -> (runs by slice, runs by subject).
    """
    figure, ax = plt.subplots(figsize=(5.2, 0.9 + 0.34 * len(pairs)), layout="constrained")
    found = []
    for row, runs in enumerate(pairs.values()):
        found.append([mean_interval(scores(group, score, epoch=last_epoch(*runs))) for group in runs])
        ax.plot([interval.mean for interval in found[-1]], [row, row], color="#BBBBBB", linewidth=1, zorder=0)
        for interval, colour, marker in zip(found[-1], (BY_SLICE, BY_SUBJECT), "os", strict=True):
            error = [[interval.mean - interval.low], [interval.high - interval.mean]]
            ax.errorbar(interval.mean, row, xerr=error, color=colour, fmt=marker, markersize=5, capsize=2, linewidth=1)
    ax.set_yticks(range(len(pairs)), list(pairs))
    ax.invert_yaxis()
    ax.set_ylim(len(pairs) - 0.5, -0.9)
    ax.set(xlabel=f"{label}: mean and 95 % interval over seeds")
    ax.set_xlim(left=0)
    names = ("split by slice, as the paper", "by subject")
    for interval, text, colour, align in zip(found[0], names, (BY_SLICE, BY_SUBJECT), ("left", "center"), strict=True):
        ax.text(interval.mean, -0.45, text, color=colour, fontsize=8, ha=align, va="center")
    ax.spines[["top", "right"]].set_visible(False)
    mark_source(figure, runs[0][0].data["source"])
    return figure
