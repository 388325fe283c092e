"""A time limit for a learner's function, which may never end."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["OutOfTime", "at_most"]


class OutOfTime(BaseException):
    """The limit was reached; no plain Exception, so that the learner's own `except` doesn't swallow it."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise OutOfTime in a block that takes longer, where the system has an alarm clock (not on Windows)."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_):
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
