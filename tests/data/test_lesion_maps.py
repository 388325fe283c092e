"""The overlap map, volumes, sides and components of masks, against values by hand and plain loops."""

import itertools
from collections import deque

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import atlas_lab as lab

# Without a time limit for each example, and the same examples every time, so that a busy machine fails nothing.
settings.register_profile("lab", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("lab")

MILLIMETRE = np.diag([1.0, 1, 1, 1])
MNI = np.array([[1.0, 0, 0, -98], [0, 1, 0, -134], [0, 0, 1, -72], [0, 0, 0, 1]])
MASKS = hnp.arrays(bool, st.tuples(st.integers(1, 6), st.just(2), st.just(3), st.just(4)))


def box(shape, *spans):
    """A mask that is True in a box, each span as (first, end)."""
    mask = np.zeros(shape, bool)
    mask[tuple(slice(*span) for span in spans)] = True
    return mask


# ----------------------------------------------------------------------------------------------------- overlap map

def test_overlap_map_by_hand():
    masks = [np.array(row, bool).reshape(1, 1, 3) for row in ([1, 1, 0], [1, 0, 0], [1, 1, 0], [1, 0, 0])]
    found = lab.overlap_map(masks)
    assert found.dtype == np.float32 and found.tolist() == [[[1.0, 0.5, 0.0]]]


@given(MASKS)
def test_adding_masks_one_by_one_gives_the_mean_of_the_stack(masks):
    np.testing.assert_allclose(lab.overlap_map(mask for mask in masks), masks.mean(axis=0), rtol=1e-6)


@given(MASKS)
def test_overlap_map_does_not_depend_on_the_order_and_repeating_all_masks_changes_nothing(masks):
    found = lab.overlap_map(masks)
    assert np.array_equal(lab.overlap_map(masks[::-1]), found)
    np.testing.assert_allclose(lab.overlap_map([*masks, *masks]), found, rtol=1e-6)


@pytest.mark.parametrize("n_masks", [300, 70_000])  # more than 8 bits can count, and than 16
def test_no_number_of_masks_overflows(n_masks):
    assert lab.overlap_map(np.ones((2, 2), bool) for _ in range(n_masks)).tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_masks_are_taken_one_at_a_time_and_left_alone():
    alive = []

    def masks():
        for i in range(4):
            alive.append(i)
            yield np.full((2, 2), i < 2)

    source = masks()
    assert lab.overlap_map(source).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert alive == [0, 1, 2, 3] and next(source, None) is None

    one = np.array([[True, False]])
    lab.overlap_map([one, one])
    assert one.tolist() == [[True, False]]


def test_no_masks_have_no_overlap():
    with pytest.raises(lab.DataError, match="no masks"):
        lab.overlap_map(iter([]))


@pytest.mark.parametrize("other", [(4, 3, 2), (1, 3, 4), (2, 3)])
def test_masks_of_differing_shapes_are_refused_with_both_shapes(other):
    with pytest.raises(lab.DataError) as error:
        lab.overlap_map([np.ones((2, 3, 4), bool), np.ones((2, 3, 4), bool), np.ones(other, bool)])
    message = str(error.value)
    assert "mask 3" in message and str(other) in message and "(2, 3, 4)" in message


# ---------------------------------------------------------------------------------------------------------- volume

@pytest.mark.parametrize("affine, ml", [
    (MILLIMETRE, 0.060),
    (MNI, 0.060),
    (np.diag([1.0, 1, 3, 1]), 0.180),
    (np.diag([-2.0, 2, 2, 1]), 0.480),                # from right to left: still a volume, not minus one
    (np.array([[0, 2.0, 0, 5], [1, 0, 0, 5], [0, 0, 1, 5], [0, 0, 0, 1]]), 0.120),   # axes swapped
])
def test_volume_by_hand(affine, ml):
    mask = box((10, 10, 10), (2, 5), (3, 7), (4, 9))  # 3 x 4 x 5 voxels
    assert lab.data.lesion_volume_ml(mask, affine) == pytest.approx(ml)


@given(st.floats(0, 6.28), st.floats(-100, 100))
def test_turning_and_moving_a_head_does_not_change_a_volume(angle, shift):
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine = turn @ np.diag([1.0, 2, 3, 1])
    affine[:3, 3] = shift
    assert lab.data.lesion_volume_ml(box((4, 4, 4), (0, 2), (1, 3), (2, 3)), affine) == pytest.approx(4 * 6 / 1000)


def test_an_empty_mask_has_no_volume():
    assert lab.data.lesion_volume_ml(np.zeros((3, 3, 3), bool), MILLIMETRE) == 0


# ------------------------------------------------------------------------------------------------------------ side

def columns_at(*x_mm):
    """A mask on the MNI grid with one voxel at each given x."""
    mask = np.zeros((197, 3, 3), bool)
    for i, x in enumerate(x_mm):
        mask[x + 98, i % 3, i // 3 % 3] = True
    return mask


@pytest.mark.parametrize("x_mm, side", [
    ([-40, -41], "left"),
    ([40, 41], "right"),
    ([-1], "left"),
    ([1], "right"),
    ([-1, 1], "both"),
    ([*range(-20, -10), 5], "left"),       # 10 of 11 are 91 %
    ([*range(-18, -9), 5], "both"),        # 9 of 10 are 90 %, not over it
    ([*range(10, 20), -5], "right"),
    ([*range(10, 19), -5], "both"),
])
def test_side_by_hand(x_mm, side):
    mask = columns_at(*x_mm)
    assert mask.sum() == len(x_mm)
    assert lab.data.lesion_side(mask, MNI) == side


@pytest.mark.parametrize("x_mm", [[0], [0, 0, 0, 1], [*range(10, 14), *[0] * 5]])
def test_the_midline_plane_belongs_to_neither_side(x_mm):
    assert lab.data.lesion_side(columns_at(*x_mm), MNI) == "both"


def test_the_affine_decides_the_side_not_the_index():
    mask = columns_at(-40, -41, -42)
    flipped = MNI.copy()
    flipped[0] = [-1, 0, 0, 98]
    assert lab.data.lesion_side(mask, MNI) == "left"
    assert lab.data.lesion_side(mask, flipped) == "right"
    assert lab.data.lesion_side(mask[::-1], flipped) == "left"


def test_side_when_x_runs_along_another_axis_of_the_array():
    swapped = MNI[:, [1, 0, 2, 3]]  # the second index of the array is x
    mask = columns_at(-40, -41).swapaxes(0, 1)
    assert lab.data.lesion_side(mask, swapped) == "left"


def test_an_empty_mask_has_no_side():
    with pytest.raises(lab.DataError, match="no lesion voxel"):
        lab.data.lesion_side(np.zeros((3, 3, 3), bool), MNI)


# ------------------------------------------------------------------------------------------------------ components

def components_by_flooding(mask, at_least):
    """Pieces of at least so many voxels, found by walking from voxel to touching voxel."""
    left = set(map(tuple, np.argwhere(mask).tolist()))
    steps = [step for step in itertools.product((-1, 0, 1), repeat=3) if any(step)]
    sizes = []
    while left:
        queue, size = deque([left.pop()]), 0
        while queue:
            here, size = queue.popleft(), size + 1
            for step in steps:
                there = tuple(a + b for a, b in zip(here, step, strict=True))
                if there in left:
                    left.remove(there)
                    queue.append(there)
        sizes.append(size)
    return sum(size >= at_least for size in sizes)


@given(hnp.arrays(np.float64, (5, 5, 4), elements=st.floats(0, 1)), st.sampled_from([0.15, 0.4]),
       st.integers(1, 6))
def test_components_equal_flooding(noise, share, at_least):
    mask = noise < share
    found = lab.data.count_components(mask, MILLIMETRE, at_least_ml=(at_least - 0.5) / 1000)
    assert found == components_by_flooding(mask, at_least)


def test_voxels_that_share_only_a_corner_are_one_piece():
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    assert lab.data.count_components(mask, MILLIMETRE, at_least_ml=0) == 1
    mask[3, 3, 3] = True
    assert lab.data.count_components(mask, MILLIMETRE, at_least_ml=0) == 2


def test_pieces_below_a_tenth_of_a_millilitre_are_not_counted():
    mask = np.zeros((30, 12, 12), bool)
    mask[0:5, 0:5, 0:4] = True      # 100 voxels
    mask[10:15, 0:5, 0:4] = True
    mask[10, 0, 0] = False          # 99 voxels
    mask[20:28, 0:8, 0:8] = True    # 512 voxels
    assert lab.data.count_components(mask, MILLIMETRE) == 2
    assert lab.data.count_components(mask, np.diag([1.0, 1, 2, 1])) == 3   # twice the volume
    assert lab.data.count_components(mask, MILLIMETRE, at_least_ml=0.5) == 1


def test_an_empty_mask_has_no_component():
    assert lab.data.count_components(np.zeros((3, 3, 3), bool), MILLIMETRE) == 0


def test_masks_of_other_kinds_count_as_their_lesions():
    drawn = np.zeros((6, 6, 6), bool)
    drawn[1:3, 1:3, 1:3] = True
    for mask in (drawn * np.uint8(255), drawn.astype(float), drawn.astype(int).tolist(), torch.from_numpy(drawn)):
        assert lab.overlap_map([mask] * 300).max() == 1
        assert lab.data.lesion_volume_ml(mask, MILLIMETRE) == pytest.approx(0.008)
        assert lab.data.count_components(mask, MILLIMETRE, at_least_ml=0) == 1
        assert lab.data.lesion_side(mask, MILLIMETRE) == lab.data.lesion_side(drawn, MILLIMETRE)


def test_no_number_is_no_lesion_voxel():
    mask = np.full((4, 4, 4), np.nan)
    mask[1:3, 1:3, 1:3] = 1
    for count in (lambda: lab.data.lesion_volume_ml(mask, MILLIMETRE), lambda: lab.overlap_map([mask]),
                  lambda: lab.data.lesion_side(mask, MILLIMETRE), lambda: lab.data.count_components(mask, MILLIMETRE)):
        with pytest.raises(lab.DataError, match="NaN"):
            count()


def test_masks_of_one_scan_have_one_shape():
    with pytest.raises(lab.DataError, match="must be equal"):
        lab.data.combine_masks([np.ones((2, 2)), np.ones((1, 2))])
