"""The local classifier: what it sees, that it knows no place, and its threshold."""

import numpy as np
import pytest

from atlas_lab.files import DataError
from atlas_lab.paper.local_classifier import NEAR, best_threshold, fit_classifier, pixel_features


def heads(n_scans=4, shape=(6, 40, 36), seed=0):
    """Scans of noisy discs, with dark squares as lesions: a list of (images, masks, used)."""
    rng = np.random.default_rng(seed)
    stacks, (y, x) = [], np.mgrid[: shape[1], : shape[2]]
    for _ in range(n_scans):
        disc = (y - 20) ** 2 + (x - 18) ** 2 < 14**2
        images = np.where(disc, rng.integers(130, 170, shape), 0).astype(np.uint8)
        masks = np.zeros(shape, bool)
        for z in range(0, shape[0], 2):
            top, left = rng.integers(12, 22, 2)
            masks[z, top : top + 5, left : left + 5] = True
        images[masks] = rng.integers(30, 50, masks.sum())
        stacks.append((images, masks & disc, np.ones(shape[0], bool)))
    return stacks


def dice(pred, target):
    return 2 * (pred & target).sum() / (pred.sum() + target.sum())


def test_it_finds_dark_squares_in_heads_it_has_not_seen():
    classifier = fit_classifier(heads(), share=0.5)
    images, masks, every = heads(1, seed=9)[0]
    assert dice(classifier.predict(images, every), masks) > 0.8


@pytest.mark.parametrize("neighbours", [False, True])
def test_a_shifted_head_gets_the_same_mask_shifted(neighbours):
    classifier = fit_classifier(heads(), 0.5, neighbours)
    images, _, every = heads(1, seed=9)[0]
    padded = np.pad(images, ((0, 0), (30, 30), (30, 30)))
    before, after = (classifier.predict(each, every) for each in (padded, np.roll(padded, (6, -9), axis=(1, 2))))
    assert before.any()
    np.testing.assert_array_equal(np.roll(before, (6, -9), axis=(1, 2)), after)


def test_masks_of_slices_that_are_not_for_training_change_nothing():
    stacks = heads()
    for _, _, used in stacks:
        used[3:] = False
    altered = [(images, np.where(used[:, None, None], masks, ~masks), used) for images, masks, used in stacks]
    one, other = (fit_classifier(each, 0.5, True) for each in (stacks, altered))
    assert one.threshold == other.threshold
    images, _, every = heads(1, seed=9)[0]
    np.testing.assert_array_equal(one.probability(images, every), other.probability(images, every))


def test_with_place_it_tells_dark_squares_on_the_left_from_those_on_the_right():
    stacks = [(images, masks & (np.arange(36) < 18), used) for images, masks, used in heads(12)]
    images, masks, every = heads(1, seed=9)[0]
    left, right = masks & (np.arange(36) < 18), masks & (np.arange(36) >= 18)
    without, with_place = (fit_classifier(stacks, 0.5, place=place).predict(images, every) for place in (False, True))
    assert without[right].mean() > 0.3 and with_place[right].mean() < 0.1 and with_place[left].mean() > 0.5


def test_features_by_hand():
    images = np.zeros((5, 11, 11), np.uint8)
    images[2, 5, 5] = 200
    every = np.ones(images.shape, bool)
    flat = pixel_features(images, every).reshape(*images.shape, -1)
    assert flat.shape == (5, 11, 11, 12) and not flat[[0, 1, 3, 4]].any()  # a slice is seen alone
    value, *_, low, high = flat[2, 5, 5, [0, 6, 7]]
    assert (value, low, high) == (200, 0, 200)
    assert [flat[2, 5, 5 + d, 7] for d in (1, 2)] == [200, 0]       # highest of 3 x 3
    assert [flat[2, 5, 5 + d, 11] for d in (4, 5)] == [200, 0]      # of 9 x 9
    around = pixel_features(images, every, neighbours=True).reshape(*images.shape, -1)[:, 5, 5, 12 : 12 + len(NEAR)]
    some = np.random.default_rng(0).random(images.shape) < 0.1
    np.testing.assert_array_equal(pixel_features(images, some), flat[some])
    assert [np.flatnonzero(row).tolist() for row in around] == [[3], [2], [], [1], [0]]  # two up, one up, ..., two down


def test_the_threshold_is_the_best_of_all():
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 20, 300) / 20  # many are equal
    lesion = (rng.random(300) < scores).astype(float)
    total = rng.integers(1, 4, 300)
    lesion = lesion * total
    by_hand = {t: 2 * lesion[scores >= t].sum() / (total[scores >= t].sum() + lesion.sum()) for t in np.unique(scores)}
    assert best_threshold(scores, lesion, total) == max(by_hand, key=by_hand.get)


def test_without_lesions_it_says_so():
    stacks = [(images, np.zeros_like(masks), used) for images, masks, used in heads()]
    with pytest.raises(DataError, match=r"^0 of .* training pixels are lesion"):
        fit_classifier(stacks, 0.1)
