"""What a sweep will cost: a few steps of every kind of run are measured, and the rest is counted."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from atlas_lab.config import RunConfig
from atlas_lab.dataset import SliceStore, open_store
from atlas_lab.fast.workers import processor_threads, share_out

__all__ = ["Pace", "estimate_lines", "kind_of", "measure_pace", "run_seconds"]

# Settings that change what is learnt and not what it costs.
FREE = (
    "seed", "cohort", "epochs", "learning_rate", "lr_drop_epoch", "lr_drop_factor", "max_grad_norm", "pos_weight",
    "alpha", "beta", "smooth", "start_probability", "labels", "fold", "train_scored_every", "scored_slices",
    "dev_sample",
)
LONG_ENOUGH = 4.0   # seconds of steps after which a pace is known
FINAL_SCORINGS = 4  # of as many slices as dev has: train's, dev's, those of people seen and unseen, and the copies'
RECORD = 40_000     # bytes of a record of some ten epochs


@dataclass(frozen=True)
class Pace:
    """Seconds that the parts of a run take, and the sizes they are counted with.

    Attributes
    ----------
    step, slice_scored, checkpoint, copying : float
        Seconds for a training step, a slice that is scored, a checkpoint, and all of the copying machine.
    checkpoint_bytes : int
        Two thirds of them go when a run is done.
    n_train, n_dev : int
        Slices on both sides of the split.
    steps : float
        In an epoch; its last, shorter one counts by its slices.
    """

    step: float
    slice_scored: float
    checkpoint: float
    copying: float
    checkpoint_bytes: int
    n_train: int
    n_dev: int
    steps: float


def kind_of(config: RunConfig) -> RunConfig:
    """A config with everything at its default that makes a run no longer or shorter, but for its epochs."""
    return replace(config, **{field.name: field.default for field in fields(RunConfig) if field.name in FREE})


@processor_threads(1)
def measure_pace(config: RunConfig, store_folder: Path, clock: Callable[[], float] = time.perf_counter) -> Pace:
    """Measure some seconds of a run in this process, on one thread."""

    from atlas_lab.experiment.checkpoint import save_checkpoint
    from atlas_lab.experiment.copying_machine import copied_masks
    from atlas_lab.experiment.datasets import build_dataset
    from atlas_lab.experiment.start import start_training
    from atlas_lab.train import evaluate, train_epoch

    start = start_training(config, open_store(store_folder))
    train = build_dataset(config, start.store, start.split.train, training=True)
    dev = build_dataset(config, start.store, start.split.dev)
    batches = start.batches(len(train), config.batch_size)
    whole = [batch for batch in batches if len(batch) == len(batches[0])]

    def seconds(work):
        began = clock()
        work()
        return clock() - began

    def step(i):
        return lambda: train_epoch(start.model, train, start.loss, start.optimizer, [whole[i % len(whole)]])

    for i in range(2):  # which find the memory, and the fastest routines, for those that follow
        step(i)()
    taken = []
    while len(taken) < 3 or (sum(taken) < LONG_ENOUGH and len(taken) < 2 * len(whole)):
        taken.append(seconds(step(len(taken))))
    some = dev.sample(500)
    scored = seconds(lambda: evaluate(start.model, some, start.loss)) / len(some)
    copied = seconds(lambda: copied_masks(start.store, start.split._replace(dev=some.rows)))
    with tempfile.TemporaryDirectory(dir=Path(store_folder).parent) as folder:
        checkpoint = seconds(lambda: save_checkpoint(Path(folder), start.model, start.optimizer, [], False))
        size = (Path(folder) / "checkpoint.pt").stat().st_size
    return Pace(float(np.mean(taken)), scored, checkpoint, copied * len(dev) / len(some), size, len(train), len(dev),
                sum(map(len, batches)) / len(batches[0]))


def run_seconds(config: RunConfig, pace: Pace) -> float:
    """Seconds of one run in one process."""
    n_dev = min(config.dev_sample or pace.n_dev, pace.n_dev)  # of an epoch
    on_train = config.epochs // config.train_scored_every * min(pace.n_train, n_dev)
    scored = config.epochs * n_dev + on_train + FINAL_SCORINGS * pace.n_dev
    return (config.epochs * (pace.steps * pace.step + pace.checkpoint) + scored * pace.slice_scored + pace.copying)


def estimate_lines(
    configs: Sequence[RunConfig], store: SliceStore | Callable[[RunConfig], SliceStore], jobs: int = 2,
    price: float | None = None,
) -> Iterator[str]:
    """What a sweep of these configs costs on this machine, a line for each kind of run, then the sum.

    Every kind of run is measured for some seconds in as many processes at a time as the sweep will have, so the
    machine is as busy as it will be; what else runs on it should be the same too.

    Parameters
    ----------
    store
        As for `sweep`; all slices are prepared before the first measurement.
    jobs : int
        Processes at a time; -1 is one per core.
    price : float, optional
        Of an hour of one process, in any currency.
    """
    from joblib import effective_n_jobs

    jobs, kinds = effective_n_jobs(jobs), {}
    for config in configs:
        kinds.setdefault(kind_of(config), []).append(config)
    total, longest, disk, starting = 0.0, 0.0, 0, 0.0
    for kind, members in kinds.items():
        folder = (store(members[0]) if callable(store) else store).folder
        pace, started = _measured(kind, folder, min(jobs, len(configs)))
        runs = [run_seconds(config, pace) for config in members]
        total, longest, starting = total + sum(runs), max(longest, *runs), max(starting, started)
        disk += len(runs) * (pace.checkpoint_bytes // 3 + RECORD)
        yield (f"{len(runs)} runs like {members[0].loss}, batch {kind.batch_size}: a step {pace.step:.3f} s, "
               f"{pace.steps:.1f} an epoch; scoring {1000 * pace.slice_scored:.2f} ms a slice; "
               f"{_time(np.mean(runs))} a run, a checkpoint of {pace.checkpoint_bytes / 1e6:,.0f} MB")
    wall = max(total / min(jobs, len(configs)), longest) + starting
    yield f"time: {_time(wall)} with --jobs {jobs} on this machine ({_time(total)} of one process)"
    yield f"disk: {disk / 1e9:.2f} GB at the end, {2 * jobs * pace.checkpoint_bytes / 3e9:.2f} GB more on the way"
    yield ("money: give the price of an hour of one process: --price 0.05" if price is None else
           f"money: {total / 3600 * price:.2f} at {price:g} for an hour of one process")


def _measured(kind, folder, jobs):
    """The mean pace of so many processes at once, and the seconds that a process takes to start."""
    began = time.perf_counter()
    paces = list(share_out(_timed, ((kind, folder) for _ in range(jobs)), jobs))
    starting = time.perf_counter() - began - float(np.mean([seconds for _, seconds in paces]))
    means = {field.name: np.mean([getattr(pace, field.name) for pace, _ in paces]).item() for field in fields(Pace)}
    return Pace(**{name: round(v) if Pace.__annotations__[name] is int else v for name, v in means.items()}), starting


def _timed(kind, folder):
    """A pace, and the seconds that it took to measure."""
    began = time.perf_counter()
    return measure_pace(kind, folder), time.perf_counter() - began


def _time(seconds):
    """A length of time as people say it."""
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"
