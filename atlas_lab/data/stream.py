"""The contents of a file, packed by gzip or not, in blocks: bounded, whatever the file claims of itself."""

import os
import zlib

import numpy as np

from atlas_lab.data.identify import HEAD, refuse_path
from atlas_lab.fast.memory import keep_freed_memory
from atlas_lab.files import DataError

try:
    from isal import isal_zlib as unpacker  # the same results in half of the time, where there is a build of it
except ImportError:
    unpacker = zlib

__all__ = ["LARGEST", "Damage", "Unfit", "blocks", "read_contents", "read_head", "unpacker", "unreadable"]

GZIP = b"\x1f\x8b"
BLOCK_IN, BLOCK_OUT = 2**18, 2**20  # bytes at a time, packed and unpacked
MEMBERS = 2**14      # parts of a gzip file: enough for half a GiB in parts of 64 KiB, as bgzip makes them
LARGEST = 2**29      # bytes of a volume, unpacked: 67 million voxels of 8 bytes; ATLAS's largest have 70 MB
MOST_PACKED = 1040   # deflate makes nothing smaller than by this factor


class Unfit(ValueError):
    """A file can't be used; the text says why, and what to do."""


class Damage(Unfit):
    """A file is not what its header, its checksum or its end say that it is."""


def blocks(file):
    """The contents of an open file, block after block. Raises Damage where its packing is broken."""
    if file.peek(2)[:2] == GZIP:
        return _unpacked(file)
    return iter(lambda: file.read(BLOCK_OUT), b"")


def _unpacked(file):
    """The contents of a gzip file of any number of members, each held against its own checksum.

    gzip's last word, the size of the contents, isn't asked: it is one member's, modulo 4 GiB, and anybody's claim.
    """
    data = file.read(BLOCK_IN)
    for _ in range(MEMBERS):
        member = unpacker.decompressobj(zlib.MAX_WBITS | 16)
        while not member.eof:
            try:
                block = member.decompress(data, BLOCK_OUT)
            except unpacker.error as error:
                raise Damage(f"its gzip stream is broken: {error}") from None
            if block:
                yield block
            elif not data:
                raise Damage("its gzip stream stops in its middle")
            data = member.unconsumed_tail
            if not data and not member.eof:
                data = file.read(BLOCK_IN)
                if file.tell() > 1.1 * LARGEST:
                    raise Unfit(f"it has over {LARGEST >> 20} MiB packed; no T1 volume or mask is so large")
        data = member.unused_data
        if len(data) < len(GZIP):  # no more than must be: it is copied for each member
            data += file.read(BLOCK_IN)
        if not data.strip(b"\0"):  # zeros may follow: tapes and copies by sectors leave them
            return
        if not data.startswith(GZIP):
            raise Damage("bytes that are not gzip follow its contents")
    raise Damage(f"its gzip stream has over {MEMBERS} members")


def read_head(path):
    """The first `HEAD` bytes of a file's contents, or all if there are fewer. Raises DataError if it has none."""
    refuse_path(path)
    try:
        with open(path, "rb") as file:
            return _take_head(blocks(file))
    except (OSError, Unfit) as error:
        raise unreadable(path, error) from None


def _take_head(stream):
    """The first `HEAD` bytes of a stream of blocks, or all if there are fewer."""
    data = b""
    for block in stream:
        data += block[:HEAD]
        if len(data) >= HEAD:
            break
    return data[:HEAD]


def read_contents(path, size_of):
    """The contents of a file, read whole, with every checksum held against them.

    Parameters
    ----------
    path : path
    size_of : callable
        Is given the first `HEAD` bytes, and returns how many there must be in all.

    Returns
    -------
    uint8 array of that size, perhaps read-only

    Raises
    ------
    DataError
        If the path is no file, if its packing is broken, a checksum errs, or more or fewer bytes come; memory is
        taken only where the header's claim can be true.
    """
    refuse_path(path)
    keep_freed_memory()  # the next file of a cohort needs as much
    size = 0
    try:
        with open(path, "rb") as file:
            is_packed = file.peek(2)[:2] == GZIP
            size = size_of(_take_head(blocks(file)))
            on_disk = os.fstat(file.fileno()).st_size
            _refuse_claim(size, on_disk, is_packed)
            file.seek(0)
            contents = _unpack_one(file.read(on_disk), size) if is_packed else None
            file.seek(0)
            return _fill(size, blocks(file)) if contents is None else contents
    except (OSError, Unfit) as error:
        raise unreadable(path, error) from None
    except MemoryError:
        raise DataError(f"{path}: not enough memory for its {size >> 20} MiB; close other programs") from None


def _unpack_one(data, size):
    """The contents of a gzip file of one member and the right size, by one call; None if it is any other file.

    Into memory of the right size is faster than in steps, and most files are such.
    """
    member = unpacker.decompressobj(zlib.MAX_WBITS | 16)
    try:
        contents = member.decompress(data, size + 1)
    except unpacker.error as error:
        raise Damage(f"its gzip stream is broken: {error}") from None
    is_whole = member.eof and len(contents) == size and not member.unused_data
    return np.frombuffer(contents, np.uint8) if is_whole else None


def _refuse_claim(size, on_disk, is_packed):
    """Raise Unfit if a file of `on_disk` bytes can't hold `size` bytes, or memory can't."""
    if size > LARGEST + 2**20:
        raise Unfit(f"its header claims {size >> 20} MiB and the lab takes {LARGEST >> 20}; resample it to 1 mm")
    if is_packed and size > on_disk * MOST_PACKED:
        raise Damage(f"its header claims {size} bytes, more than {on_disk} packed bytes can hold")
    if is_packed and on_disk > 1.1 * size + 2**20:
        raise Damage(f"its header claims {size} bytes, and {on_disk} packed bytes hold more")
    if not is_packed and size > on_disk:
        raise Damage(f"its header claims {size} bytes and the file has {on_disk}")
    free = _free_memory()
    if free is not None and 2 * size > free:
        raise Unfit(f"it needs {2 * size >> 20} MiB of memory and {free >> 20} are free; close other programs")


def _free_memory():
    """Bytes of memory that programs can still get, or None where the system doesn't tell (other than Linux)."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":") for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):
        return None


def _fill(size, stream):
    """Blocks put together to `size` bytes. Raises Damage if they are more or fewer."""
    contents, at = np.empty(size, np.uint8), 0
    for block in stream:
        if at + len(block) > size:
            raise Damage(f"it holds more than the {size} bytes that its header claims")
        contents[at : at + len(block)] = np.frombuffer(block, np.uint8)
        at += len(block)
    if at < size:
        raise Damage(f"it ends after {at} of the {size} bytes that its header claims")
    return contents


def unreadable(path, error):
    """The DataError for a file that can't be used: in one line, with the remedy."""
    if isinstance(error, OSError):
        return DataError(f"{path}: can't be read ({error.strerror or error}); check the disk or the connection to it")
    if isinstance(error, Damage):
        return DataError(f"{path}: can't be read as NIfTI ({error}); the file is damaged or incomplete: copy or unpack "
                         "it again")
    return DataError(f"{path}: {error}")
