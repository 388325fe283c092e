"""Fully connected layers through oneDNN against torch's own."""

import pytest
import torch
from torch import nn

from atlas_lab.fast import linear as dense


def gradients(layer, inputs, forward=dense.linear):
    """Output and gradients of a layer under the loss sum(output ** 2)."""
    inputs = inputs.clone().requires_grad_()
    layer.zero_grad()
    output = forward(inputs, layer)
    output.square().sum().backward()
    return [output.detach(), inputs.grad, *(p.grad for p in layer.parameters())]


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (100, 300, 64), (7, 33, 257)])
def test_same_output_and_gradients_as_torch(shape, has_bias):
    torch.manual_seed(0)
    batch, n_in, n_out = shape
    layer, inputs = nn.Linear(n_in, n_out, bias=has_bias), torch.randn(batch, n_in)
    ours, theirs = gradients(layer, inputs), gradients(layer, inputs, lambda x, layer: layer(x))
    for got, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-4)


@pytest.mark.skipif(not dense.has_onednn(), reason="this build of torch has no oneDNN product")
def test_a_batch_goes_through_onednn(monkeypatch):
    calls = []
    product = dense.product
    monkeypatch.setattr(dense, "product", lambda *args: calls.append(1) or product(*args))
    gradients(nn.Linear(4, 3), torch.randn(2, 4))
    assert len(calls) == 3  # the output, and the gradients of inputs and weight


def test_other_types_shapes_and_builds_take_torchs_own_way(monkeypatch):
    def refuse(*_):
        raise AssertionError("went through oneDNN")

    dense.has_onednn()
    monkeypatch.setattr(dense, "product", refuse)
    gradients(nn.Linear(4, 3).double(), torch.randn(2, 4, dtype=torch.float64))
    gradients(nn.Linear(4, 3), torch.randn(2, 5, 4))
    monkeypatch.setattr(dense, "has_onednn", lambda: False)
    gradients(nn.Linear(4, 3), torch.randn(2, 4))


def test_a_build_without_the_product_is_noticed(monkeypatch):
    def missing(*_):
        raise AttributeError("no such operator")

    monkeypatch.setattr(dense, "product", missing)
    assert not dense.has_onednn.__wrapped__()


def test_gradient_of_the_gradient_is_refused():
    inputs = torch.randn(2, 4, requires_grad=True)
    layer = nn.Linear(4, 3)
    if dense.has_onednn():
        grad, = torch.autograd.grad(dense.linear(inputs, layer).square().sum(), inputs, create_graph=True)
        with pytest.raises(RuntimeError, match="once_differentiable"):
            grad.sum().backward()
