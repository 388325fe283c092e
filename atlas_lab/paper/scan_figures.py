"""The paper's figures that show scans and networks: 1a, 1b, 2, 3, and the baseline's curves.

Each function returns a figure and its provenance: what `save_figure` writes beside it.
"""

import numpy as np
from matplotlib.figure import Figure

from atlas_lab.config import plain_settings
from atlas_lab.data.intensity import to_uint8, white_point
from atlas_lab.data.lesion_maps import cohort_overlap, lesion_volume_ml
from atlas_lab.data.scans import load_lesion, load_scan
from atlas_lab.data.slicing import axial_slices, typical_scan
from atlas_lab.dataset import SliceDataset
from atlas_lab.experiment.checkpoint import load_model
from atlas_lab.grid import height_mm
from atlas_lab.metrics import precision_recall_area
from atlas_lab.model import BaselineNet
from atlas_lab.paper.overestimates import middles
from atlas_lab.paper.tables import group_by_config
from atlas_lab.plots.architecture import plot_architecture
from atlas_lab.plots.brain import plot_overlap_map
from atlas_lab.plots.curves import plot_split_curves
from atlas_lab.plots.slices import plot_grid, show_pair
from atlas_lab.plots.style import SMALL, mask_legend
from atlas_lab.splits import split_slices
from atlas_lab.train import evaluate, predict

__all__ = ["baseline_curves", "figure_1a", "figure_1b", "figure_2", "figure_3"]


def figure_1a(scans) -> tuple[Figure, dict]:
    """Fig. 1a: the cohort's lesion overlap map."""
    overlap = cohort_overlap(scans)
    n_subjects = len({scan.subject for scan in scans})
    title = f"Lesions of {n_subjects} subjects: at most {overlap.max():.0%} have one at the same place"
    figure = plot_overlap_map(overlap, load_lesion(scans[0])[1], title)
    return figure, {"n_subjects": n_subjects, "peak": float(overlap.max())}


def figure_1b(scans, store) -> tuple[Figure, dict]:
    """Fig. 1b: a T1w slice with its mask; a scan with a lesion large enough to see, at its fullest slice."""
    scan = typical_scan(scans, store)
    image, mask, affine = load_scan(scan)
    volume = lesion_volume_ml(mask, affine)
    z = int(mask.sum(axis=(0, 1)).argmax())
    image, mask = axial_slices(to_uint8(image, white_point(image)))[z], axial_slices(mask)[z]
    title = f"subject {scan.subject}, z = {height_mm(z, affine):.0f} mm, lesion {volume:.0f} ml"
    return show_pair(image, mask, title), {"scan": scan.name, "z": z}


def figure_2() -> tuple[Figure, dict]:
    """Fig. 2: the baseline's architecture at the paper's slice size, read off the model."""
    about = {"cohort": None, "source": "the model itself", "data_hash": None, "model": "BaselineNet((232, 196))"}
    return plot_architecture(BaselineNet()), about


def figure_3(live, store) -> tuple[Figure, dict]:
    """Fig. 3: lesion slices of dev, evenly spaced from the least to the most overestimated by a run's network."""
    config = live.config
    dev = split_slices(store, config.split_by, config.dev_fraction, config.seed).dev
    with_lesion = dev[store.table["lesion_pixels"].to_numpy()[dev] > 0]
    model = load_model(live, store)
    counts = evaluate(model, SliceDataset(store, with_lesion))
    ratio = (counts.tp + counts.fp) / (counts.tp + counts.fn)
    shown = np.argsort(ratio)[middles(len(ratio))]
    rows = with_lesion[shown]
    predictions = predict(model, store.images[rows]) > 0.5
    titles = [f"area x {ratio[i]:.1f}" for i in shown]
    figure = plot_grid(store.images[rows], store.masks[rows], titles, predictions, columns=3, in_column=True)
    total = precision_recall_area(counts.tp, counts.fp, counts.fn)[2]
    figure.suptitle(
        f"After {config.epochs} epochs the baseline of seed {config.seed} overestimates {np.mean(ratio > 1):.0%} of\n"
        f"dev's lesion slices; its masks cover {total:.1f} times the true area", fontsize=SMALL + 0.5,
    )
    mask_legend(figure)
    return figure, {
        "config": plain_settings(config), "rows_of_store": rows.tolist(),
        "overestimated_share": float(np.mean(ratio > 1)), "area_ratio": total,
    }


def baseline_curves(recorded) -> tuple[Figure, dict]:
    """Dice against epoch of the recorded baseline, split by slice and by subject."""
    longest = max(run.config.epochs for run in recorded)
    groups = [group for group in group_by_config(recorded).values() if group[0].config.epochs == longest]
    return plot_split_curves(groups), {"runs": [run.name for group in groups for run in group]}
