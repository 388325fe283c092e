"""From settings to objects: the network, the loss, the optimizer and the learning rates that a RunConfig asks for."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from atlas_lab.config import SETTINGS, RunConfig
from atlas_lab.fast.graphs import RecordedStep
from atlas_lab.files import DataError
from atlas_lab.losses import tversky_loss, weighted_cross_entropy
from atlas_lab.model import BaselineNet
from atlas_lab.nets.bridged import BridgedNet
from atlas_lab.nets.cascade import StageNet
from atlas_lab.nets.losses import boundary_loss, deeply_supervised, dice_cross_entropy, focal_tversky
from atlas_lab.nets.unet import UNet
from atlas_lab.nets.volume import VolumeNet, scan_slices
from atlas_lab.train import train_step

__all__ = ["LOSSES", "NETS", "build_loss", "build_model", "build_optimizer", "build_step", "learning_rate"]


def _baseline(config, input_shape):
    """The paper's network, or one with bridges or without its code."""
    settings = (input_shape, config.pool, config.convs_per_stage, config.dropout, config.kernels,
                config.start_probability, config.dropout_on)
    if config.skips == 0 and config.code == "dense":
        return BaselineNet(*settings)
    return BridgedNet(*settings, skips=config.skips, code=config.code)


def _unet(config, input_shape):
    """The U-Net in two dimensions, with neighbouring slices as channels, or as a stage of the cascade."""
    if config.stage != "mask":
        _refuse(config, "a stage before the mask", ["deep_supervision"])
    net = UNet(input_shape, 1 + 2 * config.context, config.width, config.deep_supervision)
    return net if config.stage == "mask" else StageNet(net, config.stage)


def _refuse(config, what, names):
    """Raise DataError if settings are changed that a network does not have: they would change its name alone."""
    for name in names:
        value, default = getattr(config, name), SETTINGS[name].default
        if value != default:
            raise DataError(f"{name} is {value}, and {what} has no such setting; leave it at {default}")


def _volume_unet(config, input_shape):
    """The U-Net in three dimensions."""
    return VolumeNet(UNet(input_shape, width=config.width, dims=3), scan_slices(config.z_step))


NETS = {"baseline": _baseline, "unet": _unet, "volume_unet": _volume_unet}
# Settings that not every network has.
OWN = {
    "baseline": {"pool", "convs_per_stage", "kernels", "dropout", "dropout_on", "start_probability", "skips", "code"},
    "unet": {"width", "context", "deep_supervision", "stage"},
    "volume_unet": {"width"},
}
# A loss and its arguments, each with the setting that it takes its value from.
LOSSES = {
    "cross_entropy": (weighted_cross_entropy, {"pos_weight": "pos_weight"}),
    "tversky": (tversky_loss, {"alpha": "alpha", "beta": "beta", "smooth": "smooth", "reduction": "loss_over"}),
    "dice_cross_entropy": (dice_cross_entropy, {"pos_weight": "pos_weight"}),
    "focal_tversky": (focal_tversky, {}),
    "boundary": (boundary_loss, {"pos_weight": "pos_weight"}),
}


def build_model(config: RunConfig, input_shape: tuple[int, int]) -> nn.Module:
    """The network that a RunConfig asks for. Raises DataError if there is none like it."""
    if config.net not in NETS:
        raise DataError(f"net is {config.net!r}; choose one of {', '.join(NETS)}")
    _refuse(config, f"net {config.net}", sorted(set().union(*OWN.values()) - OWN[config.net]))
    return NETS[config.net](config, input_shape)


def build_loss(config: RunConfig) -> Callable:
    """The loss that a RunConfig asks for, as a function of logits and target; DataError if it is unknown."""
    if config.loss not in LOSSES:
        raise DataError(f"loss is {config.loss!r}; choose one of {', '.join(LOSSES)}")
    function, arguments = LOSSES[config.loss]
    loss = partial(function, **{argument: getattr(config, name) for argument, name in arguments.items()})
    return deeply_supervised(loss) if config.deep_supervision else loss


def build_optimizer(config: RunConfig, model: nn.Module) -> torch.optim.Optimizer:
    """Adam, as the paper has it."""
    return torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)


def build_step(config: RunConfig, device: torch.device) -> Callable:
    """How one step is trained, as `fit` takes it: on a GPU recorded and replayed, where it can be and where it pays.

    The kernels of a volume or of slices of 1 mm are long enough for the processor to start the next meanwhile.
    """
    pays = device.type == "cuda" and config.scale > 1 and config.net != "volume_unet"
    comes_back = config.loss == "boundary" or config.stage == "place" or config.precision == "bfloat16"
    return RecordedStep() if pays and not comes_back else train_step


def learning_rate(config: RunConfig, epoch: int) -> float:
    """The learning rate of an epoch, counted from 1."""
    dropped = config.lr_drop_epoch is not None and epoch > config.lr_drop_epoch
    return config.learning_rate * (config.lr_drop_factor if dropped else 1)
