"""ATLAS Lab: segmenting stroke lesions in T1-weighted MRI slices, as a course and as a measured reproduction.

`import atlas_lab as lab` gives all the names below, in the order of the data flow.
"""

from importlib import import_module

from atlas_lab.checkpoint import load_model
from atlas_lab.claims import CLAIMS, judge_claims
from atlas_lab.config import PROFILES, Profile, RunConfig, config_from_strings, run_name
from atlas_lab.conventions import headline_dice, lesion_counts, lesion_f1
from atlas_lab.departures import (
    as_run,
    as_written,
    first_slices_dice,
    jpeg_ceiling,
    random_discs,
    sampling_error,
    through_jpeg,
)
from atlas_lab.evidence import Records, n_updates, oscillation, recent_rise
from atlas_lab.files import DataError, lab_home
from atlas_lab.intensity import to_uint8, white_point
from atlas_lab.intervals import geometric_interval, mean_interval, paired_interval
from atlas_lab.ledger import ledger_table
from atlas_lab.losses import LOSSES, best_probability, build_loss, tversky_loss, weighted_cross_entropy
from atlas_lab.measured import measured_table
from atlas_lab.metadata import join_metadata
from atlas_lab.metrics import (
    bootstrap_scores,
    confusion_counts,
    dice_coefficient,
    dice_from_counts,
    mean_dice,
    place_errors,
    precision_recall_area,
    scores_from_sums,
    subject_dice,
    sums_by_subject,
)
from atlas_lab.model import (
    NETS,
    BaselineNet,
    build_model,
    count_parameters,
    field_of_view,
    layer_table,
    receptive_field,
)
from atlas_lab.overlap import (
    cohort_overlap,
    count_components,
    disc_diameter,
    lesion_side,
    lesion_table,
    lesion_volume_ml,
    median_diameter,
    overlap_map,
)
from atlas_lab.overlay import overlay
from atlas_lab.phantom import make_cohort
from atlas_lab.quality import check_scans
from atlas_lab.record import Run, unpack_masks
from atlas_lab.runs import (
    Agreement,
    agreement_text,
    compare_runs,
    load_run,
    load_runs,
    save_run,
    score_text,
    sweep,
    with_seeds,
)
from atlas_lab.scans import (
    LoadedScan,
    Scan,
    cohort,
    combine_masks,
    data_notice,
    find_scans,
    load_lesion,
    load_scan,
    source_of,
)
from atlas_lab.slices import (
    SliceDataset,
    SliceStore,
    axial_slices,
    open_store,
    prepare_slices,
    typical_scan,
)
from atlas_lab.splits import Split, neighbour_exposure, seen_in_train, split_slices
from atlas_lab.sweeps import CELLS, SWEEPS, cell_config, sweep_configs
from atlas_lab.train import Evaluation, evaluate, predict, train

__version__ = "0.1.0"

# Pictures need matplotlib or ipywidgets, so each of these files is imported when a name of it is first used.
LATER = {
    "card": ["special_table"],
    "comparisons": ["plot_cells", "plot_splits"],
    "waterfall": ["departure_effects", "effects_table", "plot_waterfall", "updates_text"],
    "plots": [
        "mark_source", "mask_legend", "plot_architecture", "plot_grid", "plot_histories", "plot_history",
        "plot_overlap_map", "plot_split_curves", "save_figure", "show_pair", "show_slice", "show_triplet",
        "small_pictures",
    ],
    "viewer": ["view_slices"],
    "viewer_3d": ["view_3d"],
    "browser": ["browse"],
    "panels": ["dice_playground", "overlap_panel", "weight_panel"],
    "exercises": [
        "check_best_probability", "check_combine_masks", "check_dice_coefficient", "check_disc_diameter",
        "check_field_of_view", "check_geometric_interval", "check_lesion_counts", "check_lesion_side",
        "check_lesion_volume_ml", "check_mean_interval", "check_n_updates", "check_neighbour_exposure",
        "check_oscillation", "check_overlap_map", "check_paired_interval", "check_place_errors",
        "check_precision_recall_area", "check_sampling_error", "check_seen_in_train", "check_tversky_loss",
        "check_weighted_cross_entropy", "show_solution",
    ],
}
FILE_OF = {name: file for file, names in LATER.items() for name in names}


def __getattr__(name):
    if name not in FILE_OF:
        raise AttributeError(f"atlas_lab has no name {name!r}")
    return getattr(import_module(f"atlas_lab.{FILE_OF[name]}"), name)


def __dir__():
    return sorted({*globals(), *FILE_OF})
