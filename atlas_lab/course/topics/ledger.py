"""Notebook 10: places, ratios, and the rule by which a claim is judged."""

import numpy as np

from atlas_lab import metrics, statistics
from atlas_lab.course.exercise import Case, Exercise
from atlas_lab.course.topics.optimisation import interval, mean_interval

__all__ = ["EXERCISES"]


def centroid_distances(pred, target):
    """Distance of the two centres, over the radius of the disc with the target's area."""
    distances = []
    for p, t in zip(pred, target, strict=True):
        if not p.any() or not t.any():
            distances.append(np.nan)
            continue
        apart = np.argwhere(p).mean(axis=0) - np.argwhere(t).mean(axis=0)
        distances.append(np.hypot(*apart) / np.sqrt(t.sum() / np.pi))
    return np.array(distances)


def _square(row, column, size):
    mask = np.zeros((1, 20, 20), bool)
    mask[0, row : row + size, column : column + size] = True
    return mask


def _place_cases(rng):
    at, size = int(rng.integers(3, 6)), int(rng.integers(3, 5))
    target, empty = _square(at, at, size), np.zeros((1, 20, 20), bool)
    corner = target | _square(at + 1, at + 7, 2)
    return [
        Case("in the right place, too large", (_square(at - 2, at - 2, size + 4), target)),
        Case("4 pixels to the right", (_square(at, at + 4, size), target)),
        Case("3 down and 4 to the right, and larger", (_square(at + 3, at + 4, size + 2), target)),
        Case("a prediction in two pieces", (corner, target)),
        Case("nothing predicted: undefined, so NaN", (empty, target)),
        Case("no target: undefined, so NaN", (target, empty)),
        Case("two slices", (np.concatenate([_square(0, 0, 2), target]), np.concatenate([target, target]))),
    ]


def _place(centre=lambda m: np.argwhere(m).mean(axis=0), length=np.linalg.norm,
           radius=lambda t: np.sqrt(t.sum() / np.pi), empty=np.nan):
    def attempt(pred, target):
        return [length(centre(p) - centre(t)) / radius(t) if p.any() and t.any() else empty
                for p, t in zip(pred, target, strict=True)]
    return attempt


def geometric_interval(values):
    """The interval of the logarithms, and back; zeros left out."""
    logs = mean_interval(np.log([value for value in values if value > 0]))
    return tuple(np.exp(logs))


def _ratio_cases(rng):
    ratios = np.exp(rng.normal(1, 0.5, 5)).round(2).tolist()
    return [
        Case("half and double: no change on average", ([0.5, 2.0],)),
        Case("five seeds", (ratios,)),
        Case("a network that paints nothing is left out", ([*ratios[:3], 0.0],)),
    ]


def verdict(low, high, bound):
    """A claim that a number lies above a bound, judged by the whole interval of that number."""
    if low > bound:
        return "holds"
    return "does not hold" if high < bound else "undecided"


def _verdict_cases(rng):
    bound = round(float(rng.uniform(0.1, 0.5)), 2)
    step = round(float(rng.uniform(0.02, 0.08)), 2)
    return [
        Case("the whole interval above the bound", (bound + step, bound + 3 * step, bound)),
        Case("the whole interval below it", (bound - 3 * step, bound - step, bound)),
        Case("the bound inside of the interval, its middle above", (bound - step, bound + 3 * step, bound)),
        Case("the bound inside of the interval, its middle below", (bound - 3 * step, bound + step, bound)),
        Case("a difference, and 0 as the bound", (-step, 2 * step, 0.0)),
        Case("an effect below 0 with all of its interval", (-4 * step, -step, 0.0)),
    ]


def _worded(**others):
    """The right verdict, one of whose words is another."""
    def attempt(low, high, bound):
        found = verdict(low, high, bound)
        return others.get(found.replace(" ", "_"), found)
    return attempt


OTHER_WORDS = (
    *(_worded(holds=word) for word in ("hold", "Holds")),
    *(_worded(does_not_hold=word) for word in ("doesn't hold", "Does not hold", "not holds", "fails", "refuted")),
    *(_worded(undecided=word) for word in ("Undecided", "unclear", "uncertain", "open")),
)
EXERCISES = (
    Exercise(
        "centroid_distances", "10", "in the right place?", 3, 4, centroid_distances, _place_cases, {
            "in pixels, not in radii of the target": _place(radius=lambda t: 1),
            "the middle of the bounding box, not of the pixels": _place(
                lambda m: (np.argwhere(m).min(axis=0) + np.argwhere(m).max(axis=0)) / 2),
            "the median pixel, not the mean": _place(lambda m: np.median(np.argwhere(m), axis=0)),
            "in diameters, not in radii": _place(radius=lambda t: 2 * np.sqrt(t.sum() / np.pi)),
            "rows plus columns, not the straight line": _place(length=lambda d: np.abs(d).sum()),
            "the root is missing: the radius is the root of area / pi": _place(radius=lambda t: t.sum() / np.pi),
            "over the radius of the prediction, not of the target": lambda pred, target: _place()(target, pred),
            "0 where a mask is empty: it is undefined": _place(empty=0.0),
            "the side of a square with the target's area, not a radius": _place(radius=lambda t: np.sqrt(t.sum())),
        }, library=metrics.centroid_distances),
    Exercise(
        "geometric_interval", "10", "the mean of ratios", 2, 3, geometric_interval, _ratio_cases, {
            "the plain mean: half and double come out above 1": mean_interval,
            "the logarithms are not turned back": lambda v: mean_interval(np.log([x for x in v if x > 0])),
            "a tiny number stands for 0, and rules the mean": lambda v: np.exp(mean_interval(np.log(np.add(v, 1e-9)))),
            "zeros are not left out: their logarithm is endless": lambda v: np.exp(mean_interval(np.log(v))),
            "only the mean is turned back":
                lambda v: (np.exp(mean_interval(np.log([x for x in v if x]))[0]), *mean_interval(np.log(v))[1:]),
            "the normal distribution, not Student's t":
                lambda v: np.exp(interval("normal")(np.log([x for x in v if x > 0]))),
        }, library=statistics.geometric_interval),
    Exercise(
        "verdict", "10", "the ledger's rule", 2, 5, verdict, _verdict_cases, {
            "the middle decides, not the whole interval":
                lambda low, high, bound: "holds" if (low + high) / 2 > bound else "does not hold",
            "never undecided: what doesn't hold is refuted":
                lambda low, high, bound: "holds" if low > bound else "does not hold",
            "one end above the bound is enough":
                lambda low, high, bound: "holds" if high > bound else "does not hold",
            "the other way round: below the bound holds": lambda low, high, bound: verdict(-high, -low, -bound),
            "in other words: they are holds, does not hold, undecided": OTHER_WORDS,
            "held against 0, not against the bound": lambda low, high, bound: verdict(low, high, 0.0),
        }),
)
