"""Small interactive panels: a few sliders, a picture and a line of text, each a pure function of the sliders."""

import ipywidgets
import numpy as np
import torch

from atlas_lab.losses import best_probability, tversky_loss, weighted_cross_entropy
from atlas_lab.metrics import confusion_counts, dice_from_counts, precision_recall_area
from atlas_lab.plots.overlay import overlay
from atlas_lab.widgets.still import Still, png
from atlas_lab.widgets.viewer import SliceViewer, view_volumes

__all__ = ["Panel", "dice_playground", "disc", "overlap_panel", "playground", "weight_panel"]

SIDE = 64  # pixels of the playground


class Panel(Still, ipywidgets.VBox):
    """Sliders over a picture; `draw(**values)` gives the picture, uint8 (H, W, 3), and a line of text.

    `dragged` names the two sliders, across and down, that follow the mouse in the picture.
    """

    def __init__(self, draw, sliders, dragged=()):
        self.draw, self.sliders = draw, sliders
        self.picture, self.text = _picture(), ipywidgets.HTML()
        self.picture.layout = {"align_self": "flex-start"}  # not stretched to the notebook's width
        if dragged and self.picture.has_trait("point"):
            self.picture.observe(lambda change: self._move(dragged, change["new"]), "point")
        for name, slider in sliders.items():
            slider.description = slider.description or name.replace("_", " ")
            slider.style, slider.layout = {"description_width": "130px"}, {"width": "420px"}
            slider.observe(self.show, "value")
        super().__init__([*sliders.values(), self.picture, self.text])
        self.show()

    def show(self, _=None):
        """Draw what the sliders say."""
        picture, text = self.draw(**{name: slider.value for name, slider in self.sliders.items()})
        self.picture.value, self.text.value = png(picture), text

    def _move(self, dragged, point):
        """Set the two sliders that say where something lies to where the mouse is."""
        for name, part in zip(dragged, point, strict=True):
            slider = self.sliders[name]
            slider.value = slider.min + round(part * (slider.max - slider.min))

    @property
    def still(self):
        """The picture that is shown, as a PNG."""
        return self.picture.value


def _picture():
    """A picture that can be dragged in, or without anywidget one that can only be seen."""
    try:
        from atlas_lab.widgets.tiles import Dragged
    except ImportError:
        return ipywidgets.Image(format="png")
    return Dragged(caption="the picture that the sliders above change; the line below says what it shows")


def disc(x, y, radius):
    """A disc on the playground's 64 x 64 pixels, bool."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def playground(x, y, radius, pos_weight):
    """A predicted disc over a fixed target: the picture, and Dice, precision, recall and three losses as text.

    The losses take the prediction as made with probability 0.95 inside of the disc and 0.05 outside.
    """
    target, pred = disc(28, 30, 10), disc(x, y, radius)
    tp, fp, fn, _ = confusion_counts(pred, target)
    precision, recall, area = precision_recall_area(tp, fp, fn)
    logits = torch.logit(torch.where(torch.from_numpy(pred), 0.95, 0.05))[None, None]
    truth = torch.from_numpy(target).float()[None, None]
    losses = {
        f"cross-entropy, weight {pos_weight:g}": weighted_cross_entropy(logits, truth, pos_weight),
        "equation 3": tversky_loss(logits, truth), "Tversky 0.3, 0.7": tversky_loss(logits, truth, 0.3, 0.7),
    }
    dice = float(dice_from_counts(tp, fp, fn))
    scores = f"Dice {dice:.2f} · precision {precision:.2f} · recall {recall:.2f} · area predicted / true {area:.2f}"
    text = " · ".join(f"{name} {float(loss):.3f}" for name, loss in losses.items())
    picture = overlay(np.full((SIDE, SIDE), 60, np.uint8), target, pred, zoom=5, line=2, halo=1)
    return picture, f"{scores}<br>losses: {text}"


def dice_playground() -> Panel:
    """Drag and grow a predicted disc over a target, and see which scores and losses move. Returns a Panel."""
    sliders = {
        "x": ipywidgets.IntSlider(36, 0, SIDE - 1), "y": ipywidgets.IntSlider(30, 0, SIDE - 1),
        "radius": ipywidgets.IntSlider(10, 0, 40),
        "pos_weight": ipywidgets.FloatLogSlider(value=10, base=10, min=-1, max=2, step=0.25),
    }
    for name in ("x", "y", "radius"):
        sliders[name].description = f"{name}, pixels"
    return Panel(playground, sliders, dragged=("x", "y"))


def weight_panel(images, targets, chances, start=1.0, columns=4, zoom=3):
    """What the same network would call lesion had its loss another weight: a slider for it. Returns a Panel.

    Parameters
    ----------
    images : uint8 array (N, H, W)
    targets : bool array (N, H, W)
    chances : float array (N, H, W)
        Probabilities of a network trained with weight 1, taken as chances; `best_probability` says what a network
        under another weight would make of them.
    start : float
        The weight that the slider starts at, from 0.1 to 100.
    """
    def draw(pos_weight):
        pred = best_probability(chances, pos_weight) > 0.5
        tiles = [overlay(*slices, zoom=zoom) for slices in zip(images, targets, pred, strict=True)]
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
        rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
        precision, recall, area = precision_recall_area(*confusion_counts(pred, targets)[:3])
        text = f"precision {precision:.2f} · recall {recall:.2f} · area predicted / true {area:.2f}"
        return np.vstack(rows), text

    slider = ipywidgets.FloatLogSlider(value=start, base=10, min=-1, max=2, step=0.1)
    return Panel(draw, {"pos_weight": slider})


def overlap_panel(overlap, affine, background, zoom=2):
    """The overlap map in the viewer, with a threshold: where at least that share of subjects has a lesion.

    Parameters
    ----------
    overlap : float array (X, Y, Z)
        Share of subjects, 0 to 1, RAS.
    affine : array (4, 4)
    background : uint8 array (X, Y, Z)
        What it is drawn on.

    Returns
    -------
    SliceViewer
        Opened at the peak, with the threshold at a quarter of it.
    """
    peak = np.unravel_index(int(np.argmax(overlap)), overlap.shape)
    threshold = round(float(overlap[peak]) / 4, 2)
    shares = overlap if SliceViewer else overlap > threshold
    viewer = view_volumes(background, None, {"share of subjects": shares}, affine, zoom)
    if SliceViewer:
        viewer.position, viewer.thresholds = [int(part) for part in peak], [threshold]
        viewer.redraw_still()
    return viewer
