"""What a network is made of, read off by running it: layers, numbers of parameters, receptive fields."""

import warnings
from collections.abc import Iterable

import torch
from torch import nn

__all__ = ["count_parameters", "field_of_view", "layer_table", "receptive_field"]


def count_parameters(model: nn.Module) -> int:
    """Number of trainable numbers in a model."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def layer_table(model: nn.Module) -> list[dict]:
    """One row per layer, in the order of the forward pass, read off the model by running it once at `input_shape`.

    Returns
    -------
    list of dict
        layer (its name in the model), kind, kernel (as in "5x5", or ""), output (shape without the batch),
        parameters, and receptive_field (pixels of the input seen by one number of the output; None from the first
        layer on that is fully connected, so that each number sees the whole slice, or that goes back up).
    """
    names = {module: name for name, module in model.named_modules()}
    rows = []

    def note(layer, _, output):
        rows.append((layer, tuple(output.shape[1:])))

    leaves = [module for module in model.modules() if not list(module.children())]
    hooks = [leaf.register_forward_hook(note) for leaf in leaves]
    was_training = model.training
    try:
        model.eval()
        first = next(model.parameters())
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, of kernels of even size, which it pads by a copy
            # As its class defines it: a placed network has a faster forward pass, which doesn't call layer by layer.
            type(model).forward(model, torch.zeros(1, 1, *model.input_shape, device=first.device))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    fields = _receptive_fields([layer for layer, _ in rows])
    return [
        {
            "layer": names[layer], "kind": type(layer).__name__,
            "kernel": "{}x{}".format(*layer.kernel_size) if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) else "",
            "output": shape, "parameters": count_parameters(layer), "receptive_field": field,
        }
        for (layer, shape), field in zip(rows, fields, strict=True)
    ]


def _receptive_fields(layers):
    """Receptive field in pixels after each layer of a chain; None from the first on that no encoder has."""
    kernels, strides, fields, is_past = [], [], [], False
    for layer in layers:
        is_past |= isinstance(layer, nn.Linear | nn.Upsample)
        if hasattr(layer, "kernel_size"):
            kernels.append(layer.kernel_size if isinstance(layer.kernel_size, int) else layer.kernel_size[0])
            strides.append(layer.stride if isinstance(layer.stride, int) else layer.stride[0])
        fields.append(None if is_past else field_of_view(kernels, strides))
    return fields


def field_of_view(kernels: Iterable[int], strides: Iterable[int]) -> int:
    """Side in pixels of the square of input that one output of a chain of layers sees.

    Each layer with kernel k widens the field by k - 1 steps, where a step, in pixels of the input, is the product of
    the strides of the layers before it.
    """
    field, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field, step = field + (kernel - 1) * step, step * stride
    return field


def receptive_field(model: nn.Module) -> int:
    """Side in pixels of the square of input that one deepest convolutional feature sees (claim C17).

    At one pixel per millimetre this is a length in mm; at scale s multiply by s.
    """
    return max(row["receptive_field"] or 0 for row in layer_table(model))
