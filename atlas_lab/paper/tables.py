"""The table of what was measured, computed from run records."""

from collections import defaultdict
from dataclasses import replace

import numpy as np

from atlas_lab.files import atomic_path

BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
COLUMNS = {
    "mean_dice": "Dice, mean over slices", "subject_dice": "Dice, whole scans", "precision": "precision",
    "recall": "recall", "area_ratio": "predicted / true area",
}


def group_by_config(runs):
    """Runs that differ in nothing but the seed, together: config with seed 0 -> list of Run, by seed."""
    groups = defaultdict(list)
    for run in sorted(runs, key=lambda run: (run.config.split_by, run.config.epochs, run.config.seed)):
        groups[replace(run.config, seed=0)].append(run)
    return dict(groups)


def measured_table(runs):
    """A Markdown table of final dev scores, one row per config, from records alone.

    Each cell: mean over seeds (lowest to highest seed) ± mean half width of the seeds' 95 % intervals over
    subjects.
    """
    lines = [
        f"| split by | epochs | seeds | train Dice | {' | '.join(COLUMNS.values())} |",
        "|" + "---|" * (4 + len(COLUMNS)),
    ]
    for config, group in group_by_config(runs).items():
        cells = [cell(group, "train", "mean_dice"), *(cell(group, "dev", score) for score in COLUMNS)]
        lines.append(f"| {config.split_by} | {config.epochs} | {len(group)} | {' | '.join(cells)} |")
    sources = ", ".join(sorted({run.data["source"] for run in runs}))
    lines += [
        "",
        f"{sources}. Mean over seeds (lowest to highest seed) ± mean half width of the 95 % interval over subjects; "
        "dev unless it says train.",
    ]
    return "\n".join(lines) + "\n"


def cell(runs, part, score):
    """One cell of the table."""
    final = [run.final[part][score] for run in runs]
    values, low, high = (np.array([entry[key] for entry in final], float) for key in ("value", "low", "high"))
    half_widths = (high - low) / 2
    if np.isnan(values).any():
        return "undefined (nothing predicted)"
    return f"{values.mean():.2f} ({values.min():.2f} to {values.max():.2f}) ± {half_widths.mean():.2f}"


def write_measured(runs, out, readme=None):
    """Write the table to out/measured.md and between the two marks in a README; returns the table."""
    table = measured_table(runs)
    texts = {out / "measured.md": table}
    if readme is not None:
        before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
        texts[readme] = before + BEGIN + table + END + rest.partition(END)[2]
    for path, text in texts.items():
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return table
