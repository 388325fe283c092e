"""Notebook 03: counts, Dice, weighted cross-entropy, one step of training, precision and recall."""

import numpy as np
import torch
from torch.nn import functional as F

from atlas_lab import losses, metrics
from atlas_lab.course.exercise import Case, Exercise

__all__ = ["EXERCISES"]


def confusion_counts(pred, target):
    """True positives, false positives, false negatives and true negatives of each slice."""
    def count(masks):
        return masks.sum(axis=(1, 2))
    return count(pred & target), count(pred & ~target), count(~pred & target), count(~pred & ~target)


def dice_coefficient(pred, target):
    """2 TP / (2 TP + FP + FN) of each slice, NaN where both masks are empty."""
    tp = (pred & target).sum(axis=(1, 2))
    size = pred.sum(axis=(1, 2)) + target.sum(axis=(1, 2))  # 2 TP + FP + FN
    return np.where(size > 0, 2 * tp / np.maximum(size, 1), np.nan)


def _pairs(rng, count=3):
    """Masks of `count` slices: predictions and targets that overlap in part."""
    target = rng.random((count, 4, 5)) < 0.4
    pred = np.where(rng.random(target.shape) < 0.25, ~target, target)
    pred[:, 0, 0], target[:, 0, 0], pred[:, 0, 1], target[:, 0, 1] = True, True, True, False
    pred[:, 1, 0], target[:, 1, 0], pred[:, 1, 1], target[:, 1, 1] = False, True, False, True
    return pred, target


def _count_cases(rng):
    pred, target = _pairs(rng)
    return [
        Case("one slice", (pred[:1], target[:1])),
        Case("an empty prediction", (np.zeros_like(pred[:1]), target[:1])),
        Case("three slices, each by itself", (pred, target)),
    ]


def _dice_cases(rng):
    pred, target = _pairs(rng)
    empty = np.zeros_like(pred[:1])
    return [
        Case("prediction equal to the target", (target[:1], target[:1])),
        Case("a part of the prediction inside the target", (pred[:1], target[:1])),
        Case("a false alarm on an empty target: 0", (pred[:1], empty)),
        Case("nothing predicted where there is a lesion: 0", (empty, target[:1])),
        Case("both empty: undefined, so NaN", (empty, empty)),
        Case("four slices at once", (np.concatenate([pred, empty]), np.concatenate([target, empty]))),
    ]


def _dice(both_empty=np.nan, smooth=0.0, factor=2, empty_pred=0.0, empty_target=0.0):
    """Dice with something wrong with it."""
    def attempt(pred, target):
        tp, below = (pred & target).sum((1, 2)), pred.sum((1, 2)) + target.sum((1, 2))
        with np.errstate(invalid="ignore"):
            dice = (factor * tp + smooth) / (below + smooth)
        dice = np.where(pred.any((1, 2)) | (below == 0), dice, empty_pred)
        dice = np.where(target.any((1, 2)) | (below == 0), dice, empty_target)
        return np.where(below == 0, both_empty, dice)
    return attempt


def _of_the_whole_batch(pred, target):
    return np.full(len(pred), _dice()(pred.reshape(1, 1, -1), target.reshape(1, 1, -1))[0])


def _jaccard(pred, target):
    with np.errstate(invalid="ignore"):
        return (pred & target).sum((1, 2)) / (pred | target).sum((1, 2))


def weighted_cross_entropy(logits, target, pos_weight):
    """-(w y log p + (1 - y) log(1 - p)), averaged over all pixels."""
    log_p, log_not_p = F.logsigmoid(logits), F.logsigmoid(-logits)
    return -(pos_weight * target * log_p + (1 - target) * log_not_p).mean()


def logits_and_target(rng, shape=(2, 1, 3, 4)):
    """Random logits and a random target with at least one lesion pixel in each slice."""
    logits = torch.from_numpy(rng.normal(0, 2, shape).astype(np.float32))
    target = torch.from_numpy((rng.random(shape) < 0.3).astype(np.float32))
    target[..., 0, 0], target[..., -1, -1] = 1, 0
    return logits, target


def _entropy_cases(rng):
    logits, target = logits_and_target(rng)
    weight = float(rng.integers(20, 100))
    return [
        Case("weight 1: the ordinary cross-entropy", (logits, target, 1.0)),
        Case(f"weight {weight:.0f}", (logits, target, weight)),
        Case("no lesion pixel", (logits, torch.zeros_like(target), weight)),
        Case("logits of -200 and 200, where log(sigmoid(x)) overflows", (200 * logits.sign(), target, weight)),
    ]


def _entropy(lesion=lambda w: w, other=lambda w: 1.0, sign=-1, reduce=torch.mean):
    """Weighted cross-entropy with something wrong with it."""
    def attempt(x, y, w):
        return sign * reduce(lesion(w) * y * F.logsigmoid(x) + other(w) * (1 - y) * F.logsigmoid(-x))
    return attempt


def _by_log_of_sigmoid(bounded=lambda p: p, log=torch.log):
    """Weighted cross-entropy by the probability, which is 0 or 1 at -200 and 200."""
    def attempt(x, y, w):
        p = bounded(torch.sigmoid(x))
        return -(w * y * log(p) + (1 - y) * log(1 - p)).mean()
    return attempt


# Small numbers as they are put inside the log; 1 - 1e-8 is 1 in 32 bits, so p is held below 1 by larger ones only.
SMALL = (torch.finfo(torch.float32).eps, *(10.0**-digits for digits in range(3, 16)))
CAPPED = (
    *(_by_log_of_sigmoid(log=lambda p, small=small: torch.log(p + small)) for small in SMALL),
    *(_by_log_of_sigmoid(lambda p, small=small: p.clamp(small, 1 - small)) for small in SMALL if small >= 1e-7),
    _by_log_of_sigmoid(log=lambda p: torch.log(p).clamp(min=-100)),  # as F.binary_cross_entropy does
)


def training_step(model, images, target, loss, optimizer):
    """Predict, compare, clear the old gradient, compute the new one, go one step downhill."""
    step_loss = loss(model(images), target)
    optimizer.zero_grad()
    step_loss.backward()
    optimizer.step()
    return step_loss.item()


def _step_cases(rng):
    return [
        Case("a network's first step: the loss, then the network after it", _ready(rng)),
        Case("a step after another, whose gradient is still there: loss, then network", _ready(rng, old_gradient=1.0)),
        Case("another optimizer: loss, then network", _ready(rng, torch.optim.Adam, old_gradient=-2.0)),
    ]


def _ready(rng, optimizer=torch.optim.SGD, old_gradient=None):
    """A small network with its data, loss and optimizer."""
    model = torch.nn.Conv2d(1, 1, 3, padding=1)
    images, target = logits_and_target(rng)
    for parameter in model.parameters():
        parameter.data = torch.from_numpy(rng.normal(0, 1, tuple(parameter.shape)).astype(np.float32))
    model.old_gradient = old_gradient  # a copy of a network has no gradients, so `_with_old_gradient` puts them back
    return model, images, target, F.binary_cross_entropy_with_logits, optimizer(model.parameters(), lr=0.1)


def _with_old_gradient(model, *others):
    """The gradient that an earlier step has left."""
    for parameter in model.parameters():
        parameter.grad = None if model.old_gradient is None else torch.full_like(parameter, model.old_gradient)
    return model, *others


def _after_the_step(value, given):
    """The loss that was handed back, then the weights, then 1 if the network is still in training."""
    if value is None:
        return None
    weights = [parameter.detach().numpy().ravel() for parameter in given[0].parameters()]
    return np.concatenate([np.ravel(float(torch.as_tensor(value).detach())), *weights, [given[0].training]])


def _left_in_eval(model, *others):
    """Wrong: later steps have no dropout."""
    value = training_step(model, *others)
    model.eval()
    return value


def _step(*todo, factor=1, swapped=False, later=False):
    """A training step that does only what is named, in that order."""
    def attempt(model, images, target, loss, optimizer):
        def value():
            return loss(target, model(images)) if swapped else loss(model(images), target)
        found = value()
        for what in todo:
            if what == "backward":
                (factor * found).backward()
            else:
                getattr(optimizer, what)()
        return (value() if later else found).item()
    return attempt


def precision_recall_area(tp, fp, fn):
    """Pool all slices, then divide; NaN where a denominator is 0."""
    def ratio(part, whole):
        return part / whole if whole > 0 else np.nan
    tp, fp, fn = tp.sum(), fp.sum(), fn.sum()
    return ratio(tp, tp + fp), ratio(tp, tp + fn), ratio(tp + fp, tp + fn)


def _pooled_cases(rng):
    tp, fp, fn = rng.integers(1, 90, (3, 4))
    nothing = np.array([0])
    return [
        Case("one slice", (tp[:1], fp[:1], fn[:1])),
        Case("four slices pooled: sums first, then the fraction", (tp, fp, fn)),
        Case("nothing predicted: precision is undefined, so NaN", (nothing, nothing, fn[:1])),
        Case("false alarms without a lesion: recall and area ratio are undefined, so NaN", (nothing, fp[:1], nothing)),
        Case("neither lesion nor prediction: all three are undefined", (nothing, nothing, nothing)),
    ]


def _rates(tp, fp, fn, pool=np.sum):
    with np.errstate(invalid="ignore", divide="ignore"):
        return tuple(pool(x) for x in (tp / (tp + fp), tp / (tp + fn), (tp + fp) / (tp + fn)))


def _infinite(tp, fp, fn):
    tp, fp, fn = tp.sum(), fp.sum(), fn.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        return tp / (tp + fp), tp / (tp + fn), (tp + fp) / (tp + fn)


def _plain_division(tp, fp, fn):
    tp, fp, fn = int(tp.sum()), int(fp.sum()), int(fn.sum())
    return tp / (tp + fp), tp / (tp + fn), (tp + fp) / (tp + fn)


def _guard_for_precision(tp, fp, fn):
    precision, *_ = precision_recall_area(tp, fp, fn)
    tp, fp, fn = int(tp.sum()), int(fp.sum()), int(fn.sum())
    return precision, tp / (tp + fn), (tp + fp) / (tp + fn)


def _of_sums(order):
    def attempt(tp, fp, fn):
        return tuple(precision_recall_area(tp, fp, fn)[i] for i in order)
    return attempt


EXERCISES = (
    Exercise(
        "confusion_counts", "03", "count pixels", 2, 5, confusion_counts, _count_cases, {
            "false positives and false negatives are swapped":
                lambda p, t: tuple(confusion_counts(p, t)[i] for i in (0, 2, 1, 3)),
            "the four are in another order": lambda p, t: confusion_counts(p, t)[::-1],
            "summed over the whole batch, not for each slice":
                lambda p, t: tuple(x.sum() for x in confusion_counts(p, t)),
            "all predicted pixels are called true positives":
                lambda p, t: (p.sum((1, 2)), *confusion_counts(p, t)[1:]),
            "shares, not counts": lambda p, t: tuple(x / p[0].size for x in confusion_counts(p, t)),
            "the true negatives are missing": lambda p, t: confusion_counts(p, t)[:3],
        }, library=metrics.confusion_counts),
    Exercise(
        "dice_coefficient", "03", "Dice of each slice", 2, 5, dice_coefficient, _dice_cases, {
            "Jaccard, not Dice": _jaccard,
            "the factor 2 is missing": _dice(factor=1),
            "+ of two masks of True and False is OR: add their two sums": lambda p, t: 2 * _jaccard(p, t),
            "two empty masks count as a hit, not as undefined": _dice(both_empty=1.0),
            "two empty masks count as 0, not as undefined": _dice(both_empty=0.0),
            "a smoothing term is added": _dice(smooth=1.0, both_empty=1.0),
            "an empty prediction of a lesion counts as undefined: it is a miss, so 0": _dice(empty_pred=np.nan),
            "an empty prediction of a lesion counts as a hit: it is a miss, so 0": _dice(empty_pred=1.0),
            "a false alarm on an empty target is skipped: it is 0": _dice(empty_target=np.nan),
            "all slices are pooled": _of_the_whole_batch,
            "accuracy, not Dice": lambda p, t: (p == t).mean((1, 2)),
            "the mean of all slices, not one number for each": lambda p, t: np.nanmean(_dice()(p, t)),
        }, library=metrics.dice_coefficient, also_refused=("mean_dice", "dice_from_counts")),
    Exercise(
        "weighted_cross_entropy", "03", "weighted cross-entropy", 3, 5, weighted_cross_entropy, _entropy_cases, {
            "the minus sign is missing": _entropy(sign=1),
            "the weight isn't used": _entropy(lesion=lambda w: 1.0),
            "the weight stands at the pixels without lesion": _entropy(lambda w: 1.0, lambda w: w),
            "the weight stands at both terms": _entropy(other=lambda w: w),
            "a sum, not a mean": _entropy(reduce=torch.sum),
            "one number for each pixel, not their mean": _entropy(reduce=lambda x: x),
            "the logits are taken for probabilities": lambda x, y, w: _entropy()(torch.sigmoid(x), y, w),
            "log of a sigmoid overflows at -200": _by_log_of_sigmoid(),
            "a small number inside the log, or a clamp, caps the loss: use logsigmoid": CAPPED,
            "divided by the weights": lambda x, y, w: _entropy(reduce=torch.sum)(x, y, w) / (w * y + 1 - y).sum(),
        }, library=losses.weighted_cross_entropy, gradient_of=0),
    Exercise(
        "training_step", "03", "one step downhill", 3, 5, training_step, _step_cases, {
            "the old gradient isn't cleared, so the new one is added to it": _step("backward", "step"),
            "the weights don't change: backward, step, or a gradient between them is missing": _step("zero_grad"),
            "steps along the old gradient: backward comes too late or not at all": _step("step"),
            "steps uphill": _step("zero_grad", "backward", "step", factor=-1),
            "prediction and target are swapped in the loss": _step("zero_grad", "backward", "step", swapped=True),
            "the loss after the step is handed back, not the one before": _step(
                "zero_grad", "backward", "step", later=True),
            "two steps": _step("zero_grad", "backward", "step", "step"),
            "the network is left in eval mode, without dropout": _left_in_eval,
        }, give=_with_old_gradient, observe=_after_the_step, may_change=True, seconds=60.0),
    Exercise(
        "precision_recall_area", "03", "precision, recall, area", 1, 4, precision_recall_area, _pooled_cases, {
            "precision and recall are swapped": _of_sums((1, 0, 2)),
            "the mean of the slices' fractions: pool first, then divide": lambda *c: _rates(*c, pool=np.nanmean),
            "a division by 0 that raises": _plain_division,
            "a division by 0 that raises where there is no lesion": _guard_for_precision,
            "0 in place of NaN": lambda *counts: np.nan_to_num(precision_recall_area(*counts)),
            "infinity in place of NaN": _infinite,
            "the area ratio is upside down": lambda *c: (*precision_recall_area(*c)[:2], 1 / _rates(*map(sum, c))[2]),
            "the area ratio is missing": _of_sums((0, 1)),
            "false positives and false negatives are swapped": lambda tp, fp, fn: precision_recall_area(tp, fn, fp),
        }, library=metrics.precision_recall_area),
)
