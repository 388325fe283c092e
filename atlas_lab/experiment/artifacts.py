"""As written against as run: what the public code behind the paper did and the text does not say.

The baseline's public code (gnedivad/atlas on GitHub, TensorFlow 1.7) reads slices from JPEG files. Each departure is
one setting of RunConfig, off by default where the text and this lab agree; `DEPARTURES` names them all.
"""

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from atlas_lab.config import RunConfig
from atlas_lab.dataset import SliceStore
from atlas_lab.metrics import dice_coefficient
from atlas_lab.provenance import RunStream
from atlas_lab.train import Evaluation, random_batches

__all__ = [
    "DEPARTURES", "as_filed", "as_run", "as_written", "filled_batches", "first_slices_dice",
    "jpeg_ceiling", "random_discs", "sampling_error", "scale_each_slice",
    "scores_with_first_slices", "through_jpeg",
]

BLOCK = 1000       # slices that are scaled at a time: at full size they take half a GB as float32
JPEG_QUALITY = 75  # Pillow's default, as the files of the public code have it
# In the order in which the waterfall adds them: what it is called -> (the setting, as written, as run).
DEPARTURES = {
    "dropout on the fully connected layers": ("dropout_on", "pooling", "all"),
    "last batch filled up at random": ("last_batch", "short", "filled"),
    "each slice scaled by itself": ("scaling", "volume", "slice"),
    "masks from JPEG files": ("mask_files", "exact", "jpeg"),
    "split the wrong way round": ("dev_fraction", 0.3, 0.7),
    "Dice of the first 100 slices": ("scored_slices", None, 100),
}


def as_written(config: RunConfig) -> RunConfig:
    """A config with every departure off: what the paper's text says."""
    return replace(config, **{field: written for field, written, _ in DEPARTURES.values()})


def as_run(config: RunConfig) -> RunConfig:
    """A config with every departure on: what the public code did."""
    return replace(config, **{field: run for field, _, run in DEPARTURES.values()})


def as_filed(store: SliceStore, config: RunConfig) -> SliceStore:
    """A store as it looks through the public code's files, for the settings that ask for them; else itself."""
    if config.scaling == "slice":
        store = replace(store, images=scale_each_slice(store.images))
    if config.mask_files == "jpeg":
        store = replace(store, masks=_masks_through_jpeg(store.masks))
    return store


def _masks_through_jpeg(masks):
    """`through_jpeg` of every mask: bool (N, H, W) -> uint8 (N, H, W). An empty one, as most are, comes back empty."""
    found = np.zeros(masks.shape, np.uint8)
    for row, mask in enumerate(masks):
        if mask.any():
            found[row] = through_jpeg(mask)
    return found


def filled_batches(n_slices: int, batch_size: int) -> list[torch.Tensor]:
    """`random_batches`, the last of them filled up with slices drawn again."""
    batches = random_batches(n_slices, batch_size)
    missing = batch_size - len(batches[-1])
    if missing:
        batches[-1] = torch.cat([batches[-1], torch.randint(n_slices, (missing,))])
    return batches


def scores_with_first_slices(config: RunConfig, found: Evaluation) -> dict:
    """The scores of an Evaluation, and first_100, which is mean_dice too where the config has so few slices scored."""
    scores, dice = found.scores(), found.dice()
    scores["first_100"] = first_slices_dice(dice, seed=config.seed)
    if config.scored_slices is not None:
        scores["mean_dice"] = first_slices_dice(dice, config.scored_slices, config.seed)
    return scores


def scale_each_slice(images: np.ndarray) -> np.ndarray:
    """Spread each slice's own range over 0 to 255, so that grey means another intensity in every slice.

    Shape: uint8 (N, H, W) -> uint8 (N, H, W). A slice of one value becomes 0.
    """
    scaled = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), BLOCK):
        part = images[start : start + BLOCK].astype(np.float32)
        low, high = part.min(axis=(1, 2), keepdims=True), part.max(axis=(1, 2), keepdims=True)
        scaled[start : start + BLOCK] = np.rint((part - low) * (255 / np.maximum(high - low, 1)))
    return scaled


def through_jpeg(mask: np.ndarray, quality: int = JPEG_QUALITY) -> np.ndarray:
    """A mask after it was written to a JPEG file and read back: bool (H, W) -> uint8 (H, W).

    JPEG keeps 8 x 8 blocks as rounded cosines, so a sharp edge comes back with ripples around it. The public code
    divides by 255 and sets no threshold: to its Dice every pixel above 0 is lesion.
    """
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.asarray(mask, np.uint8) * 255).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def jpeg_ceiling(masks: np.ndarray, quality: int = JPEG_QUALITY) -> np.ndarray:
    """The Dice that a perfect mask reaches when the target went through JPEG: bool (N, H, W) -> float64 (N,)."""
    targets = np.stack([through_jpeg(mask, quality) > 0 for mask in masks])
    return dice_coefficient(masks, targets)


def random_discs(areas: Sequence[int], shape: tuple[int, int] = (232, 196), seed: int = 0) -> np.ndarray:
    """One disc of each area in pixels, its centre anywhere in the middle half of a slice: bool (N, H, W)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    masks = np.zeros((len(areas), *shape), bool)
    for mask, area in zip(masks, areas, strict=True):
        row, column = rng.uniform(0.25, 0.75, 2) * shape
        distance = (rows - row) ** 2 + (columns - column) ** 2
        mask.ravel()[np.argsort(distance, axis=None, kind="stable")[:area]] = True
    return masks


def first_slices_dice(dice: Sequence[float], count: int = 100, seed: int = 0) -> float:
    """Mean Dice of the first `count` slices, in a fixed random order, of those that are not skipped.

    Parameters
    ----------
    dice : float array (N,)
        Dice of each slice, NaN where it is skipped.
    count : int
        The public code scores 100 slices, whatever the size of dev.
    seed : int
        Of the order.
    """
    dice = np.asarray(dice)
    scored = dice[~np.isnan(dice)]
    order = np.random.default_rng([seed, RunStream.SCORED_SLICES]).permutation(len(scored))[:count]
    return float(scored[order].mean()) if len(order) else float("nan")


def sampling_error(dice: Sequence[float], count: int = 100) -> float:
    """Standard error of the mean of `count` slices drawn from these without putting any back.

    The spread of the slices over the root of `count`, less as they become all there are: s / sqrt(n) sqrt(1 - n / N),
    with s the standard deviation (N - 1). NaNs are slices that are skipped.
    """
    dice = np.asarray(dice, dtype=float)
    dice = dice[~np.isnan(dice)]
    return float(dice.std(ddof=1) / np.sqrt(count) * np.sqrt(1 - count / len(dice)))
