"""A sweep's runs on a Dask cluster: workers of one thread each, slices by path or copied, records sent back.

Any Dask cluster will do: processes on this machine, dask-jobqueue on SLURM, dask-kubernetes; see docs/clusters.md.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

from atlas_lab.config import RunConfig, run_name
from atlas_lab.dataset import SliceStore, open_store
from atlas_lab.experiment.alone import train_alone
from atlas_lab.experiment.run import Run
from atlas_lab.fast.memory import keep_freed_memory
from atlas_lab.files import DataError, atomic_path, check_target, lab_home, working_on
from atlas_lab.provenance import code_version

__all__ = ["cluster_at", "train_on_cluster"]

WAIT = 60  # seconds in which a scheduler must answer, and a first worker be there
TOPIC = "atlas-lab-epochs"  # under which workers tell how far a run is
WATCHING = ("profile", "tick")  # what a worker does up to 100 times a second to watch itself
SELDOM = 1000  # ms between two of these while a run is trained; Dask warns of a tick that takes 3 s
STORE_FILES = ("images.npy", "masks.npy", "table.csv", "about.json")  # the last makes a store whole
LARGEST_COPY = 1_000_000_000  # bytes of a store that is sent through the scheduler; a larger one needs a shared disk


@contextmanager
def cluster_at(address: str) -> Iterator:
    """A client of the Dask cluster whose scheduler has this address, as in tcp://10.0.0.1:8786.

    Raises DataError if dask.distributed is missing, nobody answers, there is no worker, one has more than one thread,
    or runs other code.
    """
    try:
        from distributed import Client
    except ImportError:
        raise DataError("a sweep on a cluster needs dask.distributed: pip install 'atlas-lab[cluster]'") from None
    try:
        client = Client(address, timeout=WAIT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{address}: no Dask scheduler answers there ({error}); start one: dask scheduler") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WAIT)
        except TimeoutError:
            raise DataError(f"{address}: the cluster has no workers after {WAIT} s; start some: "
                            f"dask worker {address} --nthreads 1") from None
        digest = _own_code()
        for worker, why in client.run(_unfit, digest).items():
            if why:
                raise DataError(f"{worker}: {why}")
        yield client


@cache
def _own_code() -> str:
    """The digest of this process's code as it was when first asked for, whatever is edited meanwhile."""
    return code_version()["package"]


def _unfit(digest: str, dask_worker=None) -> str | None:
    """Why this worker can't train, or None. Threads of one process share torch's seed, so a run must be alone in it."""
    from distributed import get_worker

    keep_freed_memory()  # before the worker starts the thread that trains
    threads = (dask_worker or get_worker()).state.nthreads
    if threads != 1:
        return (f"this worker has {threads} threads, which would share one stream of random numbers; "
                "start workers with --nthreads 1")
    if _own_code() != digest:
        return "this worker runs another version of atlas_lab; install the same on all machines, and start it anew"
    return None


def train_on_cluster(
    client, configs: Sequence[RunConfig], stores: Sequence[tuple[SliceStore | None, ...]],
    add: Callable[[int], None], keep: Sequence[int] = (),
) -> Iterator[tuple[Run | None, str]]:
    """Train configs on a cluster's workers; gives each run, or None, and a line on it as soon as it is there.

    The run of a worker that is lost is done again by another. Slices are read by their path where a worker finds them
    there, or under the same name in a home of its own; else they are copied there, once a home.

    Parameters
    ----------
    client : of `cluster_at`
    stores : list of tuple of SliceStore or None
        What each config is trained on, what its first steps are noted on, and what it is scored on at 1 mm.
    add : callable
        Called with a number of epochs whenever some more are done.

    Raises DataError if a store is too large to be copied, or a run has taken several workers with it.
    """
    from distributed import KilledWorker, as_completed

    digest = _own_code()
    different = {store.folder: store for group in stores for store in group if store is not None}
    addresses = {folder: _hand_out(client, store) for folder, store in different.items()}
    places = ([None if store is None else addresses[store.folder] for store in group] for group in stores)
    with _told_of_epochs(client, add):
        futures = [client.submit(_train_there, config, group, keep, digest, pure=False)
                   for config, group in zip(configs, places, strict=True)]
        try:
            for future in as_completed(futures, loop=client.loop):
                yield future.result()
        except KilledWorker as error:
            raise DataError(
                f"a run has ended {error.allowed_failures + 1} workers, most likely since memory ran out; give each "
                "more memory: what is recorded is kept"
            ) from error


def _train_there(config, places, keep, digest):
    """One run on a worker: a Run, or None where it ended early, and a line on it."""
    from distributed import get_worker

    worker, trained = get_worker(), 0

    def count(_):
        nonlocal trained
        trained += 1
        worker.log_event(TOPIC, (run_name(config), trained))

    why = _unfit(digest)  # it may have joined after the others were asked
    if why:
        return None, f"{run_name(config)}: {worker.address}: {why}"
    try:
        with _seldom_watched(worker):
            found = train_alone(config, [place and _found_here(*place) for place in places], keep, count)
    except DataError as error:  # of slices that it has not
        return None, f"{run_name(config)}: {worker.address}: {error}"
    worker.log_event(TOPIC, (run_name(config), config.epochs))
    return found


@contextmanager
def _seldom_watched(worker):
    """A worker that looks at its own threads once a second meanwhile: each look interrupts the one that trains."""
    callbacks = [worker.periodic_callbacks[name] for name in WATCHING if name in worker.periodic_callbacks]
    usual = [callback.callback_time for callback in callbacks]
    for callback in callbacks:
        callback.callback_time = SELDOM
    try:
        yield
    finally:
        for callback, milliseconds in zip(callbacks, usual, strict=True):
            callback.callback_time = milliseconds


@contextmanager
def _told_of_epochs(client, add):
    """Have `add` called with what the workers tell: a run that is done again counts once."""
    reached = {}

    def hear(event):
        name, epochs = event[1]
        more = epochs - reached.get(name, 0)
        if more > 0:
            reached[name] = epochs
            add(more)

    client.subscribe_topic(TOPIC, hear)
    try:
        yield
    finally:
        client.unsubscribe_topic(TOPIC)


def _hand_out(client, store):
    """See to it that every worker finds a store; returns what `_found_here` needs to find it there."""
    address = str(store.folder), store.about["data_hash"]
    if all(client.run(_is_here, *address).values()):
        return address
    size = sum((store.folder / name).stat().st_size for name in STORE_FILES)
    if size > LARGEST_COPY:
        raise DataError(
            f"{store.folder}: some workers don't see these slices, and {size / 1e9:.1f} GB are too many to send each; "
            "put ATLAS_LAB_HOME on a disk that all machines see, or copy the folder there"
        )
    files = {name: zlib.compress((store.folder / name).read_bytes(), 1) for name in STORE_FILES}
    client.register_plugin(_copying(*address, files, store.about["source"]))  # also reaches those that join later
    return address


def _copying(folder, data_hash, files, source):
    """A plugin by which a worker that has no copy of a store writes one."""
    from distributed import WorkerPlugin

    plugin = WorkerPlugin()
    plugin.name = f"atlas-lab-slices-{data_hash}"
    plugin.setup = partial(_receive, folder, data_hash, files, source)
    return plugin


def _receive(folder, data_hash, files, source, worker=None):
    """Write the files of a store to this machine's own home, unless it is there."""
    if _is_here(folder, data_hash):
        return
    own = _own_folder(folder)
    check_target(own / "about.json", source)
    with working_on(own, "copying these slices"):
        for name, content in {} if _is_here(folder, data_hash) else files.items():
            with atomic_path(own / name, source) as temporary:
                temporary.write_bytes(zlib.decompress(content))


def _own_folder(folder):
    """Where a store lies in this machine's own home."""
    return lab_home() / "slices" / Path(folder).name


def _is_here(folder, data_hash):
    """Whether this machine has a store."""
    try:
        return _found_here(folder, data_hash) is not None
    except DataError:
        return False


def _found_here(folder, data_hash):
    """The folder in which this machine has a store; DataError if it has none."""
    for place in (Path(folder), _own_folder(folder)):
        if (place / "about.json").exists() and open_store(place).about["data_hash"] == data_hash:
            return place
    raise DataError(f"{folder}: these slices are not on this machine; put ATLAS_LAB_HOME on a disk that all see")
