"""One picture of a slice with its masks, as an array: what every plot and viewer of the lab shows."""

import numpy as np

from atlas_lab.data.door import as_array, as_mask, refuse_nan
from atlas_lab.files import DataError

__all__ = [
    "ERROR_COLOURS", "PREDICTION_COLOUR", "TARGET_COLOUR", "contrast", "label_colours", "outline", "overlay",
    "overlay_errors",
]

# Two colours of the Okabe-Ito palette that stay apart for colour-blind readers, on grey and in print.
TARGET_COLOUR = (230, 159, 0)       # orange: outline of the manual mask
PREDICTION_COLOUR = (86, 180, 233)  # sky blue: translucent fill of the prediction
# Found, false alarm, missed: over 30 apart in CIELAB under each kind of colour blindness (Machado et al. 2009) too.
ERROR_COLOURS = {"tp": (240, 228, 66), "fp": (86, 180, 233), "fn": (213, 94, 0)}  # yellow, sky blue, vermilion
_LABELS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
BEYOND = 0.5  # a slice from 0 to 1 that was interpolated or made brighter goes this far outside of them, no further


def overlay(image, mask=None, prediction=None, opacity=0.5, zoom=1, line=1, halo=0):
    """A grey slice, the target mask as an orange outline, the prediction as a translucent blue fill.

    Parameters
    ----------
    image : array or list (H, W)
        Whole numbers from 0 to 255 of any dtype, or float from 0 to 1, clipped where it goes up to 0.5 beyond.
        Floats that are all 0 or 1 go from 0 to 1.
    mask, prediction : arrays or lists (H, W), optional
        Bool, or 0 and 1, or 0 and 255, of any dtype.
    opacity : float
        Of the prediction: 0 is invisible, 1 hides the image.
    zoom : int
        Each pixel becomes zoom x zoom.
    line : int
        Width of the outline in enlarged pixels; it lies on the inside of the mask's edge.
    halo : int
        Width of the black rim on both sides of the outline, which makes it stand out on bright brain too.

    Returns
    -------
    uint8 array (zoom H, zoom W, 3)

    Raises
    ------
    DataError
        If a mask has another shape than the image, or other values than a mask, such as probabilities, or the image
        is no slice or has another range.
    """
    grey = _to_grey(image)
    mask, prediction = _read_mask(mask, "mask", grey), _read_mask(prediction, "prediction", grey)
    picture = _in_colour(_enlarge(grey, zoom))
    if prediction is not None:
        _fill(picture, _enlarge(prediction, zoom), PREDICTION_COLOUR, opacity)
    if mask is not None:
        edge = outline(_enlarge(mask, zoom), line)
        if halo:
            picture[_near(edge, halo) & ~edge] = 0
        picture[edge] = TARGET_COLOUR
    return np.rint(picture).astype(np.uint8)


def overlay_errors(image, target, prediction, opacity=0.5, zoom=1):
    """A grey slice with what the prediction found, called lesion by mistake and missed, in ERROR_COLOURS.

    Arguments as for `overlay`; returns uint8 (zoom H, zoom W, 3). Raises DataError as `overlay` does.
    """
    grey = _to_grey(image)
    target, prediction = _read_mask(target, "target", grey), _read_mask(prediction, "prediction", grey)
    picture = _in_colour(_enlarge(grey, zoom))
    parts = {"tp": target & prediction, "fp": prediction & ~target, "fn": target & ~prediction}
    for name, part in parts.items():
        _fill(picture, _enlarge(part, zoom), ERROR_COLOURS[name], opacity)
    return np.rint(picture).astype(np.uint8)


def label_colours(count):
    """Colours for labels 1 to `count`: the Okabe-Ito palette, then hues that go on by the golden angle."""
    import colorsys

    more = (colorsys.hls_to_rgb(k * 0.381966 % 1, 0.45 + 0.2 * (k % 2), 0.75) for k in range(count - len(_LABELS)))
    return [*_LABELS[:count], *(tuple(round(255 * channel) for channel in colour) for colour in more)]


def contrast(one, other):
    """Contrast of two colours, 1 to 21, as the Web Content Accessibility Guidelines 2.2 define it."""
    def luminance(colour):
        channels = np.asarray(colour, float) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def _in_colour(grey):
    """A grey picture as float32 RGB, to be painted on."""
    return np.repeat(grey[..., None], 3, axis=-1).astype(np.float32)


def _fill(picture, inside, colour, opacity):
    """Lay a translucent colour over part of a float picture."""
    picture[inside] += opacity * (np.float32(colour) - picture[inside])


def _near(mask, steps):
    """Pixels at most `steps` steps away from a mask, the mask's own included."""
    for _ in range(steps):
        padded = np.pad(mask, 1)
        mask = mask | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return mask


def _read_mask(mask, name, grey):
    """A mask on a slice as bool; None stays None. Raises DataError if it is none, or has another shape."""
    if mask is None:
        return None
    mask = as_array(mask, name)
    if mask.shape != grey.shape:
        raise DataError(f"the {name} has shape {mask.shape} and the image {grey.shape}; they must be equal")
    return as_mask(mask, name)


def _to_grey(image):
    """A slice as uint8: whole numbers as they are, or a float one with 0 to 1 spread over 0 to 255.

    Raises DataError if it is no slice, or has another range.
    """
    image = as_array(image, "image")
    if image.ndim != 2 or 0 in image.shape:
        raise DataError(f"the image has shape {image.shape}; a slice has two axes: H, W")
    if image.dtype == np.uint8:
        return image
    low, high = image.min(), image.max()
    is_float = image.dtype.kind in "bf"
    # From 0 to 1 first: it needs no look at whether the numbers are whole, and every tile comes through here.
    if is_float and (low >= 0 and high <= 1):
        return np.rint(image * np.float32(255)).astype(np.uint8)
    if low >= 0 and high <= 255 and (not is_float or np.array_equal(image, np.rint(image))):
        return image.astype(np.uint8)
    if is_float and low >= -BEYOND and high <= 1 + BEYOND:
        return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    refuse_nan(image, "image")
    raise DataError(f"the image goes from {low:.4g} to {high:.4g}; expected whole numbers from 0 to 255, or from 0 to "
                    "1: scale it, as lab.data.to_uint8(image, white=image.max())")


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
