"""A picture of every widget: all that a saved notebook keeps of it. While a kernel runs, the widget takes its place."""

import base64
import importlib
import io
import os
import sys
import uuid
import zlib
from functools import cache
from pathlib import Path

__all__ = ["Still", "front_end", "png", "with_mark"]

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
MARK = 64  # characters of a picture's base64 at its end that tell it from all others


class Still:
    """For widgets, as their first base: shows the PNG of `still`, and in JupyterLab the widget itself in its place.

    A saved notebook so holds the picture alone, and shows it wherever it is opened. Where the page can't be reached
    from a widget (VS Code, Colab), the output names the widget too, as ipywidgets does.
    """

    still = b""  # bytes of a PNG file; none, no picture

    def _repr_mimebundle_(self, **kwargs):
        _open(self)  # it may have been closed since, as when its cell was run again
        place = front_end()
        if place == "jupyter" and self.still:
            return _live_picture(self)
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        picture = {"image/png": base64.b64encode(self.still).decode()} if self.still else {}
        if place == "none" and picture:
            data = {name: value for name, value in data.items() if name != WIDGET_VIEW}
        return {**data, **picture}, metadata


def front_end():
    """Where outputs are shown: "jupyter" (JupyterLab, Notebook 7), "none" (a notebook run by a program) or "other"."""
    parent = _parent_message()
    if "google.colab" in sys.modules:
        importlib.import_module("google.colab.output").enable_custom_widget_manager()
        return "other"
    cell = str(parent.get("metadata", {}).get("cellId", ""))
    if cell.startswith("vscode") or "VSCODE_PID" in os.environ:
        return "other"
    if not parent.get("content", {}).get("allow_stdin", True):  # nobody could answer
        return "none"
    return "jupyter" if cell and _mounts() else "other"


def _parent_message():
    """The message that asked the kernel to run the cell; {} outside of a kernel."""
    if "IPython" not in sys.modules:
        return {}
    shell = sys.modules["IPython"].get_ipython()
    return getattr(shell, "get_parent", dict)() or {}


def _mounts():
    """True where the part that puts a widget in its picture's place can be had."""
    try:
        import anywidget  # noqa: F401
    except ImportError:
        return False
    return True


def _live_picture(widget):
    """An output with the picture alone, and a Mount that finds it on the page."""
    picture = base64.b64encode(with_mark(bytes(widget.still), uuid.uuid4().hex)).decode()
    mount = _mount_class()(widget=widget.model_id, mark=picture[-MARK:])
    _close_with_the_cell(widget, mount)
    return {"image/png": picture, "text/plain": f"{type(widget).__name__}: run the cell to move through it"}, {}


def with_mark(picture, mark):
    """A PNG file with a text at its end, which changes no pixel."""
    body = b"tEXtwidget\0" + mark.encode()
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    return picture[:-12] + chunk + picture[-12:]  # the last twelve bytes say that the file ends


@cache
def _mount_class():
    """The widget without a view of its own that mount.js belongs to; made when it is first needed."""
    import anywidget
    import traitlets

    class Mount(anywidget.AnyWidget):
        """Puts a widget in the place of its picture."""

        _esm = Path(__file__).with_name("mount.js")
        widget = traitlets.Unicode().tag(sync=True)
        mark = traitlets.Unicode().tag(sync=True)

    return Mount


_SHOWN = {}  # cell -> {"run": message that ran it last, "widgets": those shown then, "before": those of the run before}


def _close_with_the_cell(widget, mount):
    """Have a widget closed, in browser and kernel, once its cell has been run again without showing it."""
    parent = _parent_message()
    cell, run = parent["metadata"]["cellId"], parent["header"]["msg_id"]
    entry = _SHOWN.setdefault(cell, {"run": None, "widgets": [], "before": []})
    if entry["run"] != run:
        entry.update(run=run, before=entry["before"] + entry["widgets"], widgets=[])
        events = sys.modules["IPython"].get_ipython().events
        if _close_earlier not in events.callbacks["post_run_cell"]:
            events.register("post_run_cell", _close_earlier)
    entry["widgets"] += [widget, mount]


def _close_earlier(_result=None):
    """Close what earlier runs of cells showed, except for what is shown again."""
    now = {id(widget) for entry in _SHOWN.values() for widget in entry["widgets"]}
    for entry in _SHOWN.values():
        for widget in entry["before"]:
            if id(widget) not in now:
                _close(widget)
        entry["before"] = []


def _parts(widget):
    """The widgets that another is made of: those in it, its layout and its style, which take memory on the page too."""
    own = [getattr(widget, name, None) for name in ("layout", "style")]
    return [*getattr(widget, "children", ()), *(part for part in own if part is not None)]


def _close(widget):
    """Close a widget and its parts."""
    for part in _parts(widget):
        _close(part)
    widget.close()


def _open(widget):
    """Open a widget and its parts, those of them that are closed."""
    for part in _parts(widget):
        _open(part)
    if widget.comm is None:
        widget.open()


def png(picture, level=1):
    """An RGB array as the bytes of a PNG file; level 1 compresses least and fastest."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="png", compress_level=level)
    return buffer.getvalue()
