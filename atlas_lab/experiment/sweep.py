"""Many runs side by side, each in a process of its own."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

from atlas_lab.config import RunConfig, check_config, run_name
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.alone import train_alone
from atlas_lab.experiment.run import Run, load_run, runs_folder, save_run
from atlas_lab.fast.workers import share_out
from atlas_lab.files import DataError, check_target
from atlas_lab.system import progress
from atlas_lab.system.disk import expand
from atlas_lab.system.locks import private_folder

__all__ = ["BACKENDS", "sweep", "train_and_save"]

BACKENDS = ("loky", "dask")  # processes of this machine, or workers of a cluster


def sweep(
    configs: Sequence[RunConfig], store: SliceStore | Callable[[RunConfig], SliceStore],
    folder: str | Path | None = None, jobs: int = 2, report: Callable[[str], None] = print, *,
    keep: Sequence[int] = (), replay_store: SliceStore | Callable[[RunConfig], SliceStore | None] | None = None,
    fine_store: Callable[[RunConfig], SliceStore | None] | None = None,
    backend: str = "loky", address: str | None = None,
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
        Processes at a time; a cluster has as many as it has workers.
    keep, replay_store, fine_store
        See `run_experiment`; the stores may be such functions too.
    backend : {"loky", "dask"}
        Processes of this machine, or the workers of a Dask cluster, each of one thread. They train the same numbers,
        as far as their processors do; which host made an epoch is in the record.
    address : str, optional
        Of the cluster's scheduler, as in tcp://10.0.0.1:8786.

    Returns
    -------
    list of Run
        In the order of configs.

    Raises
    ------
    DataError
        If a config is impossible, before any is trained; or, after all others are recorded, if runs ended early; or
        if the cluster can't be used (see `cluster_at`).
    """
    for config in configs:
        check_config(config)
    if backend not in BACKENDS or (backend == "dask") != bool(address):
        raise DataError(f"backend is {backend!r} and address {address!r}; dask takes its scheduler's address, as in "
                        "tcp://10.0.0.1:8786, and loky none")
    folder = expand(folder or runs_folder())
    done = [(folder / f"{run_name(config)}.json").exists() for config in configs]
    report(f"{len(configs)} runs, {sum(done)} of them recorded already")
    waiting = [config for config, is_done in zip(configs, done, strict=True) if not is_done]
    with _cluster(address if waiting else None) as client:  # before slices are made: it may not be there
        stores = [(_store_of(store, config, folder), _store_of(replay_store, config), _store_of(fine_store, config))
                  for config in waiting]
        folder.mkdir(parents=True, exist_ok=True)
        ended_early = _train_all(waiting, stores, folder, keep, jobs, client, report)
    if ended_early:
        lines = "; ".join(ended_early)
        raise DataError(f"{len(ended_early)} of {len(waiting)} runs ended early, without a record: {lines}")
    return [load_run(folder / f"{run_name(config)}.json") for config in configs]


def _cluster(address):
    """A context with the client of a cluster, or None where there is no address."""
    if address is None:
        return nullcontext()
    from atlas_lab.experiment.cluster import cluster_at

    return cluster_at(address)


def _train_all(configs, stores, folder, keep, jobs, client, report):
    """Train and record every config, behind a bar; returns the lines of those that ended early."""
    total = sum(config.epochs for config in configs)
    every = 0.1 if sys.stderr.isatty() else 60  # seconds between two states of the bar; a log needs few
    ended_early, bar_of = [], {"unit": "epoch", "mininterval": every, "shown": bool(configs)}
    with private_folder(folder) as place, progress.bar(total=total, **bar_of) as bar:
        tally = place / "epochs"
        tally.touch()
        with _following(bar, tally):
            found = (_on_this_machine(configs, stores, folder, tally, keep, jobs) if client is None
                     else _on_a_cluster(configs, stores, folder, tally, keep, client))
            for count, (is_recorded, line) in enumerate(found, start=1):
                report(f"{count}/{len(configs)} {line}")
                ended_early += [] if is_recorded else [line]
    return ended_early


def _on_this_machine(configs, stores, folder, tally, keep, jobs):
    """Whether each run was recorded, and a line on it, as they end: in processes that save their records."""
    folders = ([None if store is None else store.folder for store in group] for group in stores)
    tasks = ((config, group, folder, tally, keep) for config, group in zip(configs, folders, strict=True))
    return share_out(train_and_save, tasks, jobs, False)


def _on_a_cluster(configs, stores, folder, tally, keep, client):
    """The same with the workers of a cluster, whose records are saved here."""
    from atlas_lab.experiment.cluster import train_on_cluster

    for run, line in train_on_cluster(client, configs, stores, partial(_add, tally), keep):
        if run is not None:
            save_run(run, folder)
        yield run is not None, line


def _store_of(store, config, records=None):
    """A store, or the one that a function gives for a config; None where there is none.

    With the folder of its records it is asked whether what the store's scans show may lie there.
    """
    store = store(config) if callable(store) else store
    if records is not None:
        check_target(records / "record.json", store.about["source"])
    return store


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


def train_and_save(config, folders, folder, tally, keep=()):
    """One run of a sweep, in a process of its own; every finished epoch is added to the tally.

    Returns whether it was recorded, and a line on it.
    """
    trained = 0

    def count(_):
        nonlocal trained
        trained += 1
        _add(tally, 1)

    run, line = train_alone(config, folders, keep, count)
    if run is not None:
        _add(tally, config.epochs - trained)  # those that a checkpoint had already
        save_run(run, folder)
    return run is not None, line
