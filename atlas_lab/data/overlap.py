"""Files that are read and files that are written: the second never take the place of the first."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from atlas_lab.files import DataError
from atlas_lab.system.disk import expand

__all__ = ["is_same_place", "refuse_overlap"]


def refuse_overlap(read: Sequence[Path], written: Sequence[Path]) -> None:
    """Raise DataError if a file to write is one to read, or one is to be written twice."""
    for i, path in enumerate(written):
        for other in read:
            if is_same_place(path, other):
                raise DataError(f"{path} is the file that is read ({other}); it would be overwritten: name another")
        for other in written[:i]:
            if is_same_place(path, other):
                raise DataError(f"{path} and {other} are one file; name two")


def is_same_place(one: Path, other: Path) -> bool:
    """True if two paths lead to one file: through links, hard ones too, or in spellings that a disk takes for one."""
    one, other = (Path(os.path.realpath(expand(path))) for path in (one, other))
    try:
        if os.path.samefile(one, other):
            return True
    except OSError:  # one of them is still to be written
        pass
    spelled = [unicodedata.normalize("NFC", str(path)).casefold() for path in (one, other)]
    return spelled[0] == spelled[1]
