"""Losses of the field: held to MONAI's, to numbers by hand, and to what they must do."""

import numpy as np
import pytest
import torch

from atlas_lab.losses import tversky_loss, weighted_cross_entropy
from atlas_lab.nets.losses import boundary_loss, deeply_supervised, dice_cross_entropy, focal_tversky, signed_distance


def random_batch(seed=0):
    made = torch.Generator().manual_seed(seed)
    logits = torch.randn(4, 1, 12, 10, generator=made, requires_grad=True)
    return logits, (torch.rand(4, 1, 12, 10, generator=made) > 0.9).float()


def test_dice_with_cross_entropy_is_monai_s():
    losses = pytest.importorskip("monai.losses")
    theirs = losses.DiceCELoss(sigmoid=True, batch=True, smooth_nr=2.0, smooth_dr=2.0)  # 2 TP + 2: ours counts once
    logits, target = random_batch()
    torch.testing.assert_close(dice_cross_entropy(logits, target), theirs(logits, target))


def test_focal_tversky_is_the_power_of_monai_s_tversky():
    losses = pytest.importorskip("monai.losses")
    theirs = losses.TverskyLoss(sigmoid=True, alpha=0.3, beta=0.7, batch=True, smooth_nr=1.0, smooth_dr=1.0)
    logits, target = random_batch()
    torch.testing.assert_close(focal_tversky(logits, target), theirs(logits, target) ** 0.75)


def test_signed_distances_by_hand():
    mask = np.zeros((2, 1, 3, 6), bool)
    mask[0, 0, :, 1:4] = True
    assert signed_distance(mask)[0, 0, 1].tolist() == [1, 0, -1, 0, 1, 2]
    assert not signed_distance(mask)[1].any()


def test_a_false_alarm_costs_more_the_further_it_lies():
    target = torch.zeros(1, 1, 9, 20)
    target[..., 3:6, 3:6] = 1
    costs = []
    for column in (7, 12, 18):
        logits = (target * 2 - 1) * 8
        logits[..., 4, column] = 8
        costs.append((boundary_loss(logits, target) - dice_cross_entropy(logits, target)).item())
    assert costs[0] < costs[1] < costs[2]
    assert (costs[2] - costs[1]) * 180 * 100 == pytest.approx(6, rel=0.01)  # 6 pixels further, 1 % of a mean over 180


@pytest.mark.parametrize("loss", [dice_cross_entropy, focal_tversky, boundary_loss])
def test_each_has_a_gradient_with_and_without_lesion(loss):
    logits, target = random_batch()
    for truth in (target, target * 0):
        logits.grad = None
        loss(logits, truth).backward()
        assert logits.grad.isfinite().all() and logits.grad.abs().sum() > 0


def test_coarser_outputs_count_half_as_much_each():
    (one, target), (two, _), (three, _) = map(random_batch, range(3))
    loss = deeply_supervised(lambda logits, truth: weighted_cross_entropy(logits, truth, 1.0))
    parts = [weighted_cross_entropy(logits, target, 1.0) for logits in (one, two, three)]
    torch.testing.assert_close(loss([one, two, three], target), (4 * parts[0] + 2 * parts[1] + parts[2]) / 7)
    torch.testing.assert_close(loss(one, target), parts[0])


def test_the_dice_part_is_the_tversky_loss_of_one_half():
    logits, target = random_batch()
    rest = dice_cross_entropy(logits, target, 3.0) - weighted_cross_entropy(logits, target, 3.0)
    torch.testing.assert_close(rest, tversky_loss(logits, target, 0.5, 0.5, smooth=1.0))
