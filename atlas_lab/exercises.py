"""Checks for the notebooks' exercises: each compares the learner's function with the lab's own.

A check prints "Not attempted yet", "Passed", or the first case that fails with what was expected and what came.
The solution of an exercise is the library's function: `show_solution` prints its source.
"""

import copy
import inspect

import numpy as np
import torch

from atlas_lab.claims import n_updates, oscillation
from atlas_lab.intervals import mean_interval
from atlas_lab.losses import best_probability, tversky_loss, weighted_cross_entropy
from atlas_lab.metrics import dice_coefficient, precision_recall_area
from atlas_lab.model import field_of_view
from atlas_lab.overlap import lesion_side, lesion_volume_ml, overlap_map
from atlas_lab.scans import combine_masks
from atlas_lab.slices import SliceStore, Split, neighbour_exposure

SOLUTIONS = {
    "combine_masks": combine_masks,
    "lesion_volume_ml": lesion_volume_ml,
    "overlap_map": overlap_map,
    "lesion_side": lesion_side,
    "dice_coefficient": dice_coefficient,
    "weighted_cross_entropy": weighted_cross_entropy,
    "precision_recall_area": precision_recall_area,
    "best_probability": best_probability,
    "tversky_loss": tversky_loss,
    "n_updates": n_updates,
    "oscillation": oscillation,
    "neighbour_exposure": neighbour_exposure,
    "mean_interval": mean_interval,
    "field_of_view": field_of_view,
}


def show_solution(name):
    """Print the source of the lab's own function; `name` is the exercise's, as in "dice_coefficient"."""
    if name not in SOLUTIONS:
        raise KeyError(f"no exercise {name!r}; choose one of {', '.join(SOLUTIONS)}")
    print(inspect.getsource(SOLUTIONS[name]))


def check_combine_masks(attempt):
    """Exercise: OR the masks of one scan, whatever number stands for lesion in each."""
    empty, one = np.zeros((2, 3, 4)), np.zeros((2, 3, 4))
    one[0, 1, 2] = 1
    big = 255.0 * (np.arange(24).reshape(2, 3, 4) > 20)
    check(attempt, combine_masks, [
        ("one mask of zeros and ones", [one]),
        ("a mask of 0 and 1 with a mask of 0 and 255", [one, big]),
        ("two masks that overlap", [big, big + one]),
        ("three masks, one of them empty", [empty, one, big]),
        ("values such as 0.999 that are lesion too", [0.999 * one, empty]),
    ], as_arguments=lambda masks: (masks,))


def check_lesion_volume_ml(attempt):
    """Exercise: the volume of a mask in millilitres, from its voxels and its affine."""
    mask = np.zeros((10, 10, 10), bool)
    mask[2:7, 3:8, 4:9] = True
    check(attempt, lesion_volume_ml, [
        ("1 mm voxels", (mask, np.diag([1.0, 1, 1, 1]))),
        ("voxels of 1 x 1 x 3 mm", (mask, np.diag([1.0, 1, 3, 1]))),
        ("an x axis that runs from right to left", (mask, np.diag([-2.0, 2, 2, 1]))),
        ("an empty mask", (np.zeros_like(mask), np.diag([1.0, 1, 1, 1]))),
    ])


def check_overlap_map(attempt):
    """Exercise: the share of masks in which each voxel is lesion."""
    masks = np.random.default_rng(0).random((5, 2, 3, 4)) < 0.4
    check(attempt, overlap_map, [
        ("a list of one mask", masks[:1]),
        ("five masks", masks),
        ("masks that come one by one, from a generator", masks),
    ], as_arguments=lambda some: (iter(some),) if len(some) > 1 else (list(some),))


def check_lesion_side(attempt):
    """Exercise: the hemisphere of a lesion, by the affine."""
    affine = np.diag([1.0, 1, 1, 1])
    affine[0, 3] = -5  # voxel 5 lies at x = 0 mm
    flipped = np.diag([-1.0, 1, 1, 1])
    flipped[0, 3] = 5
    low, high, across = (np.zeros((11, 4, 4), bool) for _ in range(3))
    low[1:3], high[8:10], across[3:9] = True, True, True
    check(attempt, lesion_side, [
        ("a lesion at x = -4 and -3 mm", (low, affine)),
        ("a lesion at x = 3 and 4 mm", (high, affine)),
        ("the same indices in a file whose x axis runs from right to left", (high, flipped)),
        ("a lesion across the midline", (across, affine)),
    ])


def check_dice_coefficient(attempt):
    """Exercise: Dice of each slice of a batch; NaN where prediction and target are both empty."""
    target, pred = np.zeros((4, 6, 6), bool), np.zeros((4, 6, 6), bool)
    target[0, :2, :2] = pred[0, :2, :2] = True  # equal
    target[1, :2, :2], pred[1, :2, 1:3] = True, True  # half overlap
    pred[2, 3, 3] = True  # false alarm on an empty target; slice 3 is empty in both
    check(attempt, dice_coefficient, [
        ("prediction equal to the target", (pred[:1], target[:1])),
        ("half of the prediction inside the target", (pred[1:2], target[1:2])),
        ("a false alarm on an empty target", (pred[2:3], target[2:3])),
        ("both empty: undefined, so NaN", (pred[3:], target[3:])),
        ("four slices at once", (pred, target)),
    ])


def check_weighted_cross_entropy(attempt):
    """Exercise: equation 2 with its minus sign, from logits, as the mean over all pixels."""
    torch.manual_seed(0)
    logits, target = torch.randn(2, 1, 4, 4), (torch.rand(2, 1, 4, 4) < 0.3).float()
    check(attempt, weighted_cross_entropy, [
        ("weight 1: the ordinary cross-entropy", (logits, target, 1.0)),
        ("weight 100", (logits, target, 100.0)),
        ("no lesion pixel", (logits, torch.zeros_like(target), 100.0)),
        ("logits of -200 and 200, where log(sigmoid(x)) overflows", (200 * logits.sign(), target, 10.0)),
    ])


def check_precision_recall_area(attempt):
    """Exercise: precision, recall and predicted over true area, of all slices pooled."""
    check(attempt, precision_recall_area, [
        ("one slice", (np.array([6]), np.array([2]), np.array([4]))),
        ("three slices pooled: sums first, then the fraction", (
            np.array([10, 0, 5]), np.array([90, 10, 0]), np.array([0, 3, 5]))),
        ("nothing predicted: precision is undefined, so NaN", (np.array([0]), np.array([0]), np.array([7]))),
    ])


def check_best_probability(attempt):
    """Exercise: the probability that minimises the weighted cross-entropy of a pixel with a known chance."""
    check(attempt, best_probability, [
        ("chance 1 in 50, weight 1: the chance itself", (0.02, 1.0)),
        ("chance 1 in 50, weight 100", (0.02, 100.0)),
        ("a certain lesion", (1.0, 10.0)),
        ("no lesion at all", (0.0, 10.0)),
        ("weight 0.1", (0.5, 0.1)),
    ])


def check_tversky_loss(attempt):
    """Exercise: the Tversky loss with soft counts over the whole batch."""
    torch.manual_seed(1)
    logits, target = torch.randn(2, 1, 4, 4), (torch.rand(2, 1, 4, 4) < 0.3).float()
    check(attempt, tversky_loss, [
        ("alpha = beta = 1: equation 3 as printed", (logits, target, 1.0, 1.0)),
        ("alpha = beta = 1/2: soft Dice", (logits, target, 0.5, 0.5)),
        ("alpha 0.3 on false positives, beta 0.7 on false negatives", (logits, target, 0.3, 0.7)),
        ("a slice with lesion beside one without: summed over both, then divided", (
            logits, target * torch.tensor([1.0, 0.0])[:, None, None, None], 0.3, 0.7)),
    ])


def check_n_updates(attempt):
    """Exercise: how often the weights change in so many epochs."""
    check(attempt, n_updates, [
        ("100 slices in batches of 10, one epoch", (100, 10, 1)),
        ("105 slices: the last batch is smaller", (105, 10, 1)),
        ("105 slices, four epochs: each ends with a smaller batch", (105, 10, 4)),
        ("a batch larger than the data", (7, 200, 3)),
    ])


def check_oscillation(attempt):
    """Exercise: the swing around a straight line, as a share of the maximum."""
    check(attempt, oscillation, [
        ("up and down around a level", ([0.2, 0.3, 0.2, 0.3, 0.2],)),
        ("a steady rise: no oscillation", ([0.1, 0.2, 0.3, 0.4],)),
        ("a rise with swings", ([0.1, 0.3, 0.2, 0.4, 0.3, 0.5],)),
        ("a network that finds nothing: undefined, so NaN", ([0.0, 0.0, 0.0],)),
    ])


def check_neighbour_exposure(attempt):
    """Exercise: the share of dev's slices of which a neighbour in the same scan is in train."""
    import pandas

    table = pandas.DataFrame({"subject": ["a"] * 5 + ["b"] * 3, "session": "t01", "z": [0, 2, 4, 6, 8, 0, 2, 4]})
    nothing = np.zeros((8, 4, 4), bool)
    store = SliceStore(None, nothing, nothing, table, {"z_step": 2})

    def split(train, dev):
        return store, Split(np.array(train), np.array(dev))

    check(attempt, neighbour_exposure, [
        ("whole people held out: no neighbour", split([0, 1, 2, 3, 4], [5, 6, 7])),
        ("single slices held out: the next slice up or down", split([1, 2, 4, 5, 7], [0, 3, 6])),
        ("only some have a neighbour in train", split([0, 5], [1, 3, 4, 6, 7])),
        ("the first slice of another scan is no neighbour", split([4, 2], [5, 0])),
    ])


def check_mean_interval(attempt):
    """Exercise: mean, low and high of a few numbers by Student's t."""
    check(attempt, mean_interval, [
        ("five seeds", ([0.20, 0.25, 0.22, 0.30, 0.28],)),
        ("three seeds", ([0.1, 0.2, 0.4],)),
        ("differences around 0", ([-0.02, 0.01, 0.03, -0.01, 0.0],)),
        ("equal numbers: an interval without width", ([0.3, 0.3, 0.3, 0.3],)),
    ])


def check_field_of_view(attempt):
    """Exercise: the receptive field of a chain of layers, from their kernels and strides."""
    check(attempt, field_of_view, [
        ("one convolution of 3", ([3], [1])),
        ("two convolutions of 3", ([3, 3], [1, 1])),
        ("a pooling of 2 between two convolutions of 3", ([3, 2, 3], [1, 2, 1])),
        ("the baseline's encoder: 3, pool 2, 5, pool 2", ([3, 2, 5, 2], [1, 2, 1, 2])),
        ("no layer at all", ([], [])),
    ])


def check(attempt, solution, cases, as_arguments=tuple):
    """Run attempt and solution on each case (its description, its values) and print how the attempt did.

    Each run gets its own copy of the values, so an attempt that changes them spoils nothing.
    """
    for description, values in cases:
        expected = solution(*as_arguments(copy.deepcopy(values)))
        try:
            got = attempt(*as_arguments(copy.deepcopy(values)))
        except NotImplementedError:
            print("Not attempted yet")
            return
        except Exception as error:  # whatever the learner's code raises is told, not passed on
            print(f"Not yet. Case: {description}. Your function raised {type(error).__name__}: {error}")
            return
        if not same(expected, got):
            print(f"Not yet. Case: {description}. Expected {show(expected)}, got {show(got)}")
            return
    print("Passed")


def same(expected, got):
    """True if two results agree in shape and, within 1e-5, in value; NaN agrees with NaN."""
    if isinstance(expected, str) or isinstance(got, str):
        return isinstance(expected, str) and isinstance(got, str) and expected == got
    try:
        expected, got = (np.asarray(without_gradient(value), dtype=float) for value in (expected, got))
    except (TypeError, ValueError, RuntimeError):
        return False
    return expected.shape == got.shape and np.allclose(expected, got, rtol=1e-5, atol=1e-6, equal_nan=True)


def without_gradient(value):
    """A tensor cut off from the graph that NumPy can't follow; anything else as it is."""
    return value.detach() if isinstance(value, torch.Tensor) else value


def show(value):
    """A result as short text."""
    if isinstance(value, str) or value is None:
        return repr(value)
    if isinstance(value, tuple):
        return f"({', '.join(show(item) for item in value)})"
    try:
        array = np.asarray(without_gradient(value))
    except (TypeError, ValueError, RuntimeError):
        return repr(value)
    text = np.array2string(array, precision=4, threshold=8, separator=", ").replace("\n", "")
    return text if array.ndim == 0 else f"{text} of shape {array.shape}"
