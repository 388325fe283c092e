"""Whether two results are the same, in what they differ, and how a value is shown in a line."""

import inspect

import numpy as np
import torch

from atlas_lab.course.result import NO_RETURN, SHAPE, TYPE

__all__ = ["difference", "plain", "same", "show"]

SHOWN = 48   # numbers of an array that are shown; of a larger one its kind
LENGTH = 100  # signs of any other value


def plain(value):
    """A value without torch: tensors become arrays, also within tuples and lists; all else stays."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy()
    if type(value) in (tuple, list):
        return type(value)(plain(item) for item in value)
    return value


def same(expected, got) -> bool:
    """True if two results agree in kind, shape and, within 1e-5, in value; NaN agrees with NaN."""
    return difference(expected, got) is None


def difference(expected, got) -> str | None:
    """None if two results agree; else the name of a general mistake, or "" where only the values differ.

    Tuples, lists, arrays and tensors of the same numbers are the same; True and False are no numbers.
    """
    if got is None:
        return NO_RETURN
    if isinstance(expected, str) or isinstance(got, str):
        is_text = isinstance(expected, str) and isinstance(got, str)
        return TYPE if not is_text else None if expected == got else ""
    arrays = [_array(value) for value in (expected, got)]
    if arrays[0] is None:  # of two answers that are both of a wrong kind
        return None if arrays[1] is None and show(expected) == show(got) else TYPE
    if arrays[1] is None or (arrays[0].dtype == bool) != (arrays[1].dtype == bool):
        return TYPE
    if arrays[0].shape != arrays[1].shape:
        return SHAPE
    expected, got = (array.astype(float) for array in arrays)
    return None if np.allclose(expected, got, rtol=1e-5, atol=1e-6, equal_nan=True) else ""


def _array(value):
    """A value as an array of numbers or of bools; None if it is neither."""
    try:
        array = np.asarray(plain(value))
    except (TypeError, ValueError, RuntimeError):
        return None
    return array if array.dtype.kind in "biuf" else None


def show(value) -> str:
    """A value in one line: small arrays in full, masks as zeros and ones, larger ones by their kind and shape."""
    value = plain(value)
    if isinstance(value, tuple):
        return f"({', '.join(show(item) for item in value)})"
    if inspect.isroutine(value):
        return value.__name__
    array = _array(value) if isinstance(value, np.ndarray | np.generic | float | list) else None
    if array is None:
        text = " ".join(repr(value.tolist() if isinstance(value, np.ndarray) else value).split())
        return text if len(text) <= LENGTH else text[: LENGTH - 3] + "..."
    if array.ndim == 0:
        return np.format_float_positional(array, precision=4, trim="-") if array.dtype.kind == "f" else str(array)
    if array.size > SHOWN:
        if array.dtype == bool:
            return f"a mask of shape {array.shape}, {np.count_nonzero(array)} of it True"
        return f"{array.dtype} of shape {array.shape}, from {array.min():.4g} to {array.max():.4g}"
    numbers = array.astype(int) if array.dtype == bool and array.ndim > 1 else array
    text = np.array2string(numbers, precision=4, separator=", ", max_line_width=10_000)
    return " ".join(text.split()) + (f" of shape {array.shape}" if array.ndim > 1 else "")
