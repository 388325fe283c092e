"""Where the lab's files live, the one gate through which they are written, and the one error that bad input raises."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from atlas_lab.system.disk import WHY, expand, free_for, one_line, same_place, settle

__all__ = [
    "REPOSITORY", "SYNTHETIC_MARKER", "TRUTH_FOLDER", "DataError", "atomic_path", "check_target", "digest",
    "lab_home", "refuse_patients_in_repository", "working_on", "write_json", "write_text",
]

REPOSITORY = Path(__file__).resolve().parents[1]
SYNTHETIC_MARKER = "synthetic.json"  # lies in the release folder of an embedded cohort, and of no other
TRUTH_FOLDER = "truth"  # beside that marker: the true lesions, of which the masks are a rater's drawings
SPARE = 2**20  # bytes that must stay free on a disk beyond what a file is known to need


class DataError(ValueError):
    """Bad input. The message is one line: what was found, where, what was expected, what to do.

    Line breaks and other signs that can't be printed, as names of files may have them, are written as their codes.
    """

    def __init__(self, message: str):
        super().__init__(one_line(message))


def lab_home() -> Path:
    """Folder for everything derived (cohorts, slice stores, checkpoints): `ATLAS_LAB_HOME`, or data/ here."""
    if os.environ.get("ATLAS_LAB_HOME"):
        return expand(os.environ["ATLAS_LAB_HOME"])
    in_a_clone = (REPOSITORY / "pyproject.toml").exists()
    return REPOSITORY / "data" if in_a_clone else Path.home() / "atlas_lab_data"


def refuse_patients_in_repository(path: str | Path, source: str) -> None:
    """Raise DataError if a file with patient images would land where git takes it up, or in this repository.

    Links are followed, and folders compared as the file system does, so that no other spelling gets by. Allowed are
    paths that git ignores, as data/ here, and work trees that say so: git config atlas-lab.patients true.
    """
    from atlas_lab.system.work_tree import ALLOW, tree_that_takes_up

    path = Path(os.path.realpath(expand(path)))
    tree = tree_that_takes_up(path, REPOSITORY)
    if tree is not None:
        raise DataError(
            f"{path}: this would show patient images ({source}) in the repository {tree}, and ATLAS's data use "
            "agreement forbids publishing them; choose a folder outside of it, or one that git ignores (or allow it, "
            f"in a repository that stays private: git config {ALLOW} true)"
        )


def _is_patients(shows: str | None) -> bool:
    """True if a file that shows somebody's data shows a patient's: whatever isn't synthetic counts as such."""
    return bool(shows) and not shows.startswith("synthetic")


def check_target(path: str | Path, shows: str | None = None, room: int = 0) -> Path:
    """Find out before any work whether a file can be written; returns its path, links followed.

    Parameters
    ----------
    path : path of a file, which may exist and whose folder may not
    shows : str, optional
        Whose data the file shows, as `source_of` and `source_of_file` say it; None for nobody's. Whatever is not
        synthetic counts as a patient's.
    room : int
        Bytes that the file will need.

    Raises
    ------
    DataError
        If patients' data would land in the repository, if the path is a folder, a device or below a file, if one
        may not write there, if the name is too long, or if the disk has less room.
    """
    target = Path(os.path.realpath(expand(path)))
    if _is_patients(shows):
        refuse_patients_in_repository(target, shows)
    with _told_in_one_line(target):
        if target.exists() and not target.is_file():
            kind = "folder" if target.is_dir() else "device or a pipe"
            raise DataError(f"{target} is a {kind}; give the name of a file")
        if target.exists() and not target.stat().st_mode & 0o222:
            raise DataError(f"{target}: write-protected, so it isn't replaced; name another, or: chmod u+w")
        free = free_for(target)
    if free < room + SPARE:
        needed = f"about {room / 1e6:,.0f} MB are" if room >= 1e6 else "room is"
        raise DataError(f"{target}: {needed} needed and {free / 1e6:,.1f} MB free; {_remedy(target)}")
    return target


@contextmanager
def atomic_path(path: str | Path, shows: str | None = None, room: int = 0) -> Iterator[Path]:
    """The gate for all that the lab writes: give a temporary path to write to, rename it onto `path` if all went well.

    The temporary file lies beside `path`, in a folder that only its owner can look into and whose name nobody can
    guess; it keeps the suffixes of `path`, because nibabel chooses the format by them. A reader therefore sees the
    old file, or no file, or the whole new one, whenever the writer is interrupted or the power fails; what a killed
    writer leaves, the next in that folder removes. A link is followed, not replaced. Patients' files are their
    owner's alone to read.

    Parameters and errors as `check_target`; an OSError while the file is written becomes a DataError too.
    """
    from atlas_lab.system.locks import private_folder

    target = check_target(path, shows, room)
    with ExitStack() as stack:
        with _told_in_one_line(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = stack.enter_context(private_folder(target.parent)) / "".join([".new", *target.suffixes[-2:]])
        with _told_in_one_line(target):
            yield temporary
            if _is_patients(shows):
                temporary.chmod(0o600)
            settle(temporary)
            os.replace(temporary, target)
            settle(target.parent)


@contextmanager
def _told_in_one_line(target: Path) -> Iterator[None]:
    """Turn an OSError about a target, its folders or its temporary file into a DataError that says what to do."""
    try:
        yield
    except (OSError, RuntimeError) as raised:
        error = raised
        while error and not isinstance(error, OSError):  # torch raises its own error while it handles the system's
            error = error.__cause__ or error.__context__
        if error is None or (isinstance(error.filename, str) and not _is_about(Path(error.filename), target)):
            raise  # of something else, such as a file that the writer was reading
        raise _unwritable(target, error) from raised


def _unwritable(target: Path, error: OSError) -> DataError:
    """What to say of a target that can't be written to."""
    why = WHY.get(error.errno, error.strerror or str(error) or type(error).__name__)
    return DataError(f"{target}: can't be written: {why}; {_remedy(target, error.errno)}")


@contextmanager
def working_on(path: Path, doing: str) -> Iterator[bool]:
    """Make, or fill, a folder alone; True if another process did so and was waited for (see `system.locks.locked`).

    Raises DataError where no lock can be put, such as on a disk that is read-only.
    """
    from atlas_lab.system.locks import locked

    with ExitStack() as stack:
        try:
            waited = stack.enter_context(locked(path, doing))
        except OSError as error:
            raise _unwritable(path, error) from error
        yield waited


def _is_about(path: Path, target: Path) -> bool:
    """True if a path is a target, a folder above it, or the temporary file that stands in for it."""
    from atlas_lab.system.locks import PRIVATE

    return any(same_place(path, place) for place in (target, *target.parents)) or PRIVATE in path.as_posix()


def _remedy(target: Path, number: int | None = errno.ENOSPC) -> str:
    """What to do so that a file can be written, after an error of that number."""
    if number not in WHY or number in (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP):
        return "name another place"
    is_derived = target.is_relative_to(os.path.realpath(lab_home()))
    place = "set ATLAS_LAB_HOME to" if is_derived else "name"
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"make room there, or {place} a folder on another disk"
    return f"{place} a folder that you may write to"


def write_text(path: str | Path, text: str, shows: str | None = None) -> None:
    """Write a text file through `atomic_path`; what UTF-8 can't hold, as names of files may have it, as its code."""
    with atomic_path(path, shows) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | Path, values: object, shows: str | None = None) -> None:
    """Write `values` as readable JSON through `atomic_path`."""
    write_text(path, json.dumps(values, indent=1) + "\n", shows)


def digest(values: object) -> str:
    """Twelve hexadecimal digits that name a JSON-able value: equal values have equal digests."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]
