"""How an exercise is checked: the learner's function and the lab's own on the same cases."""

import copy

import numpy as np
import torch

__all__ = ["check"]


def check(attempt, solution, cases, as_arguments=tuple):
    """Run attempt and solution on each case (its description, its values) and print how the attempt did.

    Each run gets its own copy of the values, so an attempt that changes them spoils nothing.
    """
    for description, values in cases:
        expected = solution(*as_arguments(copy.deepcopy(values)))
        try:
            got = attempt(*as_arguments(copy.deepcopy(values)))
        except NotImplementedError:
            print("Not attempted yet")
            return
        except Exception as error:  # whatever the learner's code raises is told, not passed on
            print(f"Not yet. Case: {description}. Your function raised {type(error).__name__}: {error}")
            return
        if not _same(expected, got):
            print(f"Not yet. Case: {description}. Expected {_show(expected)}, got {_show(got)}")
            return
    print("Passed")


def _same(expected, got):
    """True if two results agree in shape and, within 1e-5, in value; NaN agrees with NaN."""
    if isinstance(expected, str) or isinstance(got, str):
        return isinstance(expected, str) and isinstance(got, str) and expected == got
    try:
        expected, got = (np.asarray(_without_gradient(value), dtype=float) for value in (expected, got))
    except (TypeError, ValueError, RuntimeError):
        return False
    return expected.shape == got.shape and np.allclose(expected, got, rtol=1e-5, atol=1e-6, equal_nan=True)


def _without_gradient(value):
    """A tensor cut off from the graph that NumPy can't follow; anything else as it is."""
    return value.detach() if isinstance(value, torch.Tensor) else value


def _show(value):
    """A result as short text."""
    if isinstance(value, str) or value is None:
        return repr(value)
    if isinstance(value, tuple):
        return f"({', '.join(_show(item) for item in value)})"
    try:
        array = np.asarray(_without_gradient(value))
    except (TypeError, ValueError, RuntimeError):
        return repr(value)
    text = np.array2string(array, precision=4, threshold=8, separator=", ").replace("\n", "")
    return text if array.ndim == 0 else f"{text} of shape {array.shape}"
