"""What made a number: the version of the code, the machine and its libraries."""

import hashlib
import os
import platform
import subprocess

import numpy as np
import torch

from atlas_lab.files import REPOSITORY


def pick_device():
    """A CUDA device if there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def code_version():
    """Which code made a number: the git commit, if any, whether files differ from it, a digest of the package."""
    sources = hashlib.sha256()
    for path in sorted((REPOSITORY / "atlas_lab").rglob("*.py")):
        sources.update(path.read_bytes())
    changed = git("status", "--porcelain", "--", "atlas_lab")
    return {
        "commit": git("rev-parse", "HEAD"),
        "changed": None if changed is None else bool(changed),
        "package": sources.hexdigest()[:16],
    }


def git(*arguments):
    """Output of a git command in the repository; None where there is no git or no repository."""
    try:
        done = subprocess.run(["git", "-C", REPOSITORY, *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def environment(device=None):
    """The machine and the libraries, as far as they can change the last digits of a result.

    `device` is what the run is on, by default the one that `pick_device` picks.
    """
    device = torch.device(device or pick_device())
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor_name(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }


def processor_name():
    """The processor's model as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"
