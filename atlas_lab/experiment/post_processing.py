"""From a network's probabilities to a mask: the mirrored scan asked too, another threshold, small pieces left out.

None of it is trained. Which way suits a network is chosen on people whom it has not learnt from; its file says it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from atlas_lab.files import DataError
from atlas_lab.scoring.lesions import without_small

__all__ = ["PLAIN", "PostProcessing", "check_processing", "post_processed"]


class PostProcessing(NamedTuple):
    """What is done to a network's probabilities; by default nothing, and lesion is what has more than 0.5.

    Attributes
    ----------
    mirrored : bool
        Mean with the answer to the scan's mirror image, turned back: test-time augmentation, in twice the time.
    threshold : float
        The network's probability that is the least for lesion; log odds are shifted so that it comes out as 0.5.
    smallest_ml : float
        Components (26 neighbours) of less are left out.
    """

    mirrored: bool = False
    threshold: float = 0.5
    smallest_ml: float = 0.0

    def describe(self) -> str:
        """In words, such as for an account; "" if nothing is done."""
        said = ["the mirrored scan asked too"] if self.mirrored else []
        said += [f"lesion from probability {self.threshold:g} on"] if self.threshold != 0.5 else []
        said += [f"pieces of less than {self.smallest_ml:g} ml left out"] if self.smallest_ml else []
        return ", ".join(said)


PLAIN = PostProcessing()


def check_processing(way: PostProcessing) -> None:
    """Raise DataError for a threshold that is none, or a smallest volume below 0."""
    if not (isinstance(way.mirrored, bool) and 0 < way.threshold < 1):
        raise DataError(f"mirrored is {way.mirrored} and threshold {way.threshold}; expected true or false, and a "
                        "number between 0 and 1")
    if not 0 <= way.smallest_ml < np.inf:
        raise DataError(f"smallest_ml is {way.smallest_ml}; expected millilitres, 0 to keep all")


def post_processed(
    ask: Callable[[bool], np.ndarray], way: PostProcessing, voxel_ml: float,
) -> tuple[np.ndarray, float]:
    """A network's probabilities for one scan after post-processing, and the millilitres that were left out as small.

    Parameters
    ----------
    ask : callable
        Mirrored or not -> float32 (Z, H, W), the mirrored answer already turned back.
    voxel_ml : float
        Millilitres of a voxel of that grid.

    Returns
    -------
    float32 (Z, H, W), lesion where it is above 0.5; and ml.
    """
    from scipy.special import expit, logit

    found = ask(False)
    if way.mirrored:
        found = (found + ask(True)) / 2
    if way.threshold != 0.5:
        found = expit(logit(found) - logit(np.float32(way.threshold)))
    mask = found > 0.5
    small = mask & ~without_small(mask, way.smallest_ml, voxel_ml) if way.smallest_ml else np.zeros_like(mask)
    return np.where(small, np.float32(0.5), found), float(small.sum() * voxel_ml)
