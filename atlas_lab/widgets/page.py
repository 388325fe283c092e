"""The viewer's script, joined from the files of this folder, and the page that holds it with its volumes."""

import base64
import html
import json
from functools import cache
from pathlib import Path

__all__ = ["page", "script"]

HERE = Path(__file__).parent
PARTS = ("volume", "paint", "scores", "lesions", "drawing", "pane", "controls", "viewer", "drawn")
START = """
const bytes = (v) => (v?.base64 !== undefined ? Uint8Array.from(atob(v.base64), (c) => c.charCodeAt(0))
  : Array.isArray(v) ? v.map(bytes)
  : v && typeof v === "object" ? Object.fromEntries(Object.entries(v).map(([k, item]) => [k, bytes(item)])) : v);
for (const k in sent) sent[k] = bytes(sent[k]);
const model = { get: (k) => sent[k], set(k, v) { sent[k] = v; }, save_changes() {}, on() {}, off() {} };
render({ model, el: document.querySelector("main"), ownsPage: window.top === window });
try { window.frameElement.previousElementSibling.style.display = "none"; } catch { /* not in a notebook's output */ }
"""
STYLE = ":root{color-scheme:light dark}body{margin:1em;background:Canvas;color:CanvasText;font-family:sans-serif}" \
        "h1{font-size:1.2em;margin:0 0 .5em;overflow-wrap:anywhere}@media(max-width:600px){body{margin:4px}}"


@cache
def script():
    """The viewer as one script that defines `render`."""
    return "\n".join((HERE / f"{name}.js").read_text(encoding="utf-8") for name in PARTS)


def page(values, title):
    """One HTML file with the script, its style and the volumes in base64; it asks for nothing else.

    Parameters
    ----------
    values : dict
        Name -> plain value or bytes; what viewer.js gets from its model.
    title : str
        Shown as the heading too; any text.
    """
    def encode(value):
        if isinstance(value, bytes):
            return {"base64": base64.b64encode(value).decode()}
        if isinstance(value, list | tuple):
            return [encode(item) for item in value]
        return {key: encode(item) for key, item in value.items()} if isinstance(value, dict) else value

    # No "<" in the data: else a name such as "</script>" would end it.
    data = json.dumps({name: encode(value) for name, value in values.items()}).replace("<", "\\u003c")
    title = html.escape(title.encode("utf-8", "backslashreplace").decode())  # a name of bytes that are no text
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        f'<meta name=viewport content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{STYLE}\n{(HERE / 'viewer.css').read_text(encoding='utf-8')}</style></head>"
        f"<body><main><h1>{title}</h1></main><script type=module>\n{script()}\n"
        f"const sent = {data};\n{START}</script></body></html>\n"
    )
