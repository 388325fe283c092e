"""A network over volumes that `fit` can train: slices in, slices out, and slabs of them in between."""

from collections.abc import Callable

import torch
from torch import nn

from atlas_lab.grid import GRID

__all__ = ["SLAB", "VolumeNet", "scan_slices", "slab_batches"]

SLAB = 32  # slices that are seen at once in training; a scan is answered as a whole


def scan_slices(z_step: int) -> int:
    """Axial slices of a scan when every z_step-th is kept."""
    return -(-GRID[2] // z_step)


class VolumeNet(nn.Module):
    """A network of three dimensions that takes the slices of volumes one after the other.

    In training each SLAB slices are a volume; afterwards each `depth` slices, a whole scan, one scan at a time. The
    network is convolutional, so a scan seen whole is what a window that slides by single slices would give, but for
    its first and last slices.

    Shape: images (volumes x slices, 1, H, W) -> logits of the same shape.
    """

    def __init__(self, net: nn.Module, depth: int):
        super().__init__()
        self.net, self.depth, self.input_shape = net, depth, net.input_shape

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        depth = min(SLAB, self.depth) if self.training else self.depth
        volumes = images.reshape(-1, 1, depth, *images.shape[-2:])     # (V, 1, D, H, W)
        logits = self.net(volumes) if self.training else torch.cat([self.net(one) for one in volumes.split(1)])
        return logits.reshape(images.shape)                            # (V x D, 1, H, W)


def slab_batches(batches: Callable, n_slabs: int, batch_size: int) -> list[torch.Tensor]:
    """Batches of slabs that hold about so many slices together, one slab at least; `batches` as `fit` takes it."""
    return batches(n_slabs, max(1, round(batch_size / SLAB)))
