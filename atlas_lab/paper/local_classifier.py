"""The local classifier: is this pixel lesion, from its grey value and those around it, wherever in the head it lies?

It knows no place, unless it is told to, and remembers no slice, so what it scores owes nothing to who is in train.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from atlas_lab.files import DataError

__all__ = ["LocalClassifier", "best_threshold", "fit_classifier", "pixel_features"]

BOOSTING = {"max_iter": 25, "learning_rate": 0.4, "max_leaf_nodes": 63}  # a fifth of the time of 100 rounds at 0.1
NEAR = (-2, -1, 1, 2)  # slices down and up that are looked at too, where neighbours are
SMOOTHING = 1.5        # pixels, Gaussian, of the probability in a slice: a pixel alone among others is seldom lesion
TUNED_ON = 40          # scans on which the threshold is chosen


def pixel_features(
    images: np.ndarray, where: np.ndarray, neighbours: bool = False, place: bool = False,
) -> np.ndarray:
    """What is seen around some pixels, up to 16 pixels away; none of it but `place` depends on where they lie.

    Grey value; its mean over a Gaussian of 1, 2 and 4 pixels; spread and slope around; lowest and highest value within
    3, 5 and 9 pixels. With neighbours also the values two slices down to two slices up, the outermost slices repeated,
    and the mean over a Gaussian of 1.5 pixels in all directions. With place also slice, row and column, and how much
    darker it is than its mirror image.

    Shape: uint8 (Z, H, W), slices of one scan in order, and N true pixels of bool (Z, H, W) -> float32 (N, F).
    """
    from scipy import ndimage

    rows = np.flatnonzero(where.any(axis=(1, 2)))
    volume = images[rows].astype(np.float32)  # the slices that are asked about
    blurred = [ndimage.gaussian_filter(volume, (0, sigma, sigma)) for sigma in (1, 2, 4)]
    mean, square = (ndimage.gaussian_filter(values, (0, 1.5, 1.5)) for values in (volume, volume**2))
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    slope = np.hypot(*np.gradient(blurred[0], axis=(1, 2)))
    extremes = [extreme(volume, (1, size, size)) for size in (3, 5, 9)
                for extreme in (ndimage.minimum_filter, ndimage.maximum_filter)]
    maps = [volume, *blurred, spread, slope, *extremes]
    if neighbours:
        maps += [images[np.clip(rows + step, 0, len(images) - 1)] for step in NEAR]
        maps.append(ndimage.gaussian_filter(images.astype(np.float32), 1.5)[rows])
    if place:
        maps += [blurred[0] - blurred[0][:, :, ::-1], rows[:, None, None], *np.indices(images.shape[1:])]
        maps = np.broadcast_arrays(*maps)
    return np.stack([each[where[rows]] for each in maps], axis=-1).astype(np.float32)


def best_threshold(scores: np.ndarray, lesion: np.ndarray, total: np.ndarray) -> float:
    """The score from which on pixels are called lesion, so that the Dice of all pixels together is highest.

    Parameters
    ----------
    scores : array (N,)
    lesion, total : arrays (N,)
        How many lesion pixels, and how many pixels, each score stands for.
    """
    order = np.argsort(-scores, kind="stable")
    hits, found = np.cumsum(lesion[order], dtype=float), np.cumsum(total[order], dtype=float)
    dice = 2 * hits / (found + hits[-1])
    is_last = np.append(np.diff(scores[order]) != 0, True)  # a threshold can't part equal scores
    return float(scores[order][np.where(is_last, dice, -1).argmax()])


@dataclass(frozen=True)
class LocalClassifier:
    """A fitted classifier.

    Attributes
    ----------
    model : HistGradientBoostingClassifier
    share : float
        Which part of the pixels without lesion it was fitted to; see `fit_classifier`.
    neighbours, place : bool
        Whether it looks at neighbouring slices, and knows where a pixel lies.
    threshold : float
        The probability from which on a pixel is called lesion.
    """

    model: object
    share: float
    neighbours: bool
    threshold: float = 0.5
    place: bool = False

    def probability(self, images: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Lesion probability, smoothed in the slice: uint8 (Z, H, W), wanted slices bool (Z,) -> float32 (Z', H, W).

        It is 0 in the background, where images are 0.
        """
        from scipy import ndimage

        head = (images > 0) & wanted[:, None, None]
        found = np.zeros(images.shape, np.float32)
        if head.any():
            fitted = self.model.predict_proba(pixel_features(images, head, self.neighbours, self.place))[:, 1]
            found[head] = fitted / (fitted + (1 - fitted) / self.share)
        found = ndimage.gaussian_filter(found[wanted], (0, SMOOTHING, SMOOTHING))
        return np.where(head[wanted], found, 0)

    def predict(self, images: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Masks of the wanted slices: uint8 (Z, H, W), bool (Z,) -> bool (Z', H, W)."""
        return self.probability(images, wanted) >= self.threshold


def fit_classifier(
    stacks: Sequence[tuple], share: float, neighbours: bool = False, seed: int = 0, place: bool = False,
) -> LocalClassifier:
    """Fit scikit-learn's histogram gradient boosting to pixels of heads, and choose its threshold on the same slices.

    Parameters
    ----------
    stacks : list of (images, masks, used)
        For each scan its slices in order, uint8 and bool (Z, H, W), and which of them are for training, bool (Z,).
        With neighbours, the pictures of the others are looked at too; their masks never are.
    share : float
        Which part of the pixels without lesion is drawn for the fit, from 0 to 1; those with lesion are all taken.

    Raises
    ------
    DataError
        If no pixel is lesion, or all are.
    """
    rng = np.random.default_rng(seed)
    drawn = LocalClassifier(_fit_pixels(stacks, share, neighbours, place, rng), share, neighbours, place=place)
    tuned_on = [stacks[i] for i in rng.permutation(len(stacks))[:TUNED_ON]]
    probability = np.concatenate([drawn.probability(images, used) for images, _, used in tuned_on])
    lesion = np.concatenate([masks[used] for _, masks, used in tuned_on])
    threshold = best_threshold(probability.ravel(), lesion.ravel(), np.ones(lesion.size))
    return replace(drawn, threshold=threshold)


def _fit_pixels(stacks, share, neighbours, place, rng):
    """The model, fitted to all pixels with lesion and a share of the others."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows, targets = [], []
    for images, masks, used in stacks:
        drawn = masks | (rng.random(masks.shape) < share)
        taken = (images > 0) & drawn & used[:, None, None]
        if taken.any():
            rows.append(pixel_features(images, taken, neighbours, place))
            targets.append(masks[taken])
    targets = np.concatenate(targets) if targets else np.zeros(0, bool)
    if targets.all() or not targets.any():
        raise DataError(f"{targets.sum():,} of {len(targets):,} training pixels are lesion; it takes both kinds")
    return HistGradientBoostingClassifier(random_state=0, **BOOSTING).fit(np.concatenate(rows), targets)
