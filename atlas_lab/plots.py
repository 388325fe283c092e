"""Every picture of the lab: slices, the overlap map, the architecture, training curves; and saving them."""

import hashlib
import io
import json
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Patch, Rectangle

from atlas_lab.files import atomic_path, refuse_patients_in_repository, write_json
from atlas_lab.intensity import to_uint8, white_point
from atlas_lab.model import count_parameters, layer_table
from atlas_lab.overlay import PREDICTION_COLOUR, TARGET_COLOUR, overlay
from atlas_lab.record import code_version
from atlas_lab.slices import axial_slices
from atlas_lab.volumes import to_ras

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"  # Okabe-Ito, for lines and text
COLOURS = [BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9", "#000000"]  # in the order in which curves take them


def show_slice(image, mask=None, prediction=None, title="", ax=None):
    """Draw one axial slice with its masks and the orientation letters; returns the axes.

    Arrays as for `overlay`; rows from front to back, columns from the patient's left to right.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(3, 3.5), layout="constrained")
    zoom = max(2, round(400 / image.shape[0]))
    ax.imshow(overlay(image, mask, prediction, zoom=zoom, line=max(2, zoom // 3)))
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()
    for letter, x, y in (("L", 0.04, 0.5), ("R", 0.96, 0.5), ("A", 0.5, 0.97), ("P", 0.5, 0.03)):
        ax.text(x, y, letter, color="white", fontsize=8, ha="center", va="center", transform=ax.transAxes)
    return ax


def show_triplet(image, target, prediction, axes=None, titles=("image", "target", "prediction")):
    """Draw image, image with target, and image with target and prediction, side by side; returns the figure."""
    if axes is None:
        _, axes = plt.subplots(1, 3, figsize=(7, 2.9), layout="constrained")
    show_slice(image, title=titles[0], ax=axes[0])
    show_slice(image, target, title=titles[1], ax=axes[1])
    show_slice(image, target, prediction, title=titles[2], ax=axes[2])
    return axes[0].figure


def show_pair(image, mask, title=""):
    """Draw a slice without and with its mask, so that the eye can search first; returns the figure."""
    figure, axes = plt.subplots(1, 2, figsize=(5, 3.3), layout="constrained")
    show_slice(image, title="T1-weighted", ax=axes[0])
    show_slice(image, mask, title="with its lesion mask", ax=axes[1])
    figure.suptitle(title, fontsize=9)
    return figure


def save_prediction(found, path, title):
    """Write a picture of a Prediction: its slice with most lesion, without and with the predicted mask."""
    volumes = [found.image, found.mask.astype(np.float32), found.probability]
    image, mask, probability = (to_ras(volume, found.affine)[0] for volume in volumes)
    z = int((mask if mask.any() else probability).sum(axis=(0, 1)).argmax())
    grey, pred = axial_slices(to_uint8(image, white_point(image)))[z], axial_slices(mask)[z] > 0
    figure, axes = plt.subplots(1, 2, figsize=(5, 3.4), layout="constrained")
    show_slice(grey, title="T1-weighted", ax=axes[0])
    show_slice(grey, prediction=pred, title="called lesion", ax=axes[1])
    figure.suptitle(f"{title}\nnot for clinical use", fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)
    plt.close(figure)


def mask_legend(figure):
    """A legend for the two colours of the masks, below a figure."""
    target = Patch(edgecolor=np.array(TARGET_COLOUR) / 255, facecolor="none", linewidth=1.5, label="target")
    prediction = Patch(color=np.array(PREDICTION_COLOUR) / 255, alpha=0.6, label="prediction")
    figure.legend(handles=[target, prediction], loc="outside lower center", ncols=2, fontsize=8, frameon=False)


def plot_grid(images, masks, titles, predictions=None, columns=4):
    """Draw slices in rows of `columns`; arrays (N, H, W). Returns the figure."""
    rows = -(-len(images) // columns)
    size = (1.8 * columns, 2.3 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for i, ax in enumerate(axes.flat[: len(images)]):
        show_slice(images[i], masks[i], None if predictions is None else predictions[i], titles[i], ax)
    return figure


def plot_overlap_map(overlap, affine, title="", cut_coords=(-30, -15, 0, 15, 30, 45)):
    """Fig. 1a: the share of subjects with lesion at each voxel, on the MNI152 template. Returns the figure.

    Parameters
    ----------
    overlap : float array (X, Y, Z), 0 to 1
    affine : array (4, 4)
        Takes voxel indices to MNI mm.
    cut_coords : sequence of float
        Heights of the axial cuts, z in mm.
    """
    import nibabel
    from nilearn import plotting
    from nilearn.datasets import load_mni152_template

    figure = plt.figure(figsize=(8.5, 2.1))
    display = plotting.plot_stat_map(
        nibabel.Nifti1Image(np.asarray(overlap, np.float32) * 100, affine), bg_img=load_mni152_template(resolution=1),
        display_mode="z", cut_coords=cut_coords, cmap="inferno", threshold=1e-6, vmin=0, symmetric_cbar=False,
        black_bg=False, figure=figure, draw_cross=False,
    )
    display._cbar.set_label("% of subjects", fontsize=8)
    figure.suptitle(title, fontsize=10, y=1.04)
    return figure


def plot_histories(runs, score="mean_dice", label="Dice", ax=None):
    """A score against the epoch: dev solid, train dashed; thin lines are seeds, the thick one is their mean.

    Parameters
    ----------
    runs : list of Run
        Runs that differ in nothing but the seed.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(4.5, 3), layout="constrained")
    ends = {}
    for part, colour, style in (("train", GREY, "--"), ("dev", BLUE, "-")):
        curves = np.array([run.curve(score, part) for run in runs])
        epochs = np.arange(1, curves.shape[1] + 1)
        ax.plot(epochs, curves.T, style, color=colour, linewidth=0.6, alpha=0.6)
        mean = curves.mean(axis=0)
        ax.plot(epochs, mean, style, color=colour, linewidth=1.8)
        ends[part] = (mean[-1], colour)
    # The upper label stands on its curve's end and the lower one hangs from it, so that they never overlap.
    for (part, (end, colour)), align in zip(sorted(ends.items(), key=lambda item: item[1][0]), ("top", "bottom"),
                                            strict=True):
        ax.annotate(part, (epochs[-1], end), (4, 0), textcoords="offset points", color=colour, fontsize=9, va=align)
    ax.set(xlabel="epoch", ylabel=label)
    ax.spines[["top", "right"]].set_visible(False)
    ax.margins(x=0.02)
    return ax


def plot_split_curves(groups):
    """Dice against the epoch, one panel per way of splitting, on one scale; returns the figure.

    Parameters
    ----------
    groups : list of list of Run
        Runs of one panel differ in nothing but the seed.
    """
    figure, axes = plt.subplots(1, len(groups), figsize=(3.6 * len(groups), 3), sharey=True, layout="constrained")
    for ax, runs in zip(np.atleast_1d(axes), groups, strict=True):
        plot_histories(runs, ax=ax)
        ax.set_title(f"split by {runs[0].config.split_by}, {len(runs)} seeds", fontsize=9)
        ax.label_outer()
    return figure


def plot_history(run, score="mean_dice", label="Dice", ax=None):
    """A score of one run against the epoch; see `plot_histories`."""
    return plot_histories([run], score, label, ax)


def plot_architecture(model):
    """Fig. 2: the network as it is, read off the model by running it. Returns the figure.

    Each block is one shape of the data on its way. Feature maps are blue, as tall as the map and wider with
    more channels; vectors are hatched. Between the blocks stand the layers and their numbers of parameters.
    """
    blocks = architecture_blocks(model)
    figure, ax = plt.subplots(figsize=(9.5, 2.9), layout="constrained")
    tallest = max(block["output"][1] for block in blocks if len(block["output"]) == 3)
    x, edges = 0.0, []
    for block in blocks:
        width = draw_block(ax, block["output"], x, tallest)
        edges.append((x, x + width))
        x += width + 0.62
    for (left, right), block in zip(pairwise(edges), blocks[1:], strict=True):
        start, end = left[1], right[0]
        ax.add_patch(FancyArrowPatch((start, 0), (end, 0), arrowstyle="-|>", mutation_scale=7, color=GREY))
        ax.text((start + end) / 2, -0.58, "\n".join(block["steps"]), ha="center", va="top", fontsize=6.5, color=BLUE)
        if block["parameters"]:
            ax.text((start + end) / 2, 0.06, f"{block['parameters']:,}", ha="center", fontsize=5, color=GREY)
    ax.set(xlim=(-0.2, x - 0.3), ylim=(-0.95, 0.85))
    ax.set_axis_off()
    title = f"{type(model).__name__}: {count_parameters(model):,} parameters (grey: of each layer)"
    ax.set_title(title, fontsize=10)
    return figure


def draw_block(ax, shape, x, tallest):
    """Draw one shape of the data at x, its text above; returns the block's width."""
    is_map = len(shape) == 3
    height = 0.15 + 0.85 * shape[1] / tallest if is_map else 0.25 + 0.12 * np.log10(shape[0])
    width = 0.1 + 0.012 * shape[0] if is_map else 0.1
    look = {"facecolor": "#cfe3f1"} if is_map else {"facecolor": "#f6e3c0", "hatch": "/////"}
    ax.add_patch(Rectangle((x, -height / 2), width, height, edgecolor="black", linewidth=0.7, **look))
    text = f"{shape[0]} ch\n{shape[1]} x {shape[2]}" if is_map else f"{shape[0]:,}"
    ax.text(x + width / 2, height / 2 + 0.04, text, ha="center", va="bottom", fontsize=6.5)
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


def mark_source(figure, source):
    """Say below a figure, once, whose data it shows."""
    if not any(text.get_gid() == "source" for text in figure.texts):
        figure.text(0.99, -0.01, source, ha="right", va="top", fontsize=6, color=GREY, gid="source")


def save_figure(figure, path, provenance):
    """Write a figure as PNG and, beside it, a JSON file that says what made it.

    The synthetic cohort is named on the picture itself. A figure that is on disk already with the same pixels
    and provenance is left untouched, so that redrawing changes nothing in git.

    Parameters
    ----------
    path : path ending in .png
    provenance : dict
        At least "cohort", whose data it shows: "synthetic", "patients", or None for no data; and "source", a line
        of text. By custom also "data_hash", "config", "runs".

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If the figure shows patient data and the path lies inside the repository: ATLAS is under a data use
        agreement, and nothing of it may be published here.
    """
    path = Path(path)
    if provenance["cohort"] == "patients":
        refuse_patients_in_repository(path, provenance["source"])
    if provenance["cohort"] == "synthetic":
        mark_source(figure, "synthetic cohort, not patient data")
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=150, bbox_inches="tight", metadata={"Software": None})
    pixels = buffer.getvalue()
    about = {"figure": path.name, "sha256": hashlib.sha256(pixels).hexdigest(), **provenance}
    if not is_unchanged(path, about):
        with atomic_path(path) as temporary:
            temporary.write_bytes(pixels)
        write_json(path.with_suffix(".json"), {**about, "code": code_version()})
    plt.close(figure)
    return path


def small_pictures(dpi=90, colours=96):
    """In a notebook, show figures as PNGs of few colours from now on: a quarter of the usual size on disk.

    Curves take the colours of `plot_cells`, which colour-blind readers can tell apart.
    """
    from IPython import get_ipython
    from PIL import Image

    def to_png(figure):
        pixels, small = io.BytesIO(), io.BytesIO()
        figure.savefig(pixels, dpi=dpi, bbox_inches="tight")
        image = Image.open(pixels).convert("RGB").quantize(colours, dither=Image.Dither.NONE)
        image.save(small, "PNG", optimize=True)
        return small.getvalue()

    plt.rcParams["axes.prop_cycle"] = plt.cycler(color=COLOURS)
    plt.close(plt.figure())  # the notebook's own way of showing figures is set up with the first; ours comes after it
    get_ipython().display_formatter.formatters["image/png"].for_type(Figure, to_png)


def is_unchanged(path, about):
    """True if the figure at `path` has these pixels and this provenance, whatever code version drew it."""
    try:
        earlier = json.loads(path.with_suffix(".json").read_text())
        same_pixels = hashlib.sha256(path.read_bytes()).hexdigest() == about["sha256"]
    except (OSError, ValueError):
        return False
    earlier.pop("code", None)
    return same_pixels and earlier == json.loads(json.dumps(about))
