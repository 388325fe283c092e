"""Upsampling within the transposed convolution: the numbers of torch's two layers, at the edges too."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from atlas_lab.fast import upsampling
from atlas_lab.fast.upsampling import SumOfZones, upsampled_deconvolution


def layer(in_channels, out_channels, kernel, dtype=torch.float64):
    """A transposed convolution that keeps the size."""
    return nn.ConvTranspose2d(in_channels, out_channels, kernel, padding=kernel // 2, dtype=dtype)


def by_torch(features, deconvolution):
    return deconvolution(nn.Upsample(scale_factor=2, mode="bilinear")(features))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([3, 5, 7]), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4),
    st.integers(2, 9), st.integers(2, 9), st.integers(0, 2**16),
)
def test_result_and_gradients_are_those_of_torch_s_two_layers(kernel, batch, inputs, outputs, height, width, seed):
    torch.manual_seed(seed)
    deconvolution = layer(inputs, outputs, kernel)
    features = torch.randn(batch, inputs, height, width, dtype=torch.float64, requires_grad=True)
    wanted = by_torch(features, deconvolution)
    found = SumOfZones.apply(features, deconvolution.weight, deconvolution.bias)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)
    towards = torch.randn_like(wanted)
    leaves = (features, deconvolution.weight, deconvolution.bias)
    for ours, theirs in zip(*(torch.autograd.grad(y, leaves, towards) for y in (found, wanted)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-9)


def test_one_bright_pixel_in_a_corner_by_hand():
    """The pixel is enlarged to 9/16, 3/16 and 1/16 of itself, and to all of it at the corner, where nothing dims it."""
    features = torch.zeros(1, 1, 3, 3)
    features[0, 0, 0, 0] = 16.0
    weight, bias = torch.zeros(1, 1, 3, 3), torch.zeros(1)
    weight[0, 0, 0, 2] = 1.0  # moves the picture one row up and one column to the right
    enlarged = torch.tensor([[16.0, 12.0, 4.0, 0.0], [12.0, 9.0, 3.0, 0.0], [4.0, 3.0, 1.0, 0.0], [0.0] * 4])
    found = SumOfZones.apply(features, weight, bias)[0, 0]
    assert found[:3, 1:5].tolist() == enlarged[1:].tolist()
    assert not found[:, 0].any() and not found[3:].any()


@pytest.mark.parametrize("kernel, in_channels, out_channels", [(5, 16, 8), (3, 8, 1)])
def test_pictures_of_the_paper_s_size_are_enlarged_within(kernel, in_channels, out_channels, monkeypatch):
    torch.manual_seed(0)
    deconvolution = layer(in_channels, out_channels, kernel, torch.float32)
    features = torch.rand(2, in_channels, 58, 49).contiguous(memory_format=torch.channels_last)
    wanted = by_torch(features, deconvolution)
    monkeypatch.setattr(upsampling.F, "interpolate", None)  # nothing of the enlarged size is made
    found = upsampled_deconvolution(features, deconvolution)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_small_pictures_keep_the_last_bit_of_torch_s_two_layers():
    torch.manual_seed(0)
    deconvolution = layer(16, 8, 5, torch.float32)
    features = torch.rand(4, 16, 14, 12)
    assert torch.equal(upsampled_deconvolution(features, deconvolution), by_torch(features, deconvolution))


def test_the_layer_s_own_weights_get_their_gradients():
    deconvolution = layer(2, 3, 5, torch.float32)
    upsampled_deconvolution(torch.rand(1, 2, 40, 30), deconvolution).sum().backward()
    assert deconvolution.bias.grad.tolist() == [40 * 30 * 4.0] * 3 and deconvolution.weight.grad.abs().sum() > 0


def test_without_gradients_nothing_is_kept_for_them():
    deconvolution = layer(2, 3, 5, torch.float32)
    with torch.no_grad():
        assert not upsampled_deconvolution(torch.rand(1, 2, 40, 30), deconvolution).requires_grad
    with torch.inference_mode():
        assert upsampled_deconvolution(torch.rand(1, 2, 40, 30), deconvolution).shape == (1, 3, 80, 60)


def test_a_second_backward_says_why_it_is_refused():
    result = upsampled_deconvolution(torch.rand(1, 2, 40, 30), layer(2, 3, 5, torch.float32)).sum()
    result.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="backward once only"):
        result.backward()
