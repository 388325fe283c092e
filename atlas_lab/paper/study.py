"""The records of the study point as evidence: found by variant, split and resolution, and paired seed by seed."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from atlas_lab.config import PROFILES
from atlas_lab.experiment.run import RECORDS, Run, load_runs
from atlas_lab.paper.ablations import STUDY, sweep_configs, variant_config
from atlas_lab.paper.evidence import NOTHING, NotRecorded
from atlas_lab.paper.verdicts import Part

__all__ = ["FINER", "STUDY_RECORDS", "StudyRecords", "at_updates", "score_at", "study_table"]

STUDY_RECORDS = RECORDS / "study"
BASE = PROFILES["study"].config
FINER = 2  # mm a pixel: what hangs on resolution must point the same way there


class StudyRecords:
    """Records of the study point.

    Parameters
    ----------
    runs : list of Run, optional
        By default those that the lab ships.
    diameters : sequence of float
        Median diameter of the lesions in mm, one for each cohort.
    """

    def __init__(self, runs: Sequence[Run] | None = None, diameters: Sequence[float] = ()):
        shipped = runs is None and STUDY_RECORDS.is_dir()
        self.runs, self.diameters = load_runs(STUDY_RECORDS) if shipped else list(runs or []), diameters

    @property
    def on_patients(self) -> bool:
        """Whether the runs were made on the real ATLAS, so that its absolute numbers can be judged."""
        return bool(self.runs) and all(run.data["source"].startswith("ATLAS") for run in self.runs)

    def variant(self, name: str, split: str = "slice", epochs: int = 1, scale: int = BASE.scale) -> dict[int, Run]:
        """The longest runs of a variant by seed, of at least so many epochs.

        Raises NotRecorded unless all the seeds that STUDY plans for are there.
        """
        wanted = replace(variant_config(name, replace(BASE, epochs=60, scale=scale)), split_by=split, epochs=1)
        planned = [row for row in STUDY.values() if name in row.variants and split in row.splits
                   and (row.scale or BASE.scale) == scale and row.epochs >= epochs]
        found = {}
        for run in sorted(self.runs, key=lambda run: len(run.history)):
            same = replace(run.config, seed=0, cohort=0, epochs=1) == wanted
            if same and len(run.history) >= epochs:
                found[run.config.seed] = run
        needed = min((row.seeds for row in planned), default=5)
        if len(found) < needed:
            raise NotRecorded(
                f"{name}, by {split}, {scale} mm, {epochs} epochs: {len(found)} of {needed} seeds are recorded")
        return dict(sorted(found.items()))


def score_at(runs: dict[int, Run], epoch: int, score: str = "mean_dice", part: str = "dev") -> dict[int, float]:
    """A score of each run after an epoch; by seed. "gap" is train Dice minus dev Dice."""
    if score == "gap":
        train, dev = (score_at(runs, epoch, part=side) for side in ("train", "dev"))
        return {seed: train[seed] - dev[seed] for seed in runs}
    return {seed: float(run.curve(score, part)[epoch - 1]) for seed, run in runs.items()}


def at_updates(runs: dict[int, Run], updates: int) -> int:
    """The epoch after which runs have had about so many updates of their weights."""
    an_epoch = next(iter(runs.values())).point["updates_an_epoch"]
    return max(1, round(updates / an_epoch))


def paired(name, ones, others, above=True, form="+.3f"):
    """A Part: the differences ones - others of the seeds that both have; exact where networks find nothing."""
    seeds = sorted(set(ones) & set(others))
    first, second = ([side[seed] for seed in seeds] for side in (ones, others))
    silent = any(max(side) < NOTHING for side in (first, second)) or np.std(np.subtract(first, second)) == 0
    groups = (list(ones.values()), list(others.values())) if silent else None
    return Part(name, np.subtract(first, second).tolist(), above=above, groups=groups, form=form)


def study_table(runs: Sequence[Run]) -> str:
    """The table of runs as Markdown: planned, done and hours, row by row of STUDY.

    A longer run counts for the shorter rows of its variant too; the total counts each epoch once.
    """
    longest = {}
    for run in sorted(runs, key=lambda run: len(run.history)):
        longest[replace(run.config, epochs=1, lr_drop_epoch=None)] = run
    done = {run.config: run for run in runs}
    lines = ["| row | variants | split by | seeds | epochs | runs | done | hours |", "|" + "---|" * 8]
    planned, trained = {}, {}
    for name, row in STUDY.items():
        hours, count = 0.0, 0
        configs = [replace(config, seed=seed, cohort=seed) for config in sweep_configs(name, BASE, STUDY)
                   for seed in range(row.seeds)]
        for config in configs:
            key = replace(config, epochs=1)
            own = config.epochs - (config.lr_drop_epoch or 0)  # a decayed run goes on from the constant one
            planned[key] = max(planned.get(key, 0), own)
            run = done.get(config) or (longest.get(key) if config.lr_drop_epoch is None else None)
            if run is not None and len(run.history) >= config.epochs:
                count += 1
                hours += sum(entry["seconds"] for entry in run.history[config.epochs - own : config.epochs]) / 3600
                trained[key] = max(trained.get(key, 0), own)
        scale = f", {row.scale} mm" if row.scale else ""
        lines.append(f"| {name}{scale} | {'; '.join(row.variants)} | {', '.join(row.splits)} | {row.seeds} | "
                     f"{row.epochs} | {len(configs)} | {count} | {hours:.1f} |")
    return "\n".join(lines) + f"\n\n{sum(trained.values()):,} of {sum(planned.values()):,} epochs are recorded.\n"
