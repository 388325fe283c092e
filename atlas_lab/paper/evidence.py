"""Run records as evidence: found by variant of the tree of ablations, with the numbers that claims are judged by."""

from dataclasses import replace

import numpy as np

from atlas_lab.config import PROFILES
from atlas_lab.experiment.operating_point import n_updates
from atlas_lab.experiment.run import last_epoch, scores
from atlas_lab.files import DataError
from atlas_lab.paper.ablations import variant_config
from atlas_lab.statistics import mean_interval, paired_interval

__all__ = [
    "LATE", "NOTHING", "RECENT", "NotRecorded", "Records", "difference", "gap", "late_dice", "n_updates", "oscillation",
    "recent_rise", "updates",
]

MIN_SEEDS = 5
NOTHING = 0.01  # a late Dice below it: the network has not begun to find lesions
LATE = 15  # the last epochs, over which late training is judged
RECENT = 10  # a curve is flat where its last epochs are no higher than as many before them


class NotRecorded(DataError):
    """The records that a claim needs are not there."""


class Records:
    """Run records, by variant of the tree of ablations (see ablations.py).

    Parameters
    ----------
    runs : list of Run
    cohort : dict
        What figures/cohort.json says of the lesions, see `median_diameter`.
    """

    def __init__(self, runs, cohort=None):
        self.runs, self.cohort = runs, cohort or {}

    @property
    def on_patients(self):
        """Whether the runs were made on the real ATLAS, so that the paper's own numbers can be judged."""
        return bool(self.runs) and all(run.data["source"].startswith("ATLAS") for run in self.runs)

    def variant(self, name, split="slice"):
        """The first MIN_SEEDS runs of a variant by seed, of the longest training of which there are so many."""
        wanted = replace(variant_config(name, replace(PROFILES["course"].config, epochs=60)), split_by=split, epochs=1)
        found = {}
        for run in self.runs:
            if replace(run.config, seed=wanted.seed, epochs=1) == wanted:
                found.setdefault(run.config.epochs, []).append(run)
        enough = [epochs for epochs, runs in found.items() if len(runs) >= MIN_SEEDS]
        if not enough:
            raise NotRecorded(f"{name}, by {split}: fewer than {MIN_SEEDS} seeds are recorded")
        return sorted(found[max(enough)], key=lambda run: run.config.seed)[:MIN_SEEDS]


def difference(runs, others, score="mean_dice", part="dev"):
    """Interval of the paired difference runs - others, after the last epoch that both have."""
    epoch = last_epoch(runs, others)
    return paired_interval(scores(runs, score, part, epoch), scores(others, score, part, epoch))


def gap(runs, epoch=None):
    """Train Dice minus dev Dice of each run."""
    return scores(runs, part="train", epoch=epoch) - scores(runs, epoch=epoch)


def updates(runs, epoch):
    """How often the weights of runs have been changed after so many epochs."""
    return n_updates(runs[0].split["n_train"], runs[0].config.batch_size, epoch)


def late_dice(runs, last):
    """Mean dev Dice of each run over the LATE epochs up to the last one."""
    return np.array([np.mean(run.curve()[max(0, last - LATE):last]) for run in runs])


def recent_rise(runs):
    """Interval of how much higher dev Dice is over the RECENT last epochs than over as many before: 0 in it is flat."""
    curves = [run.curve() for run in runs]
    return mean_interval([curve[-RECENT:].mean() - curve[-2 * RECENT:-RECENT].mean() for curve in curves])


def oscillation(curve):
    """How far a curve swings, as a share of its maximum; NaN if it is nowhere above 0.

    The swing is the range of what is left after a straight line was taken away: a rise is no oscillation.
    """
    curve, epochs = np.asarray(curve, dtype=float), np.arange(len(curve))
    line = np.polyval(np.polyfit(epochs, curve, 1), epochs)
    return float(np.ptp(curve - line) / curve.max()) if curve.max() > 0 else float("nan")
