"""A live run held against its record."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from atlas_lab.config import config_until
from atlas_lab.experiment.run import Run
from atlas_lab.files import DataError
from atlas_lab.provenance import pick_device

__all__ = [
    "Agreement", "agreement_text", "compare_runs", "device_like", "is_on_its_device", "largest_difference",
    "steps_text",
]

# On another kind of processor, or with other libraries, sums are rounded in another order, and two trainings
# drift apart step by step. With a processor's instruction sets restricted (AVX-512, AVX2, none) the Dice of the
# first three epochs differed by at most 0.0002, and that of ten epochs by at most 0.016.
TOLERANCES = {3: 0.002, 10: 0.03}  # the largest difference in Dice allowed in the first so many epochs
# Dice is still 0 after the first epoch of most runs, whatever they do, but the loss is not. With other instruction sets
# it differed by at most 0.4 %, between two settings nearly always by more than 2 %.
LOSS_TOLERANCE = 0.01  # the largest relative difference in the loss of the first epoch
SCORES = ("loss", "mean_dice", "precision", "recall", "area_ratio")


@dataclass
class Agreement:
    """How a live run compares with its record over the epochs that both have."""

    epochs: int
    same_data: bool
    same_environment: bool
    largest_difference: dict  # score -> largest absolute difference, over train and dev and all epochs

    @property
    def identical(self):
        """True if every number is the same, bit for bit."""
        return all(value == 0 for value in self.largest_difference.values())


def compare_runs(live: Run, record: Run, first_epochs: int | None = None) -> Agreement:
    """Hold a live run against its record, epoch by epoch, or in the first so many epochs only.

    Returns
    -------
    Agreement

    Raises
    ------
    DataError
        If their configs differ in more than the number of epochs.
    """
    epochs = min(len(live.history), len(record.history), first_epochs or len(record.history))
    if config_until(live.config, epochs) != config_until(record.config, epochs):
        raise DataError(f"{live.name} and {record.name} differ in more than their epochs; they can't be compared")
    difference = {
        score: max(
            largest_difference(live.curve(score, part)[:epochs], record.curve(score, part)[:epochs])
            for part in ("train", "dev")
        )
        for score in SCORES
    }
    return Agreement(
        epochs, live.data["data_hash"] == record.data["data_hash"], live.environment == record.environment, difference
    )


def largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Largest absolute difference of two curves; infinite where only one of them has a number."""
    both_undefined = np.isnan(one) & np.isnan(other)
    difference = np.where(both_undefined, 0, np.abs(one - other))
    return float(np.where(np.isnan(difference), np.inf, difference).max())


def device_like(run: Run) -> "str | torch.device":
    """The device on which a live run can be held against a record: the processor, or a GPU, if that made it."""
    return "cpu" if _made_on_processor(run) else pick_device()


def is_on_its_device(run: Run) -> bool:
    """Whether a live run here can be held against a record: it was made on a processor, or there is a GPU here too."""
    return _made_on_processor(run) or pick_device().type != "cpu"


def _made_on_processor(run):
    """Whether a run was made on a processor, not on a GPU: from the same seed each draws its own dropout masks."""
    return run.environment["device"] == "cpu"


def agreement_text(live: Run, record: Run) -> str:
    """One line on how a live run agrees with its record.

    Raises DataError if it does not, where the two should: on the same data, both on processors or both on GPUs.
    """
    agreement = compare_runs(live, record)
    if not agreement.same_data:
        return f"the record was made on other data ({record.data['source']}); there is nothing to compare with"
    if _made_on_processor(live) != _made_on_processor(record):
        return (
            f"the record was made on {record.environment['device']}, the live run on {live.environment['device']}, "
            "and dropout draws other masks there; there is nothing to compare with"
        )
    if agreement.identical:
        epochs = "the first epoch" if agreement.epochs == 1 else f"all {agreement.epochs} epochs"
        return f"the live run agrees with its record bit for bit in {epochs}"
    parts = []
    for epochs, tolerance in TOLERANCES.items():
        difference = compare_runs(live, record, epochs).largest_difference["mean_dice"]
        compared = min(epochs, agreement.epochs)
        text = f"largest difference in Dice of the first {compared} epochs {difference:.4f}, tolerance {tolerance}"
        if difference > tolerance:
            raise DataError(f"the live run disagrees with its record {record.name}: {text}")
        parts.append(text)
        if compared == agreement.epochs:
            break
    parts_scored = [part for part in ("train", "dev") if any(part in run.history[0] for run in (live, record))]
    losses = [[run.curve("loss", part)[0] for part in parts_scored] for run in (live, record)]
    drift = np.abs(np.divide(*losses) - 1).max()
    text = f"difference in the loss of the first epoch {drift:.2%}, tolerance {LOSS_TOLERANCE:.0%}"
    if not drift <= LOSS_TOLERANCE:  # NaN is no agreement
        raise DataError(f"the live run disagrees with its record {record.name}: {text}")
    parts.append(text)
    machine = "the record's" if agreement.same_environment else "another"
    return f"the live run agrees with its record within the tolerance, on {machine} kind of machine: {'; '.join(parts)}"


def steps_text(run: Run, losses: Sequence[float]) -> str:
    """One line on how the losses of a variant's first steps, made again, agree with those of a record.

    Raises DataError if one differs by more than LOSS_TOLERANCE, or if their number differs.
    """
    if len(losses) != len(run.first_steps):
        raise DataError(f"{run.name} has the losses of {len(run.first_steps)} first steps, not of {len(losses)}")
    if losses == run.first_steps:
        return f"the first {len(losses)} steps agree bit for bit"
    drift = float(np.abs(np.divide(losses, run.first_steps) - 1).max())
    if not drift <= LOSS_TOLERANCE:  # NaN is no agreement
        raise DataError(f"the first steps of {run.name} disagree with the record: losses differ by {drift:.2%}, "
                        f"tolerance {LOSS_TOLERANCE:.0%}")
    return f"the losses of the first {len(losses)} steps agree within {drift:.1e}, as on another kind of processor"
