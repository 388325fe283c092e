"""Pictures that compare variants: curves with intervals (Fig. 4), by slice against by subject, the waterfall."""

from itertools import pairwise
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from atlas_lab.experiment.run import finals, last_epoch, scores
from atlas_lab.plots.style import BLUE, COLOURS, COLUMN, GREEN, GREY, ORANGE, PURPLE, SMALL, mark_source
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
    ax.set_xlim(left=min(0, *(end.low for end in heights)) - 0.005)
    ax.axvline(0, color="black", linewidth=0.6)
    ax.set_xlabel("reported dev Dice, with its 95 % interval over seeds;\nbar and number: how far the step moves it")
    ax.legend(handles=[Patch(color=BLUE, label="raises it"), Patch(color=ORANGE, label="lowers it")], fontsize=8,
              frameon=False, loc="lower right")
    ax.spines[["top", "right"]].set_visible(False)
    return figure


STYLES = ["-", "--", "-.", ":"]
# Split -> the colour and marker of its Dice in the figure of splits, and what the legend calls it.
SPLIT_MARKS = {
    "slice": (ORANGE, "o", "by slice"), "block": (GREEN, "^", "by block"), "scan": (PURPLE, "D", "by scan"),
    "subject": (BLUE, "s", "by subject"),
}
APART = {"slice": -0.14, "subject": 0.14}  # of a row's height, so that markers of like Dice don't hide one another
COPIED = (GREY, "x", "agreement with the\ncopying machine")
PANELS = ("networks", "controls: no networks", "published by others, on ATLAS R1.1 itself")


def plot_variants(groups, score="mean_dice", part="dev", label="dev Dice", ax=None, last=None):
    """Fig. 4: a score against the epoch, one curve per variant with the 95 % interval over seeds; returns the axes.

    Parameters
    ----------
    groups : dict
        What the curve is called -> list of Run that differ in nothing but the seed, and perhaps in their length: the
        curve ends with the shortest.
    last : int, optional
        The last epoch to show.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(COLUMN, 2.7), layout="constrained")
    ends = []
    for i, (name, runs) in enumerate(groups.items()):
        curves = np.array([run.curve(score, part)[:last_epoch(runs)][:last] for run in runs])
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


def plot_splits(networks, controls=None, published=None, score="mean_dice", label="dev Dice"):
    """Dev Dice by how slices were split, one line per variant, control and publication; returns the figure.

    Networks are read after the last epoch that all splits of a variant have. A grey cross is the Dice of the networks'
    masks with those of the copying machine, by slice, where their records hold it after that epoch.

    Parameters
    ----------
    networks : dict
        What the line is called -> split -> list of Run.
    controls : dict, optional
        Likewise -> split -> Interval.
    published : dict, optional
        Likewise -> split -> (lowest, highest) of the numbers that others have published, in a panel of their own.
    """
    found = {name: _split_intervals(by_split, score) for name, by_split in networks.items()}
    parts = dict(zip(PANELS, (found, controls, published), strict=True))
    parts = {title: lines for title, lines in parts.items() if lines}
    heights = [_places(lines)[-1] + 1.6 for lines in parts.values()]
    figure, axes = plt.subplots(len(parts), figsize=(COLUMN, 0.8 + 0.27 * sum(heights)), layout="constrained",
                                sharex=True, squeeze=False, height_ratios=heights)
    for ax, (title, lines) in zip(axes[:, 0], parts.items(), strict=True):
        _draw_lines(ax, lines)
        ax.set_title(title, fontsize=SMALL + 0.5, loc="left", pad=2)
        ax.tick_params(labelsize=SMALL, length=2)
        ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlim(left=0)
    ax.set_xlabel(f"{label} ({'ours: ' if published else ''}mean and 95 % interval over seeds)", fontsize=SMALL)
    _legend_of_splits(figure, parts.values())
    source = next(iter(next(iter(networks.values())).values()))[0].data["source"]
    mark_source(figure, f"networks and controls: {source}" if published else source)
    return figure


def _split_intervals(by_split, score):
    """Split -> Interval of a variant's runs, and "copied" -> that of their agreement with the copying machine."""
    last = last_epoch(*by_split.values())
    found = {split: mean_interval(scores(runs, score, epoch=last)) for split, runs in by_split.items()}
    runs = by_split.get("slice", [])
    if runs and all("dev_copied" in run.final and len(run.history) == last for run in runs):
        found["copied"] = mean_interval(finals(runs, score, "dev_copied"))
    return found


def _draw_lines(ax, lines):
    """One line of markers with error bars for each name: name -> split -> (mean, low, high), or (low, high)."""
    places = _places(lines)
    for row, by_split in zip(places, lines.values(), strict=True):
        spans = {split: span if len(span) == 3 else (np.mean(span), *span) for split, span in by_split.items()}
        means = [span[0] for split, span in spans.items() if split != "copied"]
        ax.plot([min(means), max(means)], [row, row], color="#CCCCCC", linewidth=1, zorder=0)
        for split, (mean, low, high) in spans.items():
            colour, marker, _ = SPLIT_MARKS.get(split, COPIED)
            height = row + APART.get(split, 0)
            is_known = np.isfinite([low, high]).all()
            error = [[mean - low], [high - mean]] if is_known and split != "copied" else None
            ax.errorbar(mean, height, xerr=error, color=colour, fmt=marker, markersize=3.5, capsize=1.5, linewidth=0.8)
    ax.set_yticks(places, [in_lines(name) for name in lines])
    ax.set_ylim(places[-1] + 0.6, -0.6)


def _places(lines):
    """Where the lines of a panel lie: 1 apart, and further where a name takes more than two lines of text."""
    extra = [0.25 * max(0, in_lines(name).count("\n") - 1) for name in lines]  # above and below the name
    return np.arange(len(lines)) + 2 * np.cumsum(extra) - extra


def in_lines(name: str, width: int = 24) -> str:
    """A long name in several lines, which end after a comma where they can."""
    lines = [""]
    for part in name.replace(", ", ",\n").split("\n"):
        if len(f"{lines[-1]} {part}") <= width:
            lines[-1] = f"{lines[-1]} {part}".strip()
        else:
            lines.append(part)
    return "\n".join(fill(line, width) for line in lines if line)


def _legend_of_splits(figure, parts):
    """What the markers mean, above a figure: those that are drawn."""
    drawn = {split for lines in parts for by_split in lines.values() for split in by_split}
    marks = [mark for split, mark in {**SPLIT_MARKS, "copied": COPIED}.items() if split in drawn]
    handles = [Line2D([], [], color=colour, marker=marker, linestyle="", markersize=3.5, label=text)
               for colour, marker, text in marks]
    figure.legend(handles=handles, loc="outside upper center", ncols=3 if len(handles) > 4 else 4, fontsize=SMALL,
                  frameon=False, handletextpad=0.1, columnspacing=1)
