"""Folders that were not filled to the end: half an archive, or half a synthetic cohort, is no data set."""

from collections.abc import Sequence
from pathlib import Path

from atlas_lab.data.unpack import is_incomplete
from atlas_lab.files import SYNTHETIC_MARKER, DataError

__all__ = ["MAKING", "refuse_unfinished"]

MAKING = ".making"  # folder with the settings and finished subjects of a synthetic cohort that isn't complete yet


def refuse_unfinished(root: Path, volumes: Sequence[Path]) -> None:
    """Raise DataError if a folder, one above it, or one below that has volumes, was not filled to the end.

    A cohort that isn't complete lacks its marker, and its people would be taken for patients.
    """
    below = {folder for path in volumes for folder in path.parents if root in folder.parents}
    for folder in (root, *root.parents, *sorted({*root.glob("*/"), *below})):
        if is_incomplete(folder):
            raise DataError(f"{folder}: its archive was not unpacked to the end; unlock it into that folder once more, "
                            "or remove it with atlas-lab clean")
        if _is_being_made(folder):
            raise DataError(f"{folder}: this synthetic cohort is being made, or was not made to the end; wait, or make "
                            "it once more with the same arguments: it goes on where it stopped")


def _is_being_made(folder):
    """True if a cohort was begun in a folder and has no marker yet."""
    try:
        return (folder / MAKING / "settings.json").is_file() and not (folder / SYNTHETIC_MARKER).exists()
    except OSError:  # a folder that this user may not enter
        return False
