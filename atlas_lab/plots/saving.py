"""Writing a figure with what made it."""

import hashlib
import io
import json
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from atlas_lab.files import atomic_path, check_target, write_json
from atlas_lab.plots.style import mark_source
from atlas_lab.provenance import code_version
from atlas_lab.system.disk import expand, read_plain

__all__ = ["is_unchanged", "save_figure"]


def save_figure(figure: Figure, path: str | Path, provenance: dict) -> Path:
    """Write a figure as PNG and, beside it, as PDF for print, and a JSON file that says what made it.

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
    path = expand(path)
    shows = provenance["source"] if provenance["cohort"] == "patients" else None
    check_target(path, shows)
    if provenance["cohort"] == "synthetic":
        mark_source(figure, "synthetic cohort, not patient data")
    pixels = _as_bytes(figure, "png", {"Software": None})
    about = {"figure": path.name, "sha256": hashlib.sha256(pixels).hexdigest(), **provenance}
    if not (is_unchanged(path, about) and path.with_suffix(".pdf").exists()):
        print_form = _as_bytes(figure, "pdf", {"CreationDate": None, "Creator": None, "Producer": None})
        for target, content in ((path, pixels), (path.with_suffix(".pdf"), print_form)):
            with atomic_path(target, shows) as temporary:
                temporary.write_bytes(content)
        write_json(path.with_suffix(".json"), {**about, "code": code_version()}, shows)
    plt.close(figure)
    return path


def _as_bytes(figure, kind, metadata):
    """A figure as a file of a kind, without the date and the program: the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=150, bbox_inches="tight", metadata=metadata)
    return buffer.getvalue()


def is_unchanged(path, about):
    """True if the figure at `path` has these pixels and this provenance, whatever code version drew it."""
    try:
        earlier = json.loads(read_plain(path.with_suffix(".json")))
        same_pixels = hashlib.sha256(path.read_bytes()).hexdigest() == about["sha256"]
    except (OSError, ValueError):
        return False
    earlier.pop("code", None)
    return same_pixels and earlier == json.loads(json.dumps(about))
