"""One picture of a slice with its masks, as an array: what every plot and viewer of the lab shows."""

import numpy as np

from atlas_lab.files import DataError

__all__ = ["PREDICTION_COLOUR", "TARGET_COLOUR", "outline", "overlay"]

# Two colours of the Okabe-Ito palette that stay apart for colour-blind readers, on grey and in print.
TARGET_COLOUR = (230, 159, 0)       # orange: outline of the manual mask
PREDICTION_COLOUR = (86, 180, 233)  # sky blue: translucent fill of the prediction


def overlay(image, mask=None, prediction=None, opacity=0.5, zoom=1, line=1):
    """A grey slice, the target mask as an orange outline, the prediction as a translucent blue fill.

    Parameters
    ----------
    image : array (H, W)
        uint8 from 0 to 255, or float from 0 to 1; values outside are clipped.
    mask, prediction : bool arrays (H, W), optional
    opacity : float
        Of the prediction: 0 is invisible, 1 hides the image.
    zoom : int
        Each pixel becomes zoom x zoom.
    line : int
        Width of the outline in enlarged pixels; it lies on the inside of the mask's edge.

    Returns
    -------
    uint8 array (zoom H, zoom W, 3)

    Raises
    ------
    DataError
        If a mask has another shape than the image.
    """
    for name, other in (("mask", mask), ("prediction", prediction)):
        if other is not None and np.shape(other) != np.shape(image):
            raise DataError(f"the {name} has shape {np.shape(other)} and the image {np.shape(image)}")
    picture = np.repeat(_enlarge(_to_grey(image), zoom)[..., None], 3, axis=-1).astype(np.float32)
    if prediction is not None:
        inside = _enlarge(np.asarray(prediction, bool), zoom)
        picture[inside] += opacity * (np.float32(PREDICTION_COLOUR) - picture[inside])
    if mask is not None:
        picture[outline(_enlarge(np.asarray(mask, bool), zoom), line)] = TARGET_COLOUR
    return np.rint(picture).astype(np.uint8)


def _to_grey(image):
    """A slice as uint8: as it is, or a float one with 0 to 1 spread over 0 to 255."""
    image = np.asarray(image)
    return image if image.dtype == np.uint8 else np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _enlarge(pixels, zoom):
    """Repeat each pixel zoom times down and across."""
    return pixels.repeat(zoom, axis=0).repeat(zoom, axis=1)


def outline(mask, line=1):
    """Pixels of a mask at most `line` steps (up, down, left or right) away from a pixel that is not in it."""
    inside = mask
    for _ in range(line):
        padded = np.pad(inside, 1)
        inside = inside & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inside
