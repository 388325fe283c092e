"""Answers of students that no check was built against, notebooks 06 to 10: exercise, what was meant, function."""

import math
import random

import numpy as np
import torch
from scipy import ndimage, stats
from scipy.spatial.distance import cdist

__all__ = ["RIGHT", "WRONG"]


def blocks(image):
    windows = np.lib.stride_tricks.sliding_window_view(image, (2, 2))[::2, ::2]
    return windows.reshape(*windows.shape[:2], 4)


def pooled_by_torch(kind):
    def attempt(image):
        return kind(2)(torch.as_tensor(np.asarray(image, float))[None, None])[0, 0]
    return attempt


def gradient_by_torch(image, above):
    x = torch.tensor(np.asarray(image, float)[None, None], requires_grad=True)
    torch.nn.functional.max_pool2d(x, 2).backward(torch.tensor(np.asarray(above, float))[None, None])
    return x.grad[0, 0].numpy()


def gradient(image, above, to="first", edge=0.0):
    back = np.full(image.shape, edge)
    for r, c in np.ndindex(*above.shape):
        block = image[2 * r : 2 * r + 2, 2 * c : 2 * c + 2]
        best = (block == block.max()) if to in ("all", "shared") else np.arange(4).reshape(2, 2) == block.argmax()
        if to == "absolute":
            best = np.arange(4).reshape(2, 2) == np.abs(block).argmax()
        back[2 * r : 2 * r + 2, 2 * c : 2 * c + 2] = best * above[r, c] / (best.sum() if to == "shared" else 1)
    return back


def t_interval(values, ddof=1):
    values = np.asarray(values, float)
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=ddof) / math.sqrt(len(values))
    return values.mean(), values.mean() - half, values.mean() + half


def two_samples(ones, others):
    found = stats.ttest_ind(ones, others).confidence_interval()
    return np.mean(ones) - np.mean(others), found.low, found.high


def paired_by_scipy(ones, others):
    found = stats.ttest_rel(ones, others).confidence_interval(0.95)
    return np.mean(ones) - np.mean(others), found.low, found.high


def field(kernels, strides, start=1, minus=1):
    step = 1
    for kernel, stride in zip(kernels, strides, strict=True):
        start += (kernel - minus) * step
        step *= stride
    return start


def field_backwards(kernels, strides):
    side = 1
    for kernel, stride in list(zip(kernels, strides, strict=True))[::-1]:
        side = (side - 1) * stride + kernel
    return side


def parameters_by_torch(kernel, inputs, outputs):
    return sum(p.numel() for p in torch.nn.Conv2d(inputs, outputs, kernel).parameters())


def exposure(scans, z, step, train, dev, both=False, of="dev"):
    ours, others = (dev, train) if of == "dev" else (train, dev)
    have, join = {(scans[i], z[i]) for i in others}, all if both else any
    return np.mean([join((scans[i], z[i] + d) in have for d in (-step, step)) for i in ours])


def exposure_by_pairs(scans, z, step, train, dev):
    return sum((scans[i], z[i] + d) in {(scans[j], z[j]) for j in train} for i in dev for d in (-step, step)) / len(dev)


def exposure_by_distance(scans, z, step, train, dev):
    scans, z = np.asarray(scans), np.asarray(z)
    near = np.isclose(np.abs(z[dev][:, None] - z[train][None]), step) & (scans[dev][:, None] == scans[train][None])
    return near.any(axis=1).sum() / len(dev)


def split(subjects, chosen):
    inside = np.isin(subjects, list(chosen))
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def last_people(subjects, dev_fraction, seed):
    people = np.unique(subjects)
    return split(subjects, people[len(people) - round(dev_fraction * len(people)):])


def people_enough_for_rows(subjects, dev_fraction, seed):
    people, sizes = np.unique(subjects, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(people))
    return split(subjects, people[order[np.cumsum(sizes[order]) <= dev_fraction * len(subjects)]])


def people_drawn_twice(subjects, dev_fraction, seed):
    people = sorted(set(subjects))
    return split(subjects, random.Random(seed).choices(people, k=round(dev_fraction * len(people))))


def people_rounded_down(subjects, dev_fraction, seed):
    people = np.random.default_rng(seed).permutation(np.unique(subjects))
    return split(subjects, people[: int(dev_fraction * len(people))])


def the_seed_forgotten(subjects, dev_fraction, seed):
    people = np.random.permutation(np.unique(subjects))
    return split(subjects, people[: round(dev_fraction * len(people))])


def people_by_random(subjects, dev_fraction, seed):
    people = sorted(set(np.asarray(subjects).tolist()))
    dev = set(random.Random(seed).sample(people, round(dev_fraction * len(people))))
    rows = range(len(subjects))
    return [r for r in rows if subjects[r] not in dev], [r for r in rows if subjects[r] in dev]


def copied(train_images, train_masks, dev_images, difference):
    train = train_images.astype(float).reshape(len(train_images), -1)
    dev = dev_images.astype(float).reshape(len(dev_images), -1)
    return train_masks[difference(train[None], dev[:, None]).argmin(axis=1)]


def copied_by_correlation(train_images, train_masks, dev_images):
    flat = [images.reshape(len(images), -1).astype(float) for images in (dev_images, train_images)]
    return train_masks[cdist(*flat, "correlation").argmin(axis=1)]


def copied_by_cdist(train_images, train_masks, dev_images):
    flat = [images.reshape(len(images), -1).astype(np.int64) for images in (dev_images, train_images)]
    return train_masks[cdist(*flat, "sqeuclidean").argmin(axis=1)]


def error_with_nans_counted(dice, count):
    return np.nanstd(dice, ddof=1) / np.sqrt(count) * np.sqrt(1 - count / len(dice))


def error(dice, count, ddof=1, correct=lambda f: np.sqrt(1 - f)):
    kept = np.asarray(dice)[~np.isnan(dice)]
    return kept.std(ddof=ddof) / np.sqrt(count) * correct(count / len(kept))


def error_by_variance(dice, count):
    kept = [float(d) for d in dice if d == d]
    variance = sum((d - sum(kept) / len(kept)) ** 2 for d in kept) / (len(kept) - 1)
    return math.sqrt(variance * (len(kept) - count) / (count * len(kept)))


def scores(tp, fp, fn, empty, is_empty=None):
    is_empty = (tp + fp + fn == 0) if is_empty is None else is_empty
    with np.errstate(invalid="ignore", divide="ignore"):
        dice = 2 * tp / (2 * tp + fp + fn)
    return np.where(is_empty, {"skip": np.nan, "one": 1.0, "zero": 0.0}[empty], dice)


def zero_where_nothing_is_hit(tp, fp, fn, empty):
    dice = np.where(tp == 0, {"skip": np.nan, "one": 1.0, "zero": 0.0}[empty], 2 * tp / np.maximum(1, 2 * tp + fp + fn))
    return np.nanmean(dice)


def mean_dice_in_a_loop(tp, fp, fn, empty):
    total, count = 0.0, 0
    for a, b, c in zip(tp, fp, fn, strict=True):
        if a + b + c == 0:
            if empty != "skip":
                total, count = total + (empty == "one"), count + 1
            continue
        total, count = total + 2 * a / (2 * a + b + c), count + 1
    return total / count


def lesions(pred, target, corners=False, whole=False):
    structure = np.ones((3,) * target.ndim) if corners else None
    (true, n), (found, m) = (ndimage.label(mask, structure) for mask in (target, pred))
    touched = [(pred[true == i].all() if whole else pred[true == i].any()) for i in range(1, n + 1)]
    false = [not target[found == i].any() for i in range(1, m + 1)]
    return sum(touched), sum(false), n - sum(touched)


def lesions_by_maximum(pred, target):
    (true, n), (made, m) = ndimage.label(target), ndimage.label(pred)
    hit = np.asarray(ndimage.maximum(pred, true, range(1, n + 1))) if n else np.zeros(0)
    real = np.asarray(ndimage.maximum(target, made, range(1, m + 1))) if m else np.zeros(0)
    return int(hit.sum()), m - int(real.sum()), n - int(hit.sum())


def pieces_of_the_prediction(pred, target):
    (made, m), n = ndimage.label(pred), ndimage.label(target)[1]
    found = len(np.unique(made[pred & target]))
    return found, m - found, max(0, n - found)


def pieces_of_the_overlap(pred, target):
    found = ndimage.label(pred & target)[1]
    return found, lesions(pred, target)[1], max(0, ndimage.label(target)[1] - found)


def distances(pred, target, radius=lambda p, t: math.sqrt(t.sum() / math.pi), length=math.hypot):
    result = []
    for p, t in zip(pred, target, strict=True):
        if not (p.any() and t.any()):
            result.append(math.nan)
            continue
        (a, b), (c, d) = ndimage.center_of_mass(p), ndimage.center_of_mass(t)
        result.append(length(a - c, b - d) / radius(p, t))
    return result


def ratios(values, log=np.log, exp=np.exp, keep=lambda v: v[v > 0], ddof=1):
    return tuple(exp(number) for number in t_interval(log(keep(np.asarray(values, float))), ddof))


def around_the_geometric_mean(values):
    kept = [v for v in values if v > 0]
    return tuple(np.add(t_interval(kept), stats.gmean(kept) - np.mean(kept)))


WRONG = [
    ("max_pool", "an odd edge kept", lambda image: blocks(np.pad(image, (0, 1), constant_values=-np.inf)).max(axis=2)),
    ("max_pool", "every window", lambda i: np.lib.stride_tricks.sliding_window_view(i, (2, 2)).max(axis=(2, 3))),
    ("max_pool", "never below 0", lambda image: np.maximum(0, blocks(image).max(axis=2))),
    ("average_pool", "an odd edge filled with 0", lambda image: (
        blocks(np.pad(image, [(0, n % 2) for n in image.shape])).mean(axis=2))),
    ("average_pool", "the median", lambda image: np.median(blocks(image), axis=2)),
    ("average_pool", "between largest and smallest", lambda i: (blocks(i).max(axis=2) + blocks(i).min(axis=2)) / 2),
    ("max_pool_gradient", "to all that are largest", lambda i, a: gradient(i, a, "all")),
    ("max_pool_gradient", "shared by the largest", lambda i, a: gradient(i, a, "shared")),
    ("max_pool_gradient", "largest without its sign", lambda i, a: gradient(i, a, "absolute")),
    ("max_pool_gradient", "something at the edge", lambda i, a: gradient(i, a, edge=1.0)),
    ("paired_interval", "two samples", two_samples),
    ("paired_interval", "without signs", lambda a, b: t_interval(np.abs(np.subtract(a, b)))),
    ("paired_interval", "deviation of n", lambda a, b: t_interval(np.subtract(a, b), 0)),
    ("field_of_view", "full kernels", lambda k, s: field(k, s, 0, 0)),
    ("field_of_view", "from nothing", lambda k, s: field(k, s, 0)),
    ("field_of_view", "a product", lambda k, s: math.prod(k)),
    ("conv_parameters", "a bias for each pair", lambda k, i, o: (k * k + 1) * i * o),
    ("conv_parameters", "one bias", lambda k, i, o: k * k * i * o + 1),
    ("conv_parameters", "biases of the inputs", lambda k, i, o: k * k * i * o + i),
    ("disc_diameter", "a square's side", lambda n, s: s * np.sqrt(np.asarray(n, float))),
    ("disc_diameter", "a circumference", lambda n, s: np.asarray(n) * s / np.pi),
    ("disc_diameter", "scale squared outside the root", lambda n, s: 2 * s**2 * np.sqrt(np.asarray(n) / np.pi)),
    ("neighbour_exposure", "both neighbours", lambda *a: exposure(*a, both=True)),
    ("neighbour_exposure", "of train", lambda *a: exposure(*a, of="train")),
    ("neighbour_exposure", "neighbours counted", exposure_by_pairs),
    ("neighbour_exposure", "the same scan", lambda s, z, step, train, dev: np.isin(s[dev], s[train]).mean()),
    ("seen_in_train", "not seen", lambda s, train, dev: ~np.isin(s[dev], s[train])),
    ("seen_in_train", "all rows", lambda s, train, dev: np.isin(s, s[train])),
    ("seen_in_train", "who is seen", lambda s, train, dev: s[dev][np.isin(s[dev], s[train])]),
    ("split_by_subject", "always the last", last_people),
    ("split_by_subject", "enough for the rows", people_enough_for_rows),
    ("split_by_subject", "rounded down", people_rounded_down),
    ("split_by_subject", "the seed forgotten", the_seed_forgotten),
    ("split_by_subject", "some twice", people_drawn_twice),
    ("copied_masks", "how bright on the whole", lambda a, b, c: copied(
        a, b, c, lambda t, d: np.abs(t.mean(axis=2) - d.mean(axis=2)))),
    ("copied_masks", "the largest difference", lambda a, b, c: copied(a, b, c, lambda t, d: np.abs(t - d).max(axis=2))),
    ("copied_masks", "correlation", copied_by_correlation),
    ("copied_masks", "signs cancel", lambda a, b, c: copied(a, b, c, lambda t, d: (t - d).sum(axis=2) ** 2)),
    ("sampling_error", "NaNs counted", error_with_nans_counted),
    ("sampling_error", "no root over the share", lambda d, n: error(d, n, correct=lambda f: 1 - f)),
    ("sampling_error", "deviation of N", lambda d, n: error(d, n, ddof=0)),
    ("mean_dice", "no hit is empty", zero_where_nothing_is_hit),
    ("mean_dice", "an empty target is empty", lambda a, b, c, e: np.nanmean(scores(a, b, c, e, a + c == 0))),
    ("mean_dice", "zero and skip are one", lambda a, b, c, e: np.nanmean(scores(a, b, c, e.replace("zero", "skip")))),
    ("lesion_counts", "corners touch", lambda p, t: lesions(p, t, corners=True)),
    ("lesion_counts", "covered in full", lambda p, t: lesions(p, t, whole=True)),
    ("lesion_counts", "pieces of the prediction", pieces_of_the_prediction),
    ("lesion_counts", "pieces of the overlap", pieces_of_the_overlap),
    ("centroid_distances", "over the diameter", lambda p, t: distances(
        p, t, lambda p, t: 2 * math.sqrt(t.sum() / math.pi))),
    ("centroid_distances", "radius of the prediction", lambda p, t: distances(
        p, t, lambda p, t: math.sqrt(p.sum() / math.pi))),
    ("centroid_distances", "squared", lambda p, t: distances(p, t, length=lambda a, b: a * a + b * b)),
    ("geometric_interval", "logarithms of two kinds", lambda v: ratios(v, log=np.log10)),
    ("geometric_interval", "zeros made small", lambda v: ratios(v, keep=lambda r: np.maximum(r, 1e-6))),
    ("geometric_interval", "equal to both sides", around_the_geometric_mean),
    ("verdict", "bound taken for 0", lambda low, high, bound: (
        "holds" if low > 0 else "does not hold" if high < 0 else "undecided")),
    ("verdict", "two words", lambda low, high, bound: "holds" if low > bound else "does not hold"),
    ("verdict", "the middle", lambda low, high, bound: (
        "undecided" if low + high == 2 * bound else "holds" if low + high > 2 * bound else "does not hold")),
]
RIGHT = [
    ("max_pool", "PyTorch's", pooled_by_torch(torch.nn.MaxPool2d)),
    ("max_pool", "windows", lambda image: blocks(image).max(axis=2).tolist()),
    ("average_pool", "PyTorch's", pooled_by_torch(torch.nn.AvgPool2d)),
    ("average_pool", "windows", lambda image: blocks(image).sum(axis=2) / 4),
    ("max_pool_gradient", "PyTorch's", gradient_by_torch),
    ("max_pool_gradient", "a loop", gradient),
    ("paired_interval", "scipy's test", paired_by_scipy),
    ("field_of_view", "from behind", field_backwards),
    ("conv_parameters", "PyTorch's", parameters_by_torch),
    ("disc_diameter", "from the area", lambda n, s: np.power(4 * np.asarray(n) * s * s / math.pi, 0.5)),
    ("neighbour_exposure", "by distance", exposure_by_distance),
    ("seen_in_train", "a list", lambda s, train, dev: [s[i] in {s[j] for j in train} for i in dev]),
    ("split_by_subject", "Python's random", people_by_random),
    ("copied_masks", "cdist", copied_by_cdist),
    ("sampling_error", "by the variance", error_by_variance),
    ("mean_dice", "a loop", mean_dice_in_a_loop),
    ("lesion_counts", "a loop", lesions),
    ("lesion_counts", "the largest inside", lesions_by_maximum),
    ("centroid_distances", "centre of mass", distances),
    ("geometric_interval", "base 2", lambda v: ratios(v, np.log2, np.exp2)),
    ("verdict", "one expression", lambda low, high, bound: (
        "undecided" if low <= bound <= high else ("does not hold", "holds")[bool(low > bound)])),
]
