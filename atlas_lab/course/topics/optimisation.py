"""Notebook 05: updates, learning rates, swings, and intervals over a few seeds."""

import numpy as np

from atlas_lab import statistics
from atlas_lab.course.exercise import Case, Exercise
from atlas_lab.paper import evidence

__all__ = ["EXERCISES", "interval", "scattered"]


def n_updates(n_slices, batch_size, epochs):
    """Batches in an epoch, the last and smaller one too, times epochs."""
    full, rest = divmod(n_slices, batch_size)
    return (full + (rest > 0)) * epochs


def _update_cases(rng):
    size, full = int(rng.integers(8, 60)), int(rng.integers(5, 20))
    return [
        Case("batches that come out even, one epoch", (size * full, size, 1)),
        Case("a last batch that is smaller", (size * full + 3, size, 1)),
        Case("four epochs, each of which ends with a smaller batch", (size * full + 3, size, 4)),
        Case("a batch larger than the data", (size, 10 * size, 3)),
    ]


def stepped_rate(epoch, rate, drop_epoch):
    """The rate up to and with the epoch of the drop, a tenth of it after that."""
    return rate if epoch <= drop_epoch else rate / 10


def _rate_cases(rng):
    drop, rate = int(rng.integers(10, 40)), float(rng.choice([0.1, 0.01, 0.002]))
    return [
        Case("the first epoch", (1, rate, drop)),
        Case("the epoch after which it drops: not yet", (drop, rate, drop)),
        Case("the epoch after that", (drop + 1, rate, drop)),
        Case("much later: still a tenth", (drop * 3 + 5, rate, drop)),
    ]


def oscillation(curve):
    """The range of what is left after a straight line was taken away, as a share of the maximum."""
    curve, x = np.array(curve), np.arange(len(curve))
    line = np.polyval(np.polyfit(x, curve, 1), x)
    return np.ptp(curve - line) / curve.max() if curve.max() > 0 else np.nan


def _of_what_is_left(curve):
    """Wrong: the line is taken away from the maximum too."""
    x = np.arange(len(curve))
    left = np.array(curve) - np.polyval(np.polyfit(x, curve, 1), x)
    return np.ptp(left) / left.max() if max(curve) > 0 else np.nan


def _curve_cases(rng):
    noise = rng.normal(0, 0.02, 8)
    rise = np.linspace(0.1, 0.1 + rng.uniform(0.1, 0.4), 8)
    return [
        Case("up and down around a level", ((0.3 + noise).round(3).tolist(),)),
        Case("a steady rise: no oscillation", (rise.round(6).tolist(),)),
        Case("a rise with swings", ((rise + 2 * noise).round(3).tolist(),)),
        Case("a network that finds nothing: undefined, so NaN", ([0.0, 0.0, 0.0, 0.0],)),
    ]


def _swing(straight=True, over=lambda c: c.max(), spread=np.ptp, nothing=np.nan):
    def attempt(curve):
        c = np.array(curve)
        if c.max() <= 0:
            return nothing
        line = np.polyval(np.polyfit(np.arange(len(c)), c, 1), np.arange(len(c))) if straight else 0
        return spread(c - line) / over(c)
    return attempt


def mean_interval(values):
    """mean +- t s / sqrt(n), t with n - 1 degrees of freedom."""
    from scipy import stats

    mean, n = np.mean(values), len(values)
    half = stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)
    return mean, mean - half, mean + half


def interval(quantile="t", ddof=1, root=True, half_of=0.975):
    """mean_interval with something wrong with it."""
    def attempt(values):
        from scipy import stats

        n = len(values)
        q = stats.norm.ppf(half_of) if quantile == "normal" else stats.t.ppf(half_of, n - 1 if quantile == "t" else n)
        half = q * np.std(values, ddof=ddof) / (np.sqrt(n) if root else 1)
        return np.mean(values), np.mean(values) - half, np.mean(values) + half
    return attempt


def scattered(rng, count, middle=0.3):
    """A few numbers around one, as a list."""
    return (middle + rng.normal(0, 0.05, count)).round(3).tolist()


def _seed_cases(rng):
    return [
        Case("five seeds", (scattered(rng, 5),)),
        Case("three seeds: a wider t", (scattered(rng, 3),)),
        Case("differences around 0", (scattered(rng, 6, 0.0),)),
    ]


EXERCISES = (
    Exercise(
        "n_updates", "05", "count the updates", 1, 5, n_updates, _update_cases, {
            "slices, not updates: divide by the batch size": lambda n, b, e: n * e,
            "the last, smaller batch is left out": lambda n, b, e: n // b * e,
            "rounded up after all epochs, not in each": lambda n, b, e: -(-n * e // b),
            "not rounded": lambda n, b, e: n / b * e,
            "the epochs aren't used": lambda n, b, e: -(-n // b),
            "always one batch more": lambda n, b, e: (n // b + 1) * e,
        }, library=evidence.n_updates),
    Exercise(
        "stepped_rate", "05", "a rate that drops", 1, 3, stepped_rate, _rate_cases, {
            "it drops an epoch too early": lambda e, r, d: r if e < d else r / 10,
            "it drops again and again": lambda e, r, d: r / 10 ** (e // (d + 1)),
            "it falls smoothly, not at once": lambda e, r, d: r * 0.1 ** (e / d),
            "it drops for one epoch only": lambda e, r, d: r / 10 if e == d + 1 else r,
            "it is ten times the rate, not a tenth": lambda e, r, d: r if e <= d else r * 10,
        }),
    Exercise(
        "oscillation", "05", "measure an oscillation", 3, 4, oscillation, _curve_cases, {
            "the straight line isn't taken away": _swing(straight=False),
            "not a share of the maximum": _swing(over=lambda c: 1),
            "a standard deviation, not a range": _swing(spread=np.std),
            "a share of the mean, not of the maximum": _swing(over=np.mean),
            "a share of the maximum of what is left, not of the curve's": _of_what_is_left,
            "0 where nothing is found: it is undefined": _swing(nothing=0.0),
            "the largest deviation, not the range": _swing(spread=lambda x: np.abs(x).max()),
        }, library=evidence.oscillation),
    Exercise(
        "mean_interval", "05", "five seeds are not a number", 3, 5, mean_interval, _seed_cases, {
            "the normal distribution, not Student's t": interval("normal"),
            "s / sqrt(n) is 's': the interval of one run, not of the mean": interval(root=False),
            "the standard deviation with n, not n - 1": interval(ddof=0),
            "the normal distribution in place of Student's t, and n in place of n - 1": interval("normal", ddof=0),
            "n degrees of freedom, not n - 1": interval("n"),
            "the 95 % quantile: 5 % at each end": interval(half_of=0.95),
            "the range of the values": lambda values: (np.mean(values), min(values), max(values)),
            "the mean alone": np.mean,
            "the order is low, mean, high": lambda values: tuple(np.array(mean_interval(values))[[1, 0, 2]]),
        }, library=statistics.mean_interval),
)
