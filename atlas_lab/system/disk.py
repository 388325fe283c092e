"""What a disk is asked for beyond writing: to keep room for a file, and to have it down when a call returns."""

import errno
import os
from pathlib import Path

__all__ = ["settle", "take_room"]


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
