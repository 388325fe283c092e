"""The viewer in plain ipywidgets, for where anywidget can't load: a thin widget over the pure function `draw_plane`."""

import ipywidgets
import numpy as np

from atlas_lab.data.slicing import axial_slices
from atlas_lab.grid import height_mm
from atlas_lab.metrics import dice_coefficient
from atlas_lab.widgets.grey import to_grey
from atlas_lab.widgets.picture import draw_plane
from atlas_lab.widgets.still import Still, png
from atlas_lab.widgets.volumes import to_levels

__all__ = ["PlainViewer"]


class PlainViewer(Still, ipywidgets.VBox):
    """Slider, picture and one line of text; use `view_slices(..., plain=True)` to make one.

    Shows axial slices, and of several predictions the first; probabilities are cut at 0.5.
    """

    def __init__(self, image, target, predictions, affine, zoom):
        grey, levels = to_grey(image)[0], next((to_levels(p) for p in predictions.values()), None)
        self.volumes = grey, target, levels
        self.slices = axial_slices(grey)
        self.target = None if target is None else axial_slices(np.asarray(target, bool))
        self.prediction = None if levels is None else axial_slices(levels > 127.5)
        self.affine, self.zoom = affine, zoom
        self.picture = ipywidgets.Image(format="png", layout={"align_self": "flex-start"})
        self.text = ipywidgets.Label()
        self.slider = ipywidgets.IntSlider(
            value=self.opening_slice(), min=0, max=len(self.slices) - 1, description="axial slice z",
            style={"description_width": "initial"}, layout={"width": "420px"},
        )
        self.slider.observe(self.draw, "value")
        super().__init__([self.slider, self.picture, self.text])
        self.draw()

    def opening_slice(self):
        """The slice with most lesion; without a target or prediction, the middle one."""
        mask = self.target if self.target is not None else self.prediction
        return len(self.slices) // 2 if mask is None else int(mask.sum(axis=(1, 2)).argmax())

    def frame(self, z):
        """The picture of slice z, uint8 (zoom Y, zoom X, 3)."""
        spacing = np.ones(3) if self.affine is None else np.linalg.norm(np.asarray(self.affine)[:3, :3], axis=0)
        return draw_plane(*self.volumes, spacing, 0, z, self.zoom)

    def describe(self, z):
        """The line under the picture: height, lesion area, and Dice where there is a prediction."""
        parts = ["which side is which isn't known"]
        if self.affine is not None:
            parts = [f"z = {height_mm(z, self.affine):.0f} mm", "front at the top, patient's left on the left"]
        if self.target is not None:
            parts.append(f"target {self.target[z].sum()} voxels")
        if self.prediction is not None:
            parts.append(f"prediction {self.prediction[z].sum()} voxels")
        if self.target is not None and self.prediction is not None:
            dice = float(dice_coefficient(self.prediction[z], self.target[z]))
            parts.append("Dice undefined (both empty)" if np.isnan(dice) else f"Dice {dice:.2f}")
        return " · ".join(parts)

    def draw(self, _=None):
        """Show the slice that the slider points at."""
        self.picture.value = png(self.frame(self.slider.value))
        self.text.value = self.describe(self.slider.value)

    @property
    def still(self):
        """The picture that is shown, as a PNG."""
        return self.picture.value
