"""Whether probabilities mean what they say: of pixels called 0.7, are 70 % lesion?"""

from typing import NamedTuple

import numpy as np

from atlas_lab.files import DataError

__all__ = ["Calibration", "calibration"]

BINS = 10


class Calibration(NamedTuple):
    """How probabilities and outcomes agree.

    Attributes
    ----------
    said, found : float64 arrays (bins,)
        Mean probability and share of lesion of the pixels of each bin; NaN where a bin is empty.
    pixels : int64 array (bins,)
    error : float
        Mean of |said - found| weighted by pixels: the expected calibration error (Naeini et al. 2015).
    brier : float
        Mean squared difference of probability and outcome.
    """

    said: np.ndarray
    found: np.ndarray
    pixels: np.ndarray
    error: float
    brier: float


def calibration(probability, target, bins: int = BINS, from_probability: float = 0.0) -> Calibration:
    """Compare probabilities with what was there, in bins of equal width.

    Parameters
    ----------
    probability : float array
        From 0 to 1.
    target : bool array of the same shape
    from_probability : float
        Pixels below it are left out: nearly all of a brain is surely healthy, which makes any error look small.

    Raises
    ------
    DataError
        If shapes differ, the target is not boolean, or a probability is NaN or outside of 0 to 1.
    """
    probability, target = np.asarray(probability, dtype=np.float64), np.asarray(target)
    if probability.shape != target.shape or target.dtype != bool:
        raise DataError(f"probabilities {probability.shape} and a mask {target.shape} of type {target.dtype} don't "
                        "fit; give two of one shape, the mask boolean")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise DataError("a probability is NaN or outside of 0 to 1; put logits through a sigmoid")
    kept = probability >= from_probability
    probability, target = probability[kept], target[kept]
    index = np.minimum((probability * bins).astype(int), bins - 1)
    pixels = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        said, found = (np.bincount(index, weights=values, minlength=bins) / pixels for values in (probability, target))
    apart = np.nan_to_num(np.abs(said - found))
    total = max(len(probability), 1)
    return Calibration(said, found, pixels, float((apart * pixels).sum() / total),
                       float(((probability - target) ** 2).sum() / total))
