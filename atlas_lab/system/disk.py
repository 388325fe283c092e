"""What a disk is asked beyond a file's contents: whether it takes one, or holds one, to keep room, to have it down."""

import errno
import os
import shutil
import stat
from pathlib import Path

__all__ = ["WHY", "expand", "free_for", "one_line", "read_plain", "same_place", "settle", "take_room"]

WHY = {
    errno.ENOSPC: "the disk is full", errno.EDQUOT: "your share of the disk is used up",
    errno.EFBIG: "the file would be too large for this disk", errno.EROFS: "the disk is read-only",
    errno.EACCES: "you may not write there", errno.EPERM: "you may not write there",
    errno.ENAMETOOLONG: "the name is too long", errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.ELOOP: "its links lead in a circle",
}


def expand(path: str | Path) -> Path:
    """A path with ~ for the home folder; a ~name that is nobody's stays as it is."""
    return Path(os.path.expanduser(path))


def one_line(text: object) -> str:
    """A text with its line breaks and other signs that can't be printed, as names of files may have them, as codes."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in str(text))


def read_plain(path: Path, most: int = 256_000_000) -> str:
    """The text of a regular file of at most so many bytes.

    Raises OSError for anything else, which isn't opened: a pipe is waited on for ever, and a device never ends.
    """
    about = os.stat(path)
    if not stat.S_ISREG(about.st_mode):
        raise OSError("a folder, not a file" if stat.S_ISDIR(about.st_mode) else "a pipe or a device, not a file")
    if about.st_size > most:
        raise OSError(f"{about.st_size / 1e6:,.0f} MB are too many")
    return path.read_text(encoding="utf-8")


def free_for(target: Path) -> int:
    """Bytes free where a file is to be made, links followed. Raises OSError if it can't be made there."""
    if target.is_symlink():  # followed already, so it must lead to itself
        raise OSError(errno.ELOOP, "", str(target))
    folder = next(parent for parent in target.parents if parent.exists())
    if not folder.is_dir():
        raise OSError(errno.ENOTDIR, "", str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        read_only = hasattr(os, "statvfs") and os.statvfs(folder).f_flag & os.ST_RDONLY
        raise OSError(errno.EROFS if read_only else errno.EACCES, "", str(folder))
    longest = os.pathconf(folder, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255
    if any(len(os.fsencode(part)) > longest for part in target.relative_to(folder).parts):
        raise OSError(errno.ENAMETOOLONG, "", str(target))
    return shutil.disk_usage(folder).free


def same_place(one: Path, other: Path) -> bool:
    """True for two spellings of one place, whether it exists yet or not."""
    try:
        return one == other or os.path.samefile(one, other)
    except OSError:
        return False


def take_room(path: Path) -> None:
    """Have the disk set aside all of a file's bytes: else a memory map of it kills its writer once the disk is full."""
    if hasattr(os, "posix_fallocate"):
        with open(path, "rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def settle(path: Path) -> None:
    """Have the disk write down a file, or the names in a folder, now: else a failing power leaves an empty file."""
    is_folder = path.is_dir()
    if is_folder and os.name == "nt":
        return  # Windows opens no folders
    file = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a disk that can't, such as some network drives
            raise
    finally:
        os.close(file)
