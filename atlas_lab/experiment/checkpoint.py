"""Checkpoints: where a run keeps its state between epochs, and its trained network afterwards."""

import torch

from atlas_lab.config import run_name
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.build import build_model
from atlas_lab.experiment.run import Run, without_nan
from atlas_lab.files import DataError, atomic_path, lab_home
from atlas_lab.provenance import training_digest

__all__ = ["load_model", "restore_checkpoint", "run_folder", "save_checkpoint"]


def run_folder(config, store):
    """The folder of a run's checkpoint: one for each config and data set, so no two runs share one."""
    return lab_home() / "checkpoints" / f"{run_name(config)}-on-{store.about['data_hash']}"


def save_checkpoint(folder, model, optimizer, history, finished):
    """Write weights, optimiser state and history after an epoch, atomically.

    After the last epoch the optimiser's state, two thirds of the file, is left out: nothing will resume.
    """
    state = {"model": model.state_dict(), "history": without_nan(history), "training": training_digest()}
    if not finished:
        state["optimizer"] = optimizer.state_dict()
    # An open file in place of a name: torch then passes on what the system says, such as that the disk is full.
    with atomic_path(folder / "checkpoint.pt") as temporary, open(temporary, "wb") as file:
        torch.save(state, file)


def _load_checkpoint(folder, device="cpu"):
    """The state that `save_checkpoint` wrote, or None if there is none. Raises DataError if it is damaged."""
    path = folder / "checkpoint.pt"
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise DataError(f"{path}: not a readable checkpoint; delete it to train anew") from error


def restore_checkpoint(folder, model, optimizer):
    """Put an earlier state back into model and optimiser; returns its history, empty if there is none.

    A checkpoint that other training code has written counts as none: all epochs of a record must come from one
    version of the code that training runs through (`training_digest`).
    """
    state = _load_checkpoint(folder, device=next(model.parameters()).device)
    if state is None or state.get("training") != training_digest():
        return []
    model.load_state_dict(state["model"])
    if "optimizer" in state:
        optimizer.load_state_dict(state["optimizer"])
    return state["history"]


def load_model(run: Run, store: SliceStore) -> torch.nn.Module:
    """The trained network of a run, in evaluation mode.

    Raises DataError if this machine has not trained it: records are shared, weights are not.
    """
    folder = run_folder(run.config, store)
    state = _load_checkpoint(folder)
    if state is None or len(state["history"]) < run.config.epochs:
        raise DataError(f"{folder}: no trained network of {run.name} here; first: run_experiment(run.config)")
    model = build_model(run.config, store.shape)
    model.load_state_dict(state["model"])
    return model.eval()
