"""The class as an experiment: one config that all train, each with a seed of their own, and one design of each.

The seeds give the class's interval. The designs differ in too many things to be averaged: each is held against its
author's own common run, which has the same seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from atlas_lab.config import PROFILES, RunConfig, plain_settings
from atlas_lab.course.class_files import files_of
from atlas_lab.experiment.operating_point import n_updates
from atlas_lab.experiment.run import Run, checksum, load_run, longest_runs, run_to_dict
from atlas_lab.files import DataError
from atlas_lab.statistics import Interval, mean_interval, paired_interval

__all__ = [
    "COMMON", "FEWEST", "MOST", "ClassResult", "Design", "collect", "compare_class", "dice_after", "updates_an_epoch",
]

# A minute or two on two cores. Weight 10 has learnt something by then, and its records reach further.
COMMON: RunConfig = replace(PROFILES["course"].config, pos_weight=10.0, epochs=10)
FEWEST, MOST = 5, 40  # records of the common config: fewer make no interval, more are no class


@dataclass(frozen=True)
class Design:
    """One student's design, beside the same student's common run.

    Attributes
    ----------
    code : str
        The pseudonym.
    changes : str
        What differs from the common config, as in "pos_weight 1, split_by subject".
    updates : int
        After how many updates of the weights both are read.
    dice, common : float
        Dev Dice of the design and of the common run.
    ours : Interval or None
        The same difference in the lab's records, mean and 95 % interval over seeds; None if they don't hold it.
    """

    code: str
    changes: str
    updates: int
    dice: float
    common: float
    ours: Interval | None


@dataclass(frozen=True)
class ClassResult:
    """What a class has measured.

    Attributes
    ----------
    codes : list of str
        Pseudonyms, one for each common run: the first digits of its record's checksum, so that who holds the record
        finds the line and nobody else does.
    runs, ours : list of Run
        Common runs of the class, and the lab's records of the same config, trained at least as long.
    updates : int
    interval, our_interval : Interval
        Dev Dice after so many updates.
    designs : list of Design
    notes : list of str
        What was left out, and why.
    """

    codes: list[str]
    runs: list[Run]
    ours: list[Run]
    updates: int
    interval: Interval
    our_interval: Interval
    designs: list[Design]
    notes: list[str]


def updates_an_epoch(run: Run) -> int:
    """How often the weights change in one epoch of a run."""
    return n_updates(run.split["n_train"], run.config.batch_size, 1)


def dice_after(runs: Sequence[Run], updates: int) -> np.ndarray:
    """Dev Dice of each run after its last epoch of at most so many updates; NaN where its first has more."""
    epochs = [min(updates // updates_an_epoch(run), len(run.history)) for run in runs]
    return np.array([run.curve()[epoch - 1] if epoch else np.nan for run, epoch in zip(runs, epochs, strict=True)])


def collect(folder: Path) -> tuple[list[Run], list[Run], list[str]]:
    """The common runs of a class, its designs, and notes on what was left out.

    Raises DataError if there are fewer than FEWEST or more than MOST common runs. A file that is no record, or one of
    other data, is left out and noted, so that one student's mistake doesn't stop the class.
    """
    common, designs, notes = {}, {}, []
    for path in files_of(folder, ".json"):
        try:
            run = _checked(load_run(path), path)
        except DataError as error:
            notes.append(f"left out: {error}".replace(str(path), "a file"))
            continue
        kind = common if replace(run.config, seed=0) == COMMON else designs
        seed = run.config.seed
        if seed in kind:
            notes.append(f"left out: a second {'common run' if kind is common else 'design'} of a seed that is "
                         "taken: it isn't independent of the first")
        else:
            kind[seed] = run
    if not FEWEST <= len(common) <= MOST:
        raise DataError(f"{folder}: {len(common)} usable records of the common config with seeds of their own; "
                        f"{FEWEST} to {MOST} are needed" + "".join(f"; {note}" for note in notes[:3]))
    return list(common.values()), list(designs.values()), notes


def _checked(run, path):
    """A foreign run with all that is read of it of the right kind. Raises DataError."""
    n_train, source = run.split.get("n_train"), str(run.data.get("source"))
    try:
        curve = run.curve()
    except (TypeError, ValueError, KeyError) as error:
        raise DataError(f"{path}: the history has no dev Dice for each epoch; train it anew") from error
    if not isinstance(n_train, int) or isinstance(n_train, bool) or n_train < 1 or not len(curve):
        raise DataError(f"{path}: split.n_train is {n_train!r}, {len(curve)} epochs; train it anew")
    if len(curve) != run.config.epochs or ((curve < 0) | (curve > 1)).any():
        raise DataError(f"{path}: {len(curve)} epochs where the config has {run.config.epochs}, or a Dice that is not "
                        "from 0 to 1; train it anew")
    if not source.startswith("synthetic"):
        raise DataError(f"{path}: of patients, and the class works on the synthetic cohort; leave it at home")
    return run


def compare_class(folder: Path, records: Sequence[Run]) -> ClassResult:
    """What a class's records say, beside the lab's at as many updates.

    Parameters
    ----------
    folder : path
        JSON records, in it or one folder below: for each student the common run, and one design with the same seed.
    records : list of Run
        The lab's own.

    Raises DataError as `collect` does.
    """
    common, designs, notes = collect(folder)
    ours = _longest(records, COMMON)
    if len({run.data.get("data_hash") for run in [*common, *ours]}) > 1:
        notes.append("not all common runs, ours included, were trained on the same slices: their data_hash differs")
    updates = min(len(run.history) * updates_an_epoch(run) for run in common)
    codes = _codes(common)
    by_seed = {run.config.seed: (code, run) for code, run in zip(codes, common, strict=True)}
    listed = []
    for run in designs:
        if run.config.seed in by_seed:
            listed.append(_design(run, *by_seed[run.config.seed], ours, records))
        else:
            notes.append("left out: a design without a common run of the same seed")
    return ClassResult(codes, common, ours, updates, mean_interval(dice_after(common, updates)),
                 mean_interval(dice_after(ours, updates)), sorted(listed, key=lambda design: design.changes), notes)


def _longest(records, config):
    """One record for each seed of a config, whatever its epochs: the longest."""
    same = [run for run in records if replace(run.config, seed=0, epochs=1) == replace(config, seed=0, epochs=1)]
    return sorted(longest_runs(same).values(), key=lambda run: run.config.seed)


def _codes(runs):
    """A pseudonym for each run: as many digits of its checksum as tell all apart, at least four."""
    sums = [checksum(run_to_dict(run)) for run in runs]
    length = next(n for n in range(4, 17) if len({text[:n] for text in sums}) == len(sums))
    return [text[:length] for text in sums]


def _design(run, code, common, ours, records):
    """A design beside its author's common run, and beside ours if the lab has recorded it."""
    before, after = plain_settings(COMMON), plain_settings(run.config)
    changes = [f"{name} {after[name]}" for name in after if after[name] != before[name] and name != "seed"]
    each = min(updates_an_epoch(one) * len(one.history) for one in (run, common))
    recorded = {one.config.seed: one for one in _longest(records, run.config)}
    pairs = [(recorded[one.config.seed], one) for one in ours if one.config.seed in recorded]
    effect = None
    if len(pairs) >= FEWEST:
        effect = paired_interval(*(dice_after(side, each) for side in zip(*pairs, strict=True)))
    dice, own = (float(dice_after([one], each)[0]) for one in (run, common))
    return Design(code, ", ".join(changes) or "epochs alone", each, dice, own, effect)
