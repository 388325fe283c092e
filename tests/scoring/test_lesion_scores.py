"""Lesion-wise scores: the challenge's conventions, panoptica's published values, brute force, and what is refused."""

import numpy as np
import pytest

import atlas_lab as lab
from atlas_lab.metrics import lesion_counts
from atlas_lab.scoring.lesions import challenge_f1, count_difference, matched_lesions, volume_difference_ml


def mask_of(shape, *boxes):
    mask = np.zeros(shape, bool)
    for box in boxes:
        mask[tuple(slice(*side) for side in box)] = True
    return mask


def random_pairs(count, shape=(7, 8, 6)):
    """Pairs of masks of a few scattered voxels and boxes."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        yield [rng.random(shape) < rng.choice([0, 0.02, 0.1, 0.3]) for _ in range(2)]


def components_by_flooding(mask):
    """The 26-connected components of a mask as sets of voxels, by flooding in pure Python."""
    left, found = set(map(tuple, np.argwhere(mask).tolist())), []
    steps = [(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)]
    while left:
        border, part = [left.pop()], set()
        while border:
            voxel = border.pop()
            part.add(voxel)
            for step in steps:
                near = tuple(a + b for a, b in zip(voxel, step, strict=True))
                if near in left:
                    left.remove(near)
                    border.append(near)
        found.append(part)
    return found


def test_the_challenge_s_f1_by_flooding():
    """tp / (tp + (fp + fn) / 2): true parts touched, predicted parts that touch nothing, true parts untouched."""
    for pred, target in random_pairs(60):
        said, true = components_by_flooding(pred), components_by_flooding(target)
        tp = sum(any(part & other for other in said) for part in true)
        fp = sum(not any(part & other for other in true) for part in said)
        expected = 1.0 if not said and not true else tp / (tp + (fp + len(true) - tp) / 2)
        assert challenge_f1(pred, target) == pytest.approx(expected)
        assert count_difference(pred, target) == len(said) - len(true)


def test_the_challenge_s_conventions_by_hand():
    empty, cube = np.zeros((5, 5, 5), bool), mask_of((5, 5, 5), [(0, 2)] * 3)
    assert challenge_f1(empty, empty) == 1 and challenge_f1(cube, empty) == 0 and challenge_f1(empty, cube) == 0
    corner = mask_of((5, 5, 5), [(0, 2)] * 3, [(2, 4)] * 3)  # they share a corner: one lesion
    assert count_difference(corner, cube) == 0 and challenge_f1(cube, corner) == 1
    assert challenge_f1(~empty, corner) == 1  # the whole brain touches every lesion
    assert volume_difference_ml(corner, cube, 0.016) == pytest.approx(8 * 0.016)


def test_panoptica_s_published_values():
    """Two matched instances, one perfect and one of IoU 0.9, a false alarm and a miss: unit_tests/test_golden_values.py
    of BrainLesion/panoptica (2ebcd54)."""
    target = mask_of((50, 50), [(5, 15), (5, 15)], [(20, 30), (20, 30)], [(40, 48), (5, 13)])
    pred = mask_of((50, 50), [(5, 15), (5, 15)], [(21, 30), (20, 30)], [(40, 48), (40, 48)])
    found = matched_lesions(pred, target)
    assert found[:3] == (2, 1, 1)
    assert found[3:] == pytest.approx((0.6666666666666666, 0.95, 0.6333333333333333))


def test_panoptica_s_simple_cases():
    """unit_tests/test_panoptic_evaluator.py (0480cee): an IoU of 0.75, either side empty, both empty."""
    target, pred = mask_of((50, 50), [(20, 40), (10, 20)]), mask_of((50, 50), [(20, 35), (10, 20)])
    empty = np.zeros((50, 50), bool)
    assert matched_lesions(pred, target) == (1, 0, 0, 1.0, 0.75, 0.75)
    assert matched_lesions(empty, target) == (0, 0, 1, 0.0, 0.0, 0.0)
    assert matched_lesions(pred, empty) == (0, 1, 0, 0.0, 0.0, 0.0)
    assert matched_lesions(empty, empty)[:3] == (0, 0, 0) and np.isnan(matched_lesions(empty, empty)[3:]).all()
    third = mask_of((50, 50), [(10, 20), (20, 40)]), mask_of((50, 50), [(10, 20), (10, 30)])  # IoU 1/3
    assert [matched_lesions(*third, at_least=t).tp for t in (0.1, 0.3, 0.4, 1.0)] == [1, 1, 0, 0]


def test_matching_by_brute_force():
    """From an overlap of one half on, a lesion has one possible partner at most: count the pairs that have it."""
    for pred, target in random_pairs(60):
        said, true = components_by_flooding(pred), components_by_flooding(target)
        overlaps = [len(a & b) / len(a | b) for a in said for b in true]
        pairs = [overlap for overlap in overlaps if overlap > 0.5]
        found = matched_lesions(pred, target, at_least=np.nextafter(0.5, 1))
        assert found[:3] == (len(pairs), len(said) - len(pairs), len(true) - len(pairs))
        assert found.segmentation == pytest.approx(np.mean(pairs)) if pairs else not found.segmentation > 0


@pytest.mark.parametrize("score", [challenge_f1, count_difference, matched_lesions, lesion_counts])
def test_what_is_no_mask_is_refused(score):
    mask = mask_of((5, 5, 5), [(0, 2)] * 3)
    for wrong in (np.full((5, 5, 5), 0.01), np.full((5, 5, 5), np.nan), mask.astype(np.uint8)):
        with pytest.raises(lab.DataError, match="masks must be boolean"):
            score(wrong, mask)
    with pytest.raises(lab.DataError, match="must be equal"):
        score(mask, mask[1:])
    with pytest.raises(lab.DataError, match="at_least is 0"):
        matched_lesions(mask, mask, at_least=0)
