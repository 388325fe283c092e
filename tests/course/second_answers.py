"""Answers of students that no check was built against, notebooks 01 to 05: exercise, what was meant, function.

Written from the notebooks' text alone. They are held out: a check that gets one of them wrong has its kind of case
mended, never this one answer.
"""

import math
from statistics import mean, stdev

import numpy as np
import torch
from scipy import optimize, signal, special, stats
from scipy.spatial import distance

__all__ = ["RIGHT", "WRONG"]


def only_two(masks):
    return (masks[0] > 0) | (masks[-1] > 0)


def joined_into_the_first(masks):
    for mask in masks:
        masks[0][mask > 0] = 1
    return masks[0] > 0


def box_by_cross_product(mask, affine):
    a, b, c = affine[:3, 0], affine[:3, 1], affine[:3, 2]
    return float(abs(np.dot(np.cross(a, b), c)) * mask.sum() / 1000)


def half_with_each(masks):
    share = None
    for mask in masks:
        share = mask * 1.0 if share is None else (share + mask) / 2
    return share


def first_is_lost(masks):
    masks = iter(masks)
    total, count = np.zeros(next(masks).shape), 0
    for mask in masks:
        total, count = total + mask, count + 1
    return total / max(count, 1)


def bool_total(masks):
    masks = iter(masks)
    total, count = next(masks).copy(), 1
    for mask in masks:
        total, count = total + mask, count + 1
    return total / count


def running_mean(masks):
    share = 0.0
    for count, mask in enumerate(masks, start=1):
        share = share + (mask - share) / count
    return share


def side_of(x):
    share = np.mean(x < 0)
    return "left" if share > 0.9 else "right" if share < 0.1 else "both"


def side_without_the_last_column(mask, affine):
    return side_of(np.argwhere(mask) @ affine[0, :3])


def side_of_the_middle(mask, affine):
    x = (np.argwhere(mask) @ affine[0, :3] + affine[0, 3]).mean()
    return "left" if x < -5 else "right" if x > 5 else "both"


def side_by_range(mask, affine):
    x = np.argwhere(mask) @ affine[0, :3] + affine[0, 3]
    return "left" if x.max() < 0 else "right" if x.min() >= 0 else "both"


def side_over_the_whole_grid(mask, affine):
    i, j, k = np.indices(mask.shape)
    x = affine[0, 0] * i + affine[0, 1] * j + affine[0, 2] * k + affine[0, 3]
    return side_of(x[mask])


def rows_repeated(subjects, drawn):
    return np.repeat(np.arange(len(subjects)), [sum(s == d for d in drawn) for s in subjects])


def counts_by_one_number(pred, target):
    """Codes 0 to 3, counted."""
    codes = (2 * np.asarray(pred, int) + np.asarray(target, int)).reshape(len(pred), -1)
    counts = np.array([np.bincount(row, minlength=4) for row in codes])
    return counts[:, 3], counts[:, 2], counts[:, 1], counts[:, 0]


def harmonic(pred, target):
    with np.errstate(invalid="ignore", divide="ignore"):
        hit = (pred & target).sum((1, 2))
        precision, recall = hit / pred.sum((1, 2)), hit / target.sum((1, 2))
        return 2 * precision * recall / (precision + recall)


def nan_for_an_empty_target(pred, target):
    size = pred.sum((1, 2)) + target.sum((1, 2))
    dice = 2 * (pred & target).sum((1, 2)) / np.maximum(size, 1)
    return np.where(target.any((1, 2)), dice, np.nan)


def dice_by_scipy(pred, target):
    """Of two empty masks scipy has 0 / 0, which is NaN."""
    return [1 - distance.dice(p.ravel(), t.ravel()) for p, t in zip(pred, target, strict=True)]


def clamped(logits, target, pos_weight):
    p = torch.sigmoid(logits).clamp(1e-7, 1 - 1e-7)
    return -(pos_weight * target * p.log() + (1 - target) * (1 - p).log()).mean()


def by_softplus(logits, target, pos_weight):
    soft = torch.nn.functional.softplus
    return (pos_weight * target * soft(-logits) + (1 - target) * soft(logits)).mean()


def by_the_sum_of_weights(logits, target, pos_weight):
    weights = 1 + (pos_weight - 1) * target
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (weights * each).sum() / weights.sum()


def step(order, value="loss"):
    """A training step from parts: z clears, b goes back, s steps."""
    def attempt(model, images, target, loss, optimizer):
        now = loss(model(images), target)
        parts = {"z": optimizer.zero_grad, "b": now.backward, "s": optimizer.step, "e": model.eval}
        for part in order:
            parts[part]()
        return {"loss": now.item(), "size": len(images) * now.item()}[value]
    return attempt


def step_with_the_model(model, images, target, loss, optimizer):
    model.zero_grad()
    value = loss(model(images), target)
    value.backward()
    optimizer.step()
    return float(value.detach())


def ratios_in_python(tp, fp, fn):
    tp, fp, fn = (float(sum(counts)) for counts in (tp, fp, fn))
    share = lambda a, b: a / b if b else math.nan  # noqa: E731
    return share(tp, tp + fp), share(tp, tp + fn), share(tp + fp, tp + fn)


def searched(chance, pos_weight):
    def loss(p):
        return -(chance * pos_weight * math.log(p) + (1 - chance) * math.log(1 - p))
    return optimize.minimize_scalar(loss, bounds=(1e-12, 1 - 1e-12), method="bounded", options={"xatol": 1e-10}).x


def share_of_columns(masks):
    width = masks.shape[2]
    columns = [np.nonzero(mask)[1] for mask in masks]
    return [float(np.mean(c < width / 2)) if len(c) else math.nan for c in columns]


def tversky(logits, target, alpha, beta, inside=torch.sigmoid, factor=1.0, dims=None, mean_fp=False):
    p = inside(logits)
    tp, fp, fn = ((a * b).sum(dims) for a, b in ((p, target), (p, 1 - target), (1 - p, target)))
    fp = fp / logits.numel() if mean_fp else fp
    return (1 - factor * tp / (factor * tp + alpha * fp + beta * fn)).mean()


def tversky_by_sums(logits, target, alpha, beta):
    p = logits.sigmoid().flatten()
    y = target.flatten()
    both = torch.dot(p, y)
    return 1 - both / (both + alpha * (p.sum() - both) + beta * (y.sum() - both))


def swing(curve, straight=True, spread=np.ptp, over=np.max):
    curve = np.asarray(curve, float)
    x = np.arange(len(curve))
    rest = curve - np.polyval(np.polyfit(x, curve, 1), x) if straight else curve
    return spread(rest) / over(curve) if curve.max() > 0 else math.nan


def swing_from_end_to_end(curve):
    curve = np.asarray(curve, float)
    rest = curve - np.linspace(curve[0], curve[-1], len(curve))
    return np.ptp(rest) / curve.max() if curve.max() > 0 else math.nan


def swing_by_scipy(curve):
    if max(curve) <= 0:
        return math.nan
    rest = signal.detrend(np.array(curve, float), type="linear")
    return (rest.max() - rest.min()) / max(curve)


def interval_by(quantile=0.975, df=1, ddof=1, root=True):
    def attempt(values):
        n = len(values)
        half = stats.t.ppf(quantile, n - df) * np.std(values, ddof=ddof) / (math.sqrt(n) if root else 1)
        return np.mean(values), np.mean(values) - half, np.mean(values) + half
    return attempt


def interval_by_statistics(values):
    values = [float(v) for v in values]
    half = stats.t.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return [mean(values), mean(values) - half, mean(values) + half]


WRONG = [
    ("voxel_to_mm", "the matrix transposed", lambda i, a: np.asarray(i) @ a[:3, :3] + a[:3, 3]),
    ("voxel_to_mm", "the diagonal is enough", lambda i, a: np.diag(a)[:3] * i + a[:3, 3]),
    ("voxel_to_mm", "four numbers", lambda i, a: a @ [*i, 1]),
    ("voxel_to_mm", "whole millimetres", lambda i, a: (a @ [*i, 1])[:3].astype(int)),
    ("combine_masks", "a sum that runs over", lambda masks: sum(masks) > 0),
    ("combine_masks", "drawn once", lambda masks: np.sum([m > 0 for m in masks], axis=0) == 1),
    ("combine_masks", "the first and the last", only_two),
    ("combine_masks", "joined into the first", joined_into_the_first),
    ("lesion_volume_ml", "full millilitres", lambda m, a: m.sum() * abs(np.linalg.det(a[:3, :3])) // 1000),
    ("lesion_volume_ml", "one side cubed", lambda m, a: m.sum() * abs(a[0, 0]) ** 3 / 1000),
    ("lesion_volume_ml", "all voxels", lambda m, a: m.size * abs(np.linalg.det(a[:3, :3])) / 1000),
    ("accuracy_of_nothing", "slices, not pixels", lambda m: np.mean(~m.any(axis=(1, 2)))),
    ("accuracy_of_nothing", "a number of each slice", lambda m: (~m).mean(axis=(1, 2))),
    ("accuracy_of_nothing", "lesion of the rest", lambda m: 1 - m.sum() / (~m).sum()),
    ("overlap_map", "halved with each", half_with_each),
    ("overlap_map", "the first is lost", first_is_lost),
    ("overlap_map", "true and true is true", bool_total),
    ("lesion_side", "no last column", side_without_the_last_column),
    ("lesion_side", "where the middle is", side_of_the_middle),
    ("lesion_side", "all or nothing", side_by_range),
    ("resampled_rows", "one row a person", lambda s, d: [list(s).index(one) for one in d]),
    ("resampled_rows", "no repeats", lambda s, d: np.flatnonzero(np.isin(s, d))),
    ("resampled_rows", "a mask of rows", lambda s, d: np.isin(s, d)),
    ("confusion_counts", "agreement is a hit", lambda p, t: (
        (p == t).sum((1, 2)), (p & ~t).sum((1, 2)), (~p & t).sum((1, 2)), (~p & ~t).sum((1, 2)))),
    ("confusion_counts", "slices added", lambda p, t: (
        (p & t).sum(0), (p & ~t).sum(0), (~p & t).sum(0), (~p & ~t).sum(0))),
    ("confusion_counts", "shares", lambda p, t: (
        (p & t).mean((1, 2)), (p & ~t).mean((1, 2)), (~p & t).mean((1, 2)), (~p & ~t).mean((1, 2)))),
    ("dice_coefficient", "precision and recall joined", harmonic),
    ("dice_coefficient", "no score for an empty target", nan_for_an_empty_target),
    ("dice_coefficient", "hits of each, sizes of all", lambda p, t: 2 * (p & t).sum((1, 2)) / (p.sum() + t.sum())),
    ("weighted_cross_entropy", "clamped", clamped),
    ("weighted_cross_entropy", "weighted mean", by_the_sum_of_weights),
    ("weighted_cross_entropy", "weight on all", lambda x, y, w: (
        w * torch.nn.functional.binary_cross_entropy_with_logits(x, y))),
    ("training_step", "cleared after going back", step("bzs")),
    ("training_step", "never cleared", step("bs")),
    ("training_step", "the network put to rest", step("zbse")),
    ("training_step", "the batch's sum", step("zbs", "size")),
    ("precision_recall_area", "the mean of slices", lambda tp, fp, fn: (
        np.nanmean(tp / (tp + fp)), np.nanmean(tp / (tp + fn)), np.nanmean((tp + fp) / (tp + fn)))),
    ("precision_recall_area", "at least one", lambda tp, fp, fn: (
        *(tp.sum() / max(1, (tp + wrong).sum()) for wrong in (fp, fn)), (tp + fp).sum() / max(1, (tp + fn).sum()))),
    ("best_probability", "the weighted chance", lambda c, w: np.minimum(1.0, c * w)),
    ("best_probability", "odds of the chance", lambda c, w: c * w / (1 + c * w)),
    ("threshold_for_weight", "one in w", lambda w: 1 / w),
    ("threshold_for_weight", "half of it", lambda w: 0.5 / w),
    ("threshold_for_weight", "the other side", lambda w: w / (1 + w)),
    ("left_share", "all slices", lambda m: m[:, :, : m.shape[2] // 2].sum() / m.sum()),
    ("left_share", "no lesion is 0", lambda m: m[:, :, : m.shape[2] // 2].sum((1, 2)) / np.maximum(1, m.sum((1, 2)))),
    ("left_share", "how full the half is", lambda m: m[:, :, : m.shape[2] // 2].mean((1, 2))),
    ("tversky_loss", "twice the hits", lambda x, y, a, b: tversky(x, y, a, b, factor=2.0)),
    ("tversky_loss", "a mean among sums", lambda x, y, a, b: tversky(x, y, a, b, mean_fp=True)),
    ("tversky_loss", "slice by slice", lambda x, y, a, b: tversky(x, y, a, b, dims=(1, 2, 3))),
    ("tversky_loss", "a hard mask", lambda x, y, a, b: tversky(x, y, a, b, inside=lambda z: (z > 0).float())),
    ("stepped_rate", "one epoch early", lambda e, r, d: r if e < d else r / 10),
    ("stepped_rate", "again and again", lambda e, r, d: r * 0.1 ** ((e - 1) // d)),
    ("stepped_rate", "a tenth less", lambda e, r, d: r if e <= d else 0.9 * r),
    ("n_updates", "one more always", lambda n, b, e: (n // b + 1) * e),
    ("n_updates", "rounded at the end", lambda n, b, e: math.ceil(n * e / b)),
    ("n_updates", "to the nearest", lambda n, b, e: round(n / b) * e),
    ("oscillation", "from end to end", swing_from_end_to_end),
    ("oscillation", "above the line only", lambda c: swing(c, spread=np.max)),
    ("oscillation", "twice the deviation", lambda c: swing(c, spread=lambda rest: 2 * np.std(rest))),
    ("oscillation", "of the mean", lambda c: swing(c, over=np.mean)),
    ("mean_interval", "one-sided", interval_by(quantile=0.95)),
    ("mean_interval", "n degrees of freedom", interval_by(df=0)),
    ("mean_interval", "no root of n", interval_by(root=False)),
]
RIGHT = [
    ("voxel_to_mm", "sums of products", lambda i, a: [
        sum(a[r][c] * i[c] for c in range(3)) + a[r][3] for r in range(3)]),
    ("voxel_to_mm", "four numbers, cut", lambda i, a: tuple(np.dot(a, np.append(i, 1))[:3])),
    ("combine_masks", "any of a stack", lambda masks: np.stack(masks).any(axis=0)),
    ("combine_masks", "the largest", lambda masks: np.array(masks).max(axis=0) != 0),
    ("lesion_volume_ml", "a cross product", box_by_cross_product),
    ("lesion_volume_ml", "all four columns", lambda m, a: abs(np.linalg.det(a)) * np.count_nonzero(m) * 1e-3),
    ("accuracy_of_nothing", "counted", lambda m: np.count_nonzero(m == 0) / m.size),
    ("overlap_map", "a running mean", running_mean),
    ("lesion_side", "over the whole grid", side_over_the_whole_grid),
    ("resampled_rows", "in the table's order", rows_repeated),
    ("resampled_rows", "a list", lambda s, d: [row for one in d for row, who in enumerate(s) if who == one]),
    ("confusion_counts", "by codes", counts_by_one_number),
    ("dice_coefficient", "scipy's", dice_by_scipy),
    ("weighted_cross_entropy", "softplus", by_softplus),
    ("weighted_cross_entropy", "PyTorch's", lambda x, y, w: torch.nn.functional.binary_cross_entropy_with_logits(
        x, y, pos_weight=torch.tensor(float(w)))),
    ("training_step", "the model's gradients", step_with_the_model),
    ("precision_recall_area", "plain Python", ratios_in_python),
    ("best_probability", "shifted logit", lambda c, w: special.expit(special.logit(c) + np.log(w))),
    ("best_probability", "searched", searched),
    ("threshold_for_weight", "one minus", lambda w: 1 - w / (1 + w)),
    ("left_share", "columns", share_of_columns),
    ("tversky_loss", "sums and differences", tversky_by_sums),
    ("stepped_rate", "a power", lambda e, r, d: r * 10.0 ** -(e > d)),
    ("n_updates", "a range", lambda n, b, e: len(range(0, n, b)) * e),
    ("oscillation", "scipy's", swing_by_scipy),
    ("mean_interval", "plain Python", interval_by_statistics),
]
