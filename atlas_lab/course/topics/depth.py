"""Notebook 07: fields of view, lengths, and what a layer costs."""

import numpy as np

from atlas_lab import architecture
from atlas_lab.course.exercise import Case, Exercise
from atlas_lab.data import lesion_maps

__all__ = ["EXERCISES"]


def field_of_view(kernels, strides):
    """Each layer widens the field by kernel - 1 steps; each stride makes the step longer for the layers after it."""
    field, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field += (kernel - 1) * step
        step *= stride
    return field


def _chain_cases(rng):
    kernel, other = (int(k) for k in rng.choice([3, 5, 7, 9], 2, replace=False))
    return [
        Case("one convolution", ([kernel], [1])),
        Case("two convolutions", ([kernel, other], [1, 1])),
        Case("a pooling of 2 between two convolutions", ([kernel, 2, other], [1, 2, 1])),
        Case("as in the baseline's encoder", ([kernel, 2, other, 2], [1, 2, 1, 2])),
        Case("two layers with a stride, then a third layer", ([kernel, other, 3], [2, 2, 1])),
        Case("no layer at all: one pixel", ([], [])),
    ]


def _steps(kernel, step):
    return (kernel - 1) * step


def _field(widen, lengthen=lambda step, stride: step * stride, step_first=False, start=1):
    """field_of_view with something wrong with it."""
    def attempt(kernels, strides):
        field, step = start, 1
        for kernel, stride in zip(kernels, strides, strict=True):
            step = lengthen(step, stride) if step_first else step
            field += widen(kernel, step)
            step = step if step_first else lengthen(step, stride)
        return field
    return attempt


def disc_diameter(pixels, scale):
    """The area is pixels times scale squared, and pi d squared over 4."""
    return np.sqrt(4 * pixels * scale**2 / np.pi)


def _disc_cases(rng):
    some = rng.integers(5, 400, 3)
    return [
        Case("pixels of 1 mm", (int(some[0]), 1)),
        Case("pixels of 4 mm", (int(some[1]), 4)),
        Case("several lesions at once", (some, 2)),
        Case("no pixel at all", (0, 4)),
    ]


def conv_parameters(kernel, inputs, outputs):
    """A weight for each pixel of the kernel and each pair of channels, and one bias for each output."""
    return kernel * kernel * inputs * outputs + outputs


def _layer_cases(rng):
    kernel, inputs, outputs = int(rng.choice([3, 5, 7])), int(rng.integers(2, 20)), int(rng.integers(21, 40))
    return [
        Case("one channel in and out", (kernel, 1, 1)),
        Case("more channels in than out", (kernel, outputs, inputs)),
        Case("more channels out than in", (kernel, inputs, outputs)),
        Case("a large kernel", (10, inputs, outputs)),
    ]


EXERCISES = (
    Exercise(
        "field_of_view", "07", "how far does a feature see?", 3, 5, field_of_view, _chain_cases, {
            "the strides aren't used": _field(lambda k, s: k - 1, lambda step, stride: step),
            "kernels are added as they are: each widens by k - 1": _field(lambda k, s: k * s, start=0),
            "the step grows before the layer's own kernel is counted": _field(_steps, step_first=True),
            "only the layer's own stride counts, not those before it": _field(_steps, lambda step, stride: stride),
            "strides are added, not multiplied": _field(_steps, lambda step, stride: step + stride - 1),
            "the largest kernel alone": lambda kernels, strides: max(kernels, default=1),
            "starts from 0, not from one pixel": _field(_steps, start=0),
        }, library=architecture.field_of_view),
    Exercise(
        "disc_diameter", "07", "how wide is a lesion?", 1, 3, disc_diameter, _disc_cases, {
            "the radius, not the diameter": lambda n, s: np.sqrt(n * s**2 / np.pi),
            "the scale isn't squared: an area grows by its square": lambda n, s: np.sqrt(4 * n * s / np.pi),
            "the side of a square": lambda n, s: np.sqrt(n) * s,
            "in pixels, not in mm": lambda n, s: np.sqrt(4 * n / np.pi),
            "the root is missing": lambda n, s: 4 * n * s**2 / np.pi,
        }, library=lesion_maps.disc_diameter),
    Exercise(
        "conv_parameters", "07", "what does a layer cost?", 2, 4, conv_parameters, _layer_cases, {
            "the biases are left out": lambda k, i, o: k * k * i * o,
            "the kernel isn't squared": lambda k, i, o: k * i * o + o,
            "the channels that come in aren't counted": lambda k, i, o: k * k * o + o,
            "one bias in all, not one for each output": lambda k, i, o: k * k * i * o + 1,
            "a bias for each input, not for each output": lambda k, i, o: k * k * i * o + i,
        }),
)
