"""Where work of students may be written: never where git would take it up, and for its owner's eyes alone."""

import os
from pathlib import Path

from atlas_lab.files import REPOSITORY, DataError, lab_home
from atlas_lab.system.disk import expand
from atlas_lab.system.work_tree import tree_that_takes_up

__all__ = ["STUDENTS", "class_folder", "files_of", "links_of", "refuse_students_in_repository"]

STUDENTS = "work of students"  # whose data a file shows, for the gate: files of people are their owner's alone to read
MOST_FILES = 4000  # in a folder of a class; 40 people with 11 notebooks hand in about 500
DEPTH = 8  # folders below one another; a record lies in runs/ of a student's copy of the lab, say


def class_folder() -> Path:
    """Where results of a class go unless told otherwise: below `lab_home()`, which git ignores in a clone."""
    return lab_home() / "class"


def refuse_students_in_repository(path: str | Path, what: str = STUDENTS) -> Path:
    """The path, links followed; raises DataError if git would take up what lies or is written there.

    What students hand in, and what is drawn from it, is theirs: marks and pseudonyms don't belong in a history that
    is published and never forgets.
    """
    path = Path(os.path.realpath(expand(path)))
    tree = tree_that_takes_up(path, REPOSITORY)
    if tree is not None:
        raise DataError(f"{path}: {what} would lie in the repository {tree}, where git takes it up; choose a folder "
                        "outside of it, or one that git ignores")
    return path


def files_of(folder: Path, ending: str) -> list[Path]:
    """Plain files with an ending, in capitals or not, in a folder and DEPTH deep below it, in order of name.

    Links are passed over, so that nobody hands in another's file, or one of the machine's; so are hidden names.
    Raises DataError if the folder isn't there, lies where git takes it up, or holds more files than a class has.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; give the one with what the students handed in")
    refuse_students_in_repository(folder / "any")
    found = [Path(entry.path) for entry in _walk(folder, DEPTH)
             if _ends(entry, ending) and entry.is_file(follow_symlinks=False)]
    if len(found) > MOST_FILES:
        raise DataError(f"{folder}: more than {MOST_FILES} files; give the folder of one class")
    return sorted(found)


def links_of(folder: Path, ending: str) -> list[Path]:
    """The links that `files_of` passes over: those with the ending, and those to folders."""
    return sorted(Path(entry.path) for entry in _walk(folder, DEPTH)
                  if entry.is_symlink() and (_ends(entry, ending) or entry.is_dir()))


def _ends(entry, ending):
    """True if a name has an ending, in capitals or not."""
    return entry.name.lower().endswith(ending)


def _walk(folder, depth):
    """What isn't hidden, in the order of the disk; links are given, and not followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False) and depth > 1:
                yield from _walk(entry.path, depth - 1)
            else:
                yield entry
