"""The cascade that the paper sketches: is there a lesion, where, and which pixels; each stage a network of its own.

The first two stages learn targets of whole blocks, so that they train and are scored as any network is.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["BLOCK", "StageNet", "cascade_masks", "stage_target"]

BLOCK = 4  # pixels of a block's side in the stage of place: 16 mm at the study point


def stage_target(target: torch.Tensor, stage: str) -> torch.Tensor:
    """The target of a stage: (B, 1, H, W), 0 or 1, of the same shape.

    "presence": 1 everywhere in a slice with lesion. "place": 1 in all blocks of 4 x 4 pixels that hold lesion. "mask":
    the target itself.
    """
    return target if stage == "mask" else _spread(_strongest(target, stage), stage, target.shape[-2:])


class StageNet(nn.Module):
    """A network that answers for whole blocks, or for whole slices: its strongest pixel speaks for all.

    Shape: images (B, C, H, W) -> logits (B, 1, H, W), equal within each block.
    """

    def __init__(self, net: nn.Module, stage: str):
        super().__init__()
        self.net, self.stage, self.input_shape = net, stage, net.input_shape

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.net(images)                                                 # (B, 1, H, W)
        return _spread(_strongest(logits, self.stage), self.stage, logits.shape[-2:])


def _strongest(values, stage):
    """The largest value of each slice, (B, 1, 1, 1), or of each block, (B, 1, H/4, W/4) rounded up."""
    if stage == "presence":
        return values.amax((-2, -1), keepdim=True)
    return F.max_pool2d(values, BLOCK, ceil_mode=True)


def _spread(values, stage, size):
    """Values of slices or blocks for each of their pixels."""
    if stage == "presence":
        return values.expand(-1, -1, *size)
    grown = values.repeat_interleave(BLOCK, -2).repeat_interleave(BLOCK, -1)
    return grown[..., : size[0], : size[1]]


def cascade_masks(presence: np.ndarray, place: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What the cascade calls lesion: pixels that all three stages do.

    Shape: probabilities or masks of the stages (N, H, W) -> bool (N, H, W). With the true targets of the earlier stages
    (`stage_target`) in place of their answers, the later ones are scored behind a perfect start.
    """
    return (presence > 0.5) & (place > 0.5) & (mask > 0.5)
