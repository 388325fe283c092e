"""Intervals by resampling people: of a model's scores, and of the difference of two models on the same people."""

from collections.abc import Callable

import numpy as np

from atlas_lab.files import DataError
from atlas_lab.statistics import Interval

__all__ = ["paired_difference", "people_interval"]

RESAMPLES = 5000


def people_interval(
    scores: dict[str, float], statistic: Callable = np.mean, level: float = 0.95, seed: int = 0,
) -> Interval:
    """A statistic over people with its percentile bootstrap interval (Efron and Tibshirani 1993).

    Parameters
    ----------
    scores : dict
        Person -> score; NaNs are left out.
    statistic : callable
        With an `axis`: numpy.mean, or numpy.median for what may be infinite, such as HD95.

    Raises DataError if nobody has a score.
    """
    values = np.array([value for value in scores.values() if not np.isnan(value)], dtype=float)
    if not len(values):
        raise DataError("nobody has a score, so there is no interval; score at least one person")
    drawn = values[np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))]
    tails = np.quantile(statistic(drawn, axis=1), [(1 - level) / 2, (1 + level) / 2], method="closest_observation")
    return Interval(float(statistic(values, axis=0)), *map(float, tails))


def paired_difference(ones: dict[str, float], others: dict[str, float], level: float = 0.95, seed: int = 0) -> Interval:
    """Mean over people of one model's score less the other's, with its bootstrap interval; both on the same people.

    What makes a person easy or hard is the same for both and cancels. People whom one of the two has no score for (NaN)
    are left out of both. Raises DataError if the people differ.
    """
    if ones.keys() != others.keys():
        odd = sorted(ones.keys() ^ others.keys())
        raise DataError(f"{len(odd)} people are scored for one model only, such as {odd[0]}; score both on the same")
    return people_interval({name: ones[name] - others[name] for name in ones}, level=level, seed=seed)
