"""Many runs side by side, each in a process of its own."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from atlas_lab.config import RunConfig, check_config, run_name
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.run import Run, load_run, runs_folder, save_run, score_text
from atlas_lab.fast.workers import share_out
from atlas_lab.files import DataError, check_target
from atlas_lab.system import progress
from atlas_lab.system.locks import private_folder

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
    for config in configs:
        check_config(config)
    folder = Path(folder or runs_folder())
    done = [(folder / f"{run_name(config)}.json").exists() for config in configs]
    report(f"{len(configs)} runs, {sum(done)} of them recorded already")
    waiting = [config for config, is_done in zip(configs, done, strict=True) if not is_done]
    slices = [(_folder_of(store, config, folder), _folder_of(replay_store, config)) for config in waiting]
    folder.mkdir(parents=True, exist_ok=True)
    total = sum(config.epochs for config in waiting)
    every = 0.1 if sys.stderr.isatty() else 60  # seconds between two states of the bar; a log needs few
    ended_early, bar_of = [], {"unit": "epoch", "mininterval": every, "shown": bool(waiting)}
    with private_folder(folder) as place, progress.bar(total=total, **bar_of) as bar:
        tally = place / "epochs"
        tally.touch()
        with _following(bar, tally):
            tasks = ((config, *stores, folder, tally, keep) for config, stores in zip(waiting, slices, strict=True))
            for count, (is_recorded, line) in enumerate(share_out(train_and_save, tasks, jobs, False), start=1):
                report(f"{count}/{len(waiting)} {line}")
                ended_early += [] if is_recorded else [line]
    if ended_early:
        lines = "; ".join(ended_early)
        raise DataError(f"{len(ended_early)} of {len(waiting)} runs ended early, without a record: {lines}")
    return [load_run(folder / f"{run_name(config)}.json") for config in configs]


def _folder_of(store, config, records=None):
    """The folder of a store, of the one that a function gives for a config, or None where there is none.

    With the folder of its records it is asked whether what the store's scans show may lie there.
    """
    store = store(config) if callable(store) else store
    if records is not None:
        check_target(records / "record.json", store.about["source"])
    return None if store is None else store.folder


@contextmanager
def _following(bar, tally: Path) -> Iterator[None]:
    """Let a bar show how many bytes a file has: processes that share nothing else can add to it."""
    over = threading.Event()

    def follow():
        while not over.wait(0.2):
            bar.update(tally.stat().st_size - bar.n)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        bar.update(tally.stat().st_size - bar.n)


def _add(tally, epochs):
    """Add a byte for each epoch to a file that all runs share: one write at its end, which the system keeps whole."""
    with open(tally, "ab") as file:
        file.write(b"." * epochs)


def train_and_save(config, store_folder, replay_folder, folder, tally, keep=()):
    """One run of a sweep, in a process of its own; every finished epoch is added to the tally.

    Returns whether it was recorded, and a line on it.
    """
    import torch

    from atlas_lab.dataset import open_store
    from atlas_lab.experiment.experiment import run_experiment

    torch.set_num_threads(1)
    trained = 0

    def count(_):
        nonlocal trained
        trained += 1
        _add(tally, 1)

    try:
        replay_store = None if replay_folder is None else open_store(replay_folder)
        run = run_experiment(config, open_store(store_folder), report=count, keep=keep, replay_store=replay_store)
    except DataError as error:  # such as a loss that is no number any more: the other runs go on
        return False, f"{run_name(config)}: {error}"
    _add(tally, config.epochs - trained)  # those that a checkpoint had already
    save_run(run, folder)
    return True, f"{run.name}: {run.seconds:.0f} s, {score_text(run)}"
