"""Checkpoints: where a run keeps its state between epochs, and its trained network afterwards."""

from pathlib import Path

import torch

from atlas_lab.config import RunConfig, config_until, run_name
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.build import build_model
from atlas_lab.experiment.run import Run, without_nan
from atlas_lab.files import DataError, atomic_path, lab_home
from atlas_lab.provenance import training_digest

__all__ = ["keep_state", "kept_folder", "load_model", "restore_checkpoint", "run_folder", "save_checkpoint"]


def run_folder(config: RunConfig, store: SliceStore) -> Path:
    """The folder of a run's checkpoint: one for each config and data set, so no two runs share one."""
    return lab_home() / "checkpoints" / f"{run_name(config)}-on-{store.about['data_hash']}"


def kept_folder(config: RunConfig, store: SliceStore) -> Path:
    """The folder of states kept for other runs: one for all configs that are the same in their first epochs."""
    return lab_home() / "checkpoints" / f"{run_name(config_until(config, 1))}-kept-on-{store.about['data_hash']}"


def save_checkpoint(folder, model, optimizer, history, finished, shows=None):
    """Write weights, optimiser state and history after an epoch, atomically.

    After the last epoch the optimiser's state, two thirds of the file, is left out: nothing will resume. `shows` says
    whose data the network has seen, see `atomic_path`.
    """
    _save_state(folder / "checkpoint.pt", model, None if finished else optimizer, history, shows)


def keep_state(folder, model, optimizer, history, shows=None):
    """Write the whole state after an epoch under the epoch's number, for runs that go another way from there."""
    _save_state(folder / f"epoch-{len(history):04d}.pt", model, optimizer, history, shows)


def _save_state(path, model, optimizer, history, shows):
    """Write weights, history and, if one is given, the optimiser's state."""
    state = {"model": model.state_dict(), "history": without_nan(history), "training": training_digest()}
    if optimizer is not None:
        state["optimizer"] = optimizer.state_dict()
    # An open file in place of a name: torch then passes on what the system says, such as that the disk is full.
    with atomic_path(path, shows) as temporary, open(temporary, "wb") as file:
        torch.save(state, file)


def _load_state(path, device="cpu"):
    """The state that `_save_state` wrote, or None if there is none. Raises DataError if it is damaged."""
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise DataError(f"{path}: not a readable checkpoint; delete it to train anew") from error


def _state_of_this_code(path, device):
    """The state in a file; None if there is none, or other training code has written it."""
    state = _load_state(path, device)
    return state if state is not None and state["training"] == training_digest() else None


def restore_checkpoint(folder, kept, config: RunConfig, model, optimizer):
    """Put the latest state back into model and optimiser; returns its history, empty if there is none.

    It is the run's own checkpoint, or a state kept by a run that was the same until then, if that is later. What
    other training code has written counts as none: all epochs of a record must come from one version of the code that
    training runs through (`training_digest`).
    """
    device = next(model.parameters()).device
    last_shared = min(config.epochs, config.lr_drop_epoch or config.epochs)
    state = _state_of_this_code(folder / "checkpoint.pt", device)
    own = len(state["history"]) if state else 0
    for path in sorted(kept.glob("epoch-*.pt"), reverse=True):  # one at a time: at full size each is a gigabyte
        if own < int(path.stem.removeprefix("epoch-")) <= last_shared and (
                later := _state_of_this_code(path, device)) is not None:
            state = later
            break
    if state is None:
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
    state = _load_state(folder / "checkpoint.pt")
    if state is None or len(state["history"]) < run.config.epochs:
        raise DataError(f"{folder}: no trained network of {run.name} here; first: run_experiment(run.config)")
    model = build_model(run.config, store.shape)
    model.load_state_dict(state["model"])
    return model.eval()
