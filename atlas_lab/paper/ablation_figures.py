"""The figures of the ablations, drawn from records alone: Fig. 4, Fig. 5, by slice against by subject, the waterfall.

Each function returns a figure and its provenance; NotRecorded where the records that it needs are not there.
"""

import numpy as np
from matplotlib.figure import Figure

from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.run import last_epoch, unpack_masks
from atlas_lab.metrics import dice_coefficient
from atlas_lab.paper.ablations import SWEEPS
from atlas_lab.paper.effects import ALONE, STACK, departure_effects
from atlas_lab.paper.evidence import NotRecorded, Records
from atlas_lab.plots.comparisons import plot_splits, plot_variants, plot_waterfall
from atlas_lab.plots.slices import plot_grid
from atlas_lab.plots.style import mask_legend

__all__ = ["best_masks", "departures_figure", "rates_figure", "splits_figure", "weights_figure"]

RATES = {
    "0.01": "learning rate 0.01", "0.001": "weight 1", "0.0001": "learning rate 0.0001", "0.001, decayed": "decayed",
}
WEIGHTS = {"weight 100": "baseline", "weight 10": "weight 10", "weight 1": "weight 1"}


def rates_figure(records: Records) -> tuple[Figure, dict]:
    """Fig. 4 left: dev Dice against the epoch for several learning rates."""
    return _curves_figure(records, RATES, "Learning rates, weight 1", last=60)


def weights_figure(records: Records) -> tuple[Figure, dict]:
    """Fig. 4 right: dev Dice against the epoch for several weights of lesion pixels."""
    return _curves_figure(records, WEIGHTS, "Weights of lesion pixels")


def _curves_figure(records, variants, title, last=None):
    """Fig. 4: dev Dice of variants until the last epoch, split by slice. Returns the figure and its provenance."""
    groups = {name: records.variant(variant) for name, variant in variants.items()}
    ax = plot_variants(groups, last=last)
    ax.set_title(f"{title}; split by slice", fontsize=9)
    return ax.figure, _names_of(run for group in groups.values() for run in group)


def best_masks(records: Records, store: SliceStore) -> tuple[Figure, dict]:
    """Fig. 5: masks of the best model, by slice and by subject, from small lesions to large ones."""
    runs = [records.variant("decayed", split)[0] for split in ("slice", "subject")]
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
    return figure, _names_of(runs)


def splits_figure(records: Records) -> tuple[Figure, dict]:
    """Dev Dice by slice against by subject of every variant that has both."""
    pairs = {}
    for variant in dict.fromkeys(variant for sweep in SWEEPS.values() for variant in sweep.variants):
        try:
            pair = (records.variant(variant, "slice"), records.variant(variant, "subject"))
            pairs[f"{variant}, {last_epoch(*pair)} epochs"] = pair
        except NotRecorded:
            continue  # a variant that is trained by slice only
    if not pairs:
        raise NotRecorded("no variant is recorded both by slice and by subject")
    return plot_splits(pairs), _names_of(run for pair in pairs.values() for group in pair for run in group)


def departures_figure(records: Records) -> tuple[Figure, dict]:
    """From as written to as run: what each departure of the public code does to the reported Dice."""
    figure = plot_waterfall(*departure_effects(records))
    variants = dict.fromkeys(("as written", *ALONE, *STACK))
    return figure, _names_of(run for variant in variants for run in records.variant(variant))


def _names_of(runs):
    """The provenance of a figure of records: which ones."""
    return {"runs": [run.name for run in runs]}
