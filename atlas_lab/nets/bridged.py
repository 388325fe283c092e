"""The baseline with skip connections added one at a time, and without its fully connected code."""

import torch
from torch import nn

from atlas_lab.model import BaselineNet

__all__ = ["BridgedNet"]


class BridgedNet(BaselineNet):
    """The paper's baseline, whose decoder also sees what its encoder saw.

    Parameters
    ----------
    skips : {0, 1, 2, 3}
        How many bridges there are: 1 hands the encoder's last features (a quarter of the resolution) past the code, 2
        also those after the first pooling (half), 3 also those before it (full).
    code : {"dense", "none"}
        "none": the fully connected layers are left out, so the decoder has the encoder's last features themselves; the
        first bridge then adds nothing.
    settings
        As `BaselineNet` has them.

    Shape: images (B, 1, H, W) with values in [0, 1] -> logits (B, 1, H, W).
    """

    def __init__(self, input_shape, *settings, skips=0, code="dense", **more):
        super().__init__(input_shape, *settings, **more)
        if code == "none":
            self.encode = self.decode = nn.Identity()
        self.skips = (skips >= 1 and code == "dense", skips >= 2, skips >= 3)
        _widen(self.deconv1, 16 * self.skips[0] + 8 * self.skips[1])
        _widen(self.deconv2, 8 * self.skips[2])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        fine = self.stage1[:-2](images)                  # (B, 8, H, W)
        half = self.stage1[-2:](fine)                    # (B, 8, H/2, W/2)
        quarter = self.stage2(half)                      # (B, 16, H/4, W/4)
        features = self.decode(self.encode(quarter))     # (B, 16, H/4, W/4)
        features = _beside(features, quarter, self.skips[0])
        features = _beside(self.upsample(features), half, self.skips[1])
        features = self.deconv1(features)                # (B, 8, H/2, W/2)
        features = _beside(self.upsample(features), fine, self.skips[2])
        return self.deconv2(features)                    # (B, 1, H, W)


def _beside(features, seen, is_bridged):
    """Features with the encoder's beside them, where there is a bridge."""
    return torch.cat([features, seen], 1) if is_bridged else features


def _widen(deconv, extra):
    """Let a transposed convolution take more channels; weights of the new ones are drawn as the others were."""
    if extra:
        drawn = torch.empty(deconv.in_channels + extra, *deconv.weight.shape[1:])
        nn.init.xavier_normal_(drawn)
        deconv.weight = nn.Parameter(torch.cat([deconv.weight.detach(), drawn[deconv.in_channels:]]))
        deconv.in_channels += extra
