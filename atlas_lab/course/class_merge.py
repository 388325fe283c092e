"""`class merge`: the class's interval and its designs, drawn and written down beside the lab's records."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from atlas_lab.course.class_files import STUDENTS, class_folder, refuse_students_in_repository
from atlas_lab.course.class_runs import ClassResult, compare_class, dice_after, updates_an_epoch
from atlas_lab.experiment.operating_point import PAPER_UPDATES
from atlas_lab.experiment.run import load_runs
from atlas_lab.files import atomic_path, write_text
from atlas_lab.plots.style import BLUE, GREY, ORANGE, mark_source
from atlas_lab.system.disk import expand

__all__ = ["class_text", "draw_class", "merge_class"]

TEXT = """# The class as an experiment

*Synthetic cohort, not patient data. No verdicts: a network of this class has had {updates:,} updates, the paper's
baseline {paper:,}. What stands here is how much one seed differs from the next, and what a class may say from it.*

| | networks | dev Dice after {updates:,} updates | lowest | highest |
|---|---|---|---|---|
| the class, each with a seed of their own | {n} | {interval} | {low:.3f} | {high:.3f} |
| the lab's records, the same config | {n_ours} | {our_interval} | {our_low:.3f} | {our_high:.3f} |

The brackets are 95 % intervals of the mean over seeds. All networks share one cohort, so they say nothing of other
people. A single network of the class lies up to {spread:.3f} from the class's mean: a design that differs from its own
common run by less has shown nothing yet.

## Designs: listed, not averaged

Each is one network beside its author's common run, which has the same seed, after as many updates of both.
"Ours" is the same difference in the lab's records, with its interval over seeds, where they hold it.

| who | what differs | updates | common run | design | difference | ours |
|---|---|---|---|---|---|---|
{designs}
{notes}"""


def merge_class(folder: str | Path, out: str | Path | None = None) -> Path:
    """Write class.md and class.png for the records of a class; returns the folder that they are in.

    Raises DataError if the records make no class (see `collect`), or would lie where git takes them up.
    """
    out = expand(out or class_folder())
    refuse_students_in_repository(out / "class.md")
    result = compare_class(expand(folder), load_runs())
    figure = draw_class(result)
    with atomic_path(out / "class.png", STUDENTS) as temporary:
        figure.savefig(temporary, dpi=150, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    write_text(out / "class.md", class_text(result), STUDENTS)
    return out


def class_text(result: ClassResult) -> str:
    """What the class has measured, as Markdown."""
    dice, ours = (dice_after(runs, result.updates) for runs in (result.runs, result.ours))
    rows = [f"| {d.code} | {d.changes} | {_count(d)} | {d.common:.3f} | {_number(d.dice)} | "
            f"{_number(d.dice - d.common, '+.3f')} | {'not recorded' if d.ours is None else format(d.ours, '+.3f')} |"
            for d in result.designs]
    notes = "".join(f"\n- {note}" for note in result.notes)
    return TEXT.format(
        updates=result.updates, paper=10 * PAPER_UPDATES, n=len(dice), interval=result.interval,
        low=dice.min(), high=dice.max(), n_ours=len(ours), our_interval=result.our_interval,
        our_low=ours.min(), our_high=ours.max(),
        spread=np.abs(dice - dice.mean()).max(), designs="\n".join(rows) or "| | none handed in | | | | | |",
        notes=f"\n## Notes\n{notes}\n" if notes else "",
    )


def _count(design):
    """The updates at which a design is read, if it has a reading there."""
    return f"{design.updates:,}" if np.isfinite(design.dice) else f"its first epoch has more than {design.updates:,}"


def _number(value, spec=".3f"):
    """A Dice, or that there is none."""
    return format(value, spec) if np.isfinite(value) else "none"


def draw_class(result: ClassResult) -> Figure:
    """Three panels: the curves of all common runs, their interval beside ours, and the designs' differences."""
    rows = max(len(result.designs), 4)
    figure, axes = plt.subplots(1, 3, figsize=(11, 1.4 + 0.28 * rows), width_ratios=[1.3, 0.8, 1.5],
                                layout="constrained")
    _draw_curves(axes[0], result)
    _draw_intervals(axes[1], result)
    _draw_designs(axes[2], result)
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=7)
        ax.title.set_fontsize(9)
    mark_source(figure, "synthetic cohort, not patient data; no verdicts from so few updates")
    return figure


def _draw_curves(ax, result):
    """Dev Dice against updates: the class's networks thin, ours dashed."""
    for runs, colour, style in ((result.ours, GREY, "--"), (result.runs, BLUE, "-")):
        for run in runs:
            steps = updates_an_epoch(run) * np.arange(1, len(run.history) + 1)
            shown = steps <= result.updates
            ax.plot(steps[shown], run.curve()[shown], style, color=colour, linewidth=0.8, alpha=0.7)
    ax.set(xlabel="updates of the weights", ylabel="dev Dice", title="one network each: blue the class, grey ours")
    ax.set_ylim(bottom=0)


def _draw_intervals(ax, result):
    """Each network a dot, each mean with its interval."""
    sides = ((0, "class", BLUE, result.runs, result.interval), (1, "ours", GREY, result.ours, result.our_interval))
    for x, _, colour, runs, interval in sides:
        values = dice_after(runs, result.updates)
        ax.plot(x + np.linspace(-0.12, 0.12, len(values)), values, "o", color=colour, markersize=3, alpha=0.6)
        error = [[interval.mean - interval.low], [interval.high - interval.mean]]
        if np.isfinite(error).all():
            ax.errorbar(x + 0.3, interval.mean, yerr=error, color=colour, fmt="s", markersize=5, capsize=3)
    ax.set_xticks([0.1, 1.1], [f"{name}, {len(runs)}" for _, name, _, runs, _ in sides])
    ax.set(xlim=(-0.4, 1.7), ylim=(0, None), title=f"after {result.updates:,} updates")


def _draw_designs(ax, result):
    """Design minus own common run, one row each; ours with its interval below it."""
    for row, design in enumerate(result.designs):
        ax.plot(design.dice - design.common, row, "o", color=ORANGE, markersize=4)
        if design.ours is not None:
            mean, low, high = design.ours
            ax.errorbar(mean, row + 0.25, xerr=[[mean - low], [high - mean]], color=GREY, fmt="s", markersize=3,
                        capsize=2, linewidth=0.8)
    ax.axvline(0, color="black", linewidth=0.6)
    ax.set_yticks(range(len(result.designs)), [f"{design.code}: {design.changes}" for design in result.designs])
    ax.set_ylim(max(len(result.designs), 1) - 0.3, -0.6)
    ax.set(xlabel="dev Dice, design minus own common run", title="designs; grey: ours, over seeds")
