"""Values as text, for a pipe between the grader and code that nobody trusts: numbers, texts, arrays, and no objects.

Nothing is ever unpickled: an array is its type, shape and bytes, and what doesn't fit is refused.
"""

import base64
import binascii
import math

import numpy as np

__all__ = ["LARGEST", "WireError", "pack", "unpack"]

LARGEST = 16_000_000  # bytes of one array
DEEPEST = 8           # tuples and lists within one another
KINDS = "?bhilqBHILQefdg"  # numpy's letters for bools and real numbers


class WireError(ValueError):
    """A value that can't be sent, or a text that stands for none."""


def pack(value: object, depth: int = 0) -> object:
    """A value as what JSON can hold: None, bools, numbers, texts, arrays, tensors, and tuples and lists of them.

    Raises WireError for anything else.
    """
    if value is None or isinstance(value, bool | int | str):
        return {"plain": value}
    if isinstance(value, float):
        return {"float": value.hex()}  # NaN and infinity too, and the last bit
    if type(value) in (tuple, list) and depth < DEEPEST:
        return {type(value).__name__: [pack(item, depth + 1) for item in value]}
    if type(value).__module__ == "torch" and hasattr(value, "detach"):
        return {"tensor": _pack_array(value.detach().cpu().numpy())}
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        return {"texts": [list(value.shape), value.ravel().tolist()]}
    if isinstance(value, np.ndarray | np.generic):
        return {"array": _pack_array(np.asarray(value))}
    raise WireError(f"a value of type {type(value).__name__} isn't data")


def _pack_array(array):
    """Type, shape and bytes of an array of numbers."""
    if array.dtype.char not in KINDS or array.nbytes > LARGEST:
        raise WireError(f"an array of type {array.dtype} and {array.nbytes:,} bytes isn't sent")
    return [array.dtype.str, list(array.shape), base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()]


def unpack(packed: object, depth: int = 0) -> object:
    """The value that `pack` packed. Raises WireError for anything that it wouldn't have given."""
    if not isinstance(packed, dict) or len(packed) != 1 or depth > DEEPEST:
        raise WireError("no packed value")
    (kind, value), = packed.items()
    if kind == "plain" and (value is None or isinstance(value, bool | int | str)):
        return value
    if kind in ("tuple", "list") and isinstance(value, list):
        items = [unpack(item, depth + 1) for item in value]
        return tuple(items) if kind == "tuple" else items
    try:
        if kind == "float":
            return float.fromhex(value)
        if kind == "texts" and all(isinstance(text, str) for text in value[1]):
            return np.array(value[1], dtype=str).reshape(value[0])
        if kind in ("array", "tensor"):
            array = _unpack_array(*value)
            return array if kind == "array" else _as_tensor(array)
    except (TypeError, ValueError, OverflowError, binascii.Error) as error:
        raise WireError(f"no {kind}: {error}") from error
    raise WireError(f"no packed value: {str(kind)[:40]}")


def _unpack_array(name, shape, text):
    """An array of its own memory. Raises ValueError or TypeError if type, shape and bytes don't fit."""
    kind = np.dtype(str(name))
    if kind.char not in KINDS or not all(type(side) is int and side >= 0 for side in shape):
        raise WireError("no array of numbers")
    if math.prod(shape) * kind.itemsize > LARGEST or len(text) > 2 * LARGEST:
        raise WireError("an array that is too large")
    return np.frombuffer(base64.b64decode(text, validate=True), kind).reshape(shape).copy()


def _as_tensor(array):
    """The tensor of an array."""
    import torch

    return torch.from_numpy(array)
