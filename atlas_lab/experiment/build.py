"""From settings to objects: the network and the loss that a RunConfig asks for."""

from functools import partial

from atlas_lab.files import DataError
from atlas_lab.losses import tversky_loss, weighted_cross_entropy
from atlas_lab.model import BaselineNet

LOSSES = {
    "cross_entropy": (weighted_cross_entropy, ["pos_weight"]),
    "tversky": (tversky_loss, ["alpha", "beta", "smooth", "loss_over"]),
}


def build_loss(config):
    """The loss that a RunConfig asks for, as a function of logits and target; DataError if it is unknown."""
    if config.loss not in LOSSES:
        raise DataError(f"loss is {config.loss!r}; choose one of {', '.join(LOSSES)}")
    function, settings = LOSSES[config.loss]
    return partial(function, **{name: getattr(config, name) for name in settings})


NETS = {"baseline": BaselineNet}


def build_model(config, input_shape):
    """The network that a RunConfig asks for. Raises DataError if there is none like it."""
    if config.net not in NETS:
        raise DataError(f"net is {config.net!r}; choose one of {', '.join(NETS)}")
    try:
        kernels = tuple(int(side) for side in config.kernels.split("-"))
    except ValueError:
        raise DataError(f"kernels is {config.kernels!r}; write the sides of two kernels, as in 3-5") from None
    return NETS[config.net](
        input_shape, config.pool, config.convs_per_stage, config.dropout, kernels, config.start_probability,
        config.dropout_on,
    )
