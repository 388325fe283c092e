"""The losses, against formulas in float64, torch, MONAI, and the identities that tie them together."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import optimize
from torch.nn import functional as F

import atlas_lab as lab
from atlas_lab.losses import best_probability

# Without a time limit for each example, and the same examples every time, so that a busy machine fails nothing.
settings.register_profile("lab", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("lab")

SHAPE = (2, 1, 3, 4)
LOGITS = hnp.arrays(np.float64, SHAPE, elements=st.floats(-8, 8))
TARGETS = hnp.arrays(np.float64, SHAPE, elements=st.sampled_from([0.0, 1.0]))
WEIGHTS = st.floats(0.01, 200)


def tensors(*arrays):
    return [torch.from_numpy(array) for array in arrays]


def batch(seed=0, shape=(4, 1, 8, 8)):
    """Random logits and a target with about 30 % lesion."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64)
    return logits, (torch.rand(shape, generator=generator) < 0.3).double()


def flat(*values):
    """A one-row slice."""
    return torch.tensor(values, dtype=torch.float64).reshape(1, 1, 1, -1)


# --------------------------------------------------------------------------------------- weighted cross-entropy

def test_cross_entropy_by_hand_at_probability_one_half():
    logits, target = flat(0, 0, 0, 0), flat(1, 0, 0, 0)
    # Each pixel costs log 2; the lesion pixel counts 100 times; mean over 4 pixels.
    assert lab.weighted_cross_entropy(logits, target, 100).item() == pytest.approx(103 * math.log(2) / 4)


def test_cross_entropy_is_positive_where_equation_2_as_printed_is_negative():
    logits, target = batch()
    p = torch.sigmoid(logits)
    as_printed = (100 * target * p.log() + (1 - target) * (1 - p).log()).mean()
    assert as_printed < 0
    assert lab.weighted_cross_entropy(logits, target, 100.0).item() == pytest.approx(-as_printed.item())


@given(LOGITS, TARGETS, WEIGHTS)
def test_cross_entropy_is_equation_2_with_its_minus_sign(x, y, weight):
    p = 1 / (1 + np.exp(-x))
    expected = -np.mean(weight * y * np.log(p) + (1 - y) * np.log(1 - p))
    assert lab.weighted_cross_entropy(*tensors(x, y), weight).item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(LOGITS, TARGETS)
def test_weight_1_is_torch_s_binary_cross_entropy(x, y):
    logits, target = tensors(x, y)
    expected = F.binary_cross_entropy(torch.sigmoid(logits), target)
    assert lab.weighted_cross_entropy(logits, target, 1.0).item() == pytest.approx(expected.item(), rel=1e-6, abs=1e-9)


@given(LOGITS, TARGETS, WEIGHTS)
def test_cross_entropy_agrees_with_torch_s_weight_per_pixel(x, y, weight):
    logits, target = tensors(x, y)
    per_pixel = 1 + (weight - 1) * target
    expected = F.binary_cross_entropy_with_logits(logits, target, weight=per_pixel)
    assert lab.weighted_cross_entropy(logits, target, weight).item() == pytest.approx(expected.item(), rel=1e-9)


@given(LOGITS, TARGETS, WEIGHTS)
def test_gradient_of_cross_entropy_by_hand(x, y, weight):
    logits, target = tensors(x, y)
    logits.requires_grad_()
    lab.weighted_cross_entropy(logits, target, weight).backward()
    p = 1 / (1 + np.exp(-x))
    expected = (-weight * y * (1 - p) + (1 - y) * p) / x.size
    np.testing.assert_allclose(logits.grad.numpy(), expected, rtol=1e-9, atol=1e-12)


def test_weight_does_nothing_to_a_slice_without_lesion():
    logits, _ = batch()
    empty = torch.zeros_like(logits)
    losses = {lab.weighted_cross_entropy(logits, empty, weight).item() for weight in (0.1, 1.0, 100.0)}
    assert len(losses) == 1


def test_logits_far_from_0_stay_finite():
    logits, target = flat(-1000, 1000), flat(1, 0)
    assert lab.weighted_cross_entropy(logits, target, 100.0).item() == pytest.approx((100 * 1000 + 1000) / 2)
    assert lab.weighted_cross_entropy(-logits, target, 100.0).item() == 0


def test_float32_logits_and_a_whole_number_as_weight():
    logits, target = (tensor.float() for tensor in batch())
    loss = lab.weighted_cross_entropy(logits, target, 100)
    assert loss.dtype == torch.float32 and loss.shape == ()
    exact = lab.weighted_cross_entropy(logits.double(), target.double(), 100)
    assert loss.item() == pytest.approx(exact.item(), rel=1e-6)


# ------------------------------------------------------------------------------------------------------- Tversky

@pytest.mark.parametrize("settings, expected", [
    # All probabilities are 1/2 and one of four pixels is lesion: TP 0.5, FP 1.5, FN 0.5.
    ({}, 1 - 0.5 / 2.5),
    ({"alpha": 0.5, "beta": 0.5}, 1 - 0.5 / 1.5),
    ({"alpha": 0.7, "beta": 0.3}, 1 - 0.5 / (0.5 + 0.7 * 1.5 + 0.3 * 0.5)),
    ({"alpha": 0.3, "beta": 0.7}, 1 - 0.5 / (0.5 + 0.3 * 1.5 + 0.7 * 0.5)),
    ({"smooth": 1.0}, 1 - 1.5 / 3.5),
    ({"alpha": 0.0, "beta": 0.0}, 0.0),
])
def test_tversky_by_hand(settings, expected):
    loss = lab.tversky_loss(flat(0, 0, 0, 0), flat(1, 0, 0, 0), **settings)
    assert loss.shape == () and loss.item() == pytest.approx(expected)


def test_tversky_sums_over_the_whole_batch_before_it_divides():
    logits = torch.cat([flat(50, 50, 50), flat(50, -50, -50)])
    target = torch.cat([flat(1, 1, 1), flat(0, 1, 0)])
    # TP 3 in one slice, FP 1 and FN 1 in the other: 3 / 5 pooled; the mean of 3 / 3 and 0 / 2 would be 1 / 2.
    assert lab.tversky_loss(logits, target).item() == pytest.approx(1 - 3 / 5)


@given(LOGITS, TARGETS)
def test_tversky_1_1_is_the_soft_jaccard_loss(x, y):
    p = 1 / (1 + np.exp(-x))
    shared = (p * y).sum()
    expected = 1 - shared / (p.sum() + y.sum() - shared)
    assert lab.tversky_loss(*tensors(x, y)).item() == pytest.approx(expected, abs=1e-9)


@given(LOGITS, TARGETS)
def test_tversky_half_half_is_the_soft_dice_loss(x, y):
    p = 1 / (1 + np.exp(-x))
    expected = 1 - 2 * (p * y).sum() / (p.sum() + y.sum())
    assert lab.tversky_loss(*tensors(x, y), 0.5, 0.5).item() == pytest.approx(expected, abs=1e-9)


@given(LOGITS, TARGETS, st.floats(0.05, 2), st.floats(0.05, 2), st.floats(0, 5))
def test_tversky_lies_between_0_and_1(x, y, alpha, beta, smooth):
    loss = lab.tversky_loss(*tensors(x, y), alpha, beta, smooth).item()
    assert -1e-9 <= loss <= 1 + 1e-9


@given(TARGETS, TARGETS, st.floats(0.05, 2), st.floats(0.05, 2))
def test_swapping_prediction_and_target_swaps_alpha_and_beta(one, other, alpha, beta):
    def as_logits(mask):
        return 100 * (2 * torch.from_numpy(mask) - 1)  # sigmoid is 0 or 1 to 40 digits

    one_way = lab.tversky_loss(as_logits(one), torch.from_numpy(other), alpha, beta, smooth=1.0)
    other_way = lab.tversky_loss(as_logits(other), torch.from_numpy(one), beta, alpha, smooth=1.0)
    assert one_way.item() == pytest.approx(other_way.item(), abs=1e-9)


def test_alpha_punishes_false_positives_and_beta_false_negatives():
    target = flat(1, 1, 0, 0)
    too_much, too_little = flat(50, 50, 50, -50), flat(50, -50, -50, -50)
    # TP 2, FP 1 and TP 1, FN 1.
    assert lab.tversky_loss(too_much, target, alpha=0.7, beta=0.3).item() == pytest.approx(1 - 2 / 2.7)
    assert lab.tversky_loss(too_little, target, alpha=0.7, beta=0.3).item() == pytest.approx(1 - 1 / 1.3)


def test_losses_agree_with_monai():
    from monai.losses import TverskyLoss

    for alpha, beta, smooth in [(1.0, 1.0, 0.0), (0.5, 0.5, 0.0), (0.7, 0.3, 0.0), (0.3, 0.7, 1.5)]:
        theirs = TverskyLoss(
            sigmoid=True, alpha=alpha, beta=beta, smooth_nr=smooth, smooth_dr=smooth, batch=True
        )
        for seed in range(5):
            logits, target = batch(seed)
            ours = lab.tversky_loss(logits, target, alpha, beta, smooth)
            assert ours.item() == pytest.approx(theirs(logits, target).item(), rel=1e-6)


def gradient(logits, target, **settings):
    logits = logits.clone().requires_grad_()
    lab.tversky_loss(logits, target, **settings).backward()
    return logits.grad


def test_without_a_lesion_pixel_equation_3_has_no_gradient():
    logits, target = batch()
    assert gradient(logits, target).abs().max() > 1e-4
    empty = torch.zeros_like(target)
    assert lab.tversky_loss(logits, empty).item() == 1
    assert torch.equal(gradient(logits, empty), torch.zeros_like(logits))


def test_smoothing_gives_a_batch_without_lesion_a_gradient_that_lowers_all_probabilities():
    logits, target = batch()
    assert (gradient(logits, torch.zeros_like(target), smooth=1.0) > 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_predicted_and_nothing_there_is_0_over_0(dtype):
    nothing = torch.zeros(2, 1, 4, 4, dtype=dtype)
    assert torch.isnan(lab.tversky_loss(nothing - 1000, nothing))
    assert lab.tversky_loss(nothing - 1000, nothing, smooth=1.0).item() == 0


# ------------------------------------------------------------------------------------------------------ build_loss

@pytest.mark.parametrize("weight", [0.5, 1.0, 100.0])
def test_build_loss_takes_the_weight_of_the_config(weight):
    logits, target = batch()
    loss = lab.experiment.build_loss(lab.RunConfig(pos_weight=weight))(logits, target)
    expected = F.binary_cross_entropy_with_logits(logits, target, weight=1 + (weight - 1) * target)
    assert loss.item() == pytest.approx(expected.item())


def test_build_loss_takes_alpha_beta_and_smooth_of_the_config():
    config = lab.RunConfig(loss="tversky", alpha=0.7, beta=0.3, smooth=2.0)
    logits, target = flat(0, 0, 0, 0), flat(1, 0, 0, 0)
    loss = lab.experiment.build_loss(config)(logits, target).item()
    assert loss == pytest.approx(1 - 2.5 / (2.5 + 0.7 * 1.5 + 0.3 * 0.5))


def test_the_default_tversky_settings_are_equation_3():
    loss = lab.experiment.build_loss(lab.RunConfig(loss="tversky"))
    assert loss(flat(0, 0, 0, 0), flat(1, 0, 0, 0)).item() == pytest.approx(1 - 0.5 / (0.5 + 1.5 + 0.5))


@pytest.mark.parametrize("name", lab.experiment.LOSSES)
def test_every_named_loss_can_be_built_and_has_a_gradient(name):
    logits, target = batch()
    logits.requires_grad_()
    lab.experiment.build_loss(lab.RunConfig(loss=name))(logits, target).backward()
    assert torch.isfinite(logits.grad).all() and logits.grad.abs().max() > 0


def test_an_unknown_loss_is_refused_with_the_choices():
    with pytest.raises(lab.DataError, match=r"'focal'.*cross_entropy, tversky"):
        lab.experiment.build_loss(lab.RunConfig(loss="focal"))


def test_tversky_slice_by_slice_is_the_mean_of_each_slice_s_own_loss():
    logits, target = batch()
    settings = {"alpha": 0.3, "beta": 0.7, "smooth": 0.5}
    each = [lab.tversky_loss(logits[i:i + 1], target[i:i + 1], **settings) for i in range(len(logits))]
    found = lab.tversky_loss(logits, target, **settings, reduction="slice")
    assert found.item() == pytest.approx(torch.stack(each).mean().item())
    assert found.item() != pytest.approx(lab.tversky_loss(logits, target, **settings).item())


def test_what_the_counts_are_summed_over_must_be_known():
    with pytest.raises(lab.DataError, match="reduction is 'scan'; choose one of batch, slice"):
        lab.tversky_loss(*batch(), reduction="scan")


@pytest.mark.parametrize("weight", [0.1, 1.0, 10.0, 100.0])
def test_the_best_probability_is_where_the_expected_loss_is_least(weight):
    for chance in (0.003, 0.2, 0.9):
        def expected(p, chance=chance):
            return -weight * chance * math.log(p) - (1 - chance) * math.log(1 - p)

        least = optimize.minimize_scalar(expected, bounds=(1e-9, 1 - 1e-9), method="bounded", options={"xatol": 1e-9})
        assert best_probability(chance, weight) == pytest.approx(least.x, abs=1e-5)


@pytest.mark.parametrize("loss", [lambda x, y: lab.weighted_cross_entropy(x, y, 10.0), lab.tversky_loss])
def test_a_loss_takes_any_kind_of_mask_and_refuses_what_does_not_fit(loss):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 1, 8, 8, generator=generator)
    target = (torch.rand(4, 1, 8, 8, generator=generator) > 0.8).float()
    for kind in (torch.bool, torch.uint8, torch.int64):
        assert loss(logits, target.to(kind)) == loss(logits, target)
    with pytest.raises(lab.DataError, match="shape"):
        loss(logits, target[:, 0])
    with pytest.raises(lab.DataError, match="up to 255"):
        loss(logits, target * 255)


def test_the_tversky_loss_does_not_overflow_in_float16():
    target = torch.zeros(10, 1, 232, 196)
    target[:, :, :20, :20] = 1
    logits = torch.zeros_like(target).half().requires_grad_()
    loss = lab.tversky_loss(logits, target.half(), 0.5, 0.5)
    loss.backward()
    lesion, pixels = target.sum().item(), target.numel()
    assert loss.item() == pytest.approx(1 - 0.5 * lesion / (0.5 * lesion + 0.25 * pixels), abs=1e-3)  # by hand
    assert logits.grad.abs().max() > 0


@pytest.mark.parametrize("loss", [lab.tversky_loss, lambda x, y: lab.weighted_cross_entropy(x, y, 10)])
@pytest.mark.parametrize("odd", [-1.0, -0.01, math.nan, math.inf, 2.0])
def test_a_target_with_a_single_value_out_of_0_to_1_is_refused(loss, odd):
    logits, target = batch()
    target[1, 0, 2, 3] = odd
    with pytest.raises(lab.DataError, match="the target goes from"):
        loss(logits, target)


@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float64])
def test_targets_of_every_kind_give_the_same_loss(kind):
    logits, target = batch()
    expected = lab.weighted_cross_entropy(logits, target, 10)
    assert torch.equal(lab.weighted_cross_entropy(logits, target.to(kind), 10), expected)


@pytest.mark.parametrize("weight", [-1, -0.5, math.nan, math.inf])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(lab.DataError, match="pos_weight is"):
        lab.weighted_cross_entropy(*batch(), weight)
