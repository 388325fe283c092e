"""A network drawn as in Fig. 2."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import nn

from atlas_lab.architecture import count_parameters, layer_table
from atlas_lab.plots.style import BLUE, GREY

__all__ = ["architecture_blocks", "plot_architecture"]

LETTERS = 8  # points: above 6 where a page shows the figure 7.5 inches wide
LINE = 0.13  # height of a line of them, in units of the tallest block


def plot_architecture(model: nn.Module) -> Figure:
    """Fig. 2: the network as it is, read off the model by running it. Returns the figure.

    Each block is one shape of the data on its way. Feature maps are blue, as tall as the map and wider with
    more channels; vectors are hatched. Between the blocks stand the layers and their numbers of parameters.
    """
    blocks = architecture_blocks(model)
    figure, ax = plt.subplots(figsize=(9.5, 3.1), layout="constrained")
    tallest = max(block["output"][1] for block in blocks if len(block["output"]) == 3)
    x, edges = 0.0, []
    for block in blocks:
        width = _draw_block(ax, block["output"], x, tallest)
        edges.append((x, x + width))
        x += width + 0.62
    lowest, is_high = 0.0, False  # numbers of neighbouring layers stand high and low in turn
    for (left, right), block in zip(pairwise(edges), blocks[1:], strict=True):
        start, end = left[1], right[0]
        ax.add_patch(FancyArrowPatch((start, 0), (end, 0), arrowstyle="-|>", mutation_scale=7, color=GREY))
        middle = (start + end) / 2
        ax.text(middle, -0.58, "\n".join(block["steps"]), ha="center", va="top", fontsize=LETTERS, color=BLUE)
        is_high = bool(block["parameters"]) and not is_high
        below = -0.6 - LINE * (len(block["steps"]) + (not is_high))
        lowest = min(lowest, below)
        if block["parameters"]:
            ax.text(middle, below, f"{block['parameters']:,}", ha="center", va="top", fontsize=LETTERS, color=GREY)
    ax.set(xlim=(-0.2, x - 0.3), ylim=(lowest - LINE, 0.85))
    ax.set_axis_off()
    title = f"{type(model).__name__}: {count_parameters(model):,} parameters (grey: of each layer)"
    ax.set_title(title, fontsize=10)
    return figure


def _draw_block(ax, shape, x, tallest):
    """Draw one shape of the data at x, its text above; returns the block's width."""
    is_map = len(shape) == 3
    height = 0.15 + 0.85 * shape[1] / tallest if is_map else 0.25 + 0.12 * np.log10(shape[0])
    width = 0.1 + 0.012 * shape[0] if is_map else 0.1
    look = {"facecolor": "#cfe3f1"} if is_map else {"facecolor": "#f6e3c0", "hatch": "/////"}
    ax.add_patch(Rectangle((x, -height / 2), width, height, edgecolor="black", linewidth=0.7, **look))
    text = f"{shape[0]} ch\n{shape[1]} x {shape[2]}" if is_map else f"{shape[0]:,}"
    ax.text(x + width / 2, height / 2 + 0.04, text, ha="center", va="bottom", fontsize=LETTERS)
    return width


def architecture_blocks(model):
    """The shapes of the data on its way through a model, each with the layers that lead to it.

    Layers that change neither shape nor kind of the data belong to the block before; ReLU and dropout are
    left out of the names.
    """
    names = {
        "Conv2d": "conv", "ConvTranspose2d": "deconv", "MaxPool2d": "max pool", "AvgPool2d": "avg pool",
        "Linear": "FC", "Upsample": "bilinear", "Unflatten": "reshape", "Flatten": "flatten",
    }
    blocks = [{"output": (1, *model.input_shape), "steps": [], "parameters": 0}]
    for row in layer_table(model):
        if row["output"] != blocks[-1]["output"]:
            blocks.append({"output": row["output"], "steps": [], "parameters": 0})
        blocks[-1]["parameters"] += row["parameters"]
        if row["kind"] in names:
            blocks[-1]["steps"].append(f"{names[row['kind']]} {row['kernel']}".strip())
    return blocks
