"""What a class has handed in: each student's notebooks that are graded, and why each other one is not."""

import re
from dataclasses import dataclass
from pathlib import Path

from atlas_lab.course.class_build import parts_of_the_course
from atlas_lab.course.class_files import files_of, links_of
from atlas_lab.files import DataError

__all__ = ["Inbox", "LeftOut", "read_inbox"]

ENDING = ".ipynb"
PART = re.compile(r"(\d\d)_.*\.ipynb", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class LeftOut:
    """A notebook that isn't graded.

    Attributes
    ----------
    student : str
        In whose folder it lies; "" if in none.
    part : str
        As its name says; "" if it says none.
    path : path
        From the folder of the class on.
    why : str
        In words, with what to do.
    """

    student: str
    part: str
    path: Path
    why: str


@dataclass(frozen=True)
class Inbox:
    """Student -> part -> the notebook that is graded, for a student with none an empty dict; and what is left out."""

    students: dict[str, dict[str, Path]]
    left_out: list[LeftOut]


def read_inbox(folder: Path) -> Inbox:
    """Find each student's notebooks, in whatever folder below the student's.

    Of several of one part, that with the name as built counts, and not Jupyter's copy of it; then the one less deep.
    Raises DataError if no student has a folder, and as `files_of` does.
    """
    files = files_of(folder, ENDING)
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.is_symlink()
                   and not path.name.startswith("."))
    if not names:
        raise DataError(f"{folder}: no folders in it; each student's notebooks are wanted in a folder of their own")
    inbox = Inbox({name: {} for name in names}, [])
    built = {part: path.name.lower() for part, path in parts_of_the_course().items()}
    places = [path.relative_to(folder) for path in files]
    for place in sorted(places, key=lambda place: (place.name.lower() not in built.values(), len(place.parts), place)):
        part = _part(place, built)
        mine = inbox.students.get(_student(place), {})
        why = _why_not(place, part, built, mine.get(part))
        if why:
            inbox.left_out.append(LeftOut(_student(place), part, place, why))
        else:
            mine[part] = place
    for link in links_of(folder, ENDING):
        place = link.relative_to(folder)
        why = "a link, which isn't followed; put in its place what it leads to"
        inbox.left_out.append(LeftOut(_student(place), _part(place, built), place, why))
    students = {name: {part: folder / place for part, place in mine.items()} for name, mine in inbox.students.items()}
    return Inbox(students, inbox.left_out)


def _student(place):
    """In whose folder a file lies; "" if in none."""
    return place.parts[0] if len(place.parts) > 1 else ""


def _part(place, built):
    """The part that a notebook's name says; "" if it says none of the course."""
    found = PART.fullmatch(place.name)
    return found[1] if found and found[1] in built else ""


def _why_not(place, part, built, graded):
    """Why a notebook isn't graded, or ""; beside the one that is, if there is one already."""
    if not _student(place):
        return "it lies in no student's folder; move it into one"
    if not part:
        return f"its name begins with no part of the course; name it as it was built, such as {min(built.values())}"
    return f"{graded} is graded in its place" if graded else ""
