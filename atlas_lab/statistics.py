"""Means over seeds and scores over subjects, with their 95 % intervals."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atlas_lab.metrics import scores_from_sums

__all__ = ["Interval", "bootstrap_scores", "geometric_interval", "mean_interval", "paired_interval"]


def bootstrap_scores(sums: dict, level: float = 0.95, n_resamples: int = 2000, seed: int = 0) -> dict:
    """Scores with percentile bootstrap intervals, resampling whole subjects.

    Slices of one subject are alike, so drawing slices singly would make the intervals far too narrow
    (cluster bootstrap; Davison and Hinkley 1997, section 3.8). The interval tells how the score would vary
    with other subjects of the same kind; it does not tell how it varies with the seed of the training.

    Returns
    -------
    dict
        score -> {"value", "low", "high"}, of `scores_from_sums`; low and high leave out resamples in which
        the score is 0 / 0.
    """
    n_subjects = len(sums["tp"])
    draws = np.random.default_rng(seed).integers(n_subjects, size=(n_resamples, n_subjects))
    values = scores_from_sums({name: column.sum() for name, column in sums.items()})
    resampled = scores_from_sums({name: column[draws].sum(axis=1) for name, column in sums.items()})
    tails = [(1 - level) / 2, (1 + level) / 2]
    result = {}
    for name, value in values.items():
        defined = resampled[name][~np.isnan(resampled[name])]
        low, high = np.quantile(defined, tails) if defined.size else (np.nan, np.nan)
        result[name] = {"value": float(value), "low": float(low), "high": float(high)}
    return result


class Interval(NamedTuple):
    """A mean with its interval; formats as in 0.250 [0.200, 0.300], each number by the format given."""

    mean: float
    low: float
    high: float

    def __format__(self, spec):
        return "{0:{3}} [{1:{3}}, {2:{3}}]".format(*self, spec or ".3f")

    def overlaps(self, low, high):
        """True if the interval and the one from low to high have a number in common."""
        return bool(self.low <= high and low <= self.high)


def mean_interval(values: Sequence[float], level: float = 0.95, of_next: bool = False) -> Interval:
    """Mean of a few independent numbers, such as one per seed, with the interval of Student's t.

    NaNs are left out; with fewer than two numbers left the interval holds all numbers, and the mean of none is NaN.
    `of_next` gives the interval in which one more such number would lie, instead of that of the mean.
    """
    from scipy.special import stdtrit  # the quantile of Student's t

    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    if len(values) < 2:
        return Interval(float(values.sum()) if len(values) else float("nan"), float("-inf"), float("inf"))
    mean = float(values.mean())
    half = float(stdtrit(len(values) - 1, (1 + level) / 2) * values.std(ddof=1) / np.sqrt(len(values)))
    half *= (len(values) + 1) ** 0.5 if of_next else 1
    return Interval(mean, mean - half, mean + half)


def paired_interval(ones: Sequence[float], others: Sequence[float], level: float = 0.95) -> Interval:
    """Mean of the differences ones - others, pair by pair, with its interval.

    Runs of one seed share their split, so most of what makes a run good or bad is the same in both and cancels.
    """
    return mean_interval(np.subtract(ones, others), level)


def geometric_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """The same for ratios, which spread by factors: that of their logarithms, and back; NaNs and zeros are left out."""
    values = np.asarray(values, dtype=float)
    logs = mean_interval(np.log(values[values > 0]), level)
    return Interval(*(float(np.exp(number)) for number in logs))
