"""The intensities of an image, whatever their range, as grey levels to look at."""

import numpy as np

from atlas_lab.data.intensity import to_uint8, white_point

__all__ = ["to_grey"]

NEGATIVE = -0.02  # of the largest value; nearer to 0, negative values are an interpolation's ripples


def to_grey(image):
    """An image as uint8 (X, Y, Z), and the intensities that are black and white in it.

    Black is 0, or for an image with negative values their lowest but for 0.5 %; white is the white point, or the
    largest value of an image of whole numbers up to 255, such as a mask of 0 and 1.
    """
    low, high = float(image.min()), float(image.max())
    if low >= 0 and (image.dtype == bool or (image.dtype.kind in "iu" and high <= 255)):
        is_grey = image.dtype == np.uint8 and high == 255
        return image if is_grey else to_uint8(image.astype(np.float32), high), 0.0, high
    if low >= NEGATIVE * high:
        white = white_point(image)
        return to_uint8(image, white), 0.0, white
    black, white = (float(value) for value in np.percentile(image[::2, ::2, ::2], (0.5, 99.5)))
    black, white = (black, white) if white > black else (low, high)
    return to_uint8(np.subtract(image, black, dtype=np.float32), white - black), black, white
