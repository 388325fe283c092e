"""A trained network as one file, to be used on other scans: written, read back, and refused if it is broken."""

import zipfile
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from atlas_lab.config import RunConfig, check_config, config_from_plain, plain_settings
from atlas_lab.data.placement import SKULL, skull_brightness
from atlas_lab.data.slicing import stack_affine
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.build import build_model
from atlas_lab.experiment.datasets import scan_rows
from atlas_lab.experiment.fewer_people import some_people
from atlas_lab.experiment.folds import choose_split
from atlas_lab.experiment.post_processing import PLAIN, PostProcessing, check_processing
from atlas_lab.files import DataError, atomic_path
from atlas_lab.provenance import pick_device
from atlas_lab.system.disk import expand
from atlas_lab.system.shipped import SHIPPED_NETWORK

__all__ = ["SavedModel", "describe_training", "open_model", "save_model", "scan_digests", "shows_skull",
           "training_lines"]

LARGEST = 4 << 30  # bytes of a network's file; the paper's has 375 MB
LOOKED_AT = 5  # scans of a store that are looked at for skulls


class SavedModel(NamedTuple):
    """A trained network, its RunConfig, what it learnt from (`describe_training`), and what is done to its answers."""

    model: torch.nn.Module
    config: RunConfig
    data: dict
    processing: PostProcessing = PLAIN


def save_model(
    path: str | Path, model: torch.nn.Module, config: RunConfig, store: SliceStore,
    processing: PostProcessing = PLAIN,
) -> None:
    """Write a trained network, its config and what it learnt from as one file of tensors and plain values.

    `store` has the slices that it was trained and scored on; `processing` is what is done to its answers by default.
    """
    state = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    contents = {
        "config": plain_settings(config), "input_shape": list(model.input_shape),
        "data": describe_training(config, store), "processing": processing._asdict(), "state": state,
    }
    # An open file in place of a name: torch then passes on what the system says, such as that the disk is full.
    room = sum(tensor.nbytes for tensor in state.values())
    with atomic_path(path, store.about["source"], room) as temporary, open(temporary, "wb") as file:
        torch.save(contents, file)


def describe_training(config: RunConfig, store: SliceStore) -> dict:
    """What a network learnt from, of the slices that it was trained and scored on.

    Returns
    -------
    dict
        "source"; "scans", how many of them it has seen a slice of; "digests", by which each of these is known (see
        `scan_digests`); and "skull", whether the scans show skull and scalp.
    """
    store = some_people(store, config.people, config.seed)
    names = np.unique(store.scan_names[choose_split(config, store).train])
    digests = scan_digests(store)
    return {
        "source": store.about["source"], "scans": len(names), "digests": [digests[name] for name in names],
        "skull": shows_skull(store, names),
    }


def scan_digests(store: SliceStore) -> dict[str, str]:
    """For each scan, by name, a digest of its slices' grey levels, by which it is known in any other store."""
    return {name: blake2b(np.ascontiguousarray(store.images[rows]), digest_size=8).hexdigest()
            for name, rows in scan_rows(store).items()}


def shows_skull(store: SliceStore, names: Sequence[str]) -> bool:
    """True if scans of a store, by their names, show skull and scalp; some of them are looked at."""
    brightness = []
    for name in names[:: max(1, len(names) // LOOKED_AT)]:
        stack = np.asarray(store.images[store.scan_names == name])[:, ::-1].transpose(2, 1, 0)
        brightness.append(skull_brightness(stack, stack_affine(store)))
    return bool(np.median(brightness) >= SKULL)


def training_lines(saved: SavedModel) -> list[str]:
    """What a network learnt from, in words, a line each."""
    data = saved.data
    if not data:
        return ["what the network was trained on is not in its file; train --save-model writes it today"]
    kind = "whole heads" if data["skull"] else "brains without skull"
    lines = [f"the network learnt from {data['scans']} scans, {kind}: {data['source']}"]
    if saved.config.labels != "true":
        lines.append("it learnt from other people's masks (a control), so what it calls lesion is none")
    return lines


def open_model(path: str | Path = SHIPPED_NETWORK, device: str | None = None) -> SavedModel:
    """What a file of `save_model` holds, by default that of the network that the lab ships.

    "data" is empty in files of older versions, and nothing is done to the answers.

    The file is read with weights_only, so that nothing in it is executed.

    Parameters
    ----------
    device : str, optional
        Where to put the network: "cpu", "cuda", ...; by default where `pick_device` says.

    Raises
    ------
    DataError
        If the file is none, if a weight is NaN or infinite - such a network finds nothing anywhere, which reads like
        "no lesion" -, or if there is no such device.
    """
    path = expand(path)
    if path == SHIPPED_NETWORK and not path.is_file():
        raise DataError("no network comes with this version of the lab; give one with --model, which atlas-lab train "
                        "--save-model FILE writes")
    if path.is_dir():
        raise DataError(f"{path}: a folder; give the file of a network, as atlas-lab train --save-model writes it")
    if not path.is_file():
        raise DataError(f"{path}: no such file; make one with: atlas-lab train --save-model {path.name}")
    try:
        _refuse_bomb(path)
        contents = torch.load(path, map_location="cpu", weights_only=True)
        config, data = config_from_plain(contents["config"]), contents.get("data", {})
        check_config(config)
        processing = PostProcessing(**contents.get("processing", {}))
        check_processing(processing)
        if data and not {"source", "scans", "skull"} <= data.keys():
            raise ValueError("what it was trained on is incomplete")
        if odd := {str(w.dtype) for w in contents["state"].values() if not w.is_floating_point()} - {"torch.int64"}:
            raise ValueError(f"its weights are of type {', '.join(odd)}")
        model = _build_within(path.stat().st_size, config, contents)
    except Exception as error:  # torch raises many kinds for a file that is no model, or another one
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(f"{path}: not a network that this lab has saved ({reason})") from error
    weights = torch.cat([tensor.flatten() for tensor in model.state_dict().values()])
    if broken := int((~weights.isfinite()).sum()):
        raise DataError(
            f"{path}: {broken:,} of the network's {len(weights):,} weights are NaN or infinite, so its training broke "
            "down; train it again, with a smaller learning_rate"
        )
    return SavedModel(_placed(model.eval(), device), config, data, processing)


def _refuse_bomb(path: Path) -> None:
    """Raise ValueError if a file is none of torch's archives, or would fill the memory; nothing of it is unpacked."""
    with zipfile.ZipFile(path) as archive:
        total = sum(part.file_size for part in archive.infolist())
        if total > LARGEST or total > path.stat().st_size + 2**20:  # torch packs nothing
            raise ValueError(f"it would unpack to {total >> 20} MiB")
        if damaged := archive.testzip():  # which torch does not look at
            raise ValueError(f"damaged at {damaged}: copy it again")


def _build_within(size: int, config: RunConfig, contents: dict) -> torch.nn.Module:
    """The network of a file's contents, which are held against its size before memory is taken for them."""
    with torch.device("meta"):  # shapes without numbers
        claimed = build_model(config, tuple(contents["input_shape"]))
    needed = 4 * sum(tensor.numel() for tensor in claimed.state_dict().values())
    if needed > size:
        raise ValueError(f"it claims {needed >> 20} MiB of weights and has {size >> 20} MiB")
    model = build_model(config, tuple(contents["input_shape"]))
    model.load_state_dict(contents["state"])
    return model


def _placed(model: torch.nn.Module, device: str | None) -> torch.nn.Module:
    """The model on a device. Raises DataError if this machine has none of that name."""
    try:
        wanted = torch.device(device) if device else pick_device()
        if wanted.type not in ("cpu", "cuda", "mps"):
            raise RuntimeError("cpu, cuda and mps can compute")
        return model.to(wanted)
    except (RuntimeError, AssertionError) as error:  # a name that is none; a torch without CUDA
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"there is no device {device!r} here ({reason}); try cpu") from error
