"""The exercises' checks: right answers pass, typical wrong ones fail at the case that shows the mistake."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional as F

import atlas_lab as lab
from atlas_lab.course.exercises import SOLUTIONS

NAMES = list(SOLUTIONS)


def outcome(capsys, name, attempt):
    """What the check of an exercise prints about an attempt: one line."""
    getattr(lab, f"check_{name}")(attempt)
    out = capsys.readouterr().out
    assert out.endswith("\n") and out.count("\n") == 1
    return out.strip()


def stub(*arguments):
    raise NotImplementedError


# ------------------------------------------------------------------------------------------- right answers, own words

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


@pytest.mark.parametrize("name, attempt", RIGHT)
def test_a_right_answer_passes(capsys, name, attempt):
    assert outcome(capsys, name, attempt) == "Passed"


@pytest.mark.parametrize("name", NAMES)
def test_the_lab_s_own_function_passes(capsys, name):
    assert outcome(capsys, name, getattr(lab, name)) == "Passed"


# ------------------------------------------------------------------------------------------------------ wrong answers

def dice_with(both_empty=None, smooth=0.0, factor=2):
    """Dice with a convention of its own for two empty masks, a smoothing term, or a wrong factor."""
    def attempt(pred, target):
        tp = (pred & target).sum((1, 2))
        below = pred.sum((1, 2)) + target.sum((1, 2))
        with np.errstate(invalid="ignore"):
            dice = (factor * tp + smooth) / (below + smooth)
        return dice if both_empty is None else np.where(below == 0, both_empty, dice)
    return attempt


def jaccard(pred, target):
    with np.errstate(invalid="ignore"):
        return (pred & target).sum((1, 2)) / (pred | target).sum((1, 2))


def dice_blind_to_false_alarms(pred, target):
    """As MONAI does by default."""
    dice = np.array(dice_by_loop(pred, target))
    return np.where(target.any(axis=(1, 2)), dice, np.nan)


def dice_of_the_whole_batch(pred, target):
    size = pred.sum() + target.sum()
    return np.array([2 * (pred & target).sum() / size if size else np.nan])


def naive_cross_entropy(logits, target, pos_weight):
    p = torch.sigmoid(logits)
    return -(pos_weight * target * p.log() + (1 - target) * (1 - p).log()).mean()


def cross_entropy_weighing(lesion, other, reduce="mean"):
    """Cross-entropy with the given weight of lesion pixels and of others, as functions of pos_weight."""
    def attempt(logits, target, pos_weight):
        weight = torch.where(target > 0, lesion(pos_weight), other(pos_weight)).to(logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, target, weight=weight, reduction=reduce)
    return attempt


def as_is(weight):
    return torch.tensor(weight)


def always_1(weight):
    return torch.tensor(1.0)


def two_passes_over_the_masks(masks):
    total = sum(mask.astype(float) for mask in masks)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / len(list(masks))


def side_without_both(mask, affine):
    x = np.argwhere(mask)[:, 0] * affine[0, 0] + affine[0, 3]
    return "left" if x.mean() < 0 else "right"


def side_by_index(mask, affine):
    share = (np.argwhere(mask)[:, 0] < mask.shape[0] // 2).mean()
    return "left" if share > 0.9 else "right" if share < 0.1 else "both"


def side_swapped(mask, affine):
    return {"left": "right", "right": "left", "both": "both"}[side_by_nibabel(mask, affine)]


def mean_of_fractions(tp, fp, fn):
    with np.errstate(invalid="ignore", divide="ignore"):
        return tuple(np.nanmean(x) for x in (tp / (tp + fp), tp / (tp + fn), (tp + fp) / (tp + fn)))


def with_plain_division(tp, fp, fn):
    tp, fp, fn = (int(count.sum()) for count in (tp, fp, fn))
    return tp / (tp + fp), tp / (tp + fn), (tp + fp) / (tp + fn)


WRONG = [  # exercise, attempt, the case at which it must fail
    ("paired_interval", lambda a, b: np.mean(a) - np.mean(b), "good seeds are good in both"),
    ("paired_interval", lambda a, b: lab.mean_interval(np.subtract(b, a)), "good seeds are good in both"),
    ("paired_interval", lambda a, b: np.subtract(lab.mean_interval(a), lab.mean_interval(b)), "good seeds are good"),
    ("geometric_interval", lambda values: lab.mean_interval(values), "half and double"),
    ("geometric_interval", lambda values: lab.mean_interval(np.log(values)), "half and double"),
    ("geometric_interval", lambda values: np.exp(lab.mean_interval(np.log(np.add(values, 1e-9)))), "left out"),
    ("disc_diameter", lambda n, s: np.sqrt(n * s**2 / np.pi), "314 pixels of 1 mm"),
    ("disc_diameter", lambda n, s: 2 * np.sqrt(n * s / np.pi), "20 pixels of 4 mm"),
    ("disc_diameter", lambda n, s: np.sqrt(n) * s, "314 pixels of 1 mm"),
    ("seen_in_train", lambda subjects, split: np.isin(split.dev, split.train), "every second slice held out"),
    ("seen_in_train", lambda subjects, split: ~np.isin(subjects[split.dev], subjects[split.train]), "one person"),
    ("seen_in_train", lambda subjects, split: np.isin(subjects, subjects[split.train]), "one person held out"),
    ("centroid_distances", lambda p, t: place_by_scipy(p, t, in_radii=False), "4 pixels to the right"),
    ("centroid_distances", lambda p, t: place_by_scipy(p, p | t), "4 pixels to the right"),
    ("centroid_distances", lambda p, t: np.nan_to_num(place_by_scipy(p, t)), "nothing predicted"),
    ("sampling_error", lambda dice, n: error_by_hand(dice, n, finite=False), "100 of 400 slices"),
    ("sampling_error", lambda dice, n: np.std(dice, ddof=1) / n**0.5 * (1 - n / len(dice)) ** 0.5, "skipped slices"),
    ("sampling_error", lambda dice, n: error_by_hand(dice, 400), "100 of 400 slices"),
    ("lesion_counts", lambda p, t: counts_by_loop(p, t, lambda part, other: (part & other).sum() * 2 > part.sum()),
     "one voxel in a lesion finds it"),
    ("lesion_counts", lambda p, t: ((p & t).sum(), (p & ~t).sum(), (t & ~p).sum()), "two false alarms"),
    ("lesion_counts", lambda p, t: (lambda f, a, m: (min(f, ndimage.label(p)[1]), a, m))(*counts_by_loop(p, t)),
     "one large piece over both"),
    ("mean_interval", lambda values: interval_by_scipy(values, normal=True), "five seeds"),
    ("mean_interval", lambda values: (np.mean(values), min(values), max(values)), "five seeds"),
    ("mean_interval", lambda values: np.mean(values), "five seeds"),
    ("field_of_view", lambda kernels, strides: 1 + sum(k - 1 for k in kernels), "a pooling of 2 between"),
    ("field_of_view", lambda kernels, strides: sum(kernels), "two convolutions of 3"),
    ("field_of_view", lambda kernels, strides: max(kernels), "two convolutions of 3"),
    ("n_updates", lambda n, b, e: n * e, "100 slices in batches of 10"),
    ("n_updates", lambda n, b, e: n * e // b, "105 slices: the last batch is smaller"),
    ("n_updates", lambda n, b, e: -(-n * e // b), "105 slices, four epochs"),
    ("oscillation", lambda curve: np.ptp(curve), "up and down around a level"),
    ("oscillation", lambda curve: np.ptp(curve) / max(curve), "a steady rise"),
    ("oscillation", lambda curve: oscillation_by_scipy(curve) if max(curve) else 0.0, "a network that finds nothing"),
    ("neighbour_exposure", lambda store, split: 1.0, "whole people held out"),
    ("neighbour_exposure", lambda store, split: exposure_by_rows(split, 1), "only some have a neighbour"),
    ("neighbour_exposure", lambda store, split: exposure_by_rows(split, -1, 1), "whole people held out"),
    ("best_probability", lambda chance, weight: chance, "chance 1 in 50, weight 100"),
    ("best_probability", lambda chance, weight: weight * chance, "chance 1 in 50, weight 100"),
    ("best_probability", lambda chance, weight: 1 / (1 + weight), "chance 1 in 50, weight 1"),
    ("best_probability", lambda c, w: 1 / (1 + (1 - c) / (w * c)), "no lesion at all"),
    ("tversky_loss", lambda x, t, alpha, beta: 1 - tversky_by_monai(x, t, alpha, beta), "alpha = beta = 1"),
    ("tversky_loss", lambda x, t, alpha, beta: tversky_by_monai(x, t, beta, alpha), "alpha 0.3 on false positives"),
    ("tversky_loss", lambda x, t, alpha, beta: tversky_by_monai(x, t, 0.5, 0.5), "alpha = beta = 1: equation 3"),
    ("tversky_loss", lambda x, t, alpha, beta: torch.stack(
        [tversky_by_monai(x[i:i + 1], t[i:i + 1], alpha, beta) for i in range(2)]).mean(), "alpha = beta = 1"),
    ("combine_masks", lambda masks: np.maximum.reduce(masks), "a mask of 0 and 1 with a mask of 0 and 255"),
    ("combine_masks", lambda masks: masks[0] > 0, "a mask of 0 and 1 with a mask of 0 and 255"),
    ("combine_masks", lambda masks: sum(masks) == 1, "a mask of 0 and 1 with a mask of 0 and 255"),
    ("combine_masks", lambda masks: sum(masks) > 127, "one mask of zeros and ones"),
    ("combine_masks", lambda masks: sum(masks), "a mask of 0 and 1 with a mask of 0 and 255"),
    ("combine_masks", lambda masks: np.logical_and.reduce(masks), "a mask of 0 and 1 with a mask of 0 and 255"),
    ("combine_masks", lambda masks: np.logical_xor.reduce([m > 0 for m in masks]), "two masks that overlap"),
    ("combine_masks", lambda masks: np.any([mask.astype(int) for mask in masks], axis=0), "values such as 0.999"),
    ("combine_masks", lambda masks: sum(masks) >= 1, "values such as 0.999"),
    ("combine_masks", lambda masks: masks[0] + masks[1] > 0 if len(masks) == 2 else masks[0] > 0, "three masks"),
    ("lesion_volume_ml", lambda mask, affine: mask.sum() * abs(np.linalg.det(affine[:3, :3])), "1 mm voxels"),
    ("lesion_volume_ml", lambda mask, affine: mask.sum() / 1000, "voxels of 1 x 1 x 3 mm"),
    ("lesion_volume_ml", lambda mask, affine: mask.sum() * np.linalg.det(affine[:3, :3]) / 1000, "right to left"),
    ("lesion_volume_ml", lambda mask, affine: mask.size * abs(np.linalg.det(affine[:3, :3])) / 1000, "1 mm voxels"),
    ("lesion_volume_ml", lambda mask, affine: volume_by_columns(mask, affine) if mask.any() else None, "an empty mask"),
    ("overlap_map", lambda masks: sum(mask.astype(int) for mask in masks), "five masks"),
    ("overlap_map", lambda masks: np.any(list(masks), axis=0), "five masks"),
    ("overlap_map", lambda masks: np.mean(list(masks)), "a list of one mask"),
    ("overlap_map", lambda masks: np.stack(list(masks)).mean(axis=-1), "a list of one mask"),
    ("overlap_map", lambda masks: 100 * np.stack(list(masks)).mean(axis=0), "a list of one mask"),
    ("overlap_map", lambda masks: sum(masks) / len(masks), "five masks. Your function raised TypeError"),
    ("overlap_map", two_passes_over_the_masks, "five masks"),
    ("lesion_side", side_swapped, "a lesion at x = -4 and -3 mm"),
    ("lesion_side", side_by_index, "the same indices in a file whose x axis runs from right to left"),
    ("lesion_side", side_without_both, "a lesion across the midline"),
    ("lesion_side", lambda mask, affine: side_by_nibabel(mask, affine).title(), "a lesion at x = -4 and -3 mm"),
    ("lesion_side", lambda mask, affine: -3.5, "a lesion at x = -4 and -3 mm"),
    ("lesion_side", lambda mask, affine: "both", "a lesion at x = -4 and -3 mm"),
    ("dice_coefficient", jaccard, "half of the prediction inside the target"),
    ("dice_coefficient", dice_with(factor=1), "prediction equal to the target"),
    ("dice_coefficient", dice_with(smooth=1.0), "half of the prediction inside the target"),
    ("dice_coefficient", dice_with(smooth=1e-7), "both empty: undefined, so NaN"),
    ("dice_coefficient", dice_with(both_empty=1.0), "both empty: undefined, so NaN"),
    ("dice_coefficient", dice_with(both_empty=0.0), "both empty: undefined, so NaN"),
    ("dice_coefficient", dice_with(both_empty=-1.0), "both empty: undefined, so NaN"),
    ("dice_coefficient", dice_blind_to_false_alarms, "a false alarm on an empty target"),
    ("dice_coefficient", dice_of_the_whole_batch, "four slices at once"),
    ("dice_coefficient", lambda pred, target: (pred == target).mean((1, 2)), "half of the prediction"),
    ("dice_coefficient", lambda pred, target: float(np.nanmean(dice_by_loop(pred, target))), "prediction equal"),
    ("weighted_cross_entropy", lambda *a: -cross_entropy_by_logsigmoid(*a), "weight 1: the ordinary cross-entropy"),
    ("weighted_cross_entropy", cross_entropy_weighing(always_1, always_1), "weight 100"),
    ("weighted_cross_entropy", cross_entropy_weighing(always_1, as_is), "weight 100"),
    ("weighted_cross_entropy", cross_entropy_weighing(as_is, as_is), "weight 100"),
    ("weighted_cross_entropy", cross_entropy_weighing(as_is, always_1, "sum"), "weight 1: the ordinary"),
    ("weighted_cross_entropy", cross_entropy_weighing(as_is, always_1, "none"), "weight 1: the ordinary"),
    ("weighted_cross_entropy", lambda x, y, w: cross_entropy_by_logsigmoid(torch.sigmoid(x), y, w), "weight 1"),
    ("weighted_cross_entropy", lambda x, y, w: cross_entropy_by_logsigmoid(x, y, w) / (1 + w) * 2, "weight 100"),
    ("weighted_cross_entropy", lambda x, y, w: cross_entropy_by_logsigmoid(x, y, w) if y.any() else 0.0, "no lesion"),
    ("weighted_cross_entropy", naive_cross_entropy, "logits of -200 and 200"),
    ("precision_recall_area", mean_of_fractions, "three slices pooled"),
    ("precision_recall_area", with_plain_division, "nothing predicted"),
    ("precision_recall_area", lambda *a: np.nan_to_num(lab.precision_recall_area(*a)), "nothing predicted"),
    ("precision_recall_area", lambda tp, fp, fn: lab.precision_recall_area(tp, fn, fp), "one slice"),
    ("precision_recall_area", lambda *a: lab.precision_recall_area(*a)[:2], "one slice"),
    ("precision_recall_area", lambda *a: (*lab.precision_recall_area(*a)[:2], 10 / 8), "one slice"),
]


@pytest.mark.parametrize("name, attempt, case", WRONG)
def test_a_typical_wrong_answer_fails_at_the_case_that_shows_it(capsys, name, attempt, case):
    line = outcome(capsys, name, attempt)
    assert line.startswith("Not yet. Case: ") and case in line.partition(" Expected ")[0]


def test_every_exercise_has_right_and_wrong_answers_here():
    assert {name for name, _ in RIGHT} == set(NAMES)
    assert all(sum(name == exercise for exercise, *_ in WRONG) >= 3 for name in NAMES)


# ------------------------------------------------------------------------------------------------- what a check says

def test_expected_and_got_are_told(capsys):
    line = outcome(capsys, "dice_coefficient", dice_with(both_empty=1.0))
    assert line == "Not yet. Case: both empty: undefined, so NaN. Expected [nan] of shape (1,), got [1.] of shape (1,)"
    line = outcome(capsys, "lesion_side", side_swapped)
    assert line.endswith("Expected 'left', got 'right'")
    line = outcome(capsys, "precision_recall_area", lambda tp, fp, fn: (0.6, 0.75, 0.8))
    assert line.endswith("Expected (0.75, 0.6, 0.8), got (0.6, 0.75, 0.8)")


def test_a_result_of_the_wrong_shape_is_told_with_its_shape(capsys):
    line = outcome(capsys, "dice_coefficient", lambda pred, target: np.ones((1, 1)))
    assert "of shape (1,)" in line and "got [[1.]] of shape (1, 1)" in line


@pytest.mark.parametrize("name", NAMES)
def test_a_stub_is_not_attempted_yet(capsys, name):
    assert outcome(capsys, name, stub) == "Not attempted yet"


@pytest.mark.parametrize("name", NAMES)
def test_an_attempt_that_raises_is_told_not_passed_on(capsys, name):
    def attempt(*arguments):
        raise KeyError("affine")

    line = outcome(capsys, name, attempt)
    assert line.startswith("Not yet. Case: ") and line.endswith("Your function raised KeyError: 'affine'")


@pytest.mark.parametrize("name", NAMES)
def test_an_attempt_with_too_few_arguments_is_told(capsys, name):
    assert "Your function raised TypeError" in outcome(capsys, name, lambda: 0)


WRONG_KINDS = {
    "nothing, for a missing return": lambda: None,
    "a text": lambda: "left?",
    "an empty list": list,
    "a dictionary": lambda: {"dice": 1.0},
    "a list of unequal rows": lambda: [[1.0, 2.0], [3.0]],
    "a list of a number and an array": lambda: [0.5, np.ones(3)],
    "an array of texts": lambda: np.array(["left", "right"]),
    "a function": lambda: np.mean,
    "a tensor with a gradient": lambda: torch.ones(3, requires_grad=True),
}


@pytest.mark.parametrize("kind", WRONG_KINDS)
def test_an_answer_of_the_wrong_kind_is_told_not_an_error_of_the_check(capsys, kind):
    for name in NAMES:
        assert outcome(capsys, name, lambda *arguments: WRONG_KINDS[kind]()).startswith("Not yet. Case: ")


def test_a_right_tensor_that_still_has_its_gradient_passes(capsys):
    def attempt(logits, target, pos_weight):
        return cross_entropy_by_logsigmoid(logits.requires_grad_(), target, pos_weight)

    assert outcome(capsys, "weighted_cross_entropy", attempt) == "Passed"


def ruin(value):
    """Overwrite an argument in place, as far as it goes."""
    if isinstance(value, np.ndarray):
        value[...] = 0
    elif isinstance(value, torch.Tensor):
        value.zero_()
    elif isinstance(value, list):
        for item in value:
            ruin(item)
        value.clear()


@pytest.mark.parametrize("name", NAMES)
def test_an_attempt_that_overwrites_its_input_spoils_nothing(capsys, name):
    """Its own answer is judged by the true values, and so is the next attempt's."""
    def answers_then_ruins(*arguments):
        result = getattr(lab, name)(*arguments)
        for argument in arguments:
            ruin(argument)
        return result

    def ruins_then_answers(*arguments):
        for argument in arguments:
            ruin(argument)
        return getattr(lab, name)(*arguments)

    assert outcome(capsys, name, answers_then_ruins) == "Passed"
    unspoilt = ("overlap_map", "best_probability", "n_updates", "neighbour_exposure")  # iterators, numbers, records
    if name not in unspoilt:
        assert outcome(capsys, name, ruins_then_answers).startswith("Not yet. Case: ")
    assert outcome(capsys, name, getattr(lab, name)) == "Passed"


def test_a_wrong_attempt_is_run_no_further_than_its_first_wrong_case(capsys):
    calls = []

    def attempt(mask, affine):
        calls.append(affine)
        return lab.lesion_volume_ml(mask, affine) if len(calls) == 1 else -1.0

    assert "voxels of 1 x 1 x 3 mm" in outcome(capsys, "lesion_volume_ml", attempt)
    assert len(calls) == 2


# ----------------------------------------------------------------------------------------------------- show_solution

@pytest.mark.parametrize("name", NAMES)
def test_the_solution_is_the_source_of_the_lab_s_own_function(capsys, name):
    lab.show_solution(name)
    out = capsys.readouterr().out
    assert out.startswith(f"def {name}(")
    function = getattr(lab, name)
    assert SOLUTIONS[name] is function
    assert out.splitlines()[1].strip().startswith('"""') and function.__doc__.strip().splitlines()[0] in out


def test_every_exercise_has_a_check_and_a_solution():
    checks = {name.removeprefix("check_") for name in lab.__all__ if name.startswith("check_")}
    assert checks - {"scans"} == set(NAMES)


def test_an_unknown_exercise_is_refused_with_the_choices():
    with pytest.raises(KeyError, match=r"no exercise 'dice'.*dice_coefficient"):
        lab.show_solution("dice")
