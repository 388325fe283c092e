"""Fully connected layers whose matrix products go through oneDNN, for speed alone: the numbers are those of nn.Linear.

Torch hands float32 matrix products on a processor to MKL, which leaves the wider half of the vector unit of AMD's
processors idle. oneDNN, which torch carries for its convolutions, uses it: twice as fast, see benchmarks/.
"""

from functools import cache

import torch

__all__ = ["OneDnnLinear", "has_onednn", "linear", "product"]


class OneDnnLinear(torch.autograd.Function):
    """images @ weight.T + bias and its gradients as three oneDNN products."""

    @staticmethod
    def forward(ctx, inputs, weight, bias):
        ctx.save_for_backward(inputs, weight)
        return product(inputs, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        inputs, weight = ctx.saved_tensors
        needs_inputs, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            product(grad, weight.t()) if needs_inputs else None,
            product(grad.t(), inputs.t()) if needs_weight else None,
            grad.sum(0) if needs_bias else None,
        )


def product(left, right, bias=None):
    """left (M, K) @ right.T (K, N) + bias (N,) by oneDNN."""
    return torch.ops.mkldnn._linear_pointwise(left, right, bias, "none", [], "")


@cache
def has_onednn():
    """Whether this build of torch has the oneDNN product; it is torch.compile's own, so it may change its name."""
    try:
        left, right = torch.ones(2, 3), torch.full((4, 3), 2.0)
        return torch.backends.mkldnn.is_available() and product(left, right, torch.ones(4)).tolist() == [[7.0] * 4] * 2
    except (AttributeError, RuntimeError):
        return False


def linear(inputs, layer):
    """What an nn.Linear gives, through oneDNN for float32 batches of vectors on a processor where torch has it.

    Shape: (B, in_features) -> (B, out_features).
    """
    plain = inputs.device.type == "cpu" and inputs.dtype == layer.weight.dtype == torch.float32 and inputs.dim() == 2
    if plain and has_onednn():
        return OneDnnLinear.apply(inputs, layer.weight, layer.bias)
    return layer(inputs)
