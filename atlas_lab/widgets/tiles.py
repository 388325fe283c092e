"""Pictures that answer the mouse: tiles to click, and a picture to drag in. Needs anywidget."""

from pathlib import Path

import anywidget
import traitlets

__all__ = ["Dragged", "Tiles"]

STYLE = """
.atlas-tiles { display: flex; flex-wrap: wrap; gap: 6px; }
.atlas-tiles button { display: flex; flex-direction: column; padding: 2px; cursor: pointer; color: inherit;
  font: 12px var(--jp-ui-font-family, sans-serif); background: none; border-radius: 3px;
  border: 1px solid var(--jp-border-color1, #767676); }
.atlas-tiles button:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); }
.atlas-tiles span { white-space: pre-line; text-align: left; }
"""


class Tiles(anywidget.AnyWidget):
    """Pictures with captions; a click on one calls `opens` with its number."""

    _esm = Path(__file__).with_name("tiles.js")
    _css = STYLE
    pictures = traitlets.List(traitlets.Bytes()).tag(sync=True)
    captions = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, opens):
        super().__init__()
        self.on_msg(lambda _, content, __: opens(int(content["opened"])))

    def show(self, pictures, captions):
        """Show other tiles: PNG files as bytes, and a text for each."""
        with self.hold_sync():
            self.pictures, self.captions = pictures, captions


class Dragged(anywidget.AnyWidget):
    """A picture, a PNG file as bytes; `point` is where in it the mouse is held, from 0 to 1 across and down."""

    _esm = Path(__file__).with_name("tiles.js")
    value = traitlets.Bytes().tag(sync=True)
    caption = traitlets.Unicode().tag(sync=True)
    point = traitlets.List(traitlets.Float()).tag(sync=True)
