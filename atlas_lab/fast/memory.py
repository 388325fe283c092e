"""How the process gets its memory."""

import ctypes
from functools import cache

__all__ = ["keep_freed_memory"]

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # of mallopt(3)


@cache
def keep_freed_memory():
    """Let this process keep memory that it frees, for its next use.

    Every step of training, and every file that is read, needs arrays of the same sizes. By default the C library gives
    large ones back to the system each time, which then clears page after page for the next: that takes two thirds of
    the time of reading a volume, and a third of a step of the full-size network. Threads that start later share the
    one store: a thread with a store of its own gives memory back all the same, and asks for six times as many pages
    when it trains. Linux with glibc only; elsewhere nothing is done. Returns whether it was done.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    options = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_ARENA_MAX: 1}
    return all(mallopt(option, value) for option, value in options.items())
