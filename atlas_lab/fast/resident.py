"""Slices that lie on a GPU: batches are gathered and scaled there, so that no step waits for the processor."""

from dataclasses import replace

import numpy as np
import torch

from atlas_lab.dataset import SliceDataset, as_float

__all__ = ["ResidentDataset", "resident"]

ROOM = 2  # of the GPU's free memory the slices take at most one part in so many; the network and its steps need theirs


class ResidentDataset(SliceDataset):
    """A SliceDataset whose store has tensors on a device, uint8 or bool (N, H, W); so its batches are there too.

    A whole number over 255 in float32 is the same number on any device: both round it rightly.
    """

    def __getitem__(self, index):
        rows = torch.as_tensor(self.rows[np.asarray(index)]).to(self.store.images.device)
        return tuple(part.unsqueeze(-3) for part in as_float(self.store.images[rows], self.store.masks[rows]))

    def sample(self, size, seed=0):
        """A random part of the dataset, as SliceDataset gives it."""
        return ResidentDataset(self.store, super().sample(size, seed).rows)


def resident(*datasets: SliceDataset, device: torch.device) -> tuple[SliceDataset, ...]:
    """The same datasets with their store on a GPU, or as they are: where it has no room, or on a processor.

    A full-size batch of 100 slices is 36 MB as float32, and 9 MB as it is kept: with it on the GPU a step of the
    baseline no longer waits for the processor. All datasets must be of one store; others than plain SliceDatasets,
    whose slices vary or have neighbours, stay as they are.
    """
    store = datasets[0].store
    if device.type != "cuda" or any(type(dataset) is not SliceDataset for dataset in datasets):
        return datasets
    if ROOM * (store.images.nbytes + store.masks.nbytes) > torch.cuda.mem_get_info(device)[0]:
        return datasets
    images, masks = (torch.from_numpy(np.array(array)).to(device) for array in (store.images, store.masks))
    placed = replace(store, images=images, masks=masks)
    return tuple(ResidentDataset(placed, dataset.rows) for dataset in datasets)
