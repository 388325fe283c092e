"""Notebook 08: splits, what leaks through them, and the copying machine."""

import math

import numpy as np

from atlas_lab.course.exercise import Case, Exercise

__all__ = ["EXERCISES"]


def neighbour_exposure(scans, z, step, train, dev):
    """The share of dev's slices of which the next slice up or down, in the same scan, is in train."""
    trained = set(zip(scans[train], z[train], strict=True))
    exposed = [(scans[row], z[row] - step) in trained or (scans[row], z[row] + step) in trained for row in dev]
    return np.mean(exposed)


def _exposure_cases(rng):
    step = int(rng.integers(2, 6))
    scans = np.array(["a/t01"] * 4 + ["a/t02"] * 3 + ["b/t01"] * 3)
    z = step * np.array([0, 1, 2, 3, 1, 2, 3, 0, 1, 2]) + int(rng.integers(10, 40))

    def case(text, train, dev):
        return Case(text, (scans, z, step, np.array(train), np.array(dev)))

    return [
        case("whole people held out: no neighbour", [0, 1, 2, 3, 4, 5, 6], [7, 8, 9]),
        case("every second slice held out", [0, 2, 4, 6, 7, 9], [1, 3, 5, 8]),
        case("only some have a neighbour in train", [0, 4], [1, 3, 6, 7, 9]),
        case("the other scan of a person is no neighbour", [4, 5], [0, 2, 3, 8]),
        case("a neighbour above only, or below only", [1, 5, 8], [0, 2, 6, 7]),
    ]


def _near(moves=(-1, 1), names=lambda s: s, fixed=None, needed=any):
    """Exposure that looks elsewhere."""
    def attempt(scans, z, step, train, dev):
        by = fixed or step
        trained = {(names(scans[row]), z[row]) for row in train}
        return np.mean([needed((names(scans[row]), z[row] + move * by) in trained for move in moves) for row in dev])
    return attempt


def _by_rows(scans, z, step, train, dev):
    """Wrong: the next row of the table may be of another scan."""
    return np.mean([row - 1 in train or row + 1 in train for row in dev])


def seen_in_train(subjects, train, dev):
    """Which of dev's slices are of a subject that train has slices of."""
    return np.isin(subjects[dev], subjects[train])


def _seen_cases(rng):
    subjects = np.array(["a", "a", "b", "b", "c", "c"])[rng.permutation(6)]
    return [
        Case("one person held out", (subjects, np.flatnonzero(subjects != "c"), np.flatnonzero(subjects == "c"))),
        Case("every second slice held out", (subjects, np.array([0, 2, 4]), np.array([1, 3, 5]))),
        Case("some of both", (subjects, np.flatnonzero(subjects == "a")[:1], np.flatnonzero(subjects != "b"))),
    ]


def split_by_subject(subjects, dev_fraction, seed):
    """Draw people, not slices: all rows of a drawn person go to dev."""
    people = np.unique(subjects)
    n_dev = round(dev_fraction * len(people))
    chosen = np.random.default_rng(seed).permutation(people)[:n_dev]
    in_dev = np.isin(subjects, chosen)
    return np.flatnonzero(~in_dev), np.flatnonzero(in_dev)


def _asked_again(attempt, subjects, dev_fraction, seed):
    """The split, the same once more, and those of other seeds."""
    return [attempt(subjects, dev_fraction, one) for one in (seed, seed, *range(seed + 1, seed + 5))]


def _row_numbers(rows):
    return np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows)


def _what_a_split_is(value, given):
    """What is wrong with a split in the first place, in words; else how many people are in dev."""
    if value[0] is None:
        return None
    subjects = given[0]
    train, dev = map(_row_numbers, value[0])
    if (np.bincount(np.concatenate([train, dev]), minlength=len(subjects)) != 1).any():
        return "rows that are in both, or in neither"
    if set(subjects[train]) & set(subjects[dev]):
        return "people on both sides"
    people, again, *others = (set(subjects[_row_numbers(rows)]) for _, rows in value)
    counts = sorted({len(some) for some in (people, *others)})
    found = f"each row and each person on one side, {' or '.join(map(str, counts))} people in dev"
    if again != people:
        return f"{found}, others at each call with one seed"
    if all(other == people for other in others):
        return f"{found}, the same whatever the seed"
    return f"{found}, the same for the same seed only"


def _split_cases(rng):
    def subjects(count, most=8):
        return np.repeat([f"p{i}" for i in rng.permutation(count)], rng.integers(2, most, count))
    seed = int(rng.integers(100))
    return [
        Case("ten people", (subjects(10), 0.3, seed)),
        Case("another share", (subjects(12), 0.5, seed + 1)),
        Case("a share that must be rounded up", (subjects(9), 0.3, seed + 2)),
        Case("a share that must be rounded down", (subjects(11), 0.3, seed + 3)),
    ]


def _rows_at_random(subjects, dev_fraction, seed):
    order = np.random.default_rng(seed).permutation(len(subjects))
    n_dev = round(dev_fraction * len(subjects))
    return order[n_dev:], order[:n_dev]


def _twice(subjects, dev_fraction, seed):
    people = np.unique(subjects)
    in_dev = np.isin(subjects, np.random.default_rng(seed).choice(people, round(dev_fraction * len(people))))
    return np.flatnonzero(~in_dev), np.flatnonzero(in_dev)


def copied_masks(train_images, train_masks, dev_images):
    """For each picture the mask of the training slice with the smallest sum of squared differences."""
    train = train_images.astype(np.float32)
    masks = []
    for image in dev_images.astype(np.float32):
        difference = ((train - image) ** 2).sum(axis=(1, 2))
        masks.append(train_masks[difference.argmin()])
    return np.array(masks)


def _copy_cases(rng):
    images = rng.integers(0, 256, (6, 3, 4)).astype(np.uint8)
    masks = rng.random((6, 3, 4)) < 0.4
    near = np.clip(images[[4, 1, 3]].astype(int) + rng.integers(-9, 10, (3, 3, 4)), 0, 255).astype(np.uint8)

    others = rng.integers(0, 256, (32, 2, 3)).astype(np.uint8)

    def small(text, train, image):
        train, image = (np.array(pixels, np.uint8)[:, None] for pixels in (train, image))
        return Case(text, (train, np.eye(len(train), train.shape[2], dtype=bool)[:, None], image))

    return [
        Case("a picture that is in train", (images, masks, images[2:3])),
        Case("pictures that are nearly in train", (images, masks, near)),
        small("a train slice whose differences, 16 and 32, have squares above 255", [[60, 50], [66, 82]], [[50, 50]]),
        small("a picture of the same brightness that looks quite otherwise", [[60, 20], [30, 60]], [[20, 60]]),
        small("one large difference weighs more than several small ones", [[40, 40, 40], [60, 20, 20]], [[20, 20, 20]]),
        Case("pictures that look like none in train", (others[:24], rng.random((24, 2, 3)) < 0.5, others[24:])),
    ]


def _copy_by(distance, pick=np.argmin, kind=np.float32):
    def attempt(train_images, train_masks, dev_images):
        train = train_images.astype(kind)
        return np.array([train_masks[pick(distance(train, image))] for image in dev_images.astype(kind)])
    return attempt


def _squares(train, image):
    return ((train - image) ** 2).sum(axis=(1, 2))


def _pattern(train, image):
    """1 - the correlation of two pictures, up to a factor that is the same for all of train."""
    train, image = (pixels - pixels.mean(axis=(-2, -1), keepdims=True) for pixels in (train, image))
    return -(train * image).sum(axis=(1, 2)) / np.sqrt((train**2).sum(axis=(1, 2)))


EXERCISES = (
    Exercise(
        "neighbour_exposure", "08", "neighbours on the other side", 3, 5, neighbour_exposure, _exposure_cases, {
            "the next row of the table, which may be of another scan": _by_rows,
            "only the slice above": _near(moves=(1,)),
            "only the slice below": _near(moves=(-1,)),
            "both neighbours are asked for: one of them in train is enough": _near(needed=all),
            "the session is ignored: two scans of a person are taken for one": _near(
                names=lambda scan: scan.partition("/")[0]),
            "the scan is ignored: any slice at the next height counts": _near(names=lambda scan: ""),
            "the step isn't used: neighbours 1 mm away": _near(fixed=1),
            "the share of train, not of dev":
                lambda scans, z, step, train, dev: neighbour_exposure(scans, z, step, dev, train),
        }),
    Exercise(
        "seen_in_train", "08", "who has been seen?", 1, 4, seen_in_train, _seen_cases, {
            "the other way round: those who have not been seen": lambda s, t, d: ~np.isin(s[d], s[t]),
            "rows are compared, not people": lambda s, t, d: np.isin(d, t),
            "one answer for each row of the store, not of dev": lambda s, t, d: np.isin(s, s[t]),
            "which of train's slices are of people in dev": lambda s, t, d: np.isin(s[t], s[d]),
            "the share, not one answer for each slice": lambda s, t, d: np.isin(s[d], s[t]).mean(),
            "the subjects, not True and False": lambda s, t, d: s[d][np.isin(s[d], s[t])],
        }),
    Exercise(
        "split_by_subject", "08", "a split by people", 3, 5, split_by_subject, _split_cases, {
            "slices are drawn, not people: some people land on both sides": _rows_at_random,
            "train and dev are swapped": lambda s, f, seed: split_by_subject(s, f, seed)[::-1],
            "dev's rows are left in train": lambda s, f, seed: (np.arange(len(s)), split_by_subject(s, f, seed)[1]),
            "one person only in dev": lambda s, f, seed: (np.flatnonzero(s != s[0]), np.flatnonzero(s == s[0])),
            "rounded down": lambda s, f, seed: split_by_subject(s, int(f * len(set(s))) / len(set(s)), seed),
            "rounded up": lambda s, f, seed: split_by_subject(s, math.ceil(f * len(set(s))) / len(set(s)), seed),
            "people are drawn with replacement: some come twice, so dev has too few": _twice,
            "the seed isn't used: everybody gets the same people": lambda s, f, seed: split_by_subject(s, f, 0),
            "the seed isn't used: another split at each call": lambda s, f, seed: split_by_subject(s, f, None),
        }, ask=_asked_again, observe=_what_a_split_is),
    Exercise(
        "copied_masks", "08", "the copying machine", 4, 5, copied_masks, _copy_cases, {
            "differences of bytes overflow: turn the pictures into numbers first": _copy_by(_squares, kind=np.uint8),
            "squares of 16 bits overflow too: turn the pictures into floats": _copy_by(_squares, kind=np.int16),
            "the least similar slice, not the most similar": _copy_by(_squares, np.argmax),
            "absolute differences, not their squares": _copy_by(lambda t, i: np.abs(t - i).sum(axis=(1, 2))),
            "only the mean brightness is compared": _copy_by(
                lambda t, i: np.abs(t.mean(axis=(1, 2)) - i.mean())),
            "the largest difference alone, not the sum": _copy_by(lambda t, i: np.abs(t - i).max(axis=(1, 2))),
            "correlation, which doesn't mind how bright a picture is": _copy_by(_pattern),
            "the differences aren't squared, and cancel": _copy_by(lambda t, i: (t - i).sum(axis=(1, 2))),
            "a product of pictures, in which bright ones win": _copy_by(
                lambda t, i: -(t * i).sum(axis=(1, 2))),
            "the numbers of the slices, not their masks":
                lambda t, m, d: np.array([_squares(t.astype(float), x).argmin() for x in d.astype(float)]),
            "the pictures, not the masks": lambda t, m, d: _copy_by(_squares)(t, t, d),
        }),
)
