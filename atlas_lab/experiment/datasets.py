"""Slices as a RunConfig wants them: with their neighbours, with a stage's target, varied at random in training."""

import numpy as np
import torch

from atlas_lab.config import RunConfig
from atlas_lab.dataset import SliceDataset, SliceStore, as_float
from atlas_lab.files import DataError
from atlas_lab.nets.augment import augment
from atlas_lab.nets.cascade import stage_target
from atlas_lab.nets.volume import SLAB, scan_slices
from atlas_lab.provenance import RunStream

__all__ = ["NetDataset", "VolumeDataset", "build_dataset", "neighbour_rows", "scan_rows"]


def build_dataset(config: RunConfig, store: SliceStore, rows: np.ndarray, training: bool = False) -> SliceDataset:
    """The dataset that a RunConfig's network learns from, or is scored on. `training` lets slices vary at random.

    Raises DataError if the network needs neighbours, and the slices lie further apart than the settings say; or if
    masks with levels would be moved, which cuts them at one half.
    """
    found = store.about["z_step"]
    if config.augment in ("affine", "all") and config.mask_files != "exact":
        raise DataError(f"augment is {config.augment}, which makes masks 0 or 1, and those of JPEG files have levels "
                        "between; take mask_files=exact, or another augment")
    if (config.net == "volume_unet" or config.context) and config.z_step != found:
        raise DataError(f"z_step is {config.z_step}, and these slices are every {found}th; give the network the slices "
                        "that its settings name")
    if config.net == "volume_unet":
        return VolumeDataset(store, rows, config.augment if training else "none", training)
    if (config.context, config.stage, config.augment) == (0, "mask", "none"):
        return SliceDataset(store, rows)
    return NetDataset(store, rows, config.context, config.stage, config.augment if training else "none")


class NetDataset(SliceDataset):
    """A SliceDataset whose images have neighbouring slices as channels, whose target is a stage's, and which varies.

    Parameters
    ----------
    store, rows
        As in SliceDataset.
    context : int
        Neighbouring slices of the same scan on each side; beyond its ends the last slice stands again.
    stage : {"presence", "place", "mask"}
        See `stage_target`.
    kind : str
        See `augment`.

    `dataset[[i, j, ...]]` gives images (B, 1 + 2 context, H, W), from the lowest slice to the highest, and targets
    (B, 1, H, W).
    """

    def __init__(self, store, rows=None, context=0, stage="mask", kind="none"):
        super().__init__(store, rows)
        self.context, self.stage, self.kind = context, stage, kind
        self.neighbours = neighbour_rows(store, context)

    def __getitem__(self, index):
        rows = np.atleast_1d(self.rows[np.asarray(index)])
        images = torch.from_numpy(np.take(self.store.images, self.neighbours[rows], 0)).div(255)
        _, target = super().__getitem__(np.atleast_1d(np.asarray(index)))
        images, target = augment(images, target, self.kind)
        target = stage_target(target, self.stage)
        return (images, target) if np.ndim(index) else (images[0], target[0])

    def sample(self, size, seed=0):
        """A random part of the dataset, as SliceDataset gives it, which does not vary: it is there to be scored."""
        return NetDataset(self.store, super().sample(size, seed).rows, self.context, self.stage)


def scan_rows(store: SliceStore, rows: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """For each scan, by name, its rows of the store from the lowest slice to the highest; of the given rows, or all."""
    names, heights = store.scan_names, store.table["z"].to_numpy()
    rows = np.arange(len(store)) if rows is None else np.asarray(rows)
    order = rows[np.lexsort((heights[rows], names[rows]))]
    parts = np.split(order, np.flatnonzero(names[order][1:] != names[order][:-1]) + 1)
    return {str(names[part[0]]): part for part in parts if len(part)}


def neighbour_rows(store: SliceStore, context: int) -> np.ndarray:
    """Rows of the slices around each slice of a store, itself in the middle: int array (N, 1 + 2 context)."""
    if context == 0:
        return np.arange(len(store))[:, None]
    steps, found = np.arange(-context, context + 1), np.empty((len(store), 1 + 2 * context), np.int64)
    for rows in scan_rows(store).values():
        found[rows] = rows[np.clip(np.arange(len(rows))[:, None] + steps, 0, len(rows) - 1)]
    return found


class VolumeDataset(SliceDataset):
    """Whole scans, or slabs of them at random heights to learn from, slice by slice for `fit`.

    Parameters
    ----------
    store, rows
        As in SliceDataset; the scans of these rows, each of which must have all its slices there.
    kind : str
        See `augment`.
    training : bool
        Items are slabs of SLAB slices, as many of a scan as cover it once; else items are scans.

    `dataset[[i, j, ...]]` gives images and targets (items x slices, 1, H, W), one item after the other.
    """

    def __init__(self, store, rows=None, kind="none", training=False):
        self.scans = list(scan_rows(store, rows).values())
        super().__init__(store, np.concatenate(self.scans))
        depth = {len(scan) for scan in self.scans}
        if depth != {scan_slices(store.about["z_step"])}:
            needed = scan_slices(store.about["z_step"])
            raise DataError(f"a volumetric network needs whole scans of {needed} slices, and there are some of "
                            f"{min(depth)}; split by subject, scan or site")
        self.kind, self.training, self.depth = kind, training, max(depth)
        self.slabs = -(-self.depth // SLAB) if training else 1

    def __len__(self):
        return len(self.scans) * self.slabs

    def __getitem__(self, index):
        items = np.atleast_1d(np.asarray(index)) // self.slabs
        parts = [self.scans[item] for item in items]
        if self.training:
            starts = torch.randint(self.depth - min(SLAB, self.depth) + 1, (len(parts),)).tolist()
            parts = [scan[start : start + SLAB] for scan, start in zip(parts, starts, strict=True)]
        rows = np.stack(parts)                                                         # (items, slices)
        images, masks = (torch.from_numpy(np.take(array, rows, 0)) for array in (self.store.images, self.store.masks))
        images, target = augment(*as_float(images, masks), self.kind)
        return images.flatten(0, 1).unsqueeze(1), target.flatten(0, 1).unsqueeze(1)

    def sample(self, size, seed=0):
        """So many scans at random, whole, and not varied: they are there to be scored."""
        chosen = np.random.default_rng([seed, RunStream.SCORED_TRAIN]).permutation(len(self.scans))[:size]
        return VolumeDataset(self.store, np.concatenate([self.scans[index] for index in np.sort(chosen)]))
