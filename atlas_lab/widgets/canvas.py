"""The viewer as an anywidget: what Python and the browser share, and what can be saved of it."""

import base64
import html
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from atlas_lab.data.overlap import refuse_overlap
from atlas_lab.files import DataError, atomic_path, write_text
from atlas_lab.widgets.drawings import put_back, read_drawing, write_drawing
from atlas_lab.widgets.page import page, script
from atlas_lab.widgets.picture import draw_plane, gif, labelled
from atlas_lab.widgets.still import Still, png
from atlas_lab.widgets.volumes import describe_volumes, to_levels, unpack, unpack_grey

__all__ = ["SliceViewer"]

SHOWS = ("masks", "errors", "differences", "heat", "labels")
FRAME = "width:100%;height:820px;border:0"


class SliceViewer(Still, anywidget.AnyWidget):
    """The viewer of `view_slices`. What is set here moves in the browser, and the other way round.

    Attributes
    ----------
    position : list of three int
        The voxel under the crosshair; `index` is its part along `plane` (0 axial, 1 coronal, 2 sagittal).
    pane_layout : "one", "three" (planes) or "side" (a pane for each prediction)
    show : "masks", "errors", "differences" (first against chosen prediction), "heat" or "labels"
    chosen : int
        Number of the prediction shown; `thresholds` has the threshold of each, `threshold` that of the chosen one.
    window : [low, high]
        Intensities shown as black and white.
    zoom : float
        Screen pixels per voxel along the finest axis.
    convention : "neurological" (left is left) or "radiological"
    opacity, line_width, fill, show_target, crosshair : looks
    """

    _esm = script() + "\nexport default { initialize, render };\n"
    _css = Path(__file__).with_name("viewer.css")
    shape = traitlets.List().tag(sync=True)
    image = traitlets.Bytes().tag(sync=True)
    target = traitlets.Bytes().tag(sync=True)
    labels = traitlets.Bytes().tag(sync=True)
    label_names = traitlets.List().tag(sync=True)
    predictions = traitlets.List().tag(sync=True)
    names = traitlets.List().tag(sync=True)
    probabilities = traitlets.List().tag(sync=True)
    has_target = traitlets.Bool().tag(sync=True)
    affine = traitlets.List().tag(sync=True)
    own_grid = traitlets.Dict().tag(sync=True)
    voxel_ml = traitlets.Float().tag(sync=True)
    black = traitlets.Float().tag(sync=True)
    white = traitlets.Float().tag(sync=True)
    frame_zoom = traitlets.Float().tag(sync=True)
    colours = traitlets.Dict().tag(sync=True)
    drawings = traitlets.List().tag(sync=True)
    plane = traitlets.Int(min=0, max=2).tag(sync=True)
    index = traitlets.Int().tag(sync=True)
    position = traitlets.List(traitlets.Int(), minlen=3, maxlen=3).tag(sync=True)
    pane_layout = traitlets.Enum(("one", "three", "side"), "three").tag(sync=True)
    show = traitlets.Enum(SHOWS, "masks").tag(sync=True)
    chosen = traitlets.Int(0, min=0).tag(sync=True)
    threshold = traitlets.Float(0.5, min=0, max=1).tag(sync=True)
    thresholds = traitlets.List(traitlets.Float(min=0, max=1)).tag(sync=True)
    opacity = traitlets.Float(0.5, min=0, max=1).tag(sync=True)
    zoom = traitlets.Float(min=0).tag(sync=True)
    window = traitlets.List(traitlets.Float(), minlen=2, maxlen=2).tag(sync=True)
    convention = traitlets.Enum(("neurological", "radiological"), "neurological").tag(sync=True)
    fill = traitlets.Bool(True).tag(sync=True)
    show_target = traitlets.Bool(True).tag(sync=True)
    crosshair = traitlets.Bool(True).tag(sync=True)
    line_width = traitlets.Int(2, min=1, max=5).tag(sync=True)

    def __init__(self, volumes, zoom, embed=False, **state):
        grey, values = describe_volumes(volumes, zoom)
        self._own, self._embeds = volumes.own, embed
        super().__init__(**values, **state)
        self.observe(self._follow, ["index", "position", "plane", "chosen", "threshold", "thresholds"])
        levels = next((to_levels(p) for p in volumes.predictions.values()), None)
        self.still = png(self._labelled(
            draw_plane(grey, volumes.target, levels, self._spacing, 0, self.index, zoom, show=self.show), 0))

    @traitlets.validate("position")
    def _keep_inside(self, proposal):
        return [int(np.clip(value, 0, size - 1)) for value, size in zip(proposal["value"], self.shape, strict=True)]

    @traitlets.validate("index")
    def _keep_index(self, proposal):
        return int(np.clip(proposal["value"], 0, self.shape[2 - self.plane] - 1))

    def _follow(self, change):
        """Keep index with position, and threshold with thresholds, whichever was set."""
        name, along = change["name"], 2 - self.plane
        with self.hold_sync():
            if name == "index":
                self.position = [self.index if k == along else value for k, value in enumerate(self.position)]
            elif name in ("position", "plane"):
                self.index = self.position[along]
            elif self.chosen < len(self.thresholds):
                if name == "threshold":
                    kept = [self.threshold if i == self.chosen else t for i, t in enumerate(self.thresholds)]
                    self.thresholds = kept
                else:
                    self.threshold = self.thresholds[self.chosen]

    def redraw_still(self):
        """Take the slice that is set here as the picture that a notebook keeps."""
        self.still = png(self._pictures(self.plane, [self.index])[0])

    @property
    def _spacing(self):
        """Lengths of a voxel's sides, in mm where they are known."""
        affine = np.reshape(self.affine, (4, 4)) if self.affine else np.eye(4)
        return np.linalg.norm(affine[:3, :3], axis=0)

    def _labelled(self, picture, plane):
        """A plane with its letters, where sides are known."""
        return labelled(picture, plane, self.convention == "radiological") if self.affine else picture

    def _repr_mimebundle_(self, **kwargs):
        if not self._embeds:
            return super()._repr_mimebundle_(**kwargs)
        picture = base64.b64encode(self.still).decode()
        frame = f'<iframe srcdoc="{html.escape(self._page("Slices"))}" style="{FRAME}" title="Slice viewer"></iframe>'
        still = f'<img src="data:image/png;base64,{picture}" alt="a slice">'  # what is left where frames aren't shown
        return {"text/html": still + frame, "image/png": picture}, {}

    def _page(self, title):
        """The page of `save`, as text."""
        own = [name for name in self.traits(sync=True) if not name.startswith("_")]
        left_out = ("layout", "comm", "tabbable", "tooltip")
        return page({name: getattr(self, name) for name in own if name not in left_out}, title)

    @property
    def _shows(self):
        """Whose data the viewer shows, as `atomic_path` wants it."""
        return self._own.source if self._own else "an image that may be a patient's"

    def save(self, path, title="Slices"):
        """Write a page that shows the same viewer in any browser, without Python or network; returns the path.

        Raises DataError if it would put a patient's images into the repository, or take the place of the scan.
        """
        path = self._place(path)
        write_text(path, self._page(title), self._shows)
        return path

    def _place(self, path):
        """A path to write to, unless it is a file that is shown."""
        path = Path(path)
        if self._own:
            refuse_overlap([*map(Path, self._own.files)], [path])
        return path

    def save_picture(self, path, plane=None, step=1, seconds=0.08):
        """Write a plane as it is set here: the slice as .png, or a scroll through all slices as .gif. Returns the path.

        Parameters
        ----------
        path : path that ends in .png or .gif
        plane : 0, 1 or 2, optional
            The one shown by default.
        step, seconds : int, float
            Of a GIF: every how many slices, and how long each is shown.
        """
        path, plane = self._place(path), self.plane if plane is None else plane
        if path.suffix not in (".png", ".gif"):
            raise DataError(f"{path}: the name of a picture must end in .png or .gif")
        indices = range(0, self.shape[2 - plane], step) if path.suffix == ".gif" else [self.position[2 - plane]]
        pictures = self._pictures(plane, indices)
        with atomic_path(path, self._shows) as temporary:
            temporary.write_bytes(png(pictures[0], 6) if path.suffix == ".png" else gif(pictures, seconds))
        return path

    def _pictures(self, plane, indices):
        """Slices of a plane as they are set here, with letters."""
        shown = [*self.predictions, *(drawing["data"] for drawing in self.drawings)]
        grey = unpack_grey(self.image, self.shape)
        target = unpack(self.target, self.shape)
        levels = unpack(shown[min(self.chosen, len(shown) - 1)], self.shape) if shown else None
        window = [255 * (value - self.black) / (self.white - self.black) for value in self.window]
        look = {"zoom": self.zoom, "threshold": self.threshold, "show": self.show, "opacity": self.opacity,
                "window": window, "mirrored": self.convention == "radiological", "line": self.line_width}
        target = target > 0 if target is not None and self.show_target else None
        return [self._labelled(draw_plane(grey, target, levels, self._spacing, plane, index, **look), plane)
                for index in indices]

    def drawing(self, name=None):
        """A mask drawn and kept in the browser, by default the last one: bool (X, Y, Z), with the viewer's axes."""
        return read_drawing(self.drawings, name, self.shape)

    def save_drawing(self, path, name=None):
        """Write a drawing as NIfTI on the scan's own grid; returns the path.

        Raises DataError if there is none, or if the scan came as an array, whose grid nobody knows.
        """
        own = self._own
        if own is None or own.affine is None or not self.affine:
            raise DataError("the scan came as an array, so its grid in mm isn't known; take the array that drawing() "
                            "gives, or open the scan by its file")
        path = self._place(path)
        return write_drawing(path, put_back(self.drawing(name), np.reshape(self.affine, (4, 4)), own), own)
