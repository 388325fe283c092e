"""Wrong answers as learners write them, notebooks 01 to 03: exercise, attempt, and the name of its mistake."""

import numpy as np
import torch
from torch.nn import functional as F

from atlas_lab.course.result import CHANGED, LIBRARY, NO_GRADIENT, SHAPE


def mm_by_loop(index, affine):
    return [sum(affine[row, column] * index[column] for column in range(3)) for row in range(3)]


def mm_by_solving(index, affine):
    return np.linalg.solve(affine[:3, :3], np.array(index) - affine[:3, 3])


def add_into_the_first(masks):
    total = masks[0]
    for mask in masks[1:]:
        total += mask
    return total > 0


def multiplied(masks):
    result = np.ones(masks[0].shape)
    for mask in masks:
        result = result * mask
    return result > 0


def highest(masks):
    result = masks[0].copy()
    for mask in masks[1:]:
        result = np.maximum(result, mask)
    return result


def ml_by_spacing(mask, affine):
    return np.sum(mask) * np.abs(affine.diagonal()[:3]).prod() / 1e3


def share_by_len(masks):
    return sum(mask.astype(float) for mask in masks) / len(masks)


def share_of_a_list(masks):
    masks = list(masks)
    return sum(mask.astype(float) for mask in masks) / len(masks)


def share_in_bytes(masks):
    total, n = None, 0
    for mask in masks:
        total = mask.view(np.uint8).copy() if total is None else total + mask.view(np.uint8)
        n += 1
    return total / n


def side_of_the_index(mask, affine):
    x = np.where(mask)[0]
    share = (x < mask.shape[0] // 2).sum() / len(x)
    return "left" if share > 0.9 else "right" if share < 0.1 else "both"


def side_turned(mask, affine):
    x = np.where(mask)[0] * affine[0, 0] + affine[0, 3]
    return "left" if (x > 0).mean() > 0.9 else "right" if (x > 0).mean() < 0.1 else "both"


def side_by_majority(mask, affine):
    x = np.argwhere(mask)[:, 0] * affine[0, 0] + affine[0, 3]
    return "left" if (x < 0).sum() > (x >= 0).sum() else "right" if (x < 0).sum() < (x >= 0).sum() else "both"


def side_of_the_centre(mask, affine):
    x = affine[0, 0] * np.mean(np.nonzero(mask)[0]) + affine[0, 3]
    if abs(x) <= 2:
        return "both"
    return "left" if x < 0 else "right"


def side_from(left, right):
    def attempt(mask, affine):
        share = np.mean((np.argwhere(mask) @ affine[0, :3] + affine[0, 3]) < 0)
        return "left" if share > left else "right" if share < right else "both"
    return attempt


def rows_once(subjects, drawn):
    return [row for row, subject in enumerate(subjects) if subject in drawn]


def first_rows(subjects, drawn):
    return [list(subjects).index(name) for name in drawn]


def counts_mixed_up(pred, target):
    axes = (1, 2)
    tp, tn = np.logical_and(pred, target).sum(axes), np.logical_not(pred | target).sum(axes)
    return tp, (target & ~pred).sum(axes), (pred & ~target).sum(axes), tn


def counts_of_all(pred, target):
    return [int(np.sum(x)) for x in (pred & target, pred & ~target, ~pred & target, ~(pred | target))]


def three_counts(pred, target):
    return (pred & target).sum((1, 2)), (pred & ~target).sum((1, 2)), (target & ~pred).sum((1, 2))


def rates(pred, target):
    return tuple(x.mean((1, 2)) for x in (pred & target, pred & ~target, ~pred & target, ~(pred | target)))


def dice(both_empty, plus=0.0, twice=2):
    def attempt(pred, target):
        result = []
        for p, t in zip(pred, target, strict=True):
            size = p.sum() + t.sum()
            result.append((twice * (p * t).sum() + plus) / (size + plus) if size else both_empty)
        return np.array(result)
    return attempt


def iou(pred, target):
    union = np.logical_or(pred, target).sum((1, 2))
    return np.where(union == 0, np.nan, np.logical_and(pred, target).sum((1, 2)) / np.maximum(union, 1))


def dice_where_something_is_found(pred, target):
    scores = dice(np.nan)(pred, target)
    scores[pred.sum((1, 2)) == 0] = np.nan
    return scores


def dice_where_something_is_there(pred, target):
    return [d if t.any() else np.nan for d, t in zip(dice(np.nan)(pred, target), target, strict=True)]


def lab_dice(pred, target):
    import atlas_lab as lab

    return lab.dice_coefficient(pred, target)


def lab_mean_dice(pred, target):
    import atlas_lab as lab

    return np.array([lab.mean_dice(p[None], t[None]) for p, t in zip(pred, target, strict=True)])


def bce(weight_of=None, reduction="mean", turn=1):
    def attempt(logits, target, pos_weight):
        weight = None if weight_of is None else weight_of(target, pos_weight)
        return turn * F.binary_cross_entropy_with_logits(logits, target, weight=weight, reduction=reduction)
    return attempt


def lesion_weighted(target, w):
    return 1 + (w - 1) * target


def bce_of_probabilities(logits, target, pos_weight):
    p = logits.sigmoid()
    return -(pos_weight * target * p.log() + (1 - target) * (1 - p).log()).mean()


def bce_as_a_number(logits, target, pos_weight):
    return bce(lesion_weighted)(logits, target, pos_weight).item()


def bce_detached(logits, target, pos_weight):
    return bce(lesion_weighted)(logits.detach(), target, pos_weight)


def step(clear=True, back=True, go=True, sign=1):
    def attempt(model, images, target, loss, optimizer):
        value = loss(model(images), target)
        if clear:
            optimizer.zero_grad()
        if back:
            (sign * value).backward()
        if go:
            optimizer.step()
        return value.detach()
    return attempt


def step_that_clears_late(model, images, target, loss, optimizer):
    value = loss(model(images), target)
    value.backward()
    optimizer.zero_grad()
    optimizer.step()
    return value.item()


def step_that_looks_again(model, images, target, loss, optimizer):
    optimizer.zero_grad()
    loss(model(images), target).backward()
    optimizer.step()
    with torch.no_grad():
        return loss(model(images), target).item()


def rates_by_slice(tp, fp, fn):
    with np.errstate(invalid="ignore"):
        return np.nanmean(tp / (tp + fp)), np.nanmean(tp / (tp + fn)), np.nanmean((tp + fp) / (tp + fn))


def rates_of_ints(tp, fp, fn):
    tp, fp, fn = (int(np.sum(x)) for x in (tp, fp, fn))
    return tp / (tp + fp), tp / (tp + fn), (tp + fp) / (tp + fn)


def rates_with_guard(tp, fp, fn):
    tp, fp, fn = np.sum(tp), np.sum(fp), np.sum(fn)
    return tp / (tp + fp) if tp + fp else 0.0, tp / (tp + fn), (tp + fp) / (tp + fn)


def rates_divided(tp, fp, fn):
    tp, fp, fn = np.sum(tp), np.sum(fp), np.sum(fn)
    return tp / (tp + fp), tp / (tp + fn), (tp + fp) / (tp + fn)


def rates_without_a_guard_for_recall(tp, fp, fn):
    tp, fp, fn = (int(np.sum(x)) for x in (tp, fp, fn))
    return tp / (tp + fp) if tp + fp else np.nan, tp / (tp + fn), (tp + fp) / (tp + fn)


def rates_with_0_for_recall(tp, fp, fn):
    tp, fp, fn = (float(np.sum(x)) for x in (tp, fp, fn))
    share = lambda part, whole, nothing: part / whole if whole else nothing  # noqa: E731
    return share(tp, tp + fp, np.nan), share(tp, tp + fn, 0.0), share(tp + fp, tp + fn, 0.0)


def recall_first(tp, fp, fn):
    tp, fp, fn = np.sum(tp), np.sum(fp), np.sum(fn)
    return tp / (tp + fn), tp / (tp + fp) if tp + fp else np.nan, (tp + fp) / (tp + fn)


WRONG = [
    ("voxel_to_mm", mm_by_loop, "the last column, the place of voxel 0, is left out"),
    ("voxel_to_mm", lambda index, affine: affine[:3, 3] + index, "the first three columns are left out"),
    ("voxel_to_mm", lambda i, a: [a[k, k] * i[k] + a[k, 3] for k in range(3)], "only the diagonal is used"),
    ("voxel_to_mm", mm_by_solving, "the inverse: from millimetres to an index"),
    ("voxel_to_mm", lambda i, a: a.dot(np.append(i, 1)), "all four numbers, the 1 at the end too"),
    ("combine_masks", lambda masks: masks[0].astype(bool), "only the first mask is used"),
    ("combine_masks", multiplied, "AND in place of OR"),
    ("combine_masks", lambda masks: sum((m == 1).astype(int) for m in masks) > 0, "only 1 counts as lesion"),
    ("combine_masks", highest, "numbers in place of True and False"),
    ("combine_masks", lambda masks: np.sum(masks, axis=0), "numbers in place of True and False"),
    ("combine_masks", add_into_the_first, CHANGED),
    ("lesion_volume_ml", lambda m, a: np.sum(m) / 1000, "the voxel's size is left out"),
    ("lesion_volume_ml", lambda m, a: np.sum(m) * abs(np.linalg.det(a)), "cubic millimetres: divide by 1,000"),
    ("lesion_volume_ml", lambda m, a: np.linalg.det(a) * m.sum() / 1e3, "a negative determinant"),
    ("lesion_volume_ml", ml_by_spacing, "only the diagonal is used"),
    ("lesion_volume_ml", lambda m, a: m.sum() * np.sqrt((a[:3, :3] ** 2).sum(1)).prod() / 1e3, "the lengths of the"),
    ("accuracy_of_nothing", lambda masks: masks.sum() / masks.size, "the share that is lesion"),
    ("accuracy_of_nothing", lambda masks: masks.size - masks.sum(), "a number of pixels"),
    ("accuracy_of_nothing", lambda masks: sum(not m.any() for m in masks) / len(masks), "the share of slices"),
    ("accuracy_of_nothing", lambda masks: (masks == 0).sum() / masks.shape[0], "divided by the number of slices"),
    ("overlap_map", share_by_len, "a generator has no len"),
    ("overlap_map", share_of_a_list, "all masks are held in memory at once"),
    ("overlap_map", lambda masks: np.stack(list(masks)).mean(0), "all masks are held in memory at once"),
    ("overlap_map", lambda masks: np.mean(masks, axis=0), "numpy can't take a mean over a generator"),
    ("overlap_map", share_in_bytes, "a sum in bytes overflows"),
    ("overlap_map", lambda masks: sum(masks, start=0.0), "a count, not a share"),
    ("lesion_side", side_of_the_index, "the index decides, not the affine"),
    ("lesion_side", side_turned, "left and right are swapped"),
    ("lesion_side", side_by_majority, "more than half is enough"),
    ("lesion_side", side_of_the_centre, "the mean position decides"),
    ("lesion_side", side_from(0.9, 1e-9), "right asks for all voxels"),
    ("lesion_side", side_from(0.9, 0.3), "right is said too soon"),
    ("lesion_side", side_from(0.85, 0.15), "another threshold than 90 %"),
    ("resampled_rows", rows_once, "a subject that was drawn twice comes once"),
    ("resampled_rows", lambda s, d: [np.flatnonzero(s == x) for x in d], "one list for each subject"),
    ("resampled_rows", first_rows, "only one scan of each subject"),
    ("resampled_rows", lambda s, d: [x for name in d for x in s if x == name], "the subjects themselves"),
    ("resampled_rows", lambda s, d: [x in d for x in s], "True and False for each row"),
    ("confusion_counts", counts_mixed_up, "false positives and false negatives are swapped"),
    ("confusion_counts", counts_of_all, "summed over the whole batch"),
    ("confusion_counts", three_counts, "the true negatives are missing"),
    ("confusion_counts", rates, "shares, not counts"),
    ("dice_coefficient", iou, "Jaccard, not Dice"),
    ("dice_coefficient", dice(np.nan, twice=1), "the factor 2 is missing"),
    ("dice_coefficient", dice(1.0), "two empty masks count as a hit"),
    ("dice_coefficient", dice(0.0), "two empty masks count as 0"),
    ("dice_coefficient", dice(1.0, plus=1.0), "a smoothing term is added"),
    ("dice_coefficient", dice_where_something_is_found, "an empty prediction of a lesion counts as undefined"),
    ("dice_coefficient", dice_where_something_is_there, "a false alarm on an empty target is skipped"),
    ("dice_coefficient", lambda p, t: np.mean(p == t, axis=(1, 2)), "accuracy, not Dice"),
    ("dice_coefficient", lab_dice, LIBRARY),
    ("dice_coefficient", lab_mean_dice, LIBRARY),
    ("dice_coefficient", lambda p, t: dice(np.nan)(p, t)[:, None], SHAPE),
    ("weighted_cross_entropy", bce(), "the weight isn't used"),
    ("weighted_cross_entropy", bce(lesion_weighted, turn=-1), "the minus sign is missing"),
    ("weighted_cross_entropy", bce(lambda t, w: torch.full_like(t, w)), "the weight stands at both terms"),
    ("weighted_cross_entropy", bce(lambda t, w: 1 + (w - 1) * (1 - t)), "the weight stands at the pixels without"),
    ("weighted_cross_entropy", bce(lesion_weighted, "sum"), "a sum, not a mean"),
    ("weighted_cross_entropy", bce(lesion_weighted, "none"), "one number for each pixel"),
    ("weighted_cross_entropy", bce_of_probabilities, "log of a sigmoid overflows"),
    ("weighted_cross_entropy", bce_as_a_number, NO_GRADIENT),
    ("weighted_cross_entropy", bce_detached, NO_GRADIENT),
    ("training_step", step(clear=False), "the old gradient isn't cleared"),
    ("training_step", step(go=False), "the weights don't change"),
    ("training_step", step_that_clears_late, "the weights don't change"),
    ("training_step", step(clear=False, back=False), "steps along the old gradient"),
    ("training_step", step(sign=-1), "steps uphill"),
    ("training_step", step_that_looks_again, "the loss after the step is handed back"),
    ("precision_recall_area", rates_by_slice, "the mean of the slices' fractions"),
    ("precision_recall_area", rates_of_ints, "a division by 0 that raises"),
    ("precision_recall_area", rates_with_guard, "0 in place of NaN"),
    ("precision_recall_area", rates_with_0_for_recall, "0 in place of NaN"),
    ("precision_recall_area", rates_divided, "infinity in place of NaN"),
    ("precision_recall_area", rates_without_a_guard_for_recall, "a division by 0 that raises"),
    ("precision_recall_area", recall_first, "precision and recall are swapped"),
]
