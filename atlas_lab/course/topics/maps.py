"""Notebook 02: overlap maps, sides of the brain, and people drawn anew."""

import weakref

import numpy as np

from atlas_lab.course.exercise import Case, Exercise
from atlas_lab.data import lesion_maps

__all__ = ["EXERCISES"]

HELD = 3  # masks that may be in memory while another is asked for


def overlap_map(masks):
    """Add the masks one by one, count them, and divide."""
    total, count = 0, 0
    for mask in masks:
        total = total + mask.astype(int)
        count += 1
    return total / count


def _one_by_one(masks):
    """Hand masks out one after the other; refuse when the earlier ones are all kept."""
    handed = []
    for mask in masks:
        if sum(reference() is not None for reference in handed) >= HELD:
            raise MemoryError(f"{len(handed)} masks are held at once; a cohort's would fill the memory")
        mask = mask.copy()
        handed.append(weakref.ref(mask))
        yield mask
        del mask


def _total_in_a_byte(masks):
    """Wrong: more than 255 masks don't fit."""
    total, count = np.uint8(0), 0
    for mask in masks:
        total = total + mask.astype(np.uint8)
        count += 1
    return total / count


def _any_lesion(masks):
    """Wrong: where at least one mask has lesion."""
    joined = False
    for mask in masks:
        joined = joined | mask
    return joined.astype(float)


def _true_and_true(masks):
    """Wrong: masks added to a first mask of True and False, where True + True stays True."""
    total, count = False, 0
    for mask in masks:
        total = total + mask
        count += 1
    return total / count


def _one_too_few(masks):
    """Wrong: `next` took the first mask, or `enumerate` began at 0."""
    total, count = 0, -1
    for mask in masks:
        total = total + mask.astype(int)
        count += 1
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / count


def _twice_through(masks):
    """Wrong: the second pass finds nothing."""
    total = sum(mask.astype(float) for mask in masks)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / sum(1 for mask in masks)


def _overlap_cases(rng):
    masks = rng.random((6, 2, 3)) < 0.4
    return [
        Case("one mask", (masks[:1],)),
        Case("six masks, which come one by one and can be looked at once", (masks,)),
        Case("300 masks, more than a byte can count", (rng.random((300, 1, 3)) < [0.2, 0.5, 0.95],)),
    ]


def lesion_side(mask, affine):
    """Left if over 90 % of the lesion's voxels lie at x < 0 mm."""
    x_mm = np.argwhere(mask) @ affine[0, :3] + affine[0, 3]
    share_left = np.mean(x_mm < 0)
    if share_left > 0.9:
        return "left"
    return "right" if share_left < 0.1 else "both"


def _lesion(left, right, flip=False, middle=10.5):
    """A mask with so many voxels far left and right of the midline, and its affine."""
    mask, affine = np.zeros((22, 5, 5), bool), np.diag([1.0, 1, 1, 1])
    mask[3].ravel()[:left], mask[16].ravel()[:right] = True, True
    affine[0, 3] = -middle
    if flip:
        affine[0, 0], affine[0, 3] = -1, middle
    return mask, affine


def _wide():
    """A lesion on the right in voxels of 2 mm."""
    mask, affine = _lesion(0, 12)[0], np.diag([2.0, 2, 2, 1])
    affine[0, 3] = -22
    return mask, affine


def _tilted(first):
    """Voxels of 2 mm in a head that is turned: five of them from row `first` on, left of the middle up to row 9."""
    mask, affine = np.zeros((22, 22, 3), bool), np.diag([1.6, 1.6, 2, 1])
    mask[10, first : first + 5, 1] = True
    affine[0, 1], affine[1, 0], affine[0, 3] = 1.2, -1.2, -28
    return mask, affine


def _side_cases(rng):
    some = int(rng.integers(10, 20))
    return [
        Case("a lesion on the left", _lesion(some, 0)),
        Case("a lesion on the right", _lesion(0, some)),
        Case("the same array in a file whose x axis runs from right to left", _lesion(0, some, flip=True)),
        Case("a lesion in both halves", _lesion(some, some - 2)),
        Case("a midline that isn't the middle of the array", _lesion(0, some, middle=18.5)),
        Case("16 of 20 voxels on the left: less than 90 %", _lesion(16, 4)),
        Case("14 of 20 voxels on the left: less than 90 %", _lesion(14, 6)),
        Case("22 of 25 voxels on the left: less than 90 %", _lesion(22, 3)),
        Case("19 of 20 voxels on the left: more than 90 %", _lesion(19, 1)),
        Case("4 of 20 voxels on the left: more than 10 %", _lesion(4, 16)),
        Case("3 of 25 voxels on the left: more than 10 %", _lesion(3, 22)),
        Case("1 of 20 voxels on the left: less than 10 %", _lesion(1, 19)),
        Case("23 of 25 voxels on the left: more than 90 %", _lesion(23, 2)),
        Case("2 of 25 voxels on the left: less than 10 %", _lesion(2, 23)),
        Case("18 of 20 voxels on the left: 90 %, and not more", _lesion(18, 2)),
        Case("voxels of 2 mm", _wide()),
        Case("voxels of 2 mm in a head that is turned, left", _tilted(2)),
        Case("voxels of 2 mm in a head that is turned, right", _tilted(15)),
    ]


def _side_by(share, at_least=0.9):
    """A function that names the side by the share of voxels on the left that `share` gives."""
    def attempt(mask, affine):
        left = share(np.argwhere(mask), affine, mask)
        return "left" if left > at_least else "right" if left < 1 - at_least else "both"
    return attempt


def _right_below(most):
    """Wrong on the right side only."""
    def attempt(mask, affine):
        left = np.mean(_x(np.argwhere(mask), affine) < 0)
        return "left" if left > 0.9 else "right" if left <= most else "both"
    return attempt


def _at_90(mask, affine):
    """Wrong: 90 % are enough."""
    left = np.mean(_x(np.argwhere(mask), affine) < 0)
    return "left" if left >= 0.9 else "right" if left <= 0.1 else "both"


def _x(voxels, affine):
    return voxels @ affine[0, :3] + affine[0, 3]


def _by_mean(mask, affine):
    """Wrong: the mean position decides, with 2 mm to spare."""
    middle = _x(np.argwhere(mask), affine).mean()
    return "left" if middle < -2 else "right" if middle > 2 else "both"


def resampled_rows(subjects, drawn):
    """For each drawn subject all of its rows, as often as it was drawn."""
    return np.concatenate([np.flatnonzero(subjects == subject) for subject in drawn])


def _in_order(rows, _):
    """Row numbers sorted, since any order is right; lists of unequal lengths as they are."""
    try:
        return None if rows is None else np.sort(rows)
    except ValueError:
        return rows


def _resample_cases(rng):
    subjects = np.array(["a", "a", "b", "c", "c", "c", "d"])[rng.permutation(7)]
    return [
        Case("each subject once", (subjects, np.array(["a", "b", "c", "d"]))),
        Case("two subjects left out", (subjects, np.array(["d", "c"]))),
        Case("a subject drawn twice comes twice, with all its scans", (subjects, np.array(["c", "a", "c", "b"]))),
    ]


EXERCISES = (
    Exercise(
        "overlap_map", "02", "add it up", 2, 4, overlap_map, _overlap_cases, {
            "all masks are held in memory at once": lambda masks: np.mean(list(masks), axis=0),
            "a sum in bytes overflows after 255 masks": _total_in_a_byte,
            "a count, not a share": lambda masks: sum(m.astype(float) for m in masks),
            "percent, not a share": lambda masks: 100 * overlap_map(masks),
            "where any mask has lesion: no share": _any_lesion,
            "True + True stays True: turn the first mask into numbers": _true_and_true,
            "the count is one too small: the first mask counts too": _one_too_few,
            "the masks are gone through twice, and the second time there are none": _twice_through,
            "a generator has no len: count while you add": lambda masks: len(masks),
            "numpy can't take a mean over a generator: go through it in a loop": lambda masks: np.mean(masks, axis=0),
        }, library=lesion_maps.overlap_map, give=lambda masks: (_one_by_one(masks),)),
    Exercise(
        "lesion_side", "02", "which side?", 3, 3, lesion_side, _side_cases, {
            "left and right are swapped": _side_by(lambda v, a, m: np.mean(_x(v, a) > 0)),
            "the index decides, not the affine": _side_by(lambda v, a, m: np.mean(v[:, 0] < m.shape[0] / 2)),
            "the affine's sign is used, its last column isn't": _side_by(
                lambda v, a, m: np.mean((v[:, 0] - m.shape[0] / 2) * a[0, 0] < 0)),
            "the mean position decides, not the share of voxels": _by_mean,
            "more than half is enough: the 90 % are ignored": _side_by(lambda v, a, m: np.mean(_x(v, a) < 0), 0.5),
            "a single voxel on the other side makes it both": _side_by(lambda v, a, m: np.mean(_x(v, a) < 0), 0.999),
            "right asks for all voxels: more than 90 % are enough": _right_below(0.0),
            "right is said too soon: less than 10 % may lie on the left": _right_below(0.3),
            "exactly 90 % is not more than 90 %": _at_90,
            "voxels are taken to be 1 mm wide": _side_by(
                lambda v, a, m: np.mean(v[:, 0] * np.sign(a[0, 0]) + a[0, 3] < 0)),
            "the affine's second and third column are left out: a head may be turned": _side_by(
                lambda v, a, m: np.mean(v[:, 0] * a[0, 0] + a[0, 3] < 0)),
            "another threshold than 90 %": _side_by(lambda v, a, m: np.mean(_x(v, a) < 0), 0.75),
        }, library=lesion_maps.lesion_side),
    Exercise(
        "resampled_rows", "02", "draw people, not scans", 2, 4, resampled_rows, _resample_cases, {
            "a subject that was drawn twice comes once": lambda s, d: np.flatnonzero(np.isin(s, d)),
            "only one scan of each subject": lambda s, d: np.array([np.flatnonzero(s == x)[0] for x in d]),
            "the subjects themselves, not their rows": lambda s, d: np.concatenate([s[s == x] for x in d]),
            "the rows of those who were not drawn": lambda s, d: np.flatnonzero(~np.isin(s, d)),
            "True and False for each row, not row numbers": lambda s, d: np.isin(s, d),
            "one list for each subject: join them into one": lambda s, d: [np.flatnonzero(s == x) for x in d],
        }, observe=_in_order),
)
