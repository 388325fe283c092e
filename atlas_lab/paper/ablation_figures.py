"""The figures of the ablations, drawn from records alone: Fig. 4, Fig. 5, and by slice against by subject."""

import numpy as np

from atlas_lab.experiment.run import unpack_masks
from atlas_lab.metrics import dice_coefficient
from atlas_lab.paper.ablations import SWEEPS
from atlas_lab.paper.effects import ALONE, STACK, departure_effects
from atlas_lab.paper.evidence import NotRecorded, last_epoch
from atlas_lab.plots.comparisons import plot_cells, plot_splits, plot_waterfall
from atlas_lab.plots.saving import save_figure
from atlas_lab.plots.slices import plot_grid
from atlas_lab.plots.style import mask_legend

RATES = {
    "0.01": "learning rate 0.01", "0.001": "weight 1", "0.0001": "learning rate 0.0001", "0.001, decayed": "decayed",
}
WEIGHTS = {"weight 100": "baseline", "weight 10": "weight 10", "weight 1": "weight 1"}


def draw_ablations(records, store, out, about, report):
    """Draw each figure whose records are there; for each other one report what is missing."""
    jobs = {
        "figure_4_left": lambda: curves_figure(records, RATES, "Learning rates, weight 1", last=60),
        "figure_4_right": lambda: curves_figure(records, WEIGHTS, "Weights of lesion pixels"),
        "figure_5": lambda: best_masks(records, store),
        "splits": lambda: splits_figure(records),
        "departures": lambda: departures_figure(records),
    }
    for name, job in jobs.items():
        try:
            figure, runs = job()
        except NotRecorded as error:
            report(f"{name} is not drawn: {error}")
            continue
        save_figure(figure, out / f"{name}.png", {**about, "runs": [run.name for run in runs]})


def curves_figure(records, cells, title, last=None):
    """Fig. 4: dev Dice of cells until the last epoch, split by slice. Returns the figure and the runs in it."""
    groups = {name: records.cell(cell) for name, cell in cells.items()}
    ax = plot_cells(groups, last=last)
    ax.set_title(f"{title}; split by slice", fontsize=9)
    return ax.figure, [run for group in groups.values() for run in group]


def best_masks(records, store):
    """Fig. 5: masks of the best model, by slice and by subject, from small lesions to large ones."""
    runs = [records.cell("decayed", split)[0] for split in ("slice", "subject")]
    images, masks, predictions, titles = [], [], [], []
    for run in runs:
        rows = np.array(run.examples["rows"])[1::2]
        predicted = unpack_masks(run.examples["masks"])[1::2]
        images.append(store.images[rows])
        masks.append(store.masks[rows])
        predictions.append(predicted)
        dice = dice_coefficient(predicted, store.masks[rows])
        titles += [f"by {run.config.split_by}: Dice {value:.2f}" for value in dice]
    figure = plot_grid(*(np.concatenate(p) for p in (images, masks)), titles, np.concatenate(predictions), 6)
    figure.suptitle("Weight 1, decayed learning rate: dev slices of seed 0, from small lesions to large", fontsize=9)
    mask_legend(figure)
    return figure, runs


def splits_figure(records):
    """Dev Dice by slice against by subject of every cell that has both."""
    pairs = {}
    for cell in dict.fromkeys(cell for sweep in SWEEPS.values() for cell in sweep.cells):
        try:
            pair = (records.cell(cell, "slice"), records.cell(cell, "subject"))
            pairs[f"{cell}, {last_epoch(*pair)} epochs"] = pair
        except NotRecorded:
            continue  # a cell that is trained by slice only
    if not pairs:
        raise NotRecorded("no cell is recorded both by slice and by subject")
    return plot_splits(pairs), [run for pair in pairs.values() for group in pair for run in group]


def departures_figure(records):
    """From as written to as run: what each departure of the public code does to the reported Dice."""
    figure = plot_waterfall(*departure_effects(records))
    cells = dict.fromkeys(("as written", *ALONE, *STACK))
    return figure, [run for cell in cells for run in records.cell(cell)]
