"""Products and convolutions with fewer digits, for machines that have units for them; weights stay float32."""

import torch
from torch import nn

from atlas_lab.files import DataError

__all__ = ["set_precision"]


def set_precision(model: nn.Module, precision: str) -> nn.Module:
    """Have a placed model compute in a precision; returns it. Its logits, its loss and its weights stay float32.

    bfloat16 keeps 8 binary digits of what goes into products and convolutions, and of what comes out; tf32 keeps 11 of
    what goes in, and is set for the process. On a GPU float32 turns tf32 off, which torch would use for convolutions.
    The numbers are others than float32's, so a record names the precision; `fit` needs no loss scaling with either.

    Raises DataError for tf32 on a processor, where it would change nothing.
    """
    device = next(model.parameters()).device.type
    if precision == "tf32" and device == "cpu":
        raise DataError("precision is 'tf32', which processors don't have; choose float32 or bfloat16")
    if device == "cuda":
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    if precision == "bfloat16":
        in_float32 = model.forward

        def forward(images):
            with torch.autocast(device, torch.bfloat16):
                logits = in_float32(images)
            return [each.float() for each in logits] if isinstance(logits, list) else logits.float()

        model.forward = forward
    return model
