"""Wrong answers as learners write them, notebooks 04 to 10: exercise, attempt, and the name of its mistake."""

import math

import numpy as np
import torch
from scipy import ndimage, stats

from atlas_lab.course.result import NO_GRADIENT, TYPE


def drops_again(epoch, rate, drop):
    while epoch > drop:
        epoch, rate = epoch - drop - 1, rate / 10
    return rate


def swing(curve, line=True, share=True, nothing=math.nan, spread=np.ptp):
    y, x = np.asarray(curve, float), np.arange(len(curve))
    if not (y > 0).any():
        return nothing
    rest = y - np.poly1d(np.polyfit(x, y, 1))(x) if line else y
    return spread(rest) / (y.max() if share else 1)


def interval(values, quantile=None, ddof=1, root=True):
    n = len(values)
    quantile = stats.t.ppf(0.975, n - 1) if quantile is None else quantile(n)
    half = quantile * np.std(values, ddof=ddof) / (math.sqrt(n) if root else 1)
    return [np.mean(values), np.mean(values) - half, np.mean(values) + half]


def pool(image, reduce=np.max, step=2, size=2):
    rows = range(0, image.shape[0] - size + 1, step)
    columns = range(0, image.shape[1] - size + 1, step)
    return np.array([[reduce(image[r : r + size, c : c + size]) for c in columns] for r in rows])


def pool_with_the_edge(reduce):
    def attempt(image):
        wide = np.zeros([(size + 1) // 2 * 2 for size in image.shape])
        wide[: image.shape[0], : image.shape[1]] = image
        return pool(wide, reduce)
    return attempt


def pool_from_zero(image):
    pooled = np.zeros((image.shape[0] // 2, image.shape[1] // 2))
    for r in range(2 * pooled.shape[0]):
        for c in range(2 * pooled.shape[1]):
            pooled[r // 2, c // 2] = max(pooled[r // 2, c // 2], image[r, c])
    return pooled


def back_to(choose):
    """Gradient of pooling: `choose` makes four shares of a block's four pixels."""
    def attempt(image, above):
        result = np.zeros_like(image)
        for r, c in np.ndindex(above.shape):
            block = image[2 * r : 2 * r + 2, 2 * c : 2 * c + 2]
            result[2 * r : 2 * r + 2, 2 * c : 2 * c + 2] = choose(block, above[r, c])
        return result
    return attempt


def torn_apart(a, b):
    va, vb = np.var(a, ddof=1), np.var(b, ddof=1)
    half = stats.t.ppf(0.975, len(a) + len(b) - 2) * math.sqrt((va + vb) / 2 * (1 / len(a) + 1 / len(b)))
    return np.mean(a) - np.mean(b), np.mean(a) - np.mean(b) - half, np.mean(a) - np.mean(b) + half


def field_without_strides(kernels, strides):
    return sum(kernels) - len(kernels) + 1


def field_step_first(kernels, strides):
    seen, jump = 1, 1
    for k, s in zip(kernels, strides, strict=True):
        jump *= s
        seen += (k - 1) * jump
    return seen


def field_last_stride(kernels, strides):
    seen, before = 1, 1
    for k, s in zip(kernels, strides, strict=True):
        seen, before = seen + (k - 1) * before, s
    return seen


def exposed_by(near):
    def attempt(scans, z, step, train, dev):
        return sum(any(near(scans, z, step, i, j) for j in train) for i in dev) / len(dev)
    return attempt


def halves_at_random(subjects, dev_fraction, seed):
    picked = np.random.RandomState(seed).rand(len(subjects)).argsort()
    n = round(len(subjects) * dev_fraction)
    return np.sort(picked[n:]), np.sort(picked[:n])


def people_for(fraction, swap=False, keep=False, rounding=round):
    def attempt(subjects, dev_fraction, seed):
        people = np.random.RandomState(seed).permutation(np.unique(subjects)).tolist()
        chosen = people[: rounding(fraction(dev_fraction) * len(people))]
        dev = [i for i, s in enumerate(subjects) if s in chosen]
        train = [i for i, s in enumerate(subjects) if keep or s not in chosen]
        return (dev, train) if swap else (train, dev)
    return attempt


def copier(distance, kind=float, pick=min):
    def attempt(train_images, train_masks, dev_images):
        train, result = train_images.astype(kind), []
        for image in dev_images.astype(kind):
            apart = [distance(other, image) for other in train]
            result.append(train_masks[apart.index(pick(apart))])
        return result
    return attempt


def squares(a, b):
    return np.sum(np.square(a - b))


def sample(dice, n, finite=True, ddof=1, skipped=None, root=True):
    kept = [d if d == d else skipped for d in dice if d == d or skipped is not None]
    error = np.std(kept, ddof=ddof) / (math.sqrt(n) if root else 1)
    return error * math.sqrt(1 - n / len(kept)) if finite else error


def convention(empty_pair):
    def attempt(tp, fp, fn, empty):
        counts = zip(tp, fp, fn, strict=True)
        return np.nanmean([2 * a / (2 * a + b + c) if a + b + c else empty_pair(empty) for a, b, c in counts])
    return attempt


def lesions(rule=np.any, always_invented=False, order=(0, 1, 2)):
    def attempt(pred, target):
        (true, n), (found, m) = ndimage.label(target), ndimage.label(pred)
        hits = sum(bool(rule(pred[true == i])) for i in range(1, n + 1))
        alarms = m if always_invented else sum(not target[found == i].any() for i in range(1, m + 1))
        return tuple((hits, alarms, n - hits)[i] for i in order)
    return attempt


def pieces_that_touch(pred, target):
    found, m = ndimage.label(pred)
    hits = sum(target[found == i].any() for i in range(1, m + 1))
    return int(hits), m - int(hits), ndimage.label(target)[1] - int(hits)


def place(centre=np.mean, over=lambda t: math.sqrt(t.sum() / math.pi), empty=math.nan, length=math.hypot):
    def attempt(pred, target):
        result = []
        for p, t in zip(pred, target, strict=True):
            if p.any() and t.any():
                a, b = ([centre(axis) for axis in np.nonzero(m)] for m in (p, t))
                result.append(length(a[0] - b[0], a[1] - b[1]) / over(t))
            else:
                result.append(empty)
        return result
    return attempt


def positive(values):
    return [v for v in values if v > 0]


def tversky(logits, target, alpha, beta, probability=torch.sigmoid, plus=0.0):
    p = probability(logits)
    tp = (p * target).sum()
    return (1 - (tp + plus) / (tp + alpha * (p * (1 - target)).sum() + beta * ((1 - p) * target).sum() + plus))


def tversky_mean_of_slices(x, y, alpha, beta):
    return sum(tversky(a, b, alpha, beta) for a, b in zip(x, y, strict=True)) / len(x)


def halves(masks, over=None, right=False):
    half = masks.shape[-1] // 2
    part = masks[..., half:] if right else masks[..., :half]
    with np.errstate(invalid="ignore"):
        return part.sum((-1, -2)) / (masks.sum((-1, -2)) if over is None else over)


WRONG = [
    ("best_probability", lambda chance, weight: chance, "the weight isn't used"),
    ("best_probability", lambda chance, weight: min(weight * chance, 99), "weight times chance can exceed 1"),
    ("best_probability", lambda chance, weight: (1 + weight) ** -1, "the threshold 1 / (1 + w)"),
    ("best_probability", lambda c, w: 1 - 1 / (c * w + 1), "1 in place of 1 - c"),
    ("best_probability", lambda c, w: 1 - w * (1 - c) / (w * (1 - c) + c), "the weight stands at the wrong side"),
    ("best_probability", lambda c, w: (1 + (1 / c - 1) / w) ** -1, "a division by 0 where the chance is 0"),
    ("threshold_for_weight", lambda weight: weight**-1, "one over the weight"),
    ("threshold_for_weight", lambda weight: 1 - 1 / (1 + weight), "the threshold of the weight's inverse"),
    ("threshold_for_weight", lambda weight: 1 / 2, "always one half"),
    ("threshold_for_weight", lambda weight: 1 / (2 * weight), "one half over the weight"),
    ("tversky_loss", lambda x, y, a, b: 1 - tversky(x, y, a, b), "the index, not the loss"),
    ("tversky_loss", lambda x, y, a, b: tversky(x, y, beta=a, alpha=b), "alpha and beta are swapped"),
    ("tversky_loss", tversky_mean_of_slices, "a loss for each slice"),
    ("tversky_loss", lambda *arguments: tversky(*arguments, plus=1.0), "a smoothing term is added"),
    ("tversky_loss", lambda *arguments: tversky(*arguments, lambda x: x), "the logits are taken for probabilities"),
    ("tversky_loss", lambda x, y, a, b: tversky(x, y, 1 / 2, 1 / 2), "alpha and beta aren't used"),
    ("tversky_loss", lambda *arguments: float(tversky(*arguments)), NO_GRADIENT),
    ("left_share", lambda masks: halves(masks, right=True), "the right half"),
    ("left_share", lambda masks: halves(masks.transpose(0, 2, 1)), "the front half"),
    ("left_share", lambda masks: halves(masks, over=masks[0].size), "the share of the slice's pixels"),
    ("left_share", lambda masks: np.where(masks.any((1, 2)), halves(masks), 0), "an empty slice counts as 0"),
    ("n_updates", lambda n, b, e: n * e, "slices, not updates"),
    ("n_updates", lambda n, b, e: int(n / b) * e, "the last, smaller batch is left out"),
    ("n_updates", lambda n, b, e: math.ceil(n * e / b), "rounded up after all epochs"),
    ("n_updates", lambda n, b, e: e * n / b, "not rounded"),
    ("n_updates", lambda n, b, e: math.ceil(n / b), "the epochs aren't used"),
    ("stepped_rate", lambda epoch, rate, drop: rate / 10 if epoch >= drop else rate, "it drops an epoch too early"),
    ("stepped_rate", drops_again, "it drops again and again"),
    ("stepped_rate", lambda e, rate, drop: rate * 10 ** -(e / drop), "it falls smoothly"),
    ("stepped_rate", lambda e, rate, drop: 10 * rate if e > drop else rate, "it is ten times the rate"),
    ("oscillation", lambda curve: swing(curve, line=False), "the straight line isn't taken away"),
    ("oscillation", lambda curve: swing(curve, share=False), "not a share of the maximum"),
    ("oscillation", lambda curve: swing(curve, spread=np.std), "a standard deviation, not a range"),
    ("oscillation", lambda curve: swing(curve, nothing=0), "0 where nothing is found"),
    ("mean_interval", lambda v: interval(v, lambda n: stats.norm.ppf(0.975)), "the normal distribution"),
    ("mean_interval", lambda v: interval(v, root=False), "s / sqrt(n) is 's'"),
    ("mean_interval", lambda v: interval(v, ddof=0), "the standard deviation with n, not n - 1"),
    ("mean_interval", lambda v: interval(v, lambda n: stats.t.ppf(0.95, n - 1)), "the 95 % quantile"),
    ("mean_interval", lambda v: [np.mean(v), np.min(v), np.max(v)], "the range of the values"),
    ("max_pool", lambda image: pool(image, np.mean), "the mean, not the largest"),
    ("max_pool", lambda image: pool(image, step=1), "the blocks overlap"),
    ("max_pool", pool_with_the_edge(np.max), "the odd row or column is kept"),
    ("max_pool", pool_from_zero, "starts from 0"),
    ("average_pool", pool, "the largest, not the mean"),
    ("average_pool", lambda image: pool(image, np.sum), "a sum: divide by 4"),
    ("average_pool", lambda image: pool(image, np.mean, step=1), "the blocks overlap"),
    ("average_pool", lambda image: pool(image, lambda b: b.sum() // 4), "whole numbers"),
    ("average_pool", pool_with_the_edge(np.mean), "the odd row or column is kept"),
    ("max_pool_gradient", back_to(lambda block, g: g / 4), "a quarter to each pixel"),
    ("max_pool_gradient", back_to(lambda block, g: g), "all of it to each pixel of the block"),
    ("max_pool_gradient", back_to(lambda block, g: g * (block == block.max())), "all of it to each of several largest"),
    ("max_pool_gradient", back_to(lambda block, g: g * (block == block.min())), "to the smallest pixel"),
    ("max_pool_gradient", back_to(lambda block, g: 1.0 * (block == block.max())), "1 for the largest pixel"),
    ("max_pool_gradient", lambda image, above: above.copy(), "the size of the pooled picture"),
    ("paired_interval", lambda a, b: interval([y - x for x, y in zip(a, b, strict=True)]), "others - ones"),
    ("paired_interval", lambda a, b: np.array(interval(a)) - interval(b), "the two intervals are subtracted"),
    ("paired_interval", torn_apart, "the pairs are torn apart"),
    ("paired_interval", lambda a, b: float(np.mean(np.array(a) - b)), "the mean difference alone"),
    ("field_of_view", field_without_strides, "the strides aren't used"),
    ("field_of_view", field_step_first, "the step grows before"),
    ("field_of_view", field_last_stride, "only the layer's own stride counts"),
    ("field_of_view", lambda kernels, strides: max([1, *kernels]), "the largest kernel alone"),
    ("disc_diameter", lambda n, s: s * np.sqrt(n / np.pi), "the radius, not the diameter"),
    ("disc_diameter", lambda n, s: 2 * np.sqrt(n * s / np.pi), "the scale isn't squared"),
    ("disc_diameter", lambda n, s: s * np.sqrt(n), "the side of a square"),
    ("disc_diameter", lambda n, s: 2 * np.sqrt(n / np.pi), "in pixels, not in mm"),
    ("conv_parameters", lambda k, i, o: i * o * k**2, "the biases are left out"),
    ("conv_parameters", lambda k, i, o: (k * i + 1) * o, "the kernel isn't squared"),
    ("conv_parameters", lambda k, i, o: (k * k + 1) * o, "the channels that come in aren't counted"),
    ("conv_parameters", lambda k, i, o: (k * k * o + 1) * i, "a bias for each input"),
    ("neighbour_exposure", exposed_by(lambda s, z, d, i, j: abs(i - j) == 1), "the next row of the table"),
    ("neighbour_exposure", exposed_by(lambda s, z, d, i, j: s[i] == s[j] and z[j] - z[i] == d), "only the slice above"),
    ("neighbour_exposure", exposed_by(lambda s, z, d, i, j: s[i][0] == s[j][0] and abs(z[i] - z[j]) == d),
     "the session is ignored"),
    ("neighbour_exposure", exposed_by(lambda s, z, d, i, j: s[i] == s[j] and abs(z[i] - z[j]) == 1),
     "the step isn't used"),
    ("neighbour_exposure", exposed_by(lambda s, z, d, i, j: abs(z[i] - z[j]) == d), "the scan is ignored"),
    ("seen_in_train", lambda s, t, d: [s[i] not in s[t] for i in d], "the other way round"),
    ("seen_in_train", lambda s, t, d: [i in t for i in d], "rows are compared, not people"),
    ("seen_in_train", lambda s, t, d: [x in s[t] for x in s], "one answer for each row of the store"),
    ("seen_in_train", lambda s, t, d: sum(s[i] in s[t] for i in d) / len(d), "the share, not one answer"),
    ("seen_in_train", lambda s, t, d: np.isin(s[d], s[t]).astype(int), TYPE),
    ("split_by_subject", halves_at_random, "slices are drawn, not people"),
    ("split_by_subject", people_for(lambda f: f, swap=True), "train and dev are swapped"),
    ("split_by_subject", people_for(lambda f: f, keep=True), "dev's rows are left in train"),
    ("split_by_subject", people_for(lambda f: f, rounding=int), "rounded down"),
    ("split_by_subject", people_for(lambda f: f, rounding=math.ceil), "rounded up"),
    ("copied_masks", copier(squares, np.uint8), "differences of bytes overflow"),
    ("copied_masks", copier(squares, pick=max), "the least similar slice"),
    ("copied_masks", copier(lambda a, b: np.abs(a - b).mean()), "absolute differences"),
    ("copied_masks", copier(lambda a, b: abs(a.sum() - b.sum())), "only the mean brightness is compared"),
    ("copied_masks", copier(lambda a, b: -np.dot(a.ravel(), b.ravel())), "a product of pictures"),
    ("sampling_error", lambda dice, n: sample(dice, n, finite=False), "the factor sqrt(1 - n / N) is missing"),
    ("sampling_error", lambda dice, n: sample(dice, n, skipped=0.0), "skipped slices count as 0"),
    ("sampling_error", lambda dice, n: sample(dice, n, skipped=math.nan), "NaN, since skipped slices"),
    ("sampling_error", lambda dice, n: sample(dice, n, root=False), "the spread of the slices"),
    ("mean_dice", convention(lambda empty: math.nan), "always skips"),
    ("mean_dice", convention(lambda empty: 1), "always counts an empty pair as 1"),
    ("mean_dice", convention(lambda empty: 0), "always counts an empty pair as 0"),
    ("mean_dice", lambda tp, fp, fn, empty: 2 * tp.sum() / (2 * tp + fp + fn).sum(), "all slices are pooled"),
    ("lesion_counts", lesions(lambda part: part.mean() > 0.5), "half of a lesion must be found"),
    ("lesion_counts", lambda p, t: [(p * t).sum(), (p > t).sum(), (t > p).sum()], "voxels are counted"),
    ("lesion_counts", pieces_that_touch, "predicted pieces are counted"),
    ("lesion_counts", lesions(order=(0, 2, 1)), "the order is found, missed, invented"),
    ("lesion_counts", lesions(always_invented=True), "each predicted piece counts as invented"),
    ("centroid_distances", place(over=lambda t: 1), "in pixels, not in radii"),
    ("centroid_distances", place(lambda x: (x.min() + x.max()) / 2), "the middle of the bounding box"),
    ("centroid_distances", place(np.median), "the median pixel"),
    ("centroid_distances", place(empty=0), "0 where a mask is empty"),
    ("centroid_distances", place(length=lambda a, b: abs(a) + abs(b)), "rows plus columns"),
    ("geometric_interval", interval, "the plain mean"),
    ("geometric_interval", lambda v: interval(np.log(positive(v))), "the logarithms are not turned back"),
    ("geometric_interval", lambda v: np.exp(interval(np.log(np.array(v) + 1e-9))), "a tiny number stands for 0"),
    ("geometric_interval", lambda v: np.exp(interval(np.log(positive(v)), lambda n: stats.norm.ppf(0.975))),
     "the normal distribution"),
    ("verdict", lambda low, high, bound: ["does not hold", "holds"][low + high > 2 * bound], "the middle decides"),
    ("verdict", lambda low, high, bound: "holds" if bound < low else "does not hold", "never undecided"),
    ("verdict", lambda low, high, bound: "holds" if bound < high else "does not hold", "one end above the bound"),
    ("verdict", lambda low, high, bound: "holds" if high < bound else "does not hold" if low > bound else "undecided",
     "the other way round"),
]
