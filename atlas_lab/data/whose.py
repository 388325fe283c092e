"""Whose data a file holds: an embedded cohort's, real lesions' in synthetic people, or a person's."""

import os
from functools import lru_cache
from pathlib import Path

from atlas_lab.data.state import read_json
from atlas_lab.files import SYNTHETIC_MARKER

__all__ = ["REAL_LESIONS", "cohort_marker", "made_with", "source_of_file"]

REAL_LESIONS = "real lesions in synthetic people"  # patients' all the same: their masks can be read off


def cohort_marker(path: str | Path) -> Path | None:
    """The marker of the embedded cohort that a file lies in, links followed; None for other files."""
    real = Path(os.path.realpath(path))
    return next((folder / SYNTHETIC_MARKER for folder in real.parents if (folder / SYNTHETIC_MARKER).is_file()), None)


def made_with(marker: Path) -> dict:
    """The settings that an embedded cohort was made with. Raises DataError for a damaged marker."""
    return _settings(marker, marker.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _settings(marker, changed):
    """What a marker's file says; `changed` is its time."""
    return read_json(marker, f"delete {marker.parent} to make the cohort anew")


def source_of_file(path: str | Path) -> str:
    """Whose data a file holds, as the write gate asks: "synthetic ..." if nobody's."""
    marker = cohort_marker(path)
    if marker is None:
        return f"{os.path.basename(os.path.realpath(path))}, a scan of a person"
    return REAL_LESIONS if made_with(marker).get("lesions") else "synthetic cohort, not patient data"
