"""Where a run stands beside the paper: its resolution, people, parameters and updates, and the difference in words."""

from atlas_lab.architecture import count_parameters, receptive_field
from atlas_lab.config import PROFILES, RunConfig
from atlas_lab.dataset import SliceStore
from atlas_lab.model import BaselineNet
from atlas_lab.splits import Split

__all__ = ["PAPER_PARAMETERS", "PAPER_UPDATES", "n_updates", "operating_point"]

PAPER_UPDATES = 303  # of an epoch on 70 % of ATLAS R1.1's 43,281 slices in batches of 100
PAPER_PARAMETERS = 93_705_297
PAPER_FIELD = 14  # mm that a deepest feature of the paper's baseline sees


def n_updates(n_slices: int, batch_size: int, epochs: int) -> int:
    """How often the weights change in so many epochs over n_slices; the last, smaller batch of an epoch counts too."""
    return epochs * -(-n_slices // batch_size)


def operating_point(config: RunConfig, store: SliceStore, split: Split, model) -> dict:
    """What a record says of its operating point.

    Returns
    -------
    dict
        name (the profile with this resolution and so many people, or "other"), subjects, parameters,
        updates_an_epoch, updates (of the whole run), receptive_field_mm, and differs: in words, how all this differs
        from the paper's point, and what else is not as in the paper's data.
    """
    subjects, parameters = int(store.table["subject"].nunique()), count_parameters(model)
    an_epoch = n_updates(len(split.train), config.batch_size, 1)
    field = receptive_field(model) * config.scale if isinstance(model, BaselineNet) else None
    return {
        "name": _point_name(config, subjects), "subjects": subjects, "parameters": parameters,
        "updates_an_epoch": an_epoch, "updates": an_epoch * config.epochs, "receptive_field_mm": field,
        "differs": _difference(config, store, parameters, an_epoch, field),
    }


def _point_name(config, subjects):
    """The profile that has this resolution and so many people."""
    for name, profile in PROFILES.items():
        if (profile.config.scale, profile.config.z_step, profile.n_subjects) == (config.scale, config.z_step, subjects):
            return name
    return "other"


def _difference(config, store, parameters, an_epoch, field):
    """How a point differs from the paper's, in words."""
    words = []
    if config.scale > 1:
        sees = f": a deepest feature sees {field} mm, not {PAPER_FIELD}" if field else ""
        words.append(f"{config.scale} mm a pixel, not 1{sees}")
    if config.z_step > 1:
        words.append(f"slices {config.z_step} mm apart, not 1")
    if abs(parameters / PAPER_PARAMETERS - 1) > 0.01:
        words.append(f"{parameters / 1e6:.1f} million parameters, not {PAPER_PARAMETERS / 1e6:.1f}")
    if abs(an_epoch / PAPER_UPDATES - 1) > 0.02:
        words.append(f"{an_epoch:,} updates an epoch, not {PAPER_UPDATES}")
    if config.split_by != "slice":
        words.append(f"split by {config.split_by}, not by slice")
    if "synthetic" in store.about["source"]:
        words.append("synthetic people, not patients")
    return "; ".join(words) or "as the paper's"
