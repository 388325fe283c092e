"""Unpacking an archive of patients' data that nobody vouches for: plain files and folders only, of bounded size, and
into one folder that is its owner's alone and marked as incomplete until all is there.
"""

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from atlas_lab.data.state import read_json
from atlas_lab.files import SYNTHETIC_MARKER, DataError, digest, lab_home, write_json

__all__ = ["INCOMPLETE", "incomplete_folder", "is_incomplete", "noted_folders", "refuse_taken", "unpack"]

INCOMPLETE = ".incomplete-atlas-lab"  # file in a folder that is being unpacked to, or was when its process was killed
NOTES = "unlocking"                   # folder in lab_home() that says where such folders are
BLOCK = 1 << 16
MOST_MEMBERS = 200_000      # R2.1 has some 4,000
LARGEST_MEMBER = 4 << 30    # bytes; volumes have 70 MB
LARGEST_TOTAL = 400 << 30
LARGEST_HEADER = 4 << 20    # bytes that the description of a member may take, long names included
SPARE = 1 << 20             # bytes that stay free


@contextmanager
def incomplete_folder(out: Path) -> Iterator[Path]:
    """A folder, empty, private and marked, to unpack to; what an earlier call left incomplete in it is removed first.

    The mark goes when all went well; otherwise the folder is left as it was found: empty, or missing.

    Raises
    ------
    DataError
        If the folder holds something else.
    """
    refuse_taken(out)
    existed = out.exists()
    if is_incomplete(out):
        _empty(out)
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    out.chmod(0o700)
    note = lab_home() / NOTES / f"{digest(str(out))}.json"
    with suppress(DataError):  # a home that can't be written to: then the same command alone finds the folder again
        write_json(note, {"folder": str(out)})
    (out / INCOMPLETE).touch()
    try:
        yield out
        if hasattr(os, "sync"):
            os.sync()  # the bytes before the mark goes
        (out / INCOMPLETE).unlink()
    except BaseException:
        _empty(out)
        if not existed:
            out.rmdir()
        raise
    finally:
        note.unlink(missing_ok=True)
        with suppress(OSError):  # folders that only the note was in
            note.parent.rmdir()
            note.parent.parent.rmdir()


def refuse_taken(out: Path) -> None:
    """Raise DataError if something lies at a path that is not an empty folder or one left incomplete."""
    if out.exists() and not is_incomplete(out) and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: is there already; name a folder that is empty or does not exist")


def is_incomplete(folder: Path) -> bool:
    """True if an archive was being unpacked into a folder and the end never came."""
    try:
        return (folder / INCOMPLETE).is_file()
    except OSError:  # a folder that this user may not enter
        return False


def noted_folders() -> list[Path]:
    """The folders that are incomplete, as far as their unpacking was noted in `lab_home()`."""
    found = []
    for note in sorted((lab_home() / NOTES).glob("*.json")):
        with suppress(DataError, KeyError, TypeError):
            found.append(Path(read_json(note, "")["folder"]))
    return [folder for folder in found if is_incomplete(folder)]


def _empty(folder: Path) -> None:
    """Remove all that is in a folder, its mark last; links go, what they lead to stays."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name == INCOMPLETE):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def unpack(stream, out: Path, archive: Path) -> None:
    """Unpack a tar stream into an empty folder. Raises DataError for a member that no release has.

    Parameters
    ----------
    stream : object with read(size), and `allowance`, the bytes that it may still give or None
    """
    total, count = 0, 0
    stream.allowance = LARGEST_HEADER  # opening reads the first description
    with tarfile.open(fileobj=stream, mode="r|", bufsize=BLOCK) as tar:
        while True:
            stream.allowance = LARGEST_HEADER
            member = tar.next()
            if member is None:
                break
            total, count = total + member.size, count + 1
            target = out / _place(member, archive)
            if count > MOST_MEMBERS or member.size > LARGEST_MEMBER or total > LARGEST_TOTAL:
                raise DataError(f"{archive}: {member.name!r} makes it {count:,} files and {total / 1e9:,.0f} GB; no "
                                "release is so large, so this is not an archive of ATLAS")
            stream.allowance = None
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
            else:
                _write(tar.extractfile(member), member.size, target, archive)
            tar.members = []  # tarfile keeps them all
    stream.allowance = None


def _place(member: tarfile.TarInfo, archive: Path) -> PurePosixPath:
    """Where a member belongs below the folder. Raises DataError if it is none that may be unpacked."""
    place = PurePosixPath(member.name.lstrip("/"))
    kind = None
    if not (member.isdir() or member.isfile()) or member.issparse():
        kind = "is a link, a device or a file with holes"
    elif ".." in place.parts or (os.name == "nt" and set(member.name) & set("\\:")):
        kind = "would be written outside of the folder"
    elif {part.lower() for part in place.parts} & {INCOMPLETE, SYNTHETIC_MARKER, ".git"}:
        kind = "has a name by which the lab or git would be misled"
    if kind:
        raise DataError(f"{archive}: its member {member.name!r} {kind}; this is not an archive of ATLAS")
    return place


def _write(source, size: int, target: Path, archive: Path) -> None:
    """Write one member as a new file, once it is known that the disk has room for it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(target.parent).free < size + SPARE:
        raise DataError(f"{target}: {size / 1e6:,.0f} MB are needed and there is no such room; make room there, or "
                        "name a folder on another disk")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        file = os.open(target, flags, 0o600)
    except FileExistsError:
        raise DataError(f"{archive}: holds {target.name!r} twice in one folder; this is not an archive of ATLAS"
                        ) from None
    with open(file, "wb") as copy:
        shutil.copyfileobj(source, copy, BLOCK)
