"""From settings to a record: objects built, a network trained and kept, many side by side, a record replayed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "experiment": ["final_scores", "run_experiment"],
    "build": ["LOSSES", "NETS", "build_loss", "build_model", "build_optimizer"],
    "checkpoint": ["load_model"],
    "run": ["Run", "load_run", "load_runs", "pack_masks", "save_run", "score_text", "unpack_masks"],
    "replay": ["Agreement", "agreement_text", "compare_runs"],

    "inference": ["SavedModel", "open_model", "save_model"],
    "own_scan": ["Prediction", "predict_scan"],
    "artifacts": [
        "as_run", "as_written", "first_slices_dice", "jpeg_ceiling", "random_discs", "sampling_error",
        "through_jpeg",
    ],
})
