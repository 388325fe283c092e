"""Scoring: Dice of as many slices as ATLAS has, and lesion-wise counts, ours and others'."""

import numpy as np
from sides import in_turn, row

SHAPE = (232, 196)   # of a slice at the paper's scale
EVALUATED = 43_281  # axial slices of ATLAS R1.1


def random_masks(n):
    """Predictions and targets, bool (n, 232, 196)."""
    rng = np.random.default_rng(0)
    return rng.random((n, *SHAPE)) > 0.98, rng.random((n, *SHAPE)) > 0.98


def evaluation_rows(n=1000):
    """Dice of every slice (ours also gives precision and recall), on n slices at a time until all are done."""
    import torch
    from monai.metrics import DiceMetric
    from torchmetrics.segmentation import DiceScore

    import atlas_lab as lab
    from atlas_lab.metrics import dice_from_counts

    pred, target = random_masks(n)
    tensors = [torch.from_numpy(mask)[:, None] for mask in (pred, target)]
    monai, samplewise = DiceMetric(reduction="none"), DiceScore(1, input_format="one-hot", average="micro")
    repeats = -(-EVALUATED // n)

    def ours():
        counts = lab.confusion_counts(pred, target)[:3]
        return dice_from_counts(*counts), lab.precision_recall_area(*counts)

    def theirs():
        return monai(*(tensor.float() for tensor in tensors))

    answers = [np.nanmean(ours()[0]), float(theirs().nanmean()), float(samplewise(*tensors))]
    if max(answers) - min(answers) > 1e-6:
        raise SystemExit(f"the sides' Dice differ: {answers}")
    sides = in_turn({
        "ours": lambda: [ours() for _ in range(repeats)],
        "MONAI DiceMetric": lambda: [theirs() for _ in range(repeats)],
        "torchmetrics DiceScore": lambda: [samplewise(*tensors) for _ in range(repeats)],
    })
    return [row(f"evaluation of {EVALUATED:,} slices of 232 x 196", "s", sides)]


def lesions_in_a_loop(pred, target):
    """Lesions found, invented and missed as one would write it: label, then ask every component."""
    from scipy import ndimage

    (true, n_true), (said, n_said) = ndimage.label(target), ndimage.label(pred)
    found = sum(bool(pred[true == i].any()) for i in range(1, n_true + 1))
    invented = sum(not target[said == i].any() for i in range(1, n_said + 1))
    return found, invented, n_true - found


def lesion_rows(scans):
    """Lesion-wise counts of all scans of the cohort, each mask moved by 5 mm for a prediction."""
    import atlas_lab as lab
    from atlas_lab.metrics import lesion_counts

    pairs = [(np.roll(mask, 5, axis=0), mask) for mask, _ in map(lab.data.load_lesion, scans)]
    if any(lesion_counts(*pair) != lesions_in_a_loop(*pair) for pair in pairs):
        raise SystemExit("the sides count other lesions")
    sides = in_turn({
        "ours": lambda: [lesion_counts(*pair) for pair in pairs],
        "scipy loop": lambda: [lesions_in_a_loop(*pair) for pair in pairs],
    })
    return [row(f"lesion-wise counts of {len(pairs)} scans", "s", sides)]
