"""Notebook 11: what a skip connection hands on, and which slices a network sees at once."""

import numpy as np
import torch

from atlas_lab.course.exercise import Case, Exercise

__all__ = ["EXERCISES"]


def with_skip(coarse, features):
    """Each coarse value fills 2 x 2 pixels; then the channels of both, one behind the other."""
    doubled = coarse.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    return torch.cat([doubled, features], dim=1)


def _skip_cases(rng):
    def maps(*shape):
        return torch.from_numpy(rng.permutation(np.prod(shape)).reshape(shape).astype(np.float32))

    return [
        Case("one slice, a channel of each", (maps(1, 1, 2, 2), maps(1, 1, 4, 4))),
        Case("more coarse channels than features", (maps(1, 3, 2, 3), maps(1, 2, 4, 6))),
        Case("two slices, as many channels of each", (maps(2, 2, 3, 2), maps(2, 2, 6, 4))),
    ]


def _doubled(coarse):
    return with_skip(coarse, torch.zeros(len(coarse), 0, *(2 * size for size in coarse.shape[2:])))


def _resized(**how):
    def attempt(coarse, features):
        larger = torch.nn.functional.interpolate(coarse, size=features.shape[2:], **how)
        return torch.cat([larger, features], dim=1)
    return attempt


def _spread_out(coarse):
    """Each coarse value in the corner of its block, zeros around it, as before a transposed convolution."""
    larger = torch.zeros_like(_doubled(coarse))
    larger[:, :, ::2, ::2] = coarse
    return larger


def _added(coarse, features):
    """The sum of both; of unequal numbers of channels, of as many as both have."""
    shared = min(coarse.shape[1], features.shape[1])
    return _doubled(coarse)[:, :shared] + features[:, :shared]


def neighbours(scans, context):
    """Rows around each row; past the ends of its scan the first or last row of that scan stands in."""
    rows = np.arange(len(scans))
    around = rows[:, None] + np.arange(-context, context + 1)
    first = np.array([rows[scans == scan].min() for scan in scans])
    last = np.array([rows[scans == scan].max() for scan in scans])
    return np.clip(around, first[:, None], last[:, None])


def _neighbour_cases(rng):
    names = rng.permutation(["r001s001", "r004s012", "r009s003", "r027s051"])

    def scans(*lengths):
        return np.repeat(names[: len(lengths)], lengths)

    return [
        Case("one scan of five slices, a slice on each side", (scans(5), 1)),
        Case("two scans, two slices on each side", (scans(4, int(rng.integers(5, 8))), 2)),
        Case("a scan of one slice, and one shorter than what is seen", (scans(3, 1, 2, 4), 3)),
        Case("a single slice: no neighbours", (scans(2, 2), 0)),
    ]


def _around(steps=None, outside=None):
    """neighbours with other steps, or with another stand-in for rows of other scans."""
    def attempt(scans, context):
        rows = np.arange(len(scans))
        around = rows[:, None] + (np.arange(-context, context + 1) if steps is None else steps(context))
        first = np.array([rows[scans == scan].min() for scan in scans])[:, None]
        last = np.array([rows[scans == scan].max() for scan in scans])[:, None]
        return np.clip(around, first, last) if outside is None else outside(around, rows[:, None], first, last)
    return attempt


EXERCISES = (
    Exercise(
        "with_skip", "11", "a skip connection", 2, 4, with_skip, _skip_cases, {
            "added: the channels of both are set one behind the other": _added,
            "the features come first": lambda coarse, features: torch.cat([features, _doubled(coarse)], 1),
            "the coarse map is repeated as a whole: each of its values fills 2 x 2 pixels":
                lambda coarse, features: torch.cat([coarse.repeat(1, 1, 2, 2), features], 1),
            "values in between are made up: each value fills 2 x 2 pixels as it is":
                _resized(mode="bilinear", align_corners=False),
            "values in between are made up, and corners kept: each value fills 2 x 2 pixels as it is":
                _resized(mode="bilinear", align_corners=True),
            "zeros between the coarse values": lambda coarse, features: torch.cat([_spread_out(coarse), features], 1),
            "the features are made smaller: the coarse map is to be made larger":
                lambda coarse, features: torch.cat([coarse, torch.nn.functional.max_pool2d(features, 2)], 1),
            "the coarse map alone: the features aren't used": lambda coarse, features: _doubled(coarse),
            "the features alone: the coarse map isn't used": lambda coarse, features: features,
        }),
    Exercise(
        "neighbours", "11", "more slices at once", 3, 4, neighbours, _neighbour_cases, {
            "runs into the next scan":
                _around(outside=lambda around, rows, first, last: np.clip(around, 0, len(rows) - 1)),
            "runs around the ends of all rows": _around(outside=lambda around, rows, first, last: around % len(rows)),
            "runs around the ends of its scan": _around(
                outside=lambda around, rows, first, last: first + (around - first) % (last - first + 1)),
            "runs past the ends: there is no row -1": _around(outside=lambda around, rows, first, last: around),
            "the slice itself stands in past the ends of its scan, not the scan's first or last": _around(
                outside=lambda around, rows, first, last:
                    np.where((around < first) | (around > last), rows, around)),
            "the slice itself is left out": lambda scans, context: np.delete(neighbours(scans, context), context, 1),
            "from the highest to the lowest": lambda scans, context: neighbours(scans, context)[:, ::-1],
            "those below alone": _around(lambda context: np.arange(-context, 1)),
            "those above alone": _around(lambda context: np.arange(context + 1)),
            "that many slices in all, not on each side":
                _around(lambda context: np.arange(-(context // 2), context // 2 + 1)),
            "the next slices always, however many are asked for": _around(lambda context: np.arange(-1, 2)),
            "upside down: rows below and columns around": lambda scans, context: neighbours(scans, context).T,
        }, also_refused=("neighbour_rows",)),
)
