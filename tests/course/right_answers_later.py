"""Right answers to the exercises, two or more for each, in other words than the lab's own: notebooks 05 to 10."""

import numpy as np
import torch
from scipy import ndimage, stats
from torch.nn import functional as F


def swing_by_scipy(curve):
    from scipy.signal import detrend

    return np.ptp(detrend(np.asarray(curve, float))) / max(curve) if max(curve) > 0 else np.nan


def swing_by_regression(curve):
    x = list(range(len(curve)))
    fit = stats.linregress(x, curve)
    left = [y - fit.slope * i - fit.intercept for i, y in zip(x, curve, strict=True)]
    return (max(left) - min(left)) / max(curve) if max(curve) > 0 else float("nan")


def interval_by_t(values):
    return (np.mean(values), *stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values)))


def interval_by_statistics(values):
    import statistics

    mean, half = statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5
    half *= stats.t(len(values) - 1).ppf(0.975)
    return np.array([mean, mean - half, mean + half])


def pool_by_torch(kind):
    return lambda image: kind(torch.from_numpy(image)[None, None], 2)[0, 0]


def pool_by_reshape(reduce):
    def attempt(image):
        rows, columns = image.shape[0] // 2, image.shape[1] // 2
        return reduce(image[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2), axis=(1, 3))
    return attempt


def gradient_by_torch(image, above):
    x = torch.tensor(image, requires_grad=True)
    F.max_pool2d(x[None, None], 2).backward(torch.tensor(above)[None, None])
    return x.grad


def gradient_by_one_hot(image, above):
    gradient = np.zeros_like(image)
    rows, columns = above.shape
    blocks = image[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).swapaxes(1, 2).reshape(rows, columns, 4)
    best = (np.eye(4)[blocks.argmax(axis=2)] * above[..., None]).reshape(rows, columns, 2, 2)
    gradient[: 2 * rows, : 2 * columns] = best.swapaxes(1, 2).reshape(2 * rows, 2 * columns)
    return gradient


def paired_by_ttest(ones, others):
    found = stats.ttest_rel(ones, others)
    return np.mean(ones) - np.mean(others), *found.confidence_interval()


def field_by_counting_back(kernels, strides):
    """From one output back to the input: s outputs apart and k wide."""
    size = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        size = (size - 1) * stride + kernel
    return size


def field_by_cumprod(kernels, strides):
    steps = np.cumprod([1, *strides])[:-1]
    return 1 + int(np.sum((np.array(kernels, int) - 1) * steps))


def parameters_by_torch(kernel, inputs, outputs):
    return sum(p.numel() for p in torch.nn.Conv2d(inputs, outputs, kernel).parameters())


def exposure_by_merge(scans, z, step, train, dev):
    import pandas

    table = pandas.DataFrame({"scan": scans, "z": z})
    moved = pandas.concat([table.iloc[train].assign(z=table.z.iloc[train] + d) for d in (-step, step)])
    return table.iloc[dev].merge(moved.drop_duplicates(), how="left", indicator=True)["_merge"].eq("both").mean()


def exposure_by_distance(scans, z, step, train, dev):
    same = scans[dev][:, None] == scans[train][None]
    return float((same & (np.abs(z[dev][:, None] - z[train][None]) == step)).any(axis=1).mean())


def split_by_shuffle(subjects, dev_fraction, seed):
    import random

    people = sorted(set(subjects.tolist()))
    random.Random(seed).shuffle(people)
    chosen = set(people[: round(dev_fraction * len(people))])
    rows = range(len(subjects))
    return [r for r in rows if subjects[r] not in chosen], [r for r in rows if subjects[r] in chosen]


def split_by_sklearn(subjects, dev_fraction, seed):
    from sklearn.model_selection import GroupShuffleSplit

    n_dev = round(dev_fraction * len(np.unique(subjects)))
    splitter = GroupShuffleSplit(1, test_size=n_dev, train_size=len(np.unique(subjects)) - n_dev, random_state=seed)
    return next(splitter.split(subjects, groups=subjects))


def copies_by_cdist(train_images, train_masks, dev_images):
    from scipy.spatial.distance import cdist

    apart = cdist(dev_images.reshape(len(dev_images), -1).astype(float),
                  train_images.reshape(len(train_images), -1).astype(float))
    return train_masks[apart.argmin(axis=1)]


def copies_by_neighbours(train_images, train_masks, dev_images):
    from sklearn.neighbors import KNeighborsClassifier

    flat = [images.reshape(len(images), -1).astype(float) for images in (train_images, dev_images)]
    rows = KNeighborsClassifier(1).fit(flat[0], range(len(flat[0]))).predict(flat[1])
    return [train_masks[row] for row in rows]


def error_by_scipy(dice, count):
    kept = [d for d in dice if d == d]
    return stats.tstd(kept) * ((len(kept) - count) / len(kept) / count) ** 0.5


def error_by_hand(dice, count):
    kept = torch.tensor(dice)[~torch.isnan(torch.tensor(dice))]
    return kept.std() / count**0.5 * (1 - count / len(kept)) ** 0.5


def dice_in_a_list(tp, fp, fn, empty):
    scores = []
    for a, b, c in zip(tp, fp, fn, strict=True):
        if a + b + c:
            scores.append(2 * a / (2 * a + b + c))
        elif empty != "skip":
            scores.append(float(empty == "one"))
    return sum(scores) / len(scores)


def dice_by_filling(tp, fp, fn, empty):
    with np.errstate(invalid="ignore"):
        dice = 2.0 * tp / (2 * tp + fp + fn)
    return np.mean(dice[~np.isnan(dice)] if empty == "skip" else np.nan_to_num(dice, nan=float(empty == "one")))


def lesions_by_loop(pred, target):
    (true, n_true), (found, n_pred) = ndimage.label(target), ndimage.label(pred)
    hits = sum(pred[true == i].any() for i in range(1, n_true + 1))
    alarms = sum(not target[found == i].any() for i in range(1, n_pred + 1))
    return int(hits), alarms, n_true - int(hits)


def lesions_by_maximum(pred, target):
    true, n_true = ndimage.label(target)
    found, n_pred = ndimage.label(pred)
    hits = int(np.sum(ndimage.maximum(pred, true, range(1, n_true + 1)))) if n_true else 0
    touched = int(np.sum(ndimage.maximum(target, found, range(1, n_pred + 1)))) if n_pred else 0
    return np.array([hits, n_pred - touched, n_true - hits])


def place_by_scipy(pred, target):
    result = []
    for p, t in zip(pred, target, strict=True):
        apart = np.nan
        if p.any() and t.any():
            apart = np.linalg.norm(np.subtract(ndimage.center_of_mass(p), ndimage.center_of_mass(t)))
        result.append(apart / np.sqrt(t.sum() / np.pi) if t.any() else np.nan)
    return result


def place_by_moments(pred, target):
    with np.errstate(invalid="ignore"):
        centre = [[(m.sum(axis) * np.arange(20)).sum(1) / m.sum((1, 2)) for axis in (2, 1)] for m in (pred, target)]
        apart = np.hypot(centre[0][0] - centre[1][0], centre[0][1] - centre[1][1])
        return torch.from_numpy(apart * np.sqrt(np.pi) / np.sqrt(target.sum((1, 2))))


RIGHT = [
    ("n_updates", lambda n_slices, batch_size, epochs: len(range(0, n_slices, batch_size)) * epochs),
    ("n_updates", lambda n, b, e: e * int(np.ceil(n / b))),
    ("stepped_rate", lambda epoch, rate, drop: rate * (0.1 if epoch > drop else 1)),
    ("stepped_rate", lambda epoch, rate, drop: [rate / 10, rate][epoch < drop + 1]),
    ("oscillation", swing_by_scipy),
    ("oscillation", swing_by_regression),
    ("mean_interval", interval_by_t),
    ("mean_interval", interval_by_statistics),
    ("max_pool", pool_by_torch(F.max_pool2d)),
    ("max_pool", pool_by_reshape(np.max)),
    ("average_pool", pool_by_torch(F.avg_pool2d)),
    ("average_pool", pool_by_reshape(np.mean)),
    ("max_pool_gradient", gradient_by_torch),
    ("max_pool_gradient", gradient_by_one_hot),
    ("paired_interval", paired_by_ttest),
    ("paired_interval", lambda a, b: list(interval_by_t([x - y for x, y in zip(a, b, strict=True)]))),
    ("field_of_view", field_by_counting_back),
    ("field_of_view", field_by_cumprod),
    ("disc_diameter", lambda pixels, scale: 2 * scale * (np.asarray(pixels) / np.pi) ** 0.5),
    ("disc_diameter", lambda pixels, scale: torch.as_tensor(pixels).mul(4 / np.pi).sqrt() * scale),
    ("conv_parameters", parameters_by_torch),
    ("conv_parameters", lambda kernel, inputs, outputs: outputs * (1 + inputs * kernel**2)),
    ("neighbour_exposure", exposure_by_merge),
    ("neighbour_exposure", exposure_by_distance),
    ("seen_in_train", lambda subjects, train, dev: [subjects[i] in set(subjects[train]) for i in dev]),
    ("seen_in_train", lambda s, t, d: torch.from_numpy((s[d][:, None] == s[t][None]).any(axis=1))),
    ("split_by_subject", split_by_shuffle),
    ("split_by_subject", split_by_sklearn),
    ("copied_masks", copies_by_cdist),
    ("copied_masks", copies_by_neighbours),
    ("sampling_error", error_by_scipy),
    ("sampling_error", error_by_hand),
    ("mean_dice", dice_in_a_list),
    ("mean_dice", dice_by_filling),
    ("lesion_counts", lesions_by_loop),
    ("lesion_counts", lesions_by_maximum),
    ("centroid_distances", place_by_scipy),
    ("centroid_distances", place_by_moments),
    ("geometric_interval", lambda v: np.exp(interval_by_t(np.log([x for x in v if x > 0])))),
    ("geometric_interval", lambda v: torch.tensor(interval_by_t(np.log(np.array(v)[np.array(v) > 0]))).exp()),
    ("verdict", lambda low, high, bound: ["does not hold", "undecided", "holds"][(low > bound) + (high >= bound)]),
    ("verdict", lambda low, high, bound: "undecided" if low <= bound <= high else
        "holds" if (low + high) / 2 > bound else "does not hold"),
]
