"""Unlocking the archive that ATLAS is handed out as: a tar.gz that openssl encrypted with a key from the data owners.

openssl's file format says neither which digest made the key nor whether PBKDF2 did, and the wrong one ends in "bad
decrypt": the commonest question that users of ATLAS ask in public. So all of them are tried on the first bytes.
"""

import base64
import binascii
import os
import tarfile
import zlib
from pathlib import Path

from atlas_lab.data.unpack import incomplete_folder, refuse_taken, unpack
from atlas_lab.files import DataError, refuse_patients_in_repository
from atlas_lab.system.disk import expand
from atlas_lab.system.locks import locked
from atlas_lab.system.progress import bar

__all__ = ["Decrypted", "unlock"]

MAGIC = b"Salted__"       # what openssl puts in front of the salt
GZIP = b"\x1f\x8b\x08"
SCHEMES = {               # as the options of `openssl enc -d -aes-256-cbc` name them
    "-md sha256": ("sha256", False),
    "-md md5": ("md5", False),
    "-pbkdf2 -md sha256": ("sha256", True),
    "-pbkdf2 -md md5": ("md5", True),
}
BLOCK = 1 << 18  # bytes at a time


def unlock(archive: str | Path, out: str | Path, key: str, progress: bool = True) -> str:
    """Decrypt and unpack an archive, in one stream, into a folder that only its owner can enter.

    Until all of it is there the folder is marked as incomplete: `find_scans` refuses it, the same call starts it anew,
    and `atlas-lab clean` removes it. Nothing decrypted is written anywhere else.

    Parameters
    ----------
    archive : path
        Of an aes-256-cbc archive made by openssl, in binary or in base64.
    out : path
        Folder to unpack to; it must be empty, incomplete or not exist.
    key : str
        Neither shown nor kept.

    Returns
    -------
    str
        The options of openssl that fitted, as in "-a -md sha256".

    Raises
    ------
    DataError
        If the file is no such archive, the key doesn't fit, the file is incomplete, a member is a link, a device or
        too large or would leave the folder, the disk is full, `out` holds something, or git would take it up. Nothing
        is left behind then.
    """
    archive, out = expand(archive), Path(os.path.realpath(expand(out)))
    if not archive.is_file():
        raise DataError(f"{archive}: no such file; expected the encrypted archive of ATLAS")
    refuse_taken(out)
    salt, is_base64 = _read_head(archive)
    refuse_patients_in_repository(out / "scan", "scans of ATLAS")
    scheme, cipher_of = _find_scheme(archive, salt, is_base64, key)
    try:
        with locked(out, "unlocking an archive to"), incomplete_folder(out), \
                bar(None, "unlocking", archive.stat().st_size, progress, unit="B", unit_scale=True) as shown:
            _extract(Decrypted(archive, is_base64, cipher_of(), shown.update), out, archive)
    except OSError as error:
        raise DataError(f"{error.filename or out}: can't be unpacked there: {error.strerror or error}; name another "
                        "folder with --out") from error
    return f"{'-a ' if is_base64 else ''}{scheme}"


def _read_head(archive):
    """The salt, and whether the file is base64. Raises DataError if openssl has not made the file."""
    with open(archive, "rb") as file:
        head = file.read(64)
    if head.startswith(MAGIC):
        return head[8:16], False
    try:
        decoded = base64.b64decode(head.split(b"\n")[0][: len(head.split(b"\n")[0]) // 4 * 4], validate=True)
    except binascii.Error:
        decoded = b""
    if decoded.startswith(MAGIC):
        return decoded[8:16], True
    if head.startswith(GZIP) or tarfile.is_tarfile(archive):
        raise DataError(f"{archive}: is not encrypted; unpack it with tar -xf, no key is needed")
    raise DataError(
        f"{archive}: is not an archive that openssl has encrypted (its first bytes are not '{MAGIC.decode()}', nor "
        "that in base64); download it again"
    )


def _find_scheme(archive, salt, is_base64, key):
    """The options under which the first bytes decrypt to gzip, and a function that gives the cipher for them."""
    for name, (digest, pbkdf2) in SCHEMES.items():
        secret, iv = _derive(key.encode(), salt, digest, pbkdf2)

        def cipher(secret=secret, iv=iv):
            from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

            return Cipher(algorithms.AES(secret), modes.CBC(iv)).decryptor()

        start = next(_ciphertext(archive, is_base64), b"")[:16]
        if len(start) == 16 and cipher().update(start).startswith(GZIP):
            return name, cipher
    raise DataError(
        f"{archive}: the key does not fit (tried {', '.join(SCHEMES)}): check it for missing or additional characters, "
        "and that it belongs to this release; if it does, the file is damaged: download it again"
    )


def _derive(key, salt, digest, pbkdf2):
    """Key (32 bytes) and initial vector (16 bytes) as openssl derives them (EVP_BytesToKey, or PBKDF2 10,000 times)."""
    import hashlib

    if pbkdf2:
        both = hashlib.pbkdf2_hmac(digest, key, salt, 10_000, 48)
    else:
        block = both = b""
        while len(both) < 48:
            block = hashlib.new(digest, block + key + salt).digest()
            both += block
    return both[:32], both[32:48]


def _ciphertext(archive, is_base64, count=lambda size: None):
    """The encrypted bytes after the salt, in blocks; `count` is told how much of the file was read."""
    skip, rest = 16, b""
    with open(archive, "rb") as file:
        while block := file.read(BLOCK):
            count(len(block))
            if is_base64:
                block = rest + block.translate(None, b"\r\n")
                whole = len(block) // 4 * 4
                block, rest = base64.b64decode(block[:whole]), block[whole:]
            yield block[skip:]
            skip = max(0, skip - len(block))


class Decrypted:
    """The decrypted and gunzipped archive as a stream that tarfile can read, a bounded piece at a time.

    `allowance` is how many bytes it may still give, or None: a header can claim to be as long as it likes.
    """

    def __init__(self, archive, is_base64, cipher, count):
        self.blocks, self.cipher = _ciphertext(archive, is_base64, count), cipher
        self.gunzip, self.packed, self.ready, self.allowance = zlib.decompressobj(31), b"", memoryview(b""), None

    def read(self, size):
        """The next `size` bytes, fewer at the end. Raises EOFError if the archive ends too early."""
        if self.allowance is not None:
            self.allowance -= size
            if self.allowance < 0:
                raise ValueError("a member's description is longer than any release has them")
        pieces = []
        while size and (self.ready or self._unpack()):
            pieces.append(self.ready[:size])
            self.ready = self.ready[size:]  # a view: nothing is copied
            size -= len(pieces[-1])
        return b"".join(pieces)

    def _unpack(self):
        """Get the next bytes ready; False at the end."""
        while not self.ready and not self.gunzip.eof:
            if not self.packed:
                block = next(self.blocks, None)
                if block is None:
                    raise EOFError("the archive ends before its contents do")
                self.packed = self.cipher.update(block)
            self.ready = memoryview(self.gunzip.decompress(self.packed, BLOCK))
            self.packed = self.gunzip.unconsumed_tail
        return bool(self.ready)

    def close(self):
        """Asked for by tarfile."""


def _extract(stream, out, archive):
    """Unpack a tar stream into a folder. Raises DataError if it is damaged or holds what it shouldn't."""
    try:
        unpack(stream, out, archive)
        while stream.read(BLOCK):  # up to gzip's checksum, which tells whether all of it came
            pass
    except DataError:
        raise
    except (EOFError, tarfile.TarError, zlib.error, binascii.Error, ValueError) as error:
        raise DataError(
            f"{archive}: the key fits, but the file is incomplete or damaged ({error}); download it again"
        ) from error
