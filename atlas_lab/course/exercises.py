"""Checks for the notebooks' exercises: each compares the learner's function with the lab's own.

A check prints "Not attempted yet", "Passed", or the first case that fails with what was expected and what came.
The solution of an exercise is the library's function: `show_solution` prints its source.
"""

import inspect

import numpy as np
import torch

from atlas_lab.architecture import field_of_view
from atlas_lab.course.checking import check
from atlas_lab.data.lesion_maps import disc_diameter, lesion_side, lesion_volume_ml, overlap_map
from atlas_lab.data.scans import combine_masks
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.artifacts import sampling_error
from atlas_lab.losses import best_probability, tversky_loss, weighted_cross_entropy
from atlas_lab.metrics import centroid_distances, dice_coefficient, lesion_counts, precision_recall_area
from atlas_lab.paper.evidence import n_updates, oscillation
from atlas_lab.splits import Split, neighbour_exposure, seen_in_train
from atlas_lab.statistics import geometric_interval, mean_interval, paired_interval

__all__ = [
    "SOLUTIONS", "check_best_probability", "check_centroid_distances", "check_combine_masks",
    "check_dice_coefficient", "check_disc_diameter", "check_field_of_view", "check_geometric_interval",
    "check_lesion_counts", "check_lesion_side", "check_lesion_volume_ml", "check_mean_interval",
    "check_n_updates", "check_neighbour_exposure", "check_oscillation", "check_overlap_map",
    "check_paired_interval", "check_precision_recall_area", "check_sampling_error", "check_seen_in_train",
    "check_tversky_loss", "check_weighted_cross_entropy", "show_solution",
]

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
    "paired_interval": paired_interval,
    "geometric_interval": geometric_interval,
    "disc_diameter": disc_diameter,
    "seen_in_train": seen_in_train,
    "centroid_distances": centroid_distances,
    "sampling_error": sampling_error,
    "lesion_counts": lesion_counts,
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


def check_paired_interval(attempt):
    """Exercise: the mean difference of two lists, pair by pair, with its interval."""
    check(attempt, paired_interval, [
        ("good seeds are good in both", ([0.30, 0.20, 0.40, 0.25], [0.28, 0.17, 0.39, 0.22])),
        ("one is lower", ([0.1, 0.2, 0.3], [0.2, 0.2, 0.5])),
        ("no pair differs: an interval without width", ([0.2, 0.4, 0.3], [0.2, 0.4, 0.3])),
    ])


def check_geometric_interval(attempt):
    """Exercise: the mean of ratios with its interval, by way of their logarithms."""
    check(attempt, geometric_interval, [
        ("half and double: no change on average", ([0.5, 2.0],)),
        ("five seeds", ([3.1, 2.4, 4.0, 3.3, 5.2],)),
        ("one factor in all", ([3.0, 3.0, 3.0],)),
        ("a network that paints nothing is left out", ([2.0, 0.0, 8.0, 4.0],)),
    ])


def check_disc_diameter(attempt):
    """Exercise: the diameter of the disc with the area of so many pixels."""
    check(attempt, disc_diameter, [
        ("314 pixels of 1 mm: about 20 mm", (314, 1)),
        ("20 pixels of 4 mm", (20, 4)),
        ("several lesions at once", (np.array([1, 10, 100]), 2)),
        ("no pixel at all", (0, 4)),
    ])


def check_seen_in_train(attempt):
    """Exercise: which of dev's slices are of a subject that train has slices of."""
    subjects = np.array(["a", "a", "b", "b", "c", "c"])
    check(attempt, seen_in_train, [
        ("one person held out", (subjects, Split(np.array([0, 1, 2, 3]), np.array([4, 5])))),
        ("every second slice held out", (subjects, Split(np.array([0, 2, 4]), np.array([1, 3, 5])))),
        ("some of both", (subjects, Split(np.array([0, 1, 2]), np.array([3, 4, 5])))),
    ])


def check_centroid_distances(attempt):
    """Exercise: how far the centre of a prediction lies from the centre of its target, in radii of the target."""
    def square(row, column, size):
        mask = np.zeros((1, 20, 20), bool)
        mask[0, row : row + size, column : column + size] = True
        return mask

    empty = np.zeros((1, 20, 20), bool)
    check(attempt, centroid_distances, [
        ("in the right place, too large", (square(4, 4, 8), square(6, 6, 4))),
        ("4 pixels to the right", (square(5, 9, 4), square(5, 5, 4))),
        ("3 down and 4 to the right of a larger one", (square(8, 9, 6), square(5, 5, 6))),
        ("nothing predicted: undefined, so NaN", (empty, square(5, 5, 4))),
        ("two slices", (np.concatenate([square(0, 0, 2), square(5, 5, 3)]), np.repeat(square(5, 5, 3), 2, axis=0))),
    ])


def check_sampling_error(attempt):
    """Exercise: the standard error of the mean of a few slices out of many."""
    dice = np.random.default_rng(0).random(400).round(3)
    check(attempt, sampling_error, [
        ("100 of 400 slices", (dice, 100)),
        ("10 of 400 slices", (dice, 10)),
        ("all slices: nothing is left to chance", (dice, 400)),
        ("skipped slices don't count", (np.where(np.arange(400) % 2, np.nan, dice), 50)),
    ])


def check_lesion_counts(attempt):
    """Exercise: lesions found, invented and missed by the one-voxel rule."""
    target, pred = np.zeros((2, 10, 10), bool)
    target[1:3, 1:3] = target[5:8, 5:8] = pred[2, 2] = pred[0, 9] = pred[9, 0:3] = True
    bridge = target.copy()
    bridge[1:8, 1:8] = True
    empty = np.zeros_like(target)
    check(attempt, lesion_counts, [
        ("one voxel in a lesion finds it; two false alarms", (pred, target)),
        ("a perfect mask", (target, target)),
        ("one large piece over both lesions finds both", (bridge, target)),
        ("nothing predicted", (empty, target)),
        ("nothing there", (pred, empty)),
    ])
