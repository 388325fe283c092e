"""The lab's own small files, read back: whole, or refused in one line that says what to delete."""

import json
from pathlib import Path

from atlas_lab.files import DataError
from atlas_lab.system.disk import read_plain

__all__ = ["read_json"]


def read_json(path: Path, remedy: str) -> dict:
    """The object in a JSON file of the lab's own. Raises DataError, with the remedy, if the file holds none."""
    try:
        values = json.loads(read_plain(path))
        problem = None if isinstance(values, dict) else f"holds a {type(values).__name__}, not an object"
    except (OSError, ValueError, RecursionError) as error:  # also text that is no UTF-8, or nested too deeply
        problem = " ".join(str(error).split())
    if problem:
        raise DataError(f"{path} is damaged ({problem}); {remedy}")
    return values
