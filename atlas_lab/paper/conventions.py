"""One set of predictions, six headline numbers: what others call "the Dice", and the trap in lesion-wise F1."""

from atlas_lab.metrics import confusion_counts, dice_from_counts, nan_mean, subject_dice

__all__ = ["headline_dice"]


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
