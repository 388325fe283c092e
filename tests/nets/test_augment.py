"""Slices varied at random: what stays, what moves, and that masks move along."""

import pytest
import torch

import atlas_lab as lab
from atlas_lab.nets.augment import AUGMENTATIONS, augment


def discs(count=40, channels=1):
    """A bright disc right of the middle, and its mask."""
    rows, columns = torch.meshgrid(torch.arange(56.0), torch.arange(48.0), indexing="ij")
    disc = ((rows - 25) ** 2 + (columns - 34) ** 2 < 40).float()
    return (0.2 + 0.6 * disc).expand(count, channels, -1, -1).clone(), disc.expand(count, 1, -1, -1).clone()


@pytest.mark.parametrize("kind", ["none", *AUGMENTATIONS, "all"])
def test_images_stay_in_range_and_masks_binary_and_a_seed_gives_the_same(kind):
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        found.append(augment(*discs(), kind))
    (images, target), (again, _) = found
    assert images.shape == (40, 1, 56, 48) and target.shape == (40, 1, 56, 48)
    assert images.min() >= 0 and images.max() <= 1 and set(target.unique().tolist()) <= {0, 1}
    assert torch.equal(images, again)
    assert torch.equal(images, discs()[0]) == (kind == "none")


@pytest.mark.parametrize("kind", ["flip", "affine", "all"])
def test_a_mask_moves_with_its_image(kind):
    torch.manual_seed(0)
    images, target = augment(*discs(), "affine" if kind == "all" else kind)
    bright = images > 0.5
    overlap = 2 * (bright * target).sum((1, 2, 3)) / (bright.sum((1, 2, 3)) + target.sum((1, 2, 3)))
    assert overlap.min() > 0.97
    columns = (target * torch.arange(48.0)).sum((1, 2, 3)) / target.sum((1, 2, 3))
    assert columns.std() > 1


def test_half_of_the_slices_are_mirrored_about_the_middle():
    torch.manual_seed(0)
    images, before = augment(*discs(400), "flip")[0], discs(400)[0]
    mirrored = (images == before.flip(-1)).all(-1).all(-1).flatten()
    kept = (images == before).all(-1).all(-1).flatten()
    assert (mirrored ^ kept).all() and 160 < mirrored.sum() < 240


def test_turns_keep_shapes_round_and_volumes_near():
    """Whatever the sides of the slice, a turned disc stays a disc."""
    torch.manual_seed(1)
    target = augment(*discs(), "affine")[1]
    area = target.sum((1, 2, 3))
    tall, wide = (target.amax(axis).sum((1, 2)) for axis in (3, 2))
    assert (tall - wide).abs().max() <= 1
    assert (area / discs()[1].sum((1, 2, 3))).min() > 0.7 and (area / discs()[1].sum((1, 2, 3))).max() < 1.5


def test_neighbouring_slices_vary_together():
    for kind in ("flip", "affine", "bias"):
        images, _ = augment(*discs(channels=3), kind)
        assert torch.equal(images[:, 0], images[:, 2])


def test_an_unknown_kind_is_refused():
    with pytest.raises(lab.DataError, match="augment is 'elastic'"):
        augment(*discs(1), "elastic")
