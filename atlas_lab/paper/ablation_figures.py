"""The figures of the ablations, drawn from records alone: Fig. 4, Fig. 5, by slice against by subject, the waterfall.

Each function returns a figure and its provenance; NotRecorded where the records that it needs are not there.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.run import Run, last_epoch, longest_runs, unpack_masks
from atlas_lab.metrics import dice_coefficient
from atlas_lab.paper.ablations import STUDY, SWEEPS, VARIANTS, variant_config
from atlas_lab.paper.control_records import (
    CONTROL_LABELS,
    CONTROL_SPLITS,
    DEV_SHARE,
    ControlRecord,
    control_intervals,
    load_controls,
    range_text,
)
from atlas_lab.paper.controls import CONTROLS
from atlas_lab.paper.effects import ALONE, STACK, departure_effects
from atlas_lab.paper.evidence import NotRecorded, Records
from atlas_lab.paper.example_slices import example_slices
from atlas_lab.paper.study import BASE, StudyRecords
from atlas_lab.plots.comparisons import plot_splits, plot_variants, plot_waterfall
from atlas_lab.plots.slices import plot_grid
from atlas_lab.plots.style import SMALL, mask_legend

__all__ = [
    "best_masks", "best_study_masks", "control_lines", "data_of", "departures_figure", "drop_figure",
    "line_of", "names_of", "networks_by_split", "rates_figure", "splits_figure", "weights_figure",
]

RATES = {
    "0.01": "learning rate 0.01", "0.001": "weight 1", "0.0001": "learning rate 0.0001", "0.001, decayed": "decayed",
}
STUDY_RATES = {
    "0.01": "weight 10, learning rate 0.01", "0.001": "weight 10", "0.0001": "weight 10, learning rate 0.0001",
}
DROP = {"0.001 throughout": "weight 1", "then 0.0001": "decayed"}
WEIGHTS = {"weight 100": "baseline", "weight 10": "weight 10", "weight 1": "weight 1", "weight 0.1": "weight 0.1"}

# The paper's public baseline by another CS230 project of 2018 (wungemach/atlas on GitHub), its lowest and highest Dice.
PUBLISHED = {"the paper's baseline (wungemach/atlas)": {"slice": (0.40, 0.40), "scan": (0.16, 0.18)}}


def rates_figure(records: Records | StudyRecords) -> tuple[Figure, dict]:
    """Fig. 4 left: dev Dice against the epoch for several learning rates; with weight 10 at the study point."""
    if isinstance(records, StudyRecords):
        return _curves_figure(records, STUDY_RATES, "Learning rates, weight 10")
    return _curves_figure(records, RATES, "Learning rates, weight 1", last=60)


def drop_figure(records: Records | StudyRecords) -> tuple[Figure, dict]:
    """Fig. 4 left, its curve of a rate that drops late (C7): dev Dice beside that of the same run without the drop."""
    figure, provenance = _curves_figure(records, DROP, "A learning rate that drops, weight 1", last=60)
    (ax,) = figure.axes
    drop = _listed(records.variant("decayed"))[0].config.lr_drop_epoch
    ax.axvline(drop, color="0.6", linewidth=0.8, linestyle=":")
    ax.annotate(f"the rate drops\nafter epoch {drop}", (drop, 0), (-4, 4), textcoords="offset points", ha="right",
                va="bottom", color="0.4", fontsize=SMALL)
    return figure, provenance


def weights_figure(records: Records | StudyRecords) -> tuple[Figure, dict]:
    """Fig. 4 right: dev Dice against the epoch for several weights of lesion pixels."""
    return _curves_figure(records, WEIGHTS, "Weights of lesion pixels")


def _curves_figure(records, variants, title, last=None):
    """Fig. 4: dev Dice of variants until the last epoch that their seeds have, split by slice; and its provenance.

    At the study point until the last that all of them have, since some are recorded for longer than others.
    """
    groups = {name: _listed(records.variant(variant)) for name, variant in variants.items()}
    runs = [run for group in groups.values() for run in group]
    last = last_epoch(*groups.values()) if isinstance(records, StudyRecords) else last
    people = f", {runs[0].point['subjects']} people" if runs[0].point else ""  # older records have none
    seeds = range_text([len(group) for group in groups.values()])
    ax = plot_variants(groups, last=last)
    ax.set_title(f"{title}\nsplit by slice{people}; mean and\n95 % interval over {seeds} seeds", fontsize=8)
    return ax.figure, names_of(runs) | data_of(runs)


def best_masks(records: Records, store: SliceStore) -> tuple[Figure, dict]:
    """Fig. 5: masks of the paper's best model, by slice and by subject, from small lesions to large ones."""
    runs = [records.variant("decayed", split)[0] for split in ("slice", "subject")]
    return _masks_figure("Weight 1, decayed rate", runs, lambda run, rows: (store.images[rows], store.masks[rows]))


def best_study_masks(records: StudyRecords) -> tuple[Figure, dict]:
    """Fig. 5 at the study point: of the variants whose seed 0 is recorded by slice and by subject, that with the
    highest Dice by slice; its longest runs."""
    longest, both = longest_runs(records.runs), {}
    for name in VARIANTS:
        config = replace(variant_config(name, BASE), epochs=1)
        runs = [longest.get(replace(config, split_by=split)) for split in ("slice", "subject")]
        if all(runs):
            both[name] = runs
    if not both:
        raise NotRecorded("no variant's seed 0 is recorded both by slice and by subject")
    name, runs = max(both.items(), key=lambda item: item[1][0].curve()[-1])
    figure, provenance = _masks_figure(f"{name.capitalize()}, 220 people", runs, example_slices)
    return figure, provenance | data_of(runs)


def _masks_figure(name: str, runs: Sequence[Run], slices_of: Callable) -> tuple[Figure, dict]:
    """Every second example of some runs, from small lesions to large.

    `slices_of` gives the images and masks of a run's rows.
    """
    images, masks, predictions, titles = [], [], [], []
    for run in runs:
        rows, predicted = np.array(run.examples["rows"])[1::2], unpack_masks(run.examples["masks"])[1::2]
        for found, part in zip((images, masks), slices_of(run, rows), strict=True):
            found.append(part)
        predictions.append(predicted)
        titles += [f"by {run.config.split_by}: Dice {value:.2f}" for value in dice_coefficient(predicted, masks[-1])]
    figure = plot_grid(*(np.concatenate(p) for p in (images, masks)), titles, np.concatenate(predictions), 3, True)
    trained = "; ".join(f"by {run.config.split_by} {len(run.history)} epochs" for run in runs)
    figure.suptitle(f"{name}: dev slices of seed 0, from small lesions\nto large; {trained}", fontsize=SMALL + 0.5)
    mask_legend(figure)
    return figure, names_of(runs)


def splits_figure(records: Records | StudyRecords, controls: list | None = None) -> tuple[Figure, dict]:
    """Dev Dice by slice, block and subject of every variant that is recorded by slice and by another split.

    Beside them the controls on the same slices (by default those that the lab ships), and, apart, what another course
    project measured with the paper's public baseline on ATLAS.
    """
    networks = networks_by_split(records)
    runs = [run for by_split in networks.values() for group in by_split.values() for run in group]
    same_slices = controls_of(runs, controls)
    figure = plot_splits(networks, control_lines(same_slices), PUBLISHED)
    return figure, names_of(runs) | data_of(runs) | {"controls": [record.config.name for record in same_slices]}


def controls_of(runs: Iterable[Run], controls: list | None = None) -> list[ControlRecord]:
    """The controls, by default of those that the lab ships, on the slices of some runs and with the paper's split."""
    hashes = {run.data["data_hash"] for run in runs}
    return [record for record in (load_controls() if controls is None else controls)
            if record.data["data_hash"] in hashes and record.config.dev_fraction == DEV_SHARE]


def networks_by_split(records: Records | StudyRecords) -> dict[str, dict[str, list]]:
    """The variants recorded by slice and by another split: name with epochs -> split -> runs; or NotRecorded."""
    networks, sweeps = {}, [*SWEEPS.values(), *STUDY.values()]
    for variant in dict.fromkeys(variant for sweep in sweeps for variant in sweep.variants):
        by_split = {split: runs for split in CONTROL_SPLITS if (runs := _recorded(records, variant, split))}
        if "slice" in by_split and len(by_split) > 1:
            networks[f"{variant}, {last_epoch(*by_split.values())} epochs"] = by_split
    if not networks:
        raise NotRecorded("no variant is recorded both by slice and by another split")
    return networks


def _recorded(records, variant, split):
    """The runs of a variant and a split, a list; none where too few are recorded."""
    try:
        return _listed(records.variant(variant, split))
    except NotRecorded:
        return []


def _listed(runs):
    """Runs as a list; StudyRecords has them by seed."""
    return list(runs.values()) if isinstance(runs, dict) else runs


def control_lines(records: list) -> dict[str, dict]:
    """The lines of the controls: name -> split -> Interval."""
    found, lines = control_intervals(records), {}
    for (control, labels, _, split), interval in found.items():
        lines.setdefault(line_of(control, labels), {})[split] = interval
    order = [line_of(control, labels) for control in CONTROLS for labels in CONTROL_LABELS]
    return {name: lines[name] for name in order if name in lines}


def line_of(control: str, labels: str) -> str:
    """What a control's line is called, with its own masks ("true") or with others' ("swapped")."""
    return control if labels == "true" else f"{control}, other people's masks"


def departures_figure(records: Records) -> tuple[Figure, dict]:
    """From as written to as run: what each departure of the public code does to the reported Dice."""
    figure = plot_waterfall(*departure_effects(records))
    variants = dict.fromkeys(("as written", *ALONE, *STACK))
    return figure, names_of(run for variant in variants for run in records.variant(variant))


def names_of(runs) -> dict:
    """The provenance of a figure of records: which ones."""
    return {"runs": [run.name for run in runs]}


def data_of(runs: Sequence[Run]) -> dict:
    """Whose slices a figure shows: the source, and the hash, or hashes where each seed has people of its own."""
    hashes = sorted({run.data["data_hash"] for run in runs})
    return {"source": runs[0].data["source"], "data_hash": hashes[0] if len(hashes) == 1 else hashes}
