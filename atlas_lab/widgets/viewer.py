"""The slice-by-slice viewer: a volume and its masks in the notebook, drawn by the browser (viewer.js)."""

import base64
import json
import zlib
from pathlib import Path

import numpy as np

from atlas_lab.data.door import open_together, source_of_image
from atlas_lab.files import DataError, write_text
from atlas_lab.grid import voxel_ml
from atlas_lab.plots.overlay import PREDICTION_COLOUR, TARGET_COLOUR, overlay
from atlas_lab.widgets.grey import to_grey
from atlas_lab.widgets.plain import PlainViewer
from atlas_lab.widgets.still import Still, png

try:
    import anywidget
    import traitlets
except ImportError:  # the plain viewer does without
    anywidget = None

__all__ = ["SliceViewer", "check_volumes", "open_volumes", "view_slices", "view_volumes"]

HERE = Path(__file__).parent


def view_slices(scan, target=None, prediction=None, zoom=2, plain=False):
    """Show a volume slice by slice, with masks on it; it opens on the slice with most lesion.

    Drag the slider, or click the picture and use the arrow keys, Home, End and space.

    Parameters
    ----------
    scan : Scan, path, nibabel image, tensor or array (X, Y, Z)
        A Scan is loaded, with its lesion mask as the target; a path names a NIfTI file. Axes of one voxel beyond the
        third are dropped.
    target : path, nibabel image, tensor or array (X, Y, Z), optional
        A mask, shown as an orange outline.
    prediction : as the target, or dict of such by name, optional
        Masks, or probabilities from 0 to 1, which get a threshold. Shown as a translucent blue fill. Files are turned
        to RAS; an array beside a file has that file's axes and is turned with it (see `open_together`).
    zoom : int
        Screen pixels per voxel, 1 to 5.
    plain : bool
        Use plain ipywidgets, which ask Python for every slice, in place of anywidget. It is what happens anyway
        where anywidget is not installed; it shows axial slices and the first prediction.

    Returns
    -------
    ipywidgets widget
        On pages without widgets (GitHub, nbviewer) its opening slice shows as a picture. `save(path)` of the viewer
        writes a page that works without Python.

    Raises
    ------
    DataError
        If the image is no volume or holds nothing to see, or a mask doesn't fit it or is none.
    """
    viewer = view_volumes(*open_volumes(scan, target, prediction), zoom, plain)
    viewer.shows = source_of_image(scan)
    return viewer


def open_volumes(scan, target=None, prediction=None):
    """Image, target (or None), predictions by name and affine (or None) of what `view_slices` is given."""
    if not isinstance(prediction, dict):
        prediction = {} if prediction is None else {"prediction": prediction}
    return open_together(scan, target, prediction)


def view_volumes(image, target, predictions, affine, zoom=2, plain=False):
    """The viewer of volumes with their affine (or None), predictions by name; see `view_slices`."""
    if zoom not in range(1, 6):
        raise DataError(f"zoom is {zoom!r}; expected a whole number of screen pixels per voxel, 1 to 5")
    make = PlainViewer if plain or anywidget is None else SliceViewer
    return make(*check_volumes(image, target, predictions), affine, int(zoom))


def check_volumes(image, target, predictions):
    """Image, target and predictions as arrays that fit one another; see `view_slices` for what is refused."""
    if image.dtype.kind == "f" and not (is_finite := np.isfinite(image)).all():
        if not is_finite.any():
            raise DataError("the image has no finite voxel; there is nothing to show")
        image = np.where(is_finite, image, min(0, image[is_finite].min()))
    if image.min() == image.max():
        raise DataError(f"every voxel of the image is {float(image.flat[0]):g}; there is nothing to show")
    for name, mask in [("target", target), *predictions.items()]:
        if mask is not None and mask.shape != image.shape:
            raise DataError(f"the {name} has shape {mask.shape} and the image {image.shape}; they must be equal")
    return image, target, predictions


def _pack(volume):
    """A uint8 volume as zlib-compressed bytes, x fastest, as viewer.js reads it."""
    return zlib.compress(volume.tobytes(order="F"), 1)


def _to_levels(prediction):
    """A mask as 0 and 255, a probability as 0 to 255: uint8."""
    if prediction.dtype == bool:
        return prediction.astype(np.uint8) * 255
    levels = np.clip(prediction, 0, 1, dtype=np.float32, casting="unsafe")
    levels *= 255
    return np.rint(levels, out=levels).astype(np.uint8)


def _describe_volumes(grey, black, white, target, predictions, affine, zoom):
    """All that viewer.js needs, by name: plain values and bytes. The image is given as `to_grey` returns it."""
    mask = target if target is not None else next(iter(predictions.values()), None)
    areas = None if mask is None else (mask > 0.5 if mask.dtype != bool else mask).sum(axis=(0, 1))
    affine = None if affine is None else np.asarray(affine, float)
    return {
        "shape": list(grey.shape), "image": _pack(grey),
        "target": b"" if target is None else _pack(target.astype(np.uint8)),
        "predictions": [_pack(_to_levels(prediction)) for prediction in predictions.values()],
        "names": list(predictions), "is_probability": any(p.dtype != bool for p in predictions.values()),
        "affine": [] if affine is None else affine.ravel().tolist(),
        "voxel_ml": 0.001 if affine is None else voxel_ml(affine),
        "black": black, "white": white, "zoom": zoom, "plane": 0,
        "index": grey.shape[2] // 2 if areas is None else int(areas.argmax()), "opacity": 0.5, "threshold": 0.5,
        "target_colour": list(TARGET_COLOUR), "prediction_colour": list(PREDICTION_COLOUR),
    }


def _opening_picture(grey, target, predictions, values):
    """The slice that the viewer opens on, as `overlay` draws it."""
    z = values["index"]
    volumes = [grey, target, next((_to_levels(p) > 127.5 for p in predictions.values()), None)]
    return overlay(*(None if v is None else v[:, ::-1, z].T for v in volumes), zoom=values["zoom"])


if anywidget is not None:

    class SliceViewer(Still, anywidget.AnyWidget):
        """The viewer of `view_slices`. `plane` (0 axial, 1 coronal, 2 sagittal), `index` and `threshold` follow it."""

        shows = "an image that may be a patient's"  # whose data it shows, as the write gate asks
        _esm = HERE / "viewer.js"
        _css = HERE / "viewer.css"
        shape = traitlets.List().tag(sync=True)
        image = traitlets.Bytes().tag(sync=True)
        target = traitlets.Bytes().tag(sync=True)
        predictions = traitlets.List().tag(sync=True)
        names = traitlets.List().tag(sync=True)
        is_probability = traitlets.Bool().tag(sync=True)
        affine = traitlets.List().tag(sync=True)
        voxel_ml = traitlets.Float().tag(sync=True)
        black = traitlets.Float().tag(sync=True)
        white = traitlets.Float().tag(sync=True)
        zoom = traitlets.Int().tag(sync=True)
        plane = traitlets.Int().tag(sync=True)
        index = traitlets.Int().tag(sync=True)
        opacity = traitlets.Float().tag(sync=True)
        threshold = traitlets.Float().tag(sync=True)
        target_colour = traitlets.List().tag(sync=True)
        prediction_colour = traitlets.List().tag(sync=True)

        def __init__(self, image, target, predictions, affine, zoom):
            grey, black, white = to_grey(image)
            values = _describe_volumes(grey, black, white, target, predictions, affine, zoom)
            self.still = png(_opening_picture(grey, target, predictions, values))
            super().__init__(**values)

        def save(self, path, title="Slices"):
            """Write a page that shows the same viewer in any browser, without Python or network; returns the path."""
            values = {name: getattr(self, name) for name in _describe_page(self)}
            path = Path(path)
            write_text(path, _page(values, title), self.shows)
            return path


def _describe_page(viewer):
    """Names of the traits that a page needs: those of the viewer's own that are sent to the browser."""
    return [name for name in viewer.traits(sync=True) if not name.startswith("_") and name not in
            ("layout", "comm", "tabbable", "tooltip")]


def _page(values, title):
    """One HTML file with viewer.js, its style and the volumes in base64."""
    def encode(value):
        return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value

    data = {name: list(map(encode, value)) if isinstance(value, list) else encode(value)
            for name, value in values.items()}
    script = (HERE / "viewer.js").read_text(encoding="utf-8").replace("export default { render };", "")
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        "<style>:root{color-scheme:light dark}body{margin:1em;background:Canvas}\n"
        f"{(HERE / 'viewer.css').read_text(encoding='utf-8')}</style><body><script type=module>\n{script}\n"
        f"const values = {json.dumps(data)};\n"
        "const bytes = (v) =>\n"
        "  (v && v.base64 !== undefined ? Uint8Array.from(atob(v.base64), (c) => c.charCodeAt(0)) : v);\n"
        "for (const k in values) values[k] = Array.isArray(values[k]) ? values[k].map(bytes) : bytes(values[k]);\n"
        "const model = { get: (k) => values[k], set() {}, save_changes() {}, on() {} };\n"
        "render({ model, el: document.body });\n</script></body></html>\n"
    )
