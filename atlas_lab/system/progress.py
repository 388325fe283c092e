"""How far things are, on stderr; what they came to, on stdout. A bar on the terminal makes room for both."""

import os
import sys
from collections.abc import Iterable, Sequence

from atlas_lab.system.disk import one_line

__all__ = ["QUIET", "bar", "first_few", "is_quiet", "note", "result", "time_left"]

QUIET = "ATLAS_LAB_QUIET"  # set, no progress is shown; `atlas-lab -q` sets it


def is_quiet() -> bool:
    """True if nobody wants to see how far things are."""
    return bool(os.environ.get(QUIET))


def first_few(names: Sequence[str], most: int = 3) -> str:
    """The first names of a list, for a line: "a, b, c and more". What can't be printed in them is shown as codes."""
    return ", ".join(map(one_line, names[:most])) + (" and more" if len(names) > most else "")


def bar(items: Iterable | None = None, text: str | None = None, total: int | None = None, shown: bool | None = True,
        **options):
    """A bar on stderr with the time left: tqdm's, not shown where nobody wants it; None shows it on a terminal only."""
    from tqdm import tqdm

    hidden = True if is_quiet() else None if shown is None else not shown
    return tqdm(items, text, total=total, disable=hidden, **options)


def note(text: str) -> None:
    """Say how far things are, on stderr."""
    if not is_quiet():
        _write(text, sys.stderr)


def result(text: str) -> None:
    """Say what came of it, on stdout."""
    _write(text, sys.stdout)


def _write(text, stream):
    """Write a line; where there is a bar on the terminal, it is taken away first and comes back below."""
    if sys.stderr.isatty() and "tqdm" in sys.modules:
        sys.modules["tqdm"].tqdm.write(text, file=stream)
    else:
        print(text, file=stream, flush=True)


def time_left(seconds: float, done: int, total: int) -> str:
    """How long the rest takes if it goes on as the part that is done: "3 min left"; nothing at the end."""
    left = seconds / done * (total - done)
    if done == total:
        return ""
    return f"{left:.0f} s left" if left < 100 else f"{left / 60:.0f} min left" if left < 6000 else (
        f"{left / 3600:.0f} h left")
