"""Answers to the exercises of notebook 11: right and wrong ones, and a second set that the checks were not built on."""

import numpy as np
import torch
from torch.nn import functional

# ---------------------------------------------------------------------------------------------- right and wrong ones


def skip_by_upsample(coarse, features):
    return torch.hstack([torch.nn.Upsample(scale_factor=2)(coarse), features])


def skip_by_hand(coarse, features):
    batch, channels, height, width = coarse.shape
    joined = torch.empty(batch, channels + features.shape[1], 2 * height, 2 * width)
    for row in (0, 1):
        for column in (0, 1):
            joined[:, :channels, row::2, column::2] = coarse
    joined[:, channels:] = features
    return joined


def neighbours_by_loop(scans, context):
    found = []
    for row, scan in enumerate(scans):
        seen = []
        for step in range(-context, context + 1):
            at = row + step
            while at < 0 or at >= len(scans) or scans[at] != scan:
                at += 1 if step < 0 else -1
            seen.append(at)
        found.append(seen)
    return found


def neighbours_scan_by_scan(scans, context):
    parts = []
    for scan in dict.fromkeys(scans):
        rows = np.flatnonzero(scans == scan)
        padded = np.pad(rows, context, mode="edge")
        parts.append(np.lib.stride_tricks.sliding_window_view(padded, 2 * context + 1))
    return np.vstack(parts)


RIGHT = [
    ("with_skip", skip_by_upsample),
    ("with_skip", skip_by_hand),
    ("neighbours", neighbours_by_loop),
    ("neighbours", neighbours_scan_by_scan),
]


def larger(coarse):
    return functional.interpolate(coarse, scale_factor=2)


def neighbours_of_all_rows(scans, context):
    rows = range(len(scans))
    return [[min(max(row + step, 0), len(scans) - 1) for step in range(-context, context + 1)] for row in rows]


def neighbours_or_itself(scans, context):
    def stand_in(row, at):
        return at if 0 <= at < len(scans) and scans[at] == scans[row] else row
    return [[stand_in(row, row + step) for step in range(-context, context + 1)] for row in range(len(scans))]


WRONG = [
    ("with_skip", lambda c, f: torch.cat((f, larger(c)), dim=1), "the features come first"),
    ("with_skip", lambda c, f: torch.cat([torch.tile(c, (2, 2)), f], 1), "the coarse map is repeated as a whole"),
    ("with_skip", lambda c, f: torch.cat([functional.interpolate(c, scale_factor=2, mode="bilinear"), f], 1),
     "values in between are made up"),
    ("with_skip", lambda c, f: torch.cat([c, f[:, :, 0::2, 0::2].maximum(f[:, :, 1::2, 0::2]).maximum(
        f[:, :, 0::2, 1::2].maximum(f[:, :, 1::2, 1::2]))], 1), "the features are made smaller"),
    ("with_skip", lambda c, f: larger(c), "the coarse map alone"),
    ("neighbours", neighbours_of_all_rows, "runs into the next scan"),
    ("neighbours", neighbours_or_itself, "the slice itself stands in"),
    ("neighbours", lambda s, c: [[row + step for step in range(-c, c + 1)] for row in range(len(s))],
     "runs past the ends"),
    ("neighbours", lambda s, c: [[row % len(s) for row in range(i - c, i + c + 1)] for i in range(len(s))],
     "runs around the ends of all rows"),
    ("neighbours", lambda s, c: [row[::-1] for row in neighbours_by_loop(s, c)], "from the highest to the lowest"),
]

# ---------------------------------------------------------------------------------------------------- the second set


def skip_by_kronecker(coarse, features):
    return torch.cat([torch.kron(coarse, torch.ones(1, 1, 2, 2)), features], dim=1)


def skip_in_numpy(coarse, features):
    doubled = np.repeat(np.repeat(coarse.numpy(), 2, -1), 2, -2)
    return np.concatenate([doubled, features.numpy()], axis=1)


def neighbours_by_runs(scans, context):
    starts = np.flatnonzero(np.r_[True, scans[1:] != scans[:-1]])
    ends = np.r_[starts[1:], len(scans)] - 1
    run = np.searchsorted(starts, np.arange(len(scans)), side="right") - 1
    around = np.arange(len(scans))[:, None] + np.arange(-context, context + 1)[None]
    return np.minimum(np.maximum(around, starts[run][:, None]), ends[run][:, None])


SECOND_RIGHT = [
    ("with_skip", "Kronecker's product", skip_by_kronecker),
    ("with_skip", "numpy's arrays", skip_in_numpy),
    ("neighbours", "runs of equal names", neighbours_by_runs),
    ("neighbours", "a generator of tuples",
     lambda s, c: tuple(tuple(row) for row in neighbours_scan_by_scan(s, c).tolist())),
]
SECOND_WRONG = [
    ("with_skip", "rows doubled, columns tiled",
     lambda c, f: torch.cat([c.repeat_interleave(2, 2).repeat(1, 1, 1, 2), f], 1)),
    ("with_skip", "beside, not behind", lambda c, f: torch.cat([larger(c)[:, :1], f[:, :1]], 3)),
    ("with_skip", "halved values", lambda c, f: torch.cat([larger(c) / 4, f], 1)),
    ("with_skip", "interleaved channels", lambda c, f: torch.cat([larger(c), f], 1)[:, torch.randperm(
        c.shape[1] + f.shape[1], generator=torch.Generator().manual_seed(3))] * 1.0 if c.shape[1] > 1 else
        torch.cat([f, larger(c)], 1)),
    ("neighbours", "the last scan only is clipped",
     lambda s, c: [[min(r + k, len(s) - 1) if r + k >= 0 else 0 for k in range(-c, c + 1)] for r in range(len(s))]),
    ("neighbours", "one too many", lambda s, c: neighbours_by_runs(s, c + 1)),
    ("neighbours", "mirrored at the ends", lambda s, c: np.vstack([np.lib.stride_tricks.sliding_window_view(
        np.pad(np.flatnonzero(s == scan), c, mode="symmetric"), 2 * c + 1) for scan in dict.fromkeys(s)])),
    ("neighbours", "rows within each scan", lambda s, c: np.vstack([np.lib.stride_tricks.sliding_window_view(
        np.pad(np.arange((s == scan).sum()), c, mode="edge"), 2 * c + 1) for scan in dict.fromkeys(s)])),
]
