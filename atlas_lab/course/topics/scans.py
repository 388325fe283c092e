"""Notebook 01: what a scan is, and how rare lesion is."""

import numpy as np

from atlas_lab.course.exercise import Case, Exercise
from atlas_lab.data import lesion_maps, scans

__all__ = ["EXERCISES"]


def voxel_to_mm(index, affine):
    """The place in mm of a voxel's index."""
    return affine[:3, :3] @ np.array(index) + affine[:3, 3]


def _affine(rng, flip=False):
    """Voxels of a few mm, x from right to left if asked, the origin somewhere."""
    affine = np.diag([*rng.integers(1, 4, 3).astype(float), 1.0])
    affine[:3, 3] = rng.integers(-90, -10, 3)
    if flip:
        affine[0, 0], affine[0, 3] = -affine[0, 0], -affine[0, 3]
    return affine


def _tilted(rng):
    """An affine whose axes lie at an angle to the scanner's."""
    angle, affine = rng.uniform(0.4, 0.8), _affine(rng)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine[:3, :3] = turn @ affine[:3, :3]
    return affine


def _index_cases(rng):
    return [
        Case("the first voxel lies where the last column says", ((0, 0, 0), _affine(rng))),
        Case("another voxel", (tuple(rng.integers(1, 60, 3).tolist()), _affine(rng) * [[2], [2], [2], [1]])),
        Case("an x axis that runs from right to left", ((10, 20, 30), _affine(rng, flip=True))),
        Case("axes that are tilted", ((5, 9, 2), _tilted(rng))),
    ]


def combine_masks(masks):
    """Lesion where any of the masks is above 0."""
    joined = np.zeros(masks[0].shape, bool)
    for mask in masks:
        joined |= mask > 0
    return joined


def _mask_cases(rng):
    one, other, third = ((rng.random((2, 3, 4)) < 0.3).astype(float) for _ in range(3))
    one[0, 0, 0], other[0, 0, 0] = 1, 1
    return [
        Case("one mask of zeros and ones", ([one],)),
        Case("a mask of 0 and 1 with a mask of 0 and 255", ([one, 255 * third],)),
        Case("two masks that overlap", ([one, other],)),
        Case("values such as 0.4 that are lesion too", ([0.4 * one, 0 * one],)),
        Case("three masks, one of them empty", ([0 * one, other, 255 * third],)),
        Case("bytes, in which 128 and 128 add up to 0", ([(128 * one).astype(np.uint8), (128 * other).astype("u1")],)),
    ]


def lesion_volume_ml(mask, affine):
    """Voxels times the volume of one, in ml."""
    voxel_mm3 = abs(np.linalg.det(affine[:3, :3]))
    return np.count_nonzero(mask) * voxel_mm3 / 1000


def _volume_cases(rng):
    mask = rng.random((6, 6, 6)) < rng.uniform(0.3, 0.7)
    return [
        Case("1 mm voxels", (mask, np.diag([1.0, 1, 1, 1]))),
        Case("thick slices", (mask, np.diag([1.0, 1, rng.integers(2, 6), 1]))),
        Case("an x axis that runs from right to left", (mask, _affine(rng, flip=True) * [[2], [2], [2], [1]])),
        Case("axes that are tilted", (mask, _tilted(rng) * [1, 1.25, 1, 1])),  # no two sides alike
        Case("an empty mask", (np.zeros_like(mask), np.diag([1.0, 1, 1, 1]))),
    ]


def accuracy_of_nothing(masks):
    """The share of pixels that are no lesion."""
    return 1 - np.mean(masks)


def _rarity_cases(rng):
    masks = rng.random((4, 5, 6)) < 0.1
    masks[0, 0, 0], masks[1] = True, False
    return [
        Case("one slice", (masks[:1],)),
        Case("slices without lesion count too", (masks,)),
        Case("no lesion at all", (np.zeros((2, 3, 3), bool),)),
    ]


EXERCISES = (
    Exercise(
        "voxel_to_mm", "01", "from index to millimetres", 2, 4, voxel_to_mm, _index_cases, {
            "the last column, the place of voxel 0, is left out": lambda i, a: a[:3, :3] @ np.array(i),
            "the first three columns are left out": lambda i, a: np.array(i) + a[:3, 3],
            "only the diagonal is used, so a tilted scan comes out wrong":
                lambda i, a: np.diag(a)[:3] * np.array(i) + a[:3, 3],
            "the inverse: from millimetres to an index": lambda i, a: (np.linalg.inv(a) @ [*i, 1])[:3],
            "the sign of the x axis is lost": lambda i, a: np.abs(a[:3, :3]) @ np.array(i) + a[:3, 3],
            "all four numbers, the 1 at the end too": lambda i, a: a @ [*i, 1],
        }),
    Exercise(
        "combine_masks", "01", "join the masks", 1, 4, combine_masks, _mask_cases, {
            "only the first mask is used": lambda masks: masks[0] > 0,
            "AND in place of OR": lambda masks: np.all([m > 0 for m in masks], axis=0),
            "only 1 counts as lesion": lambda masks: np.any([m == 1 for m in masks], axis=0),
            "only values above 0.5 count as lesion": lambda masks: np.any([m > 0.5 for m in masks], axis=0),
            "the masks are added before they are cut, and bytes overflow": lambda masks: sum(masks) > 0,
            "where both are lesion it is lost (XOR)": lambda masks: np.logical_xor.reduce([m > 0 for m in masks]),
            "numbers in place of True and False": lambda masks: np.max(masks, axis=0),
        }, library=scans.combine_masks),
    Exercise(
        "lesion_volume_ml", "01", "how many millilitres?", 2, 4, lesion_volume_ml, _volume_cases, {
            "cubic millimetres: divide by 1,000": lambda m, a: m.sum() * abs(np.linalg.det(a[:3, :3])),
            "the voxel's size is left out": lambda m, a: m.sum() / 1000,
            "a negative determinant gives a negative volume": lambda m, a: m.sum() * np.linalg.det(a[:3, :3]) / 1000,
            "only the diagonal is used, so a tilted scan comes out wrong":
                lambda m, a: m.sum() * abs(np.prod(np.diag(a)[:3])) / 1000,
            "the lengths of the affine's rows, not of its columns":
                lambda m, a: m.sum() * np.prod(np.linalg.norm(a[:3, :3], axis=1)) / 1000,
            "the whole array is counted, not the mask": lambda m, a: m.size * abs(np.linalg.det(a[:3, :3])) / 1000,
            "only one side of the voxel is used": lambda m, a: m.sum() * abs(a[0, 0]) ** 3 / 1000,
        }, library=lesion_maps.lesion_volume_ml),
    Exercise(
        "accuracy_of_nothing", "01", "right without looking", 1, 4, accuracy_of_nothing, _rarity_cases, {
            "the share that is lesion: the other way round": lambda m: np.mean(m),
            "a number of pixels, not a share": lambda m: np.count_nonzero(~m),
            "the share of slices, not of pixels": lambda m: np.mean(~m.any(axis=(1, 2))),
            "slices without lesion are left out":
                lambda m: 1 - np.mean(m[m.any(axis=(1, 2))]) if m.any() else float("nan"),
            "divided by the number of slices, not of pixels": lambda m: np.count_nonzero(~m) / len(m),
        }),
)
