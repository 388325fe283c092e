"""Run records on disk, sweeps over many runs, and the check of a live run against its record."""

import hashlib
import json
import os
import sys
import threading
import time
from dataclasses import MISSING, dataclass, fields, replace
from multiprocessing.managers import SyncManager
from pathlib import Path

import numpy as np

from atlas_lab.config import check_config, run_name
from atlas_lab.files import REPOSITORY, DataError, atomic_path, lab_home
from atlas_lab.hardware import pick_device
from atlas_lab.record import Run, run_from_dict, run_to_dict

RECORDS = REPOSITORY / "figures" / "runs"  # the records that the lab ships: embedded cohort only
# On another kind of processor, or with other libraries, sums are rounded in another order, and two trainings
# drift apart step by step. With a processor's instruction sets restricted (AVX-512, AVX2, none) the Dice of the
# first three epochs differed by at most 0.0002, and that of ten epochs by at most 0.016.
TOLERANCES = {3: 0.002, 10: 0.03}  # the largest difference in Dice allowed in the first so many epochs
# Dice is still 0 after the first epoch of most runs, whatever they do, but the loss is not. With other instruction sets
# it differed by at most 0.4 %, between two settings nearly always by more than 2 %.
LOSS_TOLERANCE = 0.01  # the largest relative difference in the loss of the first epoch
SCORES = ("loss", "mean_dice", "precision", "recall", "area_ratio")


def runs_folder():
    """Where new records go unless told otherwise: below `lab_home()`, outside of the repository's own."""
    return lab_home() / "runs"


def save_run(run, folder=None):
    """Write a record as folder/NAME.json, atomically, with a checksum of its contents, and return the path."""
    path = Path(folder or runs_folder()) / f"{run.name}.json"
    values = run_to_dict(run)
    with atomic_path(path) as temporary:
        temporary.write_text(record_text({**values, "checksum": checksum(values)}), encoding="utf-8")
    return path


def record_text(values):
    """A record as JSON with one line for each field, and in the history one for each epoch."""
    texts = {name: json.dumps(value) for name, value in values.items()}
    texts["history"] = "[\n  " + ",\n  ".join(map(json.dumps, values["history"])) + "\n ]"
    return "{\n" + ",\n".join(f" {json.dumps(name)}: {text}" for name, text in texts.items()) + "\n}\n"


def checksum(values):
    """SHA-256 of a record's values, the checksum itself left out, as 16 hexadecimal digits."""
    text = json.dumps({name: value for name, value in values.items() if name != "checksum"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_run(path):
    """Read one record. Raises DataError if it is none, lacks a field, or was changed after it was written.

    Fields of Run that have a default may be missing: earlier code did not write them.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        found = values.pop("checksum", None)
        missing = [field.name for field in fields(Run) if field.default_factory is MISSING and field.name not in values]
        if missing:
            raise DataError(f"{path}: not a run record: {', '.join(missing)} missing; make it anew")
        if found != checksum(values):
            raise DataError(
                f"{path}: the contents don't fit the checksum ({found}, counted {checksum(values)}): the record was "
                "changed after it was written; restore it, or make it anew"
            )
        return run_from_dict(values)
    except DataError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path}: not a run record ({type(error).__name__}: {error})") from error


def load_runs(folder=None, **settings):
    """All records of a folder, in order of name, that have the given settings: load_runs(split_by="subject").

    Parameters
    ----------
    folder : path, optional
        By default the records that the lab ships.
    settings
        Fields of RunConfig and the value wanted.
    """
    runs = [load_run(path) for path in sorted(Path(folder or RECORDS).glob("*.json"))]
    return [run for run in runs if all(getattr(run.config, name) == value for name, value in settings.items())]


def sweep(configs, store, folder=None, jobs=2, report=print):
    """Train many configs side by side, one single-threaded process each, and save a record of each.

    Two processes of one thread do more than one of two threads, and one thread gives the same numbers on
    machines with any number of cores. Configs whose record is there already are not run again; an interrupted
    sweep goes on from its records and checkpoints, so at most one epoch of each process is lost. A bar on stderr
    counts epochs and estimates the time left.

    Parameters
    ----------
    configs : list of RunConfig
    store : SliceStore
    folder : path, optional
        Where the records go; `runs_folder()` by default.
    jobs : int
        Processes at a time.

    Returns
    -------
    list of Run
        In the order of configs.
    """
    from joblib import Parallel, delayed
    from tqdm import tqdm

    for config in configs:
        check_config(config)
    folder = Path(folder or runs_folder())
    done = [(folder / f"{run_name(config)}.json").exists() for config in configs]
    report(f"{len(configs)} runs, {sum(done)} of them recorded already")
    waiting = [config for config, is_done in zip(configs, done, strict=True) if not is_done]
    total = sum(config.epochs for config in waiting)
    every = 0.1 if sys.stderr.isatty() else 60  # seconds between two states of the bar; a log needs few
    manager = SyncManager()
    manager.start(end_with_parent, (os.getpid(),))
    with manager, tqdm(total=total, unit="epoch", mininterval=every, disable=not waiting) as bar:
        epochs_done = manager.Queue()
        threading.Thread(target=advance, args=(bar, epochs_done), daemon=True).start()
        finished = Parallel(n_jobs=jobs, return_as="generator_unordered")(
            delayed(train_and_save)(config, store.folder, folder, epochs_done) for config in waiting
        )
        for count, run in enumerate(finished, start=1):
            report(f"{count}/{len(waiting)} {run.name}: {run.seconds:.0f} s, {score_text(run)}")
        epochs_done.put(None)
    return [load_run(folder / f"{run_name(config)}.json") for config in configs]


def end_with_parent(parent):
    """Let a process end within seconds of its parent, however that one ended; else a kill -9 leaves it behind."""
    def watch():
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def advance(bar, epochs_done):
    """Move a bar by the numbers that come through a queue, until None comes or the queue is gone."""
    try:
        while (count := epochs_done.get()) is not None:
            bar.update(count)
    except (EOFError, OSError):  # the sweep has ended
        pass


def train_and_save(config, store_folder, folder, epochs_done):
    """One run of a sweep, in a process of its own; every finished epoch is put into the queue."""
    import torch

    from atlas_lab.slices import open_store
    from atlas_lab.train import train

    torch.set_num_threads(1)
    trained, parent = 0, os.getppid()

    def count(_):
        nonlocal trained
        trained += 1
        if os.getppid() != parent:  # the sweep was killed: its next start goes on from the checkpoint just written
            os._exit(1)
        epochs_done.put(1)

    run = train(config, open_store(store_folder), report=count)
    epochs_done.put(config.epochs - trained)  # those that a checkpoint had already
    save_run(run, folder)
    return run


def score_text(run, part="dev"):
    """Final mean Dice of a run with its interval, for people to read."""
    dice = run.final[part]["mean_dice"]
    return f"{part} Dice {dice['value']:.3f} [{dice['low']:.3f}, {dice['high']:.3f}]"


def with_seeds(configs, seeds):
    """Each config with each seed, configs outermost."""
    return [replace(config, seed=seed) for config in configs for seed in seeds]


@dataclass
class Agreement:
    """How a live run compares with its record over the epochs that both have."""

    epochs: int
    same_data: bool
    same_environment: bool
    largest_difference: dict  # score -> largest absolute difference, over train and dev and all epochs

    @property
    def identical(self):
        """True if every number is the same, bit for bit."""
        return all(value == 0 for value in self.largest_difference.values())


def compare_runs(live, record, first_epochs=None):
    """Hold a live run against its record, epoch by epoch, or in the first so many epochs only.

    Returns
    -------
    Agreement

    Raises
    ------
    DataError
        If their configs differ in more than the number of epochs.
    """
    epochs = min(len(live.history), len(record.history), first_epochs or len(record.history))
    if config_until(live.config, epochs) != config_until(record.config, epochs):
        raise DataError(f"{live.name} and {record.name} differ in more than their epochs; they can't be compared")
    difference = {
        score: max(
            largest_difference(live.curve(score, part)[:epochs], record.curve(score, part)[:epochs])
            for part in ("train", "dev")
        )
        for score in SCORES
    }
    return Agreement(
        epochs, live.data["hash"] == record.data["hash"], live.environment == record.environment, difference
    )


def config_until(config, epochs):
    """What of a config matters in its first epochs: a drop of the learning rate after them does not."""
    later = config.lr_drop_epoch is not None and config.lr_drop_epoch >= epochs
    return replace(config, epochs=1, lr_drop_epoch=None if later else config.lr_drop_epoch)


def largest_difference(one, other):
    """Largest absolute difference of two curves; infinite where only one of them has a number."""
    both_undefined = np.isnan(one) & np.isnan(other)
    difference = np.where(both_undefined, 0, np.abs(one - other))
    return float(np.where(np.isnan(difference), np.inf, difference).max())


def device_like(run):
    """The device on which a live run can be held against a record: the processor, or a GPU, if that made it."""
    return "cpu" if made_on_processor(run) else pick_device()


def made_on_processor(run):
    """Whether a run was made on a processor, not on a GPU: from the same seed each draws its own dropout masks."""
    return run.environment["device"] == "cpu"


def agreement_text(live, record):
    """One line on how a live run agrees with its record.

    Raises DataError if it does not, where the two should: on the same data, both on processors or both on GPUs.
    """
    agreement = compare_runs(live, record)
    if not agreement.same_data:
        return f"the record was made on other data ({record.data['source']}); there is nothing to compare with"
    if made_on_processor(live) != made_on_processor(record):
        return (
            f"the record was made on {record.environment['device']}, the live run on {live.environment['device']}, "
            "and dropout draws other masks there; there is nothing to compare with"
        )
    if agreement.identical:
        epochs = "the first epoch" if agreement.epochs == 1 else f"all {agreement.epochs} epochs"
        return f"the live run agrees with its record bit for bit in {epochs}"
    parts = []
    for epochs, tolerance in TOLERANCES.items():
        difference = compare_runs(live, record, epochs).largest_difference["mean_dice"]
        text = f"largest difference in Dice of the first {epochs} epochs {difference:.4f}, tolerance {tolerance}"
        if difference > tolerance:
            raise DataError(f"the live run disagrees with its record {record.name}: {text}")
        parts.append(text)
    losses = [[run.curve("loss", part)[0] for part in ("train", "dev")] for run in (live, record)]
    drift = np.abs(np.divide(*losses) - 1).max()
    text = f"difference in the loss of the first epoch {drift:.2%}, tolerance {LOSS_TOLERANCE:.0%}"
    if not drift <= LOSS_TOLERANCE:  # NaN is no agreement
        raise DataError(f"the live run disagrees with its record {record.name}: {text}")
    parts.append(text)
    machine = "the record's" if agreement.same_environment else "another"
    return f"the live run agrees with its record within the tolerance, on {machine} kind of machine: {'; '.join(parts)}"
