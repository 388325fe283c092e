"""ATLAS Lab: segmenting stroke lesions in T1-weighted MRI slices, as a course and as a measured reproduction.

`import atlas_lab as lab` gives the names below, in the order of the data flow, and a namespace for each wing of the
package. Nothing is read before it is used: `from atlas_lab.metrics import dice_coefficient` loads four small files.
"""

import os
from importlib import import_module

import lazy_loader

__version__ = "0.1.0"

# How often torch's threads on Linux look for one another before they sleep. By default they do for milliseconds, which
# beside other programs they take from the very thread that they wait for (benchmarks/busy_time.py).
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

_find, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["data", "experiment", "paper", "plots", "statistics", "widgets"],
    submod_attrs={
        "cohorts": ["cohort"],
        "phantom.cohort": ["make_cohort"],
        "data.scans": ["find_scans", "load_scan"],
        "check": ["check_scans"],
        "data.slicing": ["prepare_slices"],
        "splits": ["split_slices"],
        "dataset": ["SliceDataset"],
        "model": ["BaselineNet"],
        "architecture": ["count_parameters", "layer_table", "receptive_field"],
        "losses": ["tversky_loss", "weighted_cross_entropy"],
        "metrics": ["confusion_counts", "dice_coefficient", "mean_dice", "precision_recall_area", "subject_dice"],
        "data.lesion_maps": ["overlap_map"],
        "config": ["PROFILES", "RunConfig"],
        "train": ["evaluate", "fit", "predict"],
        "experiment.experiment": ["run_experiment"],
        "experiment.run": ["load_runs", "save_run"],
        "experiment.checkpoint": ["load_model"],
        "experiment.sweep": ["sweep"],
        "paper.claims": ["judge_claims"],
        "plots.slices": ["show_slice"],
        "widgets.viewer": ["view_slices"],
        "widgets.browser": ["browse"],
        "widgets.panels": ["dice_playground"],
        "files": ["DataError"],
        "course": ["exercises"],
        "course.prediction": ["predict_first"],
        "course.learner": ["progress"],
    },
)

# Names that the door had once: scripts that were written then go on, and the door stays small.
_FORMER = {"compare": "widgets.viewer", "plot_history": "plots.curves", "save_figure": "plots.saving",
           "with_seeds": "config"}


def __getattr__(name):
    if name in _FORMER:
        return getattr(import_module(f"{__name__}.{_FORMER[name]}"), name)
    return _find(name)
