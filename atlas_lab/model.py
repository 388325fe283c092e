"""The paper's baseline network (Fig. 2): a convolutional encoder to a short code, and a mirrored decoder."""

import math

import torch
from torch import nn

from atlas_lab.files import DataError

__all__ = ["BaselineNet"]

POOLS = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}


class BaselineNet(nn.Module):
    """The baseline of the paper, as the public code it started from has it (93,705,297 parameters).

    Two stages of convolution, ReLU, pooling and dropout; a fully connected bottleneck of 256 numbers without
    activations; then the mirror image, which upsamples by bilinear interpolation. One departure: TensorFlow
    1.7 upsampled with pixel corners aligned to the top left, torch aligns pixel centres.

    Parameters
    ----------
    input_shape : (int, int)
        Height and width of a slice; both must be multiples of 4, since two poolings halve them.
    pool : {"max", "avg"}
        The kind of pooling (the paper's pooling ablation).
    convs_per_stage : int
        Convolutions before each pooling; 3 is the paper's depth ablation with the kernel sizes left alone.
    dropout : float
        Probability of dropping, after each pooling and on the fully connected layers.
    kernels : (int, int)
        Sides of the convolution kernels of the two stages; the public code's deep network has (10, 3).
    dropout_on : {"all", "pooling"}
        Where dropout acts: also on the fully connected layers (the public code), or after the poolings only (the
        paper's text).
    start_probability : float
        Above 0: the last bias starts at the logit of this probability, in place of a random number.

    Shape: images (B, 1, H, W) with values in [0, 1] -> logits (B, 1, H, W); the mask is sigmoid(logits) > 0.5.

    Raises
    ------
    DataError
        If one of these is not possible.
    """

    def __init__(
        self, input_shape=(232, 196), pool="max", convs_per_stage=1, dropout=0.15, kernels=(3, 5),
        start_probability=0.0, dropout_on="all",
    ):
        super().__init__()
        _check_architecture(input_shape, pool, convs_per_stage, kernels, start_probability, dropout_on)
        height, width = input_shape[0] // 4, input_shape[1] // 4
        code = 16 * height * width  # 45,472 at 232 x 196

        convs1 = _conv_relu(1, 8, kernels[0], convs_per_stage)
        convs2 = _conv_relu(8, 16, kernels[1], convs_per_stage)
        self.stage1 = nn.Sequential(*convs1, POOLS[pool](2), nn.Dropout(dropout))
        self.stage2 = nn.Sequential(*convs2, POOLS[pool](2), nn.Dropout(dropout))
        on_dense = dropout if dropout_on == "all" else 0.0
        self.encode = nn.Sequential(nn.Flatten(), nn.Linear(code, 1024), nn.Dropout(on_dense), nn.Linear(1024, 256))
        self.decode = nn.Sequential(
            nn.Linear(256, 1024), nn.Dropout(on_dense), nn.Linear(1024, code), nn.Dropout(on_dense),
            nn.Unflatten(1, (16, height, width)),
        )
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear")
        self.deconv1 = nn.ConvTranspose2d(16, 8, 5, padding=2)
        self.deconv2 = nn.ConvTranspose2d(8, 1, 3, padding=1)
        self.input_shape = tuple(input_shape)
        self.apply(_xavier_normal)
        if start_probability > 0:
            nn.init.constant_(self.deconv2.bias, math.log(start_probability / (1 - start_probability)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.stage1(images)                 # (B, 8, H/2, W/2)
        features = self.stage2(features)               # (B, 16, H/4, W/4)
        code = self.encode(features)                   # (B, 256)
        features = self.decode(code)                   # (B, 16, H/4, W/4)
        features = self.deconv1(self.upsample(features))  # (B, 8, H/2, W/2)
        return self.deconv2(self.upsample(features))   # (B, 1, H, W)


def _conv_relu(in_channels, out_channels, kernel, count):
    """`count` convolutions that keep the size, each followed by a ReLU, as a list of layers."""
    layers = []
    for _ in range(count):
        layers += [nn.Conv2d(in_channels, out_channels, kernel, padding="same"), nn.ReLU()]
        in_channels = out_channels
    return layers


def _xavier_normal(layer):
    """Xavier (Glorot) normal initialisation, of the biases too, as the public code has it.

    A bias of n numbers counts as having n inputs and n outputs, so its standard deviation is sqrt(1 / n).
    """
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.xavier_normal_(layer.weight)
        nn.init.normal_(layer.bias, std=math.sqrt(1 / layer.bias.numel()))


def _check_architecture(input_shape, pool, convs_per_stage, kernels, start_probability, dropout_on):
    """Raise DataError for a network that can't be built."""
    if len(input_shape) != 2 or any(size < 4 or size % 4 for size in input_shape):
        raise DataError(f"input_shape is {tuple(input_shape)}; two poolings need a height and width that are multiples "
                        "of 4")
    if pool not in POOLS:
        raise DataError(f"pool is {pool!r}; choose one of {', '.join(POOLS)}")
    if convs_per_stage < 1:
        raise DataError(f"convs_per_stage is {convs_per_stage}; at least one convolution is needed")
    if len(kernels) != 2 or min(kernels) < 1:
        raise DataError(f"kernels is {tuple(kernels)}; it takes the sides of two kernels, each at least 1")
    if not 0 <= start_probability < 1 or dropout_on not in ("all", "pooling"):
        raise DataError(f"start_probability is {start_probability} and dropout_on {dropout_on!r}; expected 0 or more "
                        "and below 1, and all or pooling")
