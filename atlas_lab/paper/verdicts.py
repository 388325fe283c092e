"""Four verdicts, and how numbers of a few seeds come to one: intervals, exact tests, conjunctions, Holm.

Holds and does not hold mean: on this synthetic cohort, at this operating point. An interval covers draws of one
generator of people and other trainings; it covers no patients.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from atlas_lab.statistics import Interval, geometric_interval, mean_interval

__all__ = [
    "FAILS", "HOLDS", "NEEDS_ATLAS", "NOT_RUN", "UNDECIDED", "Finding", "Part", "conclude", "failure_share", "holm",
    "seeds_needed",
]

HOLDS, FAILS, UNDECIDED, NEEDS_ATLAS = "holds", "does not hold", "undecided", "needs ATLAS"
NOT_RUN = "undecided: not run"
LEVEL = 0.95


@dataclass(frozen=True)
class Part:
    """One number that a rule asks for: one value per seed, and the bound that all of its interval has to pass.

    Attributes
    ----------
    name : str
    values : sequence of float
        One per seed: an effect, or the logarithm of a ratio.
    bound : float
    above : bool
        Whether the claim says that the number lies above the bound, or below it.
    groups : pair of sequences, optional
        The values of both sides where five numbers are no t-distribution, since networks find nothing at all: they are
        then compared by an exact permutation test.
    form : str
        How its numbers are written.
    """

    name: str
    values: Sequence[float]
    bound: float = 0.0
    above: bool = True
    groups: tuple | None = None
    form: str = "+.3f"
    logs: bool = False

    @property
    def interval(self) -> Interval:
        """The mean with its 95 % interval of Student's t; of logarithms, carried back."""
        return geometric_interval(np.exp(self.values)) if self.logs else mean_interval(self.values)

    @property
    def p(self) -> float:
        """Two-sided: of the exact permutation test of both groups, or of the t-test against the bound."""
        from scipy import stats

        if self.groups is not None:
            return float(stats.permutation_test(
                self.groups, lambda a, b, axis: np.mean(a, axis=axis) - np.mean(b, axis=axis),
                permutation_type="independent", n_resamples=np.inf, vectorized=True).pvalue)
        values = np.asarray(self.values, dtype=float)
        values = values[~np.isnan(values)]
        if len(values) < 2 or values.std() == 0:
            return 1.0
        return float(stats.ttest_1samp(values, self.bound).pvalue)

    @property
    def holds(self) -> bool | None:
        """True or False if the number lies on one side of the bound with all of its interval; None if it doesn't."""
        values = np.asarray(self.values, dtype=float)
        mean = float(np.nanmean(values)) if np.isfinite(values).any() else math.nan
        if not self.p < 1 - LEVEL:
            return None
        return (mean > self.bound) == self.above

    def __str__(self):
        return f"{self.name} {self.interval:{self.form}}"


@dataclass(frozen=True)
class Finding:
    """What was measured on one claim, and the verdict.

    Attributes
    ----------
    verdict : str
        One of the four, or NOT_RUN.
    measured : str
    decides : str
        What would decide it, where it is undecided; empty otherwise.
    p : float
        Of its weakest part; NaN where nothing is tested.
    """

    verdict: str
    measured: str
    decides: str = ""
    p: float = math.nan
    parts: tuple = field(default=(), repr=False)


def conclude(parts: Sequence[Part], note: str = "", doubt: str = "") -> Finding:
    """The verdict on a conjunction, which is that on its weakest part.

    One part on the wrong side refutes it. All on the right side make it hold. All else is undecided, and what would
    decide it is said: the seeds that it takes for an interval as narrow as the effect is large.

    Parameters
    ----------
    parts : list of Part
    note : str
        What else was measured.
    doubt : str
        A reason for which no verdict is given even so, such as a direction that turns at a finer resolution.
    """
    found = [part.holds for part in parts]
    measured = "; ".join([*map(str, parts), *([note] if note else [])])
    p = max(part.p for part in parts)
    if doubt:
        return Finding(UNDECIDED, measured, doubt, p, tuple(parts))
    if False in found:
        return Finding(FAILS, measured, "", min(part.p for part in parts if part.holds is False), tuple(parts))
    if None in found:
        open_parts = [part for part in parts if part.holds is None]
        decides = "; ".join(f"{part.name}: {seeds_needed(part)}" for part in open_parts)
        return Finding(UNDECIDED, measured, decides, p, tuple(parts))
    return Finding(HOLDS, measured, "", p, tuple(parts))


def seeds_needed(part: Part) -> str:
    """In words: the effect that so many seeds could have shown, and the seeds that this one would take."""
    from scipy import stats

    values = np.asarray(part.values, dtype=float)
    values = values[~np.isnan(values)]
    if len(values) < 2:
        return "more seeds; one number has no interval"
    spread, distance = float(values.std(ddof=1)), abs(float(values.mean()) - part.bound)
    shown = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * spread / math.sqrt(len(values))
    text = f"{len(values)} seeds could have shown {shown:.2g}"
    enough = next((n for n in range(len(values) + 1, 101)
                   if stats.t.ppf((1 + LEVEL) / 2, n - 1) * spread / math.sqrt(n) < distance), None)
    return f"{text}; if it is {distance:.2g}, it takes {f'about {enough} seeds' if enough else 'over 100 seeds'}"


def failure_share(failed: int, runs: int) -> Interval:
    """The share of networks that fail, with the exact interval of Clopper and Pearson (1934)."""
    from scipy import stats

    found = stats.binomtest(failed, runs).proportion_ci(LEVEL, "exact")
    return Interval(failed / runs, float(found.low), float(found.high))


def holm(p_values: dict[str, float]) -> set[str]:
    """The names whose p survives Holm's correction (1979) for all that are tested; NaN is not tested."""
    tested = sorted((p, name) for name, p in p_values.items() if not math.isnan(p))
    kept = set()
    for rank, (p, name) in enumerate(tested):
        if p > (1 - LEVEL) / (len(tested) - rank):
            break
        kept.add(name)
    return kept
