"""What made a number: the random stream it was drawn from, the version of the code, the machine and its libraries."""

import hashlib
import os
import platform
from enum import IntEnum
from pathlib import Path

from atlas_lab.files import REPOSITORY
from atlas_lab.system.shipped import IN_A_CLONE
from atlas_lab.system.work_tree import git

__all__ = ["PACKAGE", "RunStream", "code_version", "environment", "made_by", "pick_device", "training_digest"]

PACKAGE = Path(__file__).parent
# What a training runs through, besides the core: checkpoints are tied to it alone, and outlive an edited widget.
TRAINED_BY = ("*.py", "experiment/*.py", "fast/*.py", "nets/*.py", "data/slicing.py", "data/intensity.py")
# Files among these that it doesn't: the package's doors, and what starts trainings or uses their networks.
BESIDE = ("__init__.py", "__main__.py", "cli.py", "check.py", "cohorts.py", *(f"experiment/{name}.py" for name in (
    "alone", "cluster", "estimate", "inference", "own_files", "own_scan", "people", "replay", "score_tables",
    "scored_scans", "settings", "sweep")))


class RunStream(IntEnum):
    """The random numbers of a run, besides its initial weights and its epochs: numpy's generator of [seed, stream]."""

    SCORED_TRAIN = 1            # which training slices are scored after each epoch
    SLICES_OF_KNOWN_PEOPLE = 2  # split "both": which slices of train's people go to dev
    PERMUTED_MASKS = 3          # whose masks a scan gets
    SCORED_SLICES = 4           # which 100 slices the public code scores
    PEOPLE = 5                  # who is left where a run has fewer people than the data


def pick_device() -> "torch.device":  # noqa: F821, torch takes a second to import
    """A CUDA device if there is one, else the processor."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def code_version() -> dict:
    """Which code made a number.

    commit (of git, if any), changed (whether files differ from it), and digests of all the package's Python files
    (package) and of those that a training runs through (training).
    """
    changed = _git("status", "--porcelain", "--", "atlas_lab")
    return {
        "commit": _git("rev-parse", "HEAD"),
        "changed": None if changed is None else bool(changed),
        "package": _digest_of(PACKAGE.rglob("*.py")),
        "training": training_digest(),
    }


def training_digest() -> str:
    """The digest of the files that a training runs through; a checkpoint asks for it after every epoch, and not git."""
    trained_by = {path for pattern in TRAINED_BY for path in PACKAGE.glob(pattern)}
    return _digest_of(trained_by - {PACKAGE / name for name in BESIDE})


def _digest_of(paths):
    """Sixteen hexadecimal digits for the names and contents of some of the package's files."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:16]


def _git(*arguments):
    """Output of a git command in the repository; None without git, or where the package is in no clone of its own."""
    code, said = git(REPOSITORY, *arguments) if IN_A_CLONE else (-1, "")
    return said if code == 0 else None


def environment(device=None) -> dict:
    """The machine and the libraries, as far as they can change the last digits of a result.

    `device` is what the run is on, by default the one that `pick_device` picks.
    """
    import numpy as np
    import torch

    device = torch.device(device or pick_device())
    return {
        "python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor_name(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(), "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }


def made_by(device=None) -> dict:
    """What made an epoch: threads, device, and the host as a digest of its name, so that hosts can be told apart."""
    import torch

    host = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    return {"threads": torch.get_num_threads(), "device": torch.device(device or pick_device()).type, "host": host}


def _processor_name():
    """The processor's model as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"
