"""Where the lab's files live, how they are written, and the one error that bad input raises."""

import hashlib
import json
import os
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SYNTHETIC_MARKER = "synthetic.json"  # lies in the release folder of an embedded cohort, and of no other


class DataError(ValueError):
    """Bad input. The message is one line: what was found, where, what was expected, what to do.

    Line breaks and other signs that can't be printed, as names of files may have them, are written as their codes.
    """

    def __init__(self, message: str):
        super().__init__("".join(
            sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in str(message)))


def lab_home():
    """Folder for everything derived (cohorts, slice stores, checkpoints): `ATLAS_LAB_HOME`, or data/ here."""
    if os.environ.get("ATLAS_LAB_HOME"):
        return Path(os.environ["ATLAS_LAB_HOME"]).expanduser()
    in_a_clone = (REPOSITORY / "pyproject.toml").exists()
    return REPOSITORY / "data" if in_a_clone else Path.home() / "atlas_lab_data"


def refuse_patients_in_repository(path, source):
    """Raise DataError if a file with patient images would land in the repository, data/ (git-ignored) left aside."""
    path = Path(path).resolve()
    if path.is_relative_to(REPOSITORY) and not path.is_relative_to(REPOSITORY / "data"):
        raise DataError(
            f"{path}: this would show patient images ({source}), and ATLAS's data use agreement forbids publishing "
            "them in the repository; choose a folder outside of it"
        )


@contextmanager
def atomic_path(path):
    """Give a temporary path beside `path` to write to; rename it onto `path` if all went well.

    The temporary name keeps all suffixes of `path`, because nibabel chooses the format by them. A reader
    therefore sees the old file, or no file, or the whole new one, whenever the writer is interrupted.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".writing-{os.getpid()}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path, text):
    """Write a text file, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path, values):
    """Write `values` as readable JSON, atomically."""
    write_text(path, json.dumps(values, indent=1) + "\n")


def digest(values):
    """Twelve hexadecimal digits that name a JSON-able value: equal values have equal digests."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
