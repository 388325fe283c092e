"""One set of predictions, six headline numbers: what others call "the Dice", and the trap in lesion-wise F1."""

import numpy as np

from atlas_lab.metrics import confusion_counts, dice_from_counts, nan_mean, subject_dice
from atlas_lab.volumes import bounding_box


def headline_dice(pred, target, scans):
    """The mean Dice of the same masks by six conventions.

    Parameters
    ----------
    pred, target : bool arrays (N, H, W)
    scans : sequence of N labels
        The scan of each slice.

    Returns
    -------
    dict
        Convention -> number. They differ in what a slice counts where target, prediction or both are empty, and in
        what is put together before the mean:
        "paper's code": per slice, both empty skipped (torchmetrics per sample does the same);
        "ATLAS challenge": both empty counts 1 (here per slice, to compare; the challenge takes whole scans);
        "MONAI default": slices without lesion skipped, so that false alarms on them are invisible;
        "X-Net": both empty counts 0;
        "torchmetrics global": all pixels of all slices pooled;
        "nnU-Net": per scan, both empty skipped.
    """
    tp, fp, fn, _ = confusion_counts(pred, target)
    has_lesion = tp + fn > 0
    pooled = (count.sum() for count in (tp, fp, fn))
    return {
        "paper's code": nan_mean(dice_from_counts(tp, fp, fn, "skip")),
        "ATLAS challenge": nan_mean(dice_from_counts(tp, fp, fn, "one")),
        "MONAI default": nan_mean(dice_from_counts(tp, fp, fn, "skip")[has_lesion]),
        "X-Net": nan_mean(dice_from_counts(tp, fp, fn, "zero")),
        "torchmetrics global": float(dice_from_counts(*pooled)),
        "nnU-Net": nan_mean(list(subject_dice(pred, target, scans).values())),
    }


def lesion_counts(pred, target, touching=1):
    """Lesions found, missed and invented, by the one-voxel rule of the ATLAS and ISLES challenges.

    A true component counts as found if at least one predicted voxel lies in it; a predicted component is a false
    alarm if it lies in no true one.

    Parameters
    ----------
    pred, target : bool arrays of equal shape, 2D or 3D
    touching : int
        1: components hang together by faces (6-connectivity in 3D); 2: by edges too; 3: by corners too (26). The
        challenge's scorer leaves this to its library, and the counts depend on it.

    Returns
    -------
    found, invented, missed : int
    """
    from scipy import ndimage

    pred, target = np.asarray(pred, bool), np.asarray(target, bool)
    box = bounding_box(pred | target)
    pred, target = pred[box], target[box]
    structure = ndimage.generate_binary_structure(target.ndim, touching)
    true_label, n_true = ndimage.label(target, structure)
    pred_label, n_pred = ndimage.label(pred, structure)
    both = pred & target
    found = len(np.unique(true_label[both]))
    return found, n_pred - len(np.unique(pred_label[both])), n_true - found


def lesion_f1(pred, target, touching=1):
    """2 TP / (2 TP + FP + FN) over lesions in place of pixels; NaN where there are none in either mask.

    A prediction of the whole brain is one component, which touches every lesion: its lesion F1 is 1.
    """
    return float(dice_from_counts(*lesion_counts(pred, target, touching)))
