"""Right answers to the exercises, in other words than the lab's own: RIGHT, pairs of exercise and attempt."""

import numpy as np
from scipy import ndimage
from torch.nn import functional as F


def combine_by_any(masks):
    return np.any([np.array(mask) > 0 for mask in masks], axis=0)


def combine_by_sum_in_place(masks):
    """Right, though it writes into the first mask."""
    total = masks[0]
    for mask in masks[1:]:
        total += mask
    return total > 0


def volume_by_columns(mask, affine):
    """The volume of one voxel is the box product of the affine's columns."""
    a, b, c = affine[:3, :3].T
    return mask.sum() * abs(a @ np.cross(b, c)) / 1000


def overlap_by_stack(masks):
    return np.stack(list(masks)).mean(axis=0)


def side_by_nibabel(mask, affine):
    from nibabel.affines import apply_affine

    share = (apply_affine(affine, np.argwhere(mask))[:, 0] < 0).mean()
    return "left" if share > 0.9 else "right" if share < 0.1 else "both"


def dice_by_loop(pred, target):
    result = []
    for p, t in zip(pred, target, strict=True):
        size = int(p.sum()) + int(t.sum())
        result.append(2 * int((p & t).sum()) / size if size else float("nan"))
    return result


def cross_entropy_by_logsigmoid(logits, target, pos_weight):
    return -(pos_weight * target * F.logsigmoid(logits) + (1 - target) * F.logsigmoid(-logits)).mean()


def cross_entropy_in_float64_as_a_number(logits, target, pos_weight):
    return cross_entropy_by_logsigmoid(logits.double(), target.double(), pos_weight).item()


def precision_recall_area_in_numpy(tp, fp, fn):
    tp, fp, fn = tp.sum(), fp.sum(), fn.sum()
    with np.errstate(invalid="ignore"):
        return tp / (tp + fp), tp / (tp + fn), (tp + fp) / (tp + fn)


def best_probability_by_odds(chance, weight):
    """The odds are multiplied by the weight."""
    if chance == 1:
        return 1.0
    odds = weight * chance / (1 - chance)
    return odds / (1 + odds)


def tversky_by_monai(logits, target, alpha, beta):
    from monai.losses import TverskyLoss

    return TverskyLoss(sigmoid=True, alpha=alpha, beta=beta, batch=True, smooth_nr=0, smooth_dr=0)(logits, target)


def oscillation_by_scipy(curve):
    from scipy.signal import detrend

    return np.ptp(detrend(np.asarray(curve, float))) / max(curve) if max(curve) > 0 else np.nan


def exposure_by_table(store, split):
    """Merge dev with train moved up and down by one step."""
    train, dev = store.table.iloc[split.train], store.table.iloc[split.dev]
    moved = [train.assign(z=train["z"] + step) for step in (-store.about["z_step"], store.about["z_step"])]
    keys = {tuple(row) for table in moved for row in table[["subject", "session", "z"]].to_numpy()}
    return np.mean([tuple(row) in keys for row in dev[["subject", "session", "z"]].to_numpy()])


def exposure_by_rows(split, *steps):
    """Wrong: the next row of the table may be of another scan."""
    train = set(split.train.tolist())
    return np.mean([any(row + step in train for step in steps) for row in split.dev.tolist()])


def interval_by_scipy(values, normal=False):
    from scipy import stats

    mean, half = np.mean(values), stats.sem(values)
    half *= stats.norm.ppf(0.975) if normal else stats.t.ppf(0.975, len(values) - 1)
    return mean, mean - half, mean + half


def field_by_counting_back(kernels, strides):
    """From one output back to the input: s outputs apart and k wide."""
    size = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        size = (size - 1) * stride + kernel
    return size


RIGHT = [
    ("combine_masks", combine_by_any),
    ("combine_masks", combine_by_sum_in_place),
    ("lesion_volume_ml", volume_by_columns),
    ("overlap_map", overlap_by_stack),
    ("lesion_side", side_by_nibabel),
    ("dice_coefficient", dice_by_loop),
    ("weighted_cross_entropy", cross_entropy_by_logsigmoid),
    ("weighted_cross_entropy", cross_entropy_in_float64_as_a_number),
    ("precision_recall_area", precision_recall_area_in_numpy),
    ("precision_recall_area", lambda *counts: np.array(precision_recall_area_in_numpy(*counts))),
    ("precision_recall_area", lambda *counts: list(precision_recall_area_in_numpy(*counts))),
    ("best_probability", best_probability_by_odds),
    ("tversky_loss", tversky_by_monai),
    ("n_updates", lambda n_slices, batch_size, epochs: sum(len(range(0, n_slices, batch_size)) for _ in range(epochs))),
    ("oscillation", oscillation_by_scipy),
    ("neighbour_exposure", exposure_by_table),
    ("mean_interval", interval_by_scipy),
    ("field_of_view", field_by_counting_back),
]


def diameter_in_loop(pixels, scale):
    return [(4 * n * scale * scale / np.pi) ** 0.5 for n in np.atleast_1d(pixels)] if np.ndim(pixels) else (
        (4 * pixels * scale * scale / np.pi) ** 0.5)


def place_by_scipy(pred, target, in_radii=True):
    result = []
    for p, t in zip(pred, target, strict=True):
        apart = np.nan
        if p.any() and t.any():
            apart = np.linalg.norm(np.subtract(ndimage.center_of_mass(p), ndimage.center_of_mass(t)))
        result.append(apart / np.sqrt(t.sum() / np.pi) if in_radii else apart)
    return result


def error_by_hand(dice, count, finite=True, ddof=1):
    kept = [d for d in dice if d == d]
    error = np.std(kept, ddof=ddof) / count**0.5
    return error * (1 - count / len(kept)) ** 0.5 if finite else error


def counts_by_loop(pred, target, rule=lambda part, other: (part & other).any()):
    (true, n_true), (found, n_pred) = ndimage.label(target), ndimage.label(pred)
    hits = sum(bool(rule(true == i, pred)) for i in range(1, n_true + 1))
    alarms = sum(not (found == i)[target].any() for i in range(1, n_pred + 1))
    return hits, alarms, n_true - hits


RIGHT += [
    ("paired_interval", lambda a, b: interval_by_scipy([x - y for x, y in zip(a, b, strict=True)])),
    ("geometric_interval", lambda values: np.exp(interval_by_scipy(np.log([v for v in values if v])))),
    ("disc_diameter", lambda pixels, scale: diameter_in_loop(pixels, scale)),
    ("seen_in_train", lambda subjects, split: [subjects[i] in set(subjects[split.train]) for i in split.dev]),
    ("centroid_distances", lambda pred, target: place_by_scipy(pred, target)),
    ("sampling_error", lambda dice, count: error_by_hand(dice, count)),
    ("lesion_counts", lambda pred, target: counts_by_loop(pred, target)),
]
