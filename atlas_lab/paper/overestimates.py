"""Fig. 3 from the study's records: how far the baseline as written overestimates lesions, on its example slices."""

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from atlas_lab.config import PROFILES
from atlas_lab.experiment.run import unpack_masks
from atlas_lab.paper.ablation_figures import data_of, names_of
from atlas_lab.paper.ablations import variant_config
from atlas_lab.paper.evidence import NotRecorded
from atlas_lab.paper.example_slices import example_slices
from atlas_lab.paper.study import StudyRecords
from atlas_lab.plots.slices import plot_grid
from atlas_lab.plots.style import SMALL, mask_legend
from atlas_lab.statistics import Interval

__all__ = ["middles", "study_overestimates"]

EPOCHS = 10  # after which the paper shows the baseline's masks
SHOWN = 6
BASE = PROFILES["study"].config


def study_overestimates(records: StudyRecords, seed: int = 0) -> tuple[Figure, dict]:
    """Fig. 3 at the study point: examples of the baseline of a seed, from the least to the most overestimated.

    The examples are dev slices with lesion, evenly spaced by its area, whose masks the record holds; the area over all
    of dev is the record's too. Returns the figure and its provenance. Raises NotRecorded if that run, or its examples,
    are not there.
    """
    wanted = replace(variant_config("baseline", BASE), epochs=EPOCHS, seed=seed, cohort=seed)
    run = next((run for run in records.runs if run.config == wanted and run.examples.get("rows")), None)
    if run is None:
        raise NotRecorded(f"the baseline of seed {seed}, by slice, {EPOCHS} epochs, with examples, is not recorded")
    rows, predicted = np.array(run.examples["rows"]), unpack_masks(run.examples["masks"])
    images, masks = example_slices(run, rows)
    ratio = predicted.sum(axis=(1, 2)) / masks.sum(axis=(1, 2))
    shown = np.argsort(ratio, kind="stable")[middles(len(ratio))]
    titles = [f"area x {ratio[i]:.1f}" for i in shown]
    figure = plot_grid(images[shown], masks[shown], titles, predicted[shown], columns=3, in_column=True)
    figure.suptitle(_title(run, ratio), fontsize=SMALL + 0.5)
    mask_legend(figure)
    return figure, names_of([run]) | data_of([run]) | {
        "rows_of_store": rows[shown].tolist(), "examples": len(ratio), "examples_overestimated": int((ratio > 1).sum()),
        "area_ratio": run.final["dev"]["area_ratio"],
    }


def middles(count):
    """The middle of each of SHOWN equal parts of a ranking of so many."""
    return np.round((np.arange(SHOWN) + 0.5) / SHOWN * (count - 1)).astype(int)


def _title(run, ratio):
    """What the figure says in three lines: the point, the examples, all of dev."""
    area = run.final["dev"]["area_ratio"]
    interval = Interval(area["value"], area["low"], area["high"])
    return (f"Weight 100, {run.point['subjects']} people, {run.config.scale} mm a pixel, seed {run.config.seed}, "
            f"{EPOCHS} epochs:\n{np.sum(ratio > 1)} of {len(ratio)} example slices are overestimated; over all of dev\n"
            f"the masks cover {interval:.1f} times the true area")
