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
    """A Pillow image in a palette of so many colours, in which those of the overlays are kept as they are."""
    from PIL import Image

    kept = list(dict.fromkeys([TARGET_COLOUR, PREDICTION_COLOUR, *ERROR_COLOURS.values()]))
    others = image.quantize(colours - len(kept), dither=Image.Dither.NONE).getpalette()[: 3 * (colours - len(kept))]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*(channel for colour in kept for channel in colour), *others])
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def small_pictures(dpi=90, colours=96):
    """In a notebook, show figures as PNGs of few colours from now on: a quarter of the usual size on disk.

    Curves take the colours of `plot_variants`, which colour-blind readers can tell apart.
    """
    from IPython import get_ipython
    from PIL import Image

    def to_png(figure):
        pixels, small = io.BytesIO(), io.BytesIO()
        figure.savefig(pixels, dpi=dpi, bbox_inches="tight")
        few_colours(Image.open(pixels).convert("RGB"), colours).save(small, "PNG", optimize=True)
        return small.getvalue()

    plt.rcParams["axes.prop_cycle"] = plt.cycler(color=COLOURS)
    plt.close(plt.figure())  # the notebook's own way of showing figures is set up with the first; ours comes after it
    get_ipython().display_formatter.formatters["image/png"].for_type(Figure, to_png)
