"""What a run leaves behind: its settings, its numbers, and all that made them."""

import base64
import hashlib
import math
import os
import platform
import subprocess
import zlib
from dataclasses import asdict, dataclass, field

import numpy as np
import torch

from atlas_lab.config import RunConfig, run_name
from atlas_lab.files import REPOSITORY
from atlas_lab.hardware import pick_device


@dataclass
class Run:
    """The record of one training run; `save_run` writes it as one JSON file.

    Attributes
    ----------
    config : RunConfig
    history : list of dict, one per epoch
        epoch (from 1), learning_rate, step_loss (mean over the epoch's steps, dropout on), seconds, and for
        train and dev: loss, mean_dice, first_100 (see `first_slices_dice`), precision, recall, area_ratio,
        measured with dropout off. Train is measured on as many slices as dev has, chosen once at random.
    final : dict
        train and dev after the last epoch: score -> value with a 95 % interval (low, high) that resamples
        subjects; also dev_seen and dev_unseen where dev has subjects that train has and subjects it has not,
        and dev_exact, against the masks as drawn, where the run has them through JPEG.
    split : dict
        n_train, n_dev (slices), dev_subjects, shared_subjects (subjects with slices on both sides),
        neighbour_exposure (see `neighbour_exposure`).
    data : dict
        source, n_scans, n_slices, lesion_slices, hash.
    code, environment : dict
        What made the numbers; see `code_version` and `environment`.
    seconds : float
        Time spent in all epochs, evaluation included.
    examples : dict
        What the trained network predicts on a few of dev's slices: rows (of the store), and masks, as
        `pack_masks` gives them. Runs with the same data, split and seed have the same rows.
    """

    config: RunConfig
    history: list
    final: dict
    split: dict
    data: dict
    code: dict
    environment: dict
    seconds: float
    examples: dict = field(default_factory=dict)

    @property
    def name(self):
        """The record's file name without its ending."""
        return run_name(self.config)

    def curve(self, score="mean_dice", part="dev"):
        """One score of the history, an array with one number per epoch; NaN where it was not defined."""
        return np.array([entry[part][score] for entry in self.history], dtype=float)


def pack_masks(masks):
    """Masks (N, H, W) as {"shape", "bits"}: one bit a pixel, compressed, as text that JSON can hold."""
    masks = np.asarray(masks, dtype=bool)
    return {"shape": list(masks.shape), "bits": base64.b64encode(zlib.compress(np.packbits(masks), 9)).decode()}


def unpack_masks(packed):
    """The masks that `pack_masks` packed, bool (N, H, W)."""
    bits = np.frombuffer(zlib.decompress(base64.b64decode(packed["bits"])), np.uint8)
    return np.unpackbits(bits, count=math.prod(packed["shape"])).reshape(packed["shape"]).astype(bool)


def run_to_dict(run):
    """A Run as plain values for JSON. NaN, which JSON doesn't have, becomes null."""
    return without_nan(asdict(run))


def run_from_dict(values):
    """A Run from what `run_to_dict` gave."""
    return Run(**{**values, "config": RunConfig(**values["config"])})


def without_nan(value):
    """Nested dicts and lists with None in place of NaN and infinity."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def code_version():
    """Which code made a number: the git commit, if any, whether files differ from it, a digest of the package."""
    sources = hashlib.sha256()
    for path in sorted((REPOSITORY / "atlas_lab").glob("*.py")):
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
