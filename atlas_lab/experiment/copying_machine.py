"""The copying machine: no training, no network; a slice gets the mask of the training slice that looks most like it.

It can't know what a lesion is. What it scores on dev is what a split gives away (claim C13).
"""

import numpy as np
import torch

from atlas_lab.dataset import SliceStore
from atlas_lab.provenance import pick_device
from atlas_lab.splits import Split

__all__ = ["copied_masks", "nearest_rows"]

COMPARED_MM = 4   # finer slices are averaged to pixels of this size before they are compared
CANDIDATES = 4    # nearest by rounded sums, of which the nearest is then found exactly
BLOCK = 1000      # slices that are compared at a time: with 30,000 others that takes 120 MB


def copied_masks(store: SliceStore, split: Split) -> np.ndarray:
    """For each slice of dev the mask of the most similar slice of train.

    Similar is a small sum of squared differences of grey values, on pixels of 4 mm or the store's, if those are larger.

    Returns
    -------
    bool or uint8 array (n_dev, H, W)
        As the store's masks are.
    """
    factor = max(1, COMPARED_MM // store.about["scale"])
    train, dev = (_pixels(store.images, rows, factor) for rows in split)
    return store.masks[split.train[nearest_rows(dev, train)]]


def _pixels(images, rows, factor):
    """Slices as rows of float32, blocks of factor x factor pixels averaged."""
    height, width = (size // factor for size in images.shape[1:])
    pixels = np.empty((len(rows), height * width), np.float32)
    for start in range(0, len(rows), BLOCK):
        part = images[rows[start : start + BLOCK], : height * factor, : width * factor]
        blocks = part.reshape(len(part), height, factor, width, factor)
        pixels[start : start + len(part)] = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(len(part), -1)
    return pixels


def nearest_rows(queries: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each row of `queries` the number of the row of `others` with the smallest sum of squared differences.

    |a - b|^2 = |a|^2 - 2 a.b + |b|^2 makes one matrix product of all differences. Its float32 sums can't tell near
    twins apart, so the nearest few are compared once more in float64. On a GPU, if there is one.

    Shape: float32 (N, P) and (M, P) -> int64 (N,).
    """
    middle, device = others.mean(axis=0), pick_device()
    others = torch.from_numpy(others - middle).to(device)
    length = others.square().sum(dim=1)
    nearest = []
    for start in range(0, len(queries), BLOCK):
        part = torch.from_numpy(queries[start : start + BLOCK] - middle).to(device)
        distance = torch.addmm(length, part, others.T, alpha=-2)
        found = distance.topk(min(CANDIDATES, len(others)), dim=1, largest=False).indices.sort(dim=1).values
        exact = (part[:, None].double() - others[found].double()).square().sum(dim=2)
        nearest.append(found.gather(1, exact.argmin(dim=1, keepdim=True))[:, 0])
    return torch.cat(nearest).cpu().numpy()
