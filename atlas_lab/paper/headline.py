"""What the paper's headline number is expected to come to in the setting that produced it, said before it is run."""

from collections.abc import Sequence

import numpy as np

from atlas_lab.experiment.run import Run
from atlas_lab.paper.study import StudyRecords
from atlas_lab.statistics import Interval

__all__ = ["expected_headline"]


def expected_headline(records: StudyRecords, first: Run, updates: int, level: float = 0.90) -> Interval:
    """The Dice of a run at full size as the public code ran, with weight 1 and a learning rate that drops.

    Three numbers are multiplied: the study's Dice with weight 1 after as many updates, before the rate drops; what the
    drop gained there in the end; and what full size as run came to with weight 100, over the study's as written after
    as many updates as that run had. It takes that ratio to be the same for both weights, and its scatter to be that
    of the study's seeds; neither is known.

    Parameters
    ----------
    records : StudyRecords
        With `baseline`, `weight 1` and `decayed` by slice, five seeds each.
    first : Run
        At full size as run, weight 100.
    updates : int
        Of the run that is expected.
    level : float
        Share of such runs that the interval is for: Student's t on the logarithms, with the seeds less one.

    Raises
    ------
    NotRecorded
        If a variant is not recorded in full.
    """
    from scipy.special import stdtrit

    constant, dropped = records.variant("weight 1", epochs=60), records.variant("decayed", epochs=60)
    late = _after(constant.values(), updates)
    gain = np.array([np.log(dropped[seed].curve()[-1] / constant[seed].curve()[-1]) for seed in constant])
    early = _after(records.variant("baseline").values(), first.point["updates"])
    mean = late.mean() + gain.mean() + np.log(first.curve()[-1]) - early.mean()
    # `late` scatters for a new run and its mean; so does `early`, whose new run is the one at full size.
    count = len(late)
    error = np.sqrt((late.var(ddof=1) + early.var(ddof=1)) * (1 + 1 / count) + gain.var(ddof=1) / count)
    half = stdtrit(count - 1, (1 + level) / 2) * error
    return Interval(*(float(np.exp(mean + side)) for side in (0, -half, half)))


def _after(runs: Sequence[Run], updates):
    """The logarithm of each run's dev Dice after the epoch that is nearest to so many updates."""
    return np.log([run.curve()[round(updates / run.point["updates_an_epoch"]) - 1] for run in runs])
