"""A trained network as one file, to be used on other scans: written, read back, and refused if it is broken."""

from pathlib import Path

import torch

from atlas_lab.config import config_from_plain, plain_settings
from atlas_lab.experiment.build import build_model
from atlas_lab.files import DataError, atomic_path

__all__ = ["open_model", "save_model"]


def save_model(path, model, config):
    """Write a trained network and its config as one file of tensors and plain values, atomically."""
    state = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    contents = {"config": plain_settings(config), "input_shape": list(model.input_shape), "state": state}
    # An open file in place of a name: torch then passes on what the system says, such as that the disk is full.
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        torch.save(contents, file)


def open_model(path):
    """A network and its RunConfig from a file of `save_model`.

    The file is read with weights_only, so that nothing in it is executed. Raises DataError if it is none, or if a
    weight is NaN or infinite: such a network finds nothing anywhere, which reads like "no lesion".
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"{path}: no such file; make one with: atlas-lab train --save-model {path.name}")
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
        config = config_from_plain(contents["config"])
        model = build_model(config, tuple(contents["input_shape"]))
        model.load_state_dict(contents["state"])
    except Exception as error:  # torch raises many kinds for a file that is no model, or another one
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(f"{path}: not a network that this lab has saved ({reason})") from error
    weights = torch.cat([tensor.flatten() for tensor in model.state_dict().values()])
    if broken := int((~weights.isfinite()).sum()):
        raise DataError(
            f"{path}: {broken:,} of the network's {len(weights):,} weights are NaN or infinite, so its training broke "
            "down; train it again, with a smaller learning_rate"
        )
    return model.eval(), config
