"""ATLAS Lab: segmenting stroke lesions in T1-weighted MRI slices, as a course and as a measured reproduction.

`import atlas_lab as lab` gives all the names below; each file is read when a name of it is first used.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "architecture": ["count_parameters", "field_of_view", "layer_table", "receptive_field"],
    "check": ["check_scans"],
    "cohorts": ["cohort", "data_notice"],
    "config": ["PROFILES", "Profile", "RunConfig", "config_from_strings", "run_name"],
    "course.exercises": [
        "check_best_probability", "check_combine_masks", "check_dice_coefficient", "check_disc_diameter",
        "check_field_of_view", "check_geometric_interval", "check_lesion_counts", "check_lesion_side",
        "check_lesion_volume_ml", "check_mean_interval", "check_n_updates", "check_neighbour_exposure",
        "check_oscillation", "check_overlap_map", "check_paired_interval", "check_centroid_distances",
        "check_precision_recall_area", "check_sampling_error", "check_seen_in_train", "check_tversky_loss",
        "check_weighted_cross_entropy", "show_solution",
    ],
    "data.intensity": ["to_uint8", "white_point"],
    "data.lesion_maps": [
        "cohort_overlap", "count_components", "disc_diameter", "lesion_side", "lesion_table",
        "lesion_volume_ml", "median_diameter", "overlap_map",
    ],
    "data.metadata": ["join_metadata"],
    "data.scans": ["LoadedScan", "Scan", "combine_masks", "find_scans", "load_lesion", "load_scan", "source_of"],
    "data.slicing": ["axial_slices", "prepare_slices", "typical_scan"],
    "dataset": ["SliceDataset", "SliceStore", "open_store"],
    "experiment.artifacts": [
        "as_run", "as_written", "first_slices_dice", "jpeg_ceiling", "random_discs", "sampling_error",
        "through_jpeg",
    ],
    "experiment.build": ["LOSSES", "NETS", "build_loss", "build_model"],
    "experiment.checkpoint": ["load_model"],
    "experiment.experiment": ["run_experiment"],
    "experiment.replay": ["Agreement", "agreement_text", "compare_runs"],
    "experiment.run": ["Run", "load_run", "load_runs", "save_run", "score_text", "unpack_masks"],
    "experiment.sweep": ["sweep", "with_seeds"],
    "files": ["DataError", "lab_home"],
    "losses": ["best_probability", "tversky_loss", "weighted_cross_entropy"],
    "metrics": [
        "confusion_counts", "dice_coefficient", "dice_from_counts", "lesion_counts", "lesion_f1", "mean_dice",
        "centroid_distances", "precision_recall_area", "scores_from_sums", "subject_dice", "sums_by_subject",
    ],
    "model": ["BaselineNet"],
    "paper.ablations": ["VARIANTS", "SWEEPS", "variant_config", "sweep_configs"],
    "paper.card": ["special_table"],
    "paper.claims": ["CLAIMS", "judge_claims"],
    "paper.conventions": ["headline_dice"],
    "paper.effects": ["departure_effects", "effects_table", "updates_text"],
    "paper.evidence": ["Records", "n_updates", "oscillation", "recent_rise"],
    "paper.ledger": ["ledger_table"],
    "paper.tables": ["measured_table"],
    "phantom.cohort": ["make_cohort"],
    "plots.architecture": ["plot_architecture"],
    "plots.brain": ["plot_overlap_map"],
    "plots.comparisons": ["plot_variants", "plot_splits", "plot_waterfall"],
    "plots.curves": ["plot_histories", "plot_history", "plot_split_curves"],
    "plots.overlay": ["overlay"],
    "plots.saving": ["save_figure"],
    "plots.slices": ["plot_grid", "show_pair", "show_slice", "show_triplet"],
    "plots.style": ["mark_source", "mask_legend", "small_pictures"],
    "splits": ["Split", "neighbour_exposure", "seen_in_train", "split_slices"],
    "statistics": ["bootstrap_scores", "geometric_interval", "mean_interval", "paired_interval"],
    "train": ["Evaluation", "evaluate", "predict"],
    "widgets.browser": ["browse"],
    "widgets.panels": ["dice_playground", "overlap_panel", "weight_panel"],
    "widgets.rendering": ["view_3d"],
    "widgets.viewer": ["view_slices"],
})
