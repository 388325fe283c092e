"""How long a notebook takes, estimated: reading from its words, waiting from its cells, doing from its exercises."""

import re
from datetime import datetime

from atlas_lab.course.registry import EXERCISES

__all__ = ["Minutes", "keep_seconds", "minutes_of"]

WORDS_A_MINUTE = 120   # of prose with numbers in it, read once with care
SECONDS_A_LINE = 4     # of code that is only read
PREDICTION = 1         # minute for a guess
OWN_RUN = 8            # minutes to design a run, wait for it, and compare
AS_BEFORE = 1.5        # a run's time within this factor of the one that is kept leaves that as it is


class Minutes(tuple):
    """(reading, doing): minutes, rounded; `total` is to the next five."""

    __slots__ = ()

    @property
    def total(self) -> int:
        """Both, rounded up to five minutes."""
        return -(-sum(self) // 5) * 5


def minutes_of(notebook) -> Minutes:
    """Estimate the minutes of a notebook: an nbformat notebook, or the plain dict of one.

    Its metadata says under `seconds` how long it runs unattended; exercises are planned by difficulty (`MINUTES`).
    """
    prose, code = ("\n\n".join(_text(cell) for cell in notebook["cells"] if cell["cell_type"] == kind)
                   for kind in ("markdown", "code"))
    names = set(re.findall(r"exercises\.check_(\w+)\(", code))
    lines = len([line for line in code.splitlines() if line.strip()])
    reading = len(prose.split()) / WORDS_A_MINUTE + lines * SECONDS_A_LINE / 60
    reading += notebook["metadata"].get("seconds", 0) / 60
    doing = sum(EXERCISES[name].minutes for name in names)
    doing += PREDICTION * (prose.count("**Predict") + code.count("predict_first("))
    doing += OWN_RUN * ("Your own run" in prose)
    return Minutes((round(reading), round(doing)))


def keep_seconds(notebook) -> None:
    """Replace the times of an executed notebook's cells by their sum, in whole tens of seconds, in its metadata.

    One that ran in about the time that is kept, within a factor of AS_BEFORE, keeps it: machines differ.
    """
    times = [cell["metadata"].pop("execution") for cell in notebook["cells"] if "execution" in cell["metadata"]]
    begun, ended = ([datetime.fromisoformat(time[key]) for time in times if key in time]
                    for key in ("iopub.status.busy", "shell.execute_reply"))
    if not begun or len(begun) != len(ended):
        return
    total = sum((end - begin).total_seconds() for begin, end in zip(begun, ended, strict=True))
    kept = notebook["metadata"].get("seconds")
    if kept is None or not kept / AS_BEFORE <= total <= kept * AS_BEFORE:
        notebook["metadata"]["seconds"] = max(10, 10 * round(total / 10))


def _text(cell):
    """The source of a cell, which a file may hold as a list of lines."""
    return "".join(cell["source"])
