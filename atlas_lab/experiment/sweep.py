"""Many runs side by side, each in a process of its own."""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.managers import SyncManager
from pathlib import Path

from atlas_lab.config import RunConfig, check_config, run_name
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.run import Run, load_run, runs_folder, save_run, score_text
from atlas_lab.files import DataError

__all__ = ["sweep", "train_and_save"]


def sweep(
    configs: Sequence[RunConfig], store: SliceStore | Callable[[RunConfig], SliceStore],
    folder: str | Path | None = None, jobs: int = 2, report: Callable[[str], None] = print, *,
    keep: Sequence[int] = (), replay_store: SliceStore | Callable[[RunConfig], SliceStore | None] | None = None,
) -> list[Run]:
    """Train many configs side by side, one single-threaded process each, and save a record of each.

    Two processes of one thread do more than one of two threads, and one thread gives the same numbers on
    machines with any number of cores. Configs whose record is there already are not run again; an interrupted
    sweep goes on from its records and checkpoints, so at most one epoch of each process is lost. A bar on stderr
    counts epochs and estimates the time left.

    Parameters
    ----------
    configs : list of RunConfig
    store : SliceStore, or a function from a config to its SliceStore
        The function is called before any run is started.
    folder : path, optional
        Where the records go; `runs_folder()` by default.
    jobs : int
        Processes at a time.
    keep, replay_store
        See `run_experiment`; replay_store may be such a function too.

    Returns
    -------
    list of Run
        In the order of configs.

    Raises
    ------
    DataError
        If a config is impossible, before any is trained; or, after all others are recorded, if runs ended early.
    """
    from joblib import Parallel, delayed
    from tqdm import tqdm

    for config in configs:
        check_config(config)
    folder = Path(folder or runs_folder())
    done = [(folder / f"{run_name(config)}.json").exists() for config in configs]
    report(f"{len(configs)} runs, {sum(done)} of them recorded already")
    waiting = [config for config, is_done in zip(configs, done, strict=True) if not is_done]
    slices = [(_folder_of(store, config), _folder_of(replay_store, config)) for config in waiting]
    total = sum(config.epochs for config in waiting)
    every = 0.1 if sys.stderr.isatty() else 60  # seconds between two states of the bar; a log needs few
    manager = SyncManager()
    manager.start(_end_with_parent, (os.getpid(),))
    with manager, tqdm(total=total, unit="epoch", mininterval=every, disable=not waiting) as bar:
        epochs_done = manager.Queue()
        threading.Thread(target=_advance, args=(bar, epochs_done), daemon=True).start()
        finished = Parallel(n_jobs=jobs, return_as="generator_unordered")(
            delayed(train_and_save)(config, *folders, folder, epochs_done, keep)
            for config, folders in zip(waiting, slices, strict=True)
        )
        ended_early = []
        for count, (is_recorded, line) in enumerate(finished, start=1):
            report(f"{count}/{len(waiting)} {line}")
            ended_early += [] if is_recorded else [line]
        epochs_done.put(None)
    if ended_early:
        lines = "; ".join(ended_early)
        raise DataError(f"{len(ended_early)} of {len(waiting)} runs ended early, without a record: {lines}")
    return [load_run(folder / f"{run_name(config)}.json") for config in configs]


def _folder_of(store, config):
    """The folder of a store, of the one that a function gives for a config, or None where there is none."""
    store = store(config) if callable(store) else store
    return None if store is None else store.folder


def _end_with_parent(parent):
    """Let a process end within seconds of its parent, however that one ended; else a kill -9 leaves it behind."""
    def watch():
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _advance(bar, epochs_done):
    """Move a bar by the numbers that come through a queue, until None comes or the queue is gone."""
    try:
        while (count := epochs_done.get()) is not None:
            bar.update(count)
    except (EOFError, OSError):  # the sweep has ended
        pass


def train_and_save(config, store_folder, replay_folder, folder, epochs_done, keep=()):
    """One run of a sweep, in a process of its own; every finished epoch is put into the queue.

    Returns whether it was recorded, and a line on it.
    """
    import torch

    from atlas_lab.dataset import open_store
    from atlas_lab.experiment.experiment import run_experiment

    torch.set_num_threads(1)
    trained, parent = 0, os.getppid()

    def count(_):
        nonlocal trained
        trained += 1
        if os.getppid() != parent:  # the sweep was killed: its next start goes on from the checkpoint just written
            os._exit(1)
        epochs_done.put(1)

    try:
        replay_store = None if replay_folder is None else open_store(replay_folder)
        run = run_experiment(config, open_store(store_folder), report=count, keep=keep, replay_store=replay_store)
    except DataError as error:  # such as a loss that is no number any more: the other runs go on
        return False, f"{run_name(config)}: {error}"
    epochs_done.put(config.epochs - trained)  # those that a checkpoint had already
    save_run(run, folder)
    return True, f"{run.name}: {run.seconds:.0f} s, {score_text(run)}"
