"""Slices on disk as tensors: a memory-mapped store of axial slices, and a torch Dataset over it."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from atlas_lab.files import DataError
from atlas_lab.provenance import RunStream

__all__ = ["SliceDataset", "SliceStore", "as_float", "open_store", "scan_name"]


def scan_name(subject, session):
    """The name of a scan, as in 031768/t01; of one, or of columns of a table."""
    return subject + "/" + session


@dataclass(frozen=True)
class SliceStore:
    """Axial slices of a cohort on disk.

    Attributes
    ----------
    folder : Path
    images : uint8 memory map (N, H, W)
        Rows run from front to back, columns from the patient's left to right (with RAS volumes).
    masks : bool memory map (N, H, W)
    table : pandas.DataFrame of N rows
        subject, session, site (text), z (index of the axial slice), lesion_pixels.
    about : dict
        source, n_scans, scale, z_step, scaling (how intensities became 0 to 255), data_hash.
    """

    folder: Path
    images: np.ndarray
    masks: np.ndarray
    table: object
    about: dict

    def __len__(self):
        return len(self.images)

    @property
    def shape(self):
        """Height and width of a slice."""
        return self.images.shape[1:]

    @property
    def pixel_ml(self):
        """Millilitres that one pixel stands for."""
        return self.about["scale"] ** 2 * self.about["z_step"] / 1000

    @property
    def scan_names(self):
        """The scan of each slice, as in 031768/t01; numpy array (N,)."""
        return scan_name(self.table["subject"], self.table["session"]).to_numpy(str)


def open_store(folder: str | Path) -> SliceStore:
    """Open a finished store. Raises DataError if the folder holds none."""
    import pandas

    folder = Path(folder)
    if not (folder / "about.json").exists():
        raise DataError(f"{folder}: no finished slice store here; make one with prepare_slices")
    text = {"subject": str, "session": str, "site": str}  # subjects have leading zeros
    images, masks = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("images", "masks"))
    table = pandas.read_csv(folder / "table.csv", dtype=text)
    return SliceStore(folder, images, masks, table, json.loads((folder / "about.json").read_text()))


def as_float(images: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A store's images, uint8, and masks, bool or uint8 out of JPEG files, as float32 from 0 to 1."""
    return images.div(255), masks.float() if masks.dtype == torch.bool else masks.div(255)


class SliceDataset(torch.utils.data.Dataset):
    """Slices of a store as tensors.

    `dataset[i]` gives image and target, float32 (1, H, W), the image in [0, 1], the target 0 or 1 (between them too
    for masks out of JPEG files).
    `dataset[[i, j, ...]]` gives a whole batch, (B, 1, H, W), in one read: faster than collating singles.

    Parameters
    ----------
    store : SliceStore
    rows : int array, or bool array of one a slice, optional
        Rows of the store, as from `split_slices`; all by default. DataError if the store has no such rows.
    """

    def __init__(self, store: SliceStore, rows: np.ndarray | None = None):
        self.store = store
        try:
            self.rows = np.arange(len(store))[slice(None) if rows is None else np.asarray(rows) if len(rows) else []]
        except IndexError as error:
            raise DataError(f"rows: {error}; pass numbers below {len(store)}, or a bool for each slice") from None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index):
        rows = self.rows[np.asarray(index)]
        images, masks = (torch.from_numpy(np.take(array, rows, 0)) for array in (self.store.images, self.store.masks))
        return tuple(part.unsqueeze(-3) for part in as_float(images, masks))

    def sample(self, size: int, seed: int = 0) -> "SliceDataset":
        """A random part of the dataset, of `size` slices at most, in the dataset's order."""
        chosen = np.random.default_rng([seed, RunStream.SCORED_TRAIN]).permutation(len(self))[:size]
        return SliceDataset(self.store, self.rows[np.sort(chosen)])

    @property
    def table(self):
        """The store's table for these slices, in the dataset's order."""
        return self.store.table.iloc[self.rows]
