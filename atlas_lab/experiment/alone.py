"""One run of many, as a process of its own trains it: on one thread, which gives the same numbers anywhere."""

from collections.abc import Callable, Sequence
from pathlib import Path

from atlas_lab.config import RunConfig, run_name
from atlas_lab.dataset import open_store
from atlas_lab.experiment.run import Run, score_text
from atlas_lab.fast.workers import processor_threads
from atlas_lab.files import DataError

__all__ = ["train_alone"]


def train_alone(
    config: RunConfig, folders: Sequence[Path | None], keep: Sequence[int], count: Callable,
) -> tuple[Run | None, str]:
    """One run on one thread, `count` called after every epoch: a Run, or None if it ended early, and a line on it.

    `folders` are those of its slices and, or None, of the replay_store and the fine_store of `run_experiment`.
    """
    from atlas_lab.experiment.experiment import run_experiment

    try:
        store, replay_store, fine_store = (None if folder is None else open_store(folder) for folder in folders)
        with processor_threads(1):
            run = run_experiment(
                config, store, report=count, keep=keep, replay_store=replay_store, fine_store=fine_store)
    except DataError as error:  # such as a loss that is no number any more: the other runs go on
        return None, f"{run_name(config)}: {error}"
    return run, f"{run.name}: {run.seconds:.0f} s, {score_text(run)}"
