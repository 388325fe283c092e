"""`class slides`: a page of slides for each notebook, made of its own text, tables and pictures.

One file that needs no network: arrow keys turn the slides, and printing gives one to a page.
"""

import html
import json
import re
from pathlib import Path

from atlas_lab.course.class_build import parts_of_the_course
from atlas_lab.course.class_files import class_folder
from atlas_lab.files import DataError, write_text
from atlas_lab.system.disk import expand

__all__ = ["slides_of", "write_slides"]

DETAILS = re.compile(r"<details>.*?</details>", re.DOTALL)
# Where a slide begins within a cell: a heading, a prompt to predict, what was seen.
BREAK = re.compile(r"^(?=#{1,3} |\*\*Predict|\*\*What you saw)", re.MULTILINE)
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
html {{ scroll-snap-type: y mandatory; font: 1.6rem/1.4 sans-serif; }} body {{ margin: 0; }}
section {{ min-height: 100vh; box-sizing: border-box; padding: 5vh 7vw; scroll-snap-align: start; display: flex;
  flex-direction: column; justify-content: center; break-after: page; border-bottom: 1px solid #8886; }}
img {{ max-width: 100%; max-height: 74vh; object-fit: contain; background: white; }}
table {{ border-collapse: collapse; font-size: 1rem; }} td, th {{ border: 1px solid #888; padding: .3em .6em; }}
section > p:last-child {{ margin-bottom: 0; }} small {{ color: #767676; font-size: .9rem; }}
@media (prefers-color-scheme: dark) {{ html {{ background: #111; color: #eee; }} }}
</style>
{sections}
<script>
addEventListener("keydown", event => {{
  const step = {{ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1}}[event.key];
  if (!step) return;
  event.preventDefault();
  const all = [...document.querySelectorAll("section")];
  const now = all.findIndex(slide => slide.getBoundingClientRect().bottom > innerHeight / 2);
  all[Math.min(Math.max(now + step, 0), all.length - 1)].scrollIntoView();
}});
</script>
</html>
"""


def write_slides(out: Path | None = None, parts: tuple[str, ...] = ()) -> list[Path]:
    """Write a page for each part of the course, by default all, and return their paths.

    Raises DataError for a part that there is none of.
    """
    written = []
    for notebook in parts_of_the_course(parts).values():
        slides = slides_of(json.loads(notebook.read_text(encoding="utf-8")))
        foot = f"<small>{html.escape(notebook.stem)} · synthetic cohort, not patient data</small>"
        sections = "\n".join(f"<section>\n{slide}\n{foot}\n</section>" for slide in slides)
        path = expand(out or class_folder() / "slides") / f"{notebook.stem}.html"
        write_text(path, PAGE.format(title=html.escape(notebook.stem), sections=sections))
        written.append(path)
    return written


def slides_of(notebook: dict) -> list[str]:
    """The slides of a notebook as HTML: its text, cut at headings and prompts, with its pictures between.

    Code, exercises' hints and solutions are left out. Raises DataError without nbconvert.
    """
    try:
        from nbconvert.filters.markdown_mistune import markdown2html_mistune as as_html
    except ImportError:
        raise DataError('slides need nbconvert; install it with: pip install "atlas-lab[lab]"') from None

    slides, heading = [], ""
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for piece in BREAK.split(DETAILS.sub("", text)):
                found = re.match(r"#{1,3} (.*)", piece)
                heading = found[1] if found else heading
                slides += [as_html(piece).strip()] if piece.strip() else []
        elif cell["cell_type"] == "code":
            slides += [slide for output in cell["outputs"] for slide in _shown(output, heading, as_html)]
    return slides


def _shown(output, heading, as_html):
    """What an output shows: a picture or a table, or nothing."""
    data = output.get("data", {})
    if "image/png" in data:
        alt = output.get("metadata", {}).get("image/png", {}).get("alt") or f"picture of the section: {heading}"
        return [f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{"".join(data["image/png"]).strip()}">']
    return [as_html("".join(data["text/markdown"])).strip()] if "text/markdown" in data else []
