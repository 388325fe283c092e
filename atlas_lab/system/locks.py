"""Locks on files that die with their owner, and folders for unfinished files that the next writer clears away.

The system gives a lock back when its process ends, however it ends: no lock is ever stale, and a folder whose lock is
free belongs to nobody any more.
"""

import errno
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["PRIVATE", "locked", "private_folder", "remove_orphans"]

PRIVATE = ".writing-"  # begins the name of a folder with unfinished files; what follows, nobody can guess
OWNER = ".owner"       # file in such a folder that its writer holds locked
POLL = 0.2             # seconds between two tries
BUSY = {errno.EAGAIN, errno.EACCES, errno.EDEADLK}


@contextmanager
def locked(path: Path, doing: str) -> Iterator[bool]:
    """Hold the lock on a piece of work, such as a folder that is being made; gives True if it had to be waited for.

    Parameters
    ----------
    path : path
        What is worked on. The lock is a hidden file beside it, which goes with the lock.
    doing : str
        What the other process does, for the line on stderr that says what is waited for: "making the cohort".
    """
    place = path.with_name(f".{path.name[:200]}.lock")
    place.parent.mkdir(parents=True, exist_ok=True)
    waited = False
    while (file := _take(place)) is None:
        if not waited:
            print(f"another process is {doing}, {path}; waiting for it", file=sys.stderr)
        waited = True
        time.sleep(POLL)
    try:
        yield waited
    finally:
        with suppress(OSError):  # while it is still held, so that nobody waits for a file that is gone
            place.unlink()
        os.close(file)


@contextmanager
def private_folder(parent: Path) -> Iterator[Path]:
    """A new folder inside another that only this user can enter, removed at the end or, if this process is killed, by
    the next that writes there.
    """
    remove_orphans(parent)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PRIVATE, dir=parent))
        if (file := _take(folder / OWNER)) is not None:
            break  # else another process took it for an orphan's in the moment before it was locked
    try:
        yield folder
    finally:
        os.close(file)
        shutil.rmtree(folder, ignore_errors=True)


def remove_orphans(parent: Path) -> None:
    """Remove the unfinished files of processes that are gone from a folder."""
    try:
        names = [entry.name for entry in os.scandir(parent) if entry.name.startswith(PRIVATE)]
    except OSError:
        return
    for folder in (parent / name for name in names):
        if folder.is_symlink() or not folder.is_dir():
            continue
        file = _take(folder / OWNER, unsure=False)
        if file is not None:
            os.close(file)  # first: Windows removes no open file
            shutil.rmtree(folder, ignore_errors=True)


def _take(place: Path, unsure: bool = True) -> int | None:
    """An open file that this process has locked, or None if another has; it is made where it is missing.

    Where the disk knows no locks, as some network drives, `unsure` says whether it counts as taken.
    """
    try:
        file = os.open(place, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError:
        if unsure and place.parent.is_dir():
            raise
        return None
    try:
        _lock(file)
        is_same = os.path.samestat(os.fstat(file), os.stat(place))  # not one that its owner has just removed
    except OSError as error:
        is_same = unsure and error.errno not in BUSY and place.exists()
    if not is_same:
        os.close(file)
        return None
    return file


def _lock(file: int) -> None:
    """Lock an open file, at once or with an OSError."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
