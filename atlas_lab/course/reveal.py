"""Answers to predictions are not to be seen before they are run: cells tagged "reveal" are kept without outputs.

What such a cell printed is kept out of sight, in the metadata of the cell, and a test holds it against a new run.
`python -m atlas_lab.course.reveal notebooks/*.ipynb` hides the outputs of notebooks that were just executed, and keeps
how long each took.
"""

import sys
from pathlib import Path

from atlas_lab.course.minutes import keep_seconds
from atlas_lab.files import write_text

__all__ = ["hide_reveals", "kept_outputs"]

TAG, CHECKED = "reveal", "nbval-check-output"


def hide_reveals(notebook) -> None:
    """Take the outputs out of a notebook's reveal cells; of those that are checked, keep them in the metadata."""
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code" and TAG in tags and cell.outputs:
            if CHECKED in tags:
                cell.metadata["reveal"] = {"outputs": cell.outputs}
            cell.outputs = []


def kept_outputs(cell) -> list:
    """The outputs that were hidden of a cell; none if it isn't one of those that are checked."""
    import nbformat

    return [nbformat.from_dict(output) for output in cell.metadata.get("reveal", {}).get("outputs", [])]


def main(paths) -> None:
    """Hide the answers in some executed notebooks' files, and keep their seconds."""
    import nbformat

    for path in map(Path, paths):
        notebook = nbformat.read(path, 4)
        hide_reveals(notebook)
        keep_seconds(notebook)
        write_text(path, nbformat.writes(notebook) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
