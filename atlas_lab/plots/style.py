"""Colours, legends and sizes that all pictures share."""

import io

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from atlas_lab.plots.overlay import ERROR_COLOURS, PREDICTION_COLOUR, TARGET_COLOUR

__all__ = [
    "BLUE", "COLOURS", "COLUMN", "GREEN", "GREY", "ORANGE", "PURPLE", "SMALL", "few_colours", "mark_source",
    "mask_legend", "small_pictures",
]

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#666666"  # Okabe-Ito
COLUMN = 3.35  # inches, 8.5 cm: the width of a journal's column
SMALL = 6.5  # points, of text in a figure of that width
SHOWN = 1.6  # times its size at which a notebook shows such a figure
COLOURS = [BLUE, ORANGE, GREEN, PURPLE, "#56B4E9", "#000000"]  # in the order in which curves take them


def mask_legend(figure):
    """A legend for the two colours of the masks, below a figure."""
    target = Patch(edgecolor=np.array(TARGET_COLOUR) / 255, facecolor="none", linewidth=1.5, label="target")
    prediction = Patch(color=np.array(PREDICTION_COLOUR) / 255, alpha=0.6, label="prediction")
    # In a column it stands left, beside the line on whose data it shows, which stands right.
    side, size = ("left", SMALL) if figure.get_figwidth() <= COLUMN else ("center", 8)
    figure.legend(handles=[target, prediction], loc=f"outside lower {side}", ncols=2, fontsize=size, frameon=False)


def mark_source(figure, source):
    """Say below a figure, once, whose data it shows."""
    if not any(text.get_gid() == "source" for text in figure.texts):
        figure.text(0.99, -0.01, source, ha="right", va="top", fontsize=6, color=GREY, gid="source")


def few_colours(image, colours):
    """A Pillow image in a palette of so many colours, in which black, white and those of the overlays are kept.

    The others are chosen from the image's colours by how many doublings of a pixel each fills: so a small lesion's blue
    is not lost among the greys of all brains.
    """
    from PIL import Image

    kept = list(dict.fromkeys([(0, 0, 0), (255, 255, 255), TARGET_COLOUR, PREDICTION_COLOUR, *ERROR_COLOURS.values()]))
    packed = np.asarray(image, np.uint32) @ np.uint32([1 << 16, 1 << 8, 1])
    there, place, counts = np.unique(packed, return_inverse=True, return_counts=True)
    once = np.stack([there >> 16, there >> 8 & 255, there & 255], axis=-1).astype(np.uint8)  # (N, 3)
    free = colours - len(kept)
    weighed = once.repeat(1 + np.log2(counts).astype(int), axis=0)
    chosen = Image.fromarray(weighed[None]).quantize(free, dither=Image.Dither.NONE, kmeans=3).getpalette()[: 3 * free]
    palette = np.concatenate([kept, np.reshape(chosen, (-1, 3))]).astype(np.float32)
    # |a - b|^2 less |a|^2; Pillow's own search takes a neighbour of a colour that is there
    nearest = ((palette**2).sum(axis=1) - 2 * once.astype(np.float32) @ palette.T).argmin(axis=1)
    small = Image.fromarray(nearest[place].reshape(packed.shape).astype(np.uint8), "P")
    small.putpalette(palette.astype(np.uint8).tobytes())
    return small


def small_pictures(dpi=90, colours=96):
    """In a notebook, show figures as PNGs of few colours from now on: a quarter of the usual size on disk.

    Curves take the colours of `plot_variants`, which colour-blind readers can tell apart. A figure made for a journal's
    column, in whose small letters it is set, is shown larger.
    """
    from IPython import get_ipython
    from PIL import Image

    def to_png(figure):
        pixels, small = io.BytesIO(), io.BytesIO()
        scale = SHOWN if figure.get_figwidth() <= COLUMN else 1
        figure.savefig(pixels, dpi=dpi * scale, bbox_inches="tight")
        few_colours(Image.open(pixels).convert("RGB"), colours).save(small, "PNG", optimize=True)
        return small.getvalue()

    plt.rcParams["axes.prop_cycle"] = plt.cycler(color=COLOURS)
    plt.close(plt.figure())  # the notebook's own way of showing figures is set up with the first; ours comes after it
    get_ipython().display_formatter.formatters["image/png"].for_type(Figure, to_png)
