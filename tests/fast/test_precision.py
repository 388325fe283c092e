"""Fewer digits for products and convolutions: what changes, and what doesn't."""

from dataclasses import replace

import pytest
import torch

import atlas_lab as lab
from atlas_lab.config import run_name
from atlas_lab.experiment.build import build_loss, build_model
from atlas_lab.fast.layout import place
from atlas_lab.fast.precision import set_precision


def gradients(precision):
    """Logits, loss and gradients of one pass at 136 x 128, where the upsampling's own gradient is used."""
    config = lab.RunConfig(precision=precision, dropout=0.0)
    torch.manual_seed(0)
    model = set_precision(place(build_model(config, (136, 128)), "cpu"), precision)
    images = torch.rand(4, 1, 136, 128)
    logits = model(images)
    loss = build_loss(config)(logits, (images > 0.9).float())
    loss.backward()
    return logits, loss.item(), {name: weight.grad for name, weight in model.named_parameters()}


def test_bfloat16_rounds_products_and_keeps_weights_loss_and_logits_in_float32():
    (logits, loss, grads), (rounded, rounded_loss, rounded_grads) = map(gradients, ("float32", "bfloat16"))
    assert rounded.dtype == torch.float32 and {grad.dtype for grad in rounded_grads.values()} == {torch.float32}
    # 8 binary digits are 1 in 256; through some ten layers the errors add up to a few of these.
    assert 0 < float((rounded - logits).abs().max()) < 0.05 * float(logits.abs().max())
    assert rounded_loss != loss and rounded_loss == pytest.approx(loss, rel=0.01)
    for name, grad in grads.items():
        alike = torch.nn.functional.cosine_similarity(grad.ravel(), rounded_grads[name].ravel(), 0)
        assert alike > 0.98, name


def test_float32_leaves_a_network_as_it_is_and_tf32_needs_a_gpu():
    model = place(lab.BaselineNet((56, 48)), "cpu")
    forward = model.forward
    assert set_precision(model, "float32").forward == forward
    with pytest.raises(lab.DataError, match="processors don't have; choose float32 or bfloat16"):
        set_precision(model, "tf32")


def test_the_precision_is_in_a_record_s_name_only_where_it_is_not_float32():
    config = lab.RunConfig()
    assert config.precision == "float32" and run_name(config) == "baseline-w100-by-slice-e10-seed0-44136fa355b3"
    assert run_name(replace(config, precision="bfloat16")) != run_name(config)


def test_every_output_of_deep_supervision_is_float32():
    config = lab.RunConfig(net="unet", width=2, deep_supervision=2, precision="bfloat16")
    model = set_precision(build_model(config, (16, 16)), "bfloat16").train()
    logits = model(torch.rand(2, 1, 16, 16))
    assert len(logits) == 3 and {each.dtype for each in logits} == {torch.float32}
