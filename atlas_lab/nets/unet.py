"""The U-Net with residual units, in plain torch: the network of MONAI's `UNet`, number for number."""

import torch
from torch import nn
from torch.nn import functional as F

from atlas_lab.files import DataError

__all__ = ["UNet", "unet_channels"]

HALVINGS = 3
SLOPE = 0.1  # of the leaky ReLU; MONAI's default, a PReLU, takes a fifth more time
CONVOLUTIONS = {2: (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d), 3: (nn.Conv3d, nn.ConvTranspose3d, nn.BatchNorm3d)}


def unet_channels(width: int) -> tuple[int, ...]:
    """Channels of each level, finest first: width at full resolution, twice as many after each halving, and below."""
    return tuple(width * 2**level for level in range(HALVINGS + 2))


class UNet(nn.Module):
    """Residual units that halve the resolution, and the mirror image, which sees each level's features beside its own.

    With the same weights it computes what MONAI 1.6's `UNet(2, in_channels, 1, channels, (1, 2, 2, 2), num_res_units=2,
    norm="batch", act=("leakyrelu", {"negative_slope": 0.1}))` computes (Kerfoot et al. 2018; Ronneberger et al. 2015
    for the idea). Sides that the halvings don't divide are padded by their last row or column, and the output is cut
    back.

    Parameters
    ----------
    input_shape : (int, int)
        Height and width of a slice.
    in_channels : int
        1, or the slices of a 2.5D input.
    width : int
        Channels at full resolution, see `unet_channels`.
    deep_supervision : int
        So many coarser levels have an output of their own. In training the network then returns a list of logits,
        finest first, each of the input's size.
    dims : {2, 3}
        Of the convolutions.

    Shape: images (B, in_channels, H, W) with values in [0, 1] -> logits (B, 1, H, W); with 3 dims (B, 1, D, H, W).

    Raises
    ------
    DataError
        If the input shape or the number of channels is not possible.
    """

    def __init__(self, input_shape, in_channels=1, width=8, deep_supervision=0, dims=2):
        super().__init__()
        if len(input_shape) != 2 or min(input_shape) < 1 or in_channels < 1 or width < 1:
            raise DataError(f"input_shape is {tuple(input_shape)}, in_channels {in_channels} and width {width}; "
                            "a U-Net needs a height, a width, and at least one channel")
        channels = unet_channels(width)
        strides = (1, *(2,) * HALVINGS)
        ins = (in_channels, *channels)
        self.down = nn.ModuleList(
            _ResidualUnit(ins[level], channels[level], strides[level], 2, dims) for level in range(len(strides)))
        self.bottom = _ResidualUnit(channels[-2], channels[-1], 1, 2, dims)
        below = [channels[-1], *channels[-3::-1]]  # channels that come up to each level, coarsest first
        outs = [*channels[-3::-1], 1]
        self.up = nn.ModuleList(
            _up(come + channels[level], out, strides[level], dims, is_top=level == 0)
            for level, come, out in zip(range(HALVINGS, -1, -1), below, outs, strict=True))
        convolution = CONVOLUTIONS[dims][0]
        self.heads = nn.ModuleList(convolution(channels[level], 1, 1) for level in range(deep_supervision))
        self.input_shape, self.dims = tuple(input_shape), dims

    def forward(self, images: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        features, size = _padded(images), images.shape[2:]
        levels = []
        for unit in self.down:
            features = unit(features)                          # (B, 2^level width, H / 2^level, W / 2^level)
            levels.append(features)
        features = self.bottom(features)                       # (B, 16 width, H / 8, W / 8)
        ups = []
        for unit, beside in zip(self.up, reversed(levels), strict=True):
            features = unit(torch.cat([beside, features], 1))  # the last: (B, 1, H, W)
            ups.append(features)
        if not (self.training and self.heads):
            return _cropped(features, size)
        coarse = [_resized(head(level), features) for head, level in zip(self.heads, ups[-2::-1], strict=False)]
        return [_cropped(logits, size) for logits in (features, *coarse)]


class _ResidualUnit(nn.Module):
    """Convolutions, each with batch norm and a leaky ReLU, beside a shortcut; the first may halve the resolution."""

    def __init__(self, ins, outs, stride, count, dims, last_is_bare=False):
        super().__init__()
        convolution = CONVOLUTIONS[dims][0]
        layers = []
        for index in range(count):
            is_bare = last_is_bare and index == count - 1
            first = (ins, stride) if index == 0 else (outs, 1)
            layers.append(_convolution(convolution(first[0], outs, 3, first[1], 1), outs, dims, is_bare))
        self.conv = nn.Sequential(*layers)
        self.shortcut = nn.Identity()
        if stride != 1:
            self.shortcut = convolution(ins, outs, 3, stride, 1)
        elif ins != outs:
            self.shortcut = convolution(ins, outs, 1)

    def forward(self, features):
        return self.conv(features) + self.shortcut(features)


def _convolution(layer, channels, dims, is_bare=False):
    """A convolution with batch norm and a leaky ReLU, or by itself."""
    activation = nn.LeakyReLU(SLOPE, inplace=True)
    return nn.Sequential(layer) if is_bare else nn.Sequential(layer, CONVOLUTIONS[dims][2](channels), activation)


def _up(ins, outs, stride, dims, is_top):
    """A transposed convolution that doubles the resolution where stride is 2, and a unit of one convolution."""
    transposed = CONVOLUTIONS[dims][1](ins, outs, 3, stride, 1, output_padding=stride - 1)
    unit = _ResidualUnit(outs, outs, 1, 1, dims, last_is_bare=is_top)
    return nn.Sequential(_convolution(transposed, outs, dims), unit)


def _padded(images):
    """Images whose sides the halvings divide; zeros where the slices end would look like an edge."""
    step = 2**HALVINGS
    extra = [(-size) % step for size in images.shape[2:]]
    if not any(extra):
        return images
    return F.pad(images, [number for size in reversed(extra) for number in (0, size)], mode="replicate")


def _cropped(logits, size):
    """Logits cut back to the images' size."""
    return logits[(..., *(slice(side) for side in size))]


def _resized(logits, like):
    """Coarse logits at the size of finer ones, linearly interpolated."""
    mode = "bilinear" if logits.dim() == 4 else "trilinear"
    return F.interpolate(logits, size=like.shape[2:], mode=mode, align_corners=False)
