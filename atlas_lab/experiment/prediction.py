"""What a trained network of any kind says: of slices of a store, and of one scan whose slices lie 1 mm apart."""

import numpy as np
import torch

from atlas_lab.config import RunConfig
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.datasets import build_dataset, scan_rows
from atlas_lab.files import DataError
from atlas_lab.train import SCORED, predict

__all__ = ["predict_rows", "predict_stack"]


def predict_rows(
    model: torch.nn.Module, config: RunConfig, store: SliceStore, rows: np.ndarray, mirrored: bool = False,
) -> np.ndarray:
    """Probability of every pixel of some of a store's slices, float32 (N, H, W).

    `mirrored`: the answers to the slices' mirror images, turned back; their mean with the plain ones is test-time
    augmentation. A volumetric network sees the whole scans that the slices are of.
    """
    if not len(rows):
        return np.zeros((0, *store.shape), np.float32)
    seen, is_volumetric = np.asarray(rows), config.net == "volume_unet"
    if is_volumetric:
        scans = scan_rows(store)
        seen = np.concatenate([scans[name] for name in np.unique(store.scan_names[seen])])
    dataset = build_dataset(config, store, seen)
    batches = torch.arange(len(dataset)).split(1 if is_volumetric else SCORED)
    side = slice(None, None, -1 if mirrored else 1)
    found = np.concatenate([predict(model, dataset[batch][0].numpy()[..., side])[..., side] for batch in batches])
    place = np.empty(len(store), np.int64)
    place[dataset.rows] = np.arange(len(dataset.rows))
    return found[place[rows]]


def predict_stack(
    model: torch.nn.Module, config: RunConfig, slices: np.ndarray, mirrored: bool = False,
) -> np.ndarray:
    """Probability of every pixel of one scan whose slices lie 1 mm apart: uint8 (Z, H, W) -> float32 (Z, H, W).

    A network that learnt from every z_step-th slice finds its neighbours that far away here too. `mirrored` as in
    `predict_rows`. Raises DataError if the network is a stage of the cascade, which tells slices or blocks, not pixels.
    """
    if config.stage != "mask":
        raise DataError(f"this network is the cascade's stage of {config.stage}, which gives no mask; take one that "
                        "was trained with stage=mask")
    if mirrored:
        return predict_stack(model, config, slices[..., ::-1])[..., ::-1]
    if config.net != "volume_unet" and config.context == 0:
        return predict(model, slices)
    answer = _volume_answer if config.net == "volume_unet" else _neighbours_answer
    found = np.empty(slices.shape, np.float32)
    for first in range(min(config.z_step, len(slices))):
        found[first :: config.z_step] = answer(model, config, slices[first :: config.z_step])
    return found


def _volume_answer(model, config, slices):
    """The answer of a volumetric network to a scan's slices, from the first on; the last stands for those above it."""
    whole = np.concatenate([slices, np.repeat(slices[-1:], model.depth - len(slices), 0)])
    return predict(model, whole)[: len(slices)]


def _neighbours_answer(model, config, slices):
    """The answer of a network to a scan's slices, each seen with its neighbours."""
    around = np.arange(-config.context, config.context + 1)
    neighbours = np.clip(np.arange(len(slices))[:, None] + around, 0, len(slices) - 1)
    return predict(model, slices[neighbours])
