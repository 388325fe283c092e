"""Right answers to the exercises, two or more for each, in other words than the lab's own: notebooks 01 to 04."""

import numpy as np
import torch
from monai.losses import TverskyLoss
from nibabel.affines import apply_affine, voxel_sizes
from torch.nn import functional as F


def masks_in_torch(masks):
    return torch.from_numpy(np.stack([np.asarray(mask, float) for mask in masks])).gt(0).any(dim=0)


def volume_by_columns(mask, affine):
    """The volume of one voxel is the box product of the affine's columns."""
    a, b, c = affine[:3, :3].T
    return mask.sum() * abs(a @ np.cross(b, c)) / 1000


def overlap_by_first(masks):
    masks = iter(masks)
    total, n = np.array(next(masks), float), 1
    for n, mask in enumerate(masks, 2):  # noqa: B007
        total += mask
    return (total / n).tolist()


def overlap_by_running_mean(masks):
    mean = None
    for n, mask in enumerate(masks, 1):
        mean = mask.astype(np.float64) if mean is None else mean + (mask - mean) / n
    return mean


def side_by_nibabel(mask, affine):
    share = (apply_affine(affine, np.argwhere(mask))[:, 0] < 0).mean()
    return "left" if share > 0.9 else "right" if share < 0.1 else "both"


def side_by_grid(mask, affine):
    """x at every voxel of the array."""
    x = np.tensordot(affine[0, :3], np.indices(mask.shape), 1) + affine[0, 3]
    left, right = (mask & (x < 0)).sum(), (mask & (x > 0)).sum()
    return ("left" if left > 9 * right else "both") if left > right else "right" if right > 9 * left else "both"


def rows_by_loop(subjects, drawn):
    return [row for name in drawn for row, subject in enumerate(subjects) if subject == name]


def rows_by_pandas(subjects, drawn):
    import pandas

    groups = pandas.Series(range(len(subjects))).groupby(subjects).indices
    return torch.from_numpy(np.hstack([groups[name] for name in drawn]))


def counts_by_sklearn(pred, target):
    from sklearn.metrics import confusion_matrix

    found = [confusion_matrix(t.ravel(), p.ravel(), labels=[False, True]) for p, t in zip(pred, target, strict=True)]
    return [[int(m[1, 1]) for m in found], [int(m[0, 1]) for m in found],
            [int(m[1, 0]) for m in found], [int(m[0, 0]) for m in found]]


def counts_by_code(pred, target):
    code = (2 * pred + target).reshape(len(pred), -1)
    return tuple(torch.tensor((code == kind).sum(axis=1)) for kind in (3, 2, 1, 0))


def dice_by_loop(pred, target):
    result = []
    for p, t in zip(pred, target, strict=True):
        size = int(p.sum()) + int(t.sum())
        result.append(2 * int((p & t).sum()) / size if size else float("nan"))
    return result


def dice_in_torch(pred, target):
    pred, target = torch.from_numpy(pred).float(), torch.from_numpy(target).float()
    return 2 * (pred * target).sum((1, 2)) / (pred + target).sum((1, 2))


def cross_entropy_by_hand(logits, target, pos_weight):
    """log(1 + exp) without overflow."""
    return (pos_weight * target * F.softplus(-logits) + (1 - target) * F.softplus(logits)).sum() / logits.numel()


def cross_entropy_by_torch(logits, target, pos_weight):
    return torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(pos_weight))(logits, target)


def step_with_cleared_model(model, images, target, loss, optimizer):
    model.zero_grad()
    value = loss(model(images), target)
    value.backward()
    optimizer.step()
    return float(value.detach())


def step_at_the_end(model, images, target, loss, optimizer):
    for parameter in model.parameters():
        parameter.grad = None
    prediction = model(images)
    value = loss(prediction, target)
    value.backward()
    optimizer.step()
    optimizer.zero_grad()
    return value


def rates_in_python(tp, fp, fn):
    def over(a, b):
        return float(a) / float(b) if b else float("nan")
    tp, fp, fn = int(sum(tp)), int(sum(fp)), int(sum(fn))
    return [over(tp, tp + fp), over(tp, tp + fn), over(tp + fp, tp + fn)]


def best_probability_by_odds(chance, weight):
    if chance == 1:
        return 1.0
    odds = weight * chance / (1 - chance)
    return odds / (1 + odds)


def tversky_by_monai(logits, target, alpha, beta):
    return TverskyLoss(sigmoid=True, alpha=alpha, beta=beta, batch=True, smooth_nr=0, smooth_dr=0)(logits, target)


def tversky_from_sums(logits, target, alpha, beta):
    p = 1 / (1 + torch.exp(-logits))
    tp = torch.sum(p * target)
    below = tp + alpha * (torch.sum(p) - tp) + beta * (torch.sum(target) - tp)
    return (below - tp) / below


def left_by_split(masks):
    left, right = np.split(masks, 2, axis=2)
    return [float(a.sum() / (a.sum() + b.sum())) if (a | b).any() else np.nan for a, b in zip(left, right, strict=True)]


def left_by_columns(masks):
    columns = torch.from_numpy(masks).sum(1).double()
    return columns[:, : masks.shape[-1] // 2].sum(1) / columns.sum(1)


RIGHT = [
    ("voxel_to_mm", lambda index, affine: apply_affine(affine, index)),
    ("voxel_to_mm", lambda index, affine: (affine @ [*index, 1])[:3].tolist()),
    ("combine_masks", lambda masks: np.any([np.array(mask) > 0 for mask in masks], axis=0)),
    ("combine_masks", masks_in_torch),
    ("lesion_volume_ml", volume_by_columns),
    ("lesion_volume_ml", lambda m, a: torch.tensor(float(np.sum(m) * np.prod(voxel_sizes(a))) * 1e-3)),
    ("accuracy_of_nothing", lambda masks: float((~masks).sum()) / masks.size),
    ("accuracy_of_nothing", lambda masks: torch.from_numpy(masks).logical_not().double().mean()),
    ("overlap_map", overlap_by_first),
    ("overlap_map", overlap_by_running_mean),
    ("lesion_side", side_by_nibabel),
    ("lesion_side", side_by_grid),
    ("resampled_rows", rows_by_loop),
    ("resampled_rows", rows_by_pandas),
    ("confusion_counts", counts_by_sklearn),
    ("confusion_counts", counts_by_code),
    ("dice_coefficient", dice_by_loop),
    ("dice_coefficient", dice_in_torch),
    ("weighted_cross_entropy", cross_entropy_by_hand),
    ("weighted_cross_entropy", cross_entropy_by_torch),
    ("training_step", step_with_cleared_model),
    ("training_step", step_at_the_end),
    ("precision_recall_area", rates_in_python),
    ("precision_recall_area", lambda *counts: np.array(rates_in_python(*counts))),
    ("best_probability", best_probability_by_odds),
    ("best_probability", lambda c, w: 1 - (1 - c) / (1 - c + c * w)),
    ("threshold_for_weight", lambda w: (w + 1) ** -1),
    ("threshold_for_weight", lambda w: torch.tensor([1.0, w]).reciprocal()[1] / (1 + 1 / torch.tensor(w))),
    ("tversky_loss", tversky_by_monai),
    ("tversky_loss", tversky_from_sums),
    ("left_share", left_by_split),
    ("left_share", left_by_columns),
]
