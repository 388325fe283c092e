"""Pictures of slices with their masks."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patheffects import withStroke

from atlas_lab.data.intensity import to_uint8, white_point
from atlas_lab.data.slicing import axial_slices
from atlas_lab.grid import to_ras
from atlas_lab.plots.overlay import overlay
from atlas_lab.plots.style import COLUMN, SMALL

__all__ = ["plot_grid", "plot_prediction", "show_pair", "show_slice", "write_sides"]


def show_slice(image, mask=None, prediction=None, title="", ax=None, fontsize=9):
    """Draw one axial slice with its masks and the orientation letters; returns the axes.

    Arrays as for `overlay`; rows from front to back, columns from the patient's left to right. `fontsize` is the
    title's, in points. Raises DataError as `overlay` does.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(3, 3.5), layout="constrained")
    zoom = max(2, round(400 / max(1, len(image))))
    ax.imshow(overlay(image, mask, prediction, zoom=zoom, line=max(2, zoom // 3)))
    ax.set_title(title, fontsize=fontsize, pad=0.7 * fontsize)
    ax.set_axis_off()
    write_sides(ax, "LRPA", min(8, fontsize))
    return ax


def write_sides(ax, letters, fontsize):
    """Write what lies left, right, below and above on a picture, outlined: a scalp may be as white as a letter."""
    style = {"color": "white", "fontsize": fontsize, "ha": "center", "va": "center",
             "path_effects": [withStroke(linewidth=1.5, foreground="black")]}
    for letter, x, y in zip(letters, (0.05, 0.95, 0.5, 0.5), (0.5, 0.5, 0.05, 0.95), strict=True):
        ax.text(x, y, letter, transform=ax.transAxes, **style)


def show_pair(image, mask, title=""):
    """Draw a slice without and with its mask, so that the eye can search first; returns the figure."""
    figure, axes = plt.subplots(1, 2, figsize=(5, 3.3), layout="constrained")
    show_slice(image, title="T1-weighted", ax=axes[0])
    show_slice(image, mask, title="with its lesion mask", ax=axes[1])
    figure.suptitle(title, fontsize=9)
    return figure


def plot_prediction(found, title):
    """Draw a Prediction: its slice with most lesion, without and with the predicted mask. Returns the figure."""
    volumes = [found.image, found.mask.astype(np.float32), found.probability]
    image, mask, probability = (to_ras(volume, found.affine)[0] for volume in volumes)
    z = int((mask if mask.any() else probability).sum(axis=(0, 1)).argmax())
    grey, pred = axial_slices(to_uint8(image, white_point(image)))[z], axial_slices(mask)[z] > 0
    figure, axes = plt.subplots(1, 2, figsize=(5, 3.4), layout="constrained")
    show_slice(grey, title="T1-weighted", ax=axes[0])
    show_slice(grey, prediction=pred, title="called lesion", ax=axes[1])
    title = title.encode("utf-8", "backslashreplace").decode()  # a file's name may hold anything
    figure.suptitle(f"{title}: {found.volume_ml:.1f} ml called lesion\nnot for clinical use", fontsize=9,
                    parse_math=False)
    return figure


def plot_grid(images, masks, titles, predictions=None, columns=4, in_column=False):
    """Draw slices in rows of `columns`; arrays (N, H, W). Returns the figure.

    With `in_column` it is as wide as a journal's column, and its text is small.
    """
    rows = -(-len(images) // columns)
    width, fontsize = (COLUMN / columns, SMALL) if in_column else (1.8, 9)
    size = (width * columns, (1.18 * width + 1.7 * fontsize / 72) * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for i, ax in enumerate(axes.flat[: len(images)]):
        show_slice(images[i], masks[i], None if predictions is None else predictions[i], titles[i], ax, fontsize)
    return figure
