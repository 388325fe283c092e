"""Bilinear upsampling and the transposed convolution behind it as one convolution of the small picture, for speed.

Upsampling by 2 is itself a transposed convolution, of stride 2 with the kernel [1, 3, 3, 1] / 4 along each axis, and
two convolutions in a row are one with a larger kernel. A transposed convolution of stride 2 gives the four pixels that
stand in the place of one by four ordinary convolutions, its phases: four times the channels fill the processor's
vectors, and the upsampled picture is never written.

Only at the edges it is not so simple: there upsampling repeats the edge pixel, while the strided convolution finds
zeros beyond it. So it lacks a quarter of the edge pixel in the outermost row of the upsampled picture, and has one too
many in the row beyond, which the layer doesn't see. What this makes of the rows and columns near the edges, and where
rows and columns meet, in the corners, is computed for itself and added.
"""

from itertools import product
from typing import NamedTuple

import torch
import torch.nn.functional as F

__all__ = ["SumOfZones", "Zone", "upsampled_deconvolution"]

SMALL = 32 * 32  # pixels; in smaller pictures the edges cost more than the rest saves


def upsampled_deconvolution(features, deconvolution):
    """nn.Upsample(scale_factor=2, mode="bilinear"), then an nn.ConvTranspose2d of stride 1 that keeps the size.

    Shape: (B, in_channels, h, w) -> (B, out_channels, 2h, 2w). The kernel's sides must be odd, and at least 3.
    """
    if features.shape[2] * features.shape[3] < SMALL or features.device.type != "cpu":
        return deconvolution(F.interpolate(features, scale_factor=2, mode="bilinear"))
    return SumOfZones.apply(features, deconvolution.weight, deconvolution.bias)


class Zone(NamedTuple):
    """A part of the small picture, what it adds to a part of the upsampled one, and how."""

    source: tuple  # where it is read, as an index
    target: tuple  # where it is added
    kernel: torch.Tensor  # (in_channels, out_channels, height, width)
    strides: tuple
    bias: torch.Tensor | None


class SumOfZones(torch.autograd.Function):
    """The sum of `_zones`. Left to autograd, each edge would cost a gradient of the whole picture's size, of zeros."""

    @staticmethod
    def forward(ctx, features, weight, bias):
        wants_grad = any(ctx.needs_input_grad)
        with torch.set_grad_enabled(wants_grad):
            weight, bias = (tensor.detach().requires_grad_(wants_grad) for tensor in (weight, bias))
            parts = _zones(weight, bias)
            pieces = [features.detach()[zone.source].requires_grad_(wants_grad) for zone in parts]
            results = [_stretch(piece, zone) for piece, zone in zip(pieces, parts, strict=True)]
        output = results[0].detach().contiguous(memory_format=torch.channels_last)
        for zone, result in zip(parts[1:], results[1:], strict=True):
            output[zone.target] += result.detach()
        ctx.state = (parts, results, [*pieces, weight, bias]) if wants_grad else None
        return output

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        if ctx.state is None:
            raise RuntimeError("an upsampled deconvolution goes backward once only; run the forward pass again")
        (parts, results, leaves), ctx.state = ctx.state, None
        grads = [grad] + [grad[zone.target] for zone in parts[1:]]
        *of_pieces, of_weight, of_bias = torch.autograd.grad(results, leaves, grads)
        of_features = of_pieces[0]
        for zone, of_piece in zip(parts[1:], of_pieces[1:], strict=True):
            of_features[zone.source] += of_piece
        return of_features, of_weight, of_bias


def _zones(weight, bias):
    """The whole picture, then its four edges and four corners."""
    found = []
    for rows, columns in product(range(3), repeat=2):
        kernel, row_source, row_target, row_stride = _along(weight, 2, rows)
        kernel, column_source, column_target, column_stride = _along(kernel, 3, columns)
        found.append(Zone(
            source=(..., row_source, column_source), target=(..., row_target, column_target),
            kernel=kernel, strides=(row_stride, column_stride), bias=None if found else bias,
        ))
    return found


def _along(kernel, axis, part):
    """Kernel, source, target and stride along one axis for the whole (part 0), its beginning (1) or its end (2)."""
    if part == 0:
        return _bilinear(kernel, axis), slice(None), slice(None), 2
    reach = kernel.shape[axis] // 2 + 1  # rows or columns of the upsampled picture that see its outermost one
    nothing = torch.zeros_like(kernel.narrow(axis, 0, 1))
    if part == 1:
        moved = -torch.diff(kernel.narrow(axis, reach - 1, reach), dim=axis, append=nothing) / 4
        return moved, slice(0, 1), slice(0, reach), reach
    moved = torch.diff(kernel.narrow(axis, 0, reach), dim=axis, prepend=nothing) / 4
    return moved, slice(-1, None), slice(-reach, None), reach


def _bilinear(kernel, axis):
    """A kernel along one axis of which each tap is spread over four, as upsampling by 2 does."""
    padding = [0, 0, 3, 3] if axis == 2 else [3, 3, 0, 0]
    spread = F.pad(kernel, padding)
    size = kernel.shape[axis] + 3
    return sum(share * spread.narrow(axis, i, size) for i, share in enumerate((0.25, 0.75, 0.75, 0.25)))


def _stretch(picture, zone):
    """A transposed convolution with the zone's strides: (B, C, h, w) -> (B, out, sy * h, sx * w).

    The sides of the kernel must be multiples of the strides sy, sx.
    """
    (channels, out_channels, *sides), (sy, sx) = zone.kernel.shape, zone.strides
    ny, nx = sides[0] // sy, sides[1] // sx
    phases = zone.kernel.reshape(channels, out_channels, ny, sy, nx, sx).flip(2, 4)
    phases = phases.permute(3, 5, 1, 0, 2, 4).reshape(-1, channels, ny, nx)
    bias = None if zone.bias is None else zone.bias.repeat(sy * sx)
    found = F.conv2d(picture, phases, bias, padding=(ny // 2, nx // 2)).permute(0, 2, 3, 1)
    batch, height, width, _ = found.shape
    found = found.reshape(batch, height, width, sy, sx, out_channels).transpose(2, 3)
    found = found.reshape(batch, height * sy, width * sx, out_channels).permute(0, 3, 1, 2)
    top, left = (height - picture.shape[2]) * sy // 2, (width - picture.shape[3]) * sx // 2
    return F.pad(found, (-left, -left, -top, -top)) if top or left else found
