"""Work shared out among processes that end with the one that started them, however it ends."""

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from atlas_lab.files import DataError

__all__ = ["processor_threads", "share_out"]

LOOK = 1.0  # seconds between two looks at whether the starter lives


def share_out(function: Callable, tasks: Iterable[tuple], jobs: int, in_order: bool = True) -> Iterator:
    """function(*task) for each task, in processes of their own, as results come; one job stays in this process.

    Parameters
    ----------
    jobs : int
        Processes; -1 is one per core.
    in_order : bool
        Give results in the order of the tasks, else as soon as each is there.

    Raises
    ------
    DataError
        If a process was killed; and whatever the function raises.
    """
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import BrokenProcessPool

    # loky takes the memory that a process keeps on purpose (`keep_freed_memory`) for a leak, begins another and warns.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
    # Processes are kept for the next call, unless what they are begun with has changed since.
    begun_with = os.getpid(), _own_settings(), _own_way_to_warn()
    with parallel_config(backend="loky", initializer=_begin, initargs=begun_with):
        parallel = Parallel(n_jobs=jobs, return_as="generator" if in_order else "generator_unordered")
    try:
        yield from parallel(delayed(function)(*task) for task in tasks)
    except BrokenProcessPool:
        raise DataError(
            "one of the processes was killed, most likely since memory ran out; close other programs or work with "
            "fewer processes at a time (--jobs 1, in Python jobs=1): what is done is kept"
        ) from None


@contextmanager
def processor_threads(count: int) -> Iterator[None]:
    """torch on so many threads in this process, and afterwards on as many as before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _own_settings():
    """The lab's settings in the environment, such as its home: they may change while processes wait for more work."""
    return {name: value for name, value in os.environ.items() if name.startswith("ATLAS_")}


def _own_way_to_warn():
    """How the lab's command line shows warnings, if it runs here; else None: a notebook has a way of its own."""
    return warnings.showwarning if str(warnings.showwarning.__module__).startswith("atlas_lab.") else None


def _begin(starter: int, settings: dict, show_warning: Callable | None = None) -> None:
    """Give this process its starter's settings and way to warn, and have it not outlive that, whether it is given work
    or not.
    """
    if show_warning is not None:
        warnings.showwarning = show_warning
    for name in _own_settings():
        del os.environ[name]
    os.environ.update(settings)
    if os.name == "posix":
        threading.Thread(target=_end_with, args=(starter,), daemon=True).start()


def _end_with(starter: int) -> None:
    """End this process as soon as its parent is another than its starter: the system then has given it away."""
    while os.getppid() == starter:
        time.sleep(LOOK)
    os._exit(1)
