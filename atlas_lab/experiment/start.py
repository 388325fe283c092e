"""What a training starts from: slices as the settings have them, the split, a network with its initial weights."""

import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from atlas_lab.config import RunConfig
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.artifacts import as_filed, filled_batches
from atlas_lab.experiment.build import build_loss, build_model, build_optimizer
from atlas_lab.experiment.fewer_people import some_people
from atlas_lab.experiment.folds import choose_split
from atlas_lab.experiment.permuted_masks import permute_masks
from atlas_lab.fast.layout import place
from atlas_lab.nets.volume import slab_batches
from atlas_lab.splits import Split
from atlas_lab.train import random_batches

__all__ = ["Start", "even_kernels_unmentioned", "start_training"]


@dataclass(frozen=True)
class Start:
    """The objects that a RunConfig asks for.

    Attributes
    ----------
    store : SliceStore
        With the masks and images that the settings ask for.
    masks_as_drawn : array (N, H, W)
        The masks before they went through JPEG files, if they did.
    split : Split
    model : nn.Module
        With its initial weights, placed on its device.
    loss : callable
    optimizer : torch.optim.Optimizer
    batches : callable
        See `fit`.
    """

    store: SliceStore
    masks_as_drawn: np.ndarray
    split: Split
    model: torch.nn.Module
    loss: Callable
    optimizer: torch.optim.Optimizer
    batches: Callable


def start_training(config: RunConfig, store: SliceStore, device: str | torch.device | None = None) -> Start:
    """Make the objects that a RunConfig asks for; seeds torch's global generator for the initial weights."""
    store = some_people(store, config.people, config.seed)
    if config.labels == "swapped":
        store = permute_masks(store, config.seed)
    masks_as_drawn = store.masks
    store = as_filed(store, config)
    split = choose_split(config, store)
    torch.manual_seed(config.seed)
    model = place(build_model(config, store.shape), device)
    batches = filled_batches if config.last_batch == "filled" else random_batches
    if config.net == "volume_unet":
        batches = partial(slab_batches, batches)
    return Start(store, masks_as_drawn, split, model, build_loss(config), build_optimizer(config, model), batches)


@contextmanager
def even_kernels_unmentioned():
    """Without torch's warning that kernels of even size take a copy, to pad one side by a row and column more."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Using padding='same' with even kernel lengths")
        yield
