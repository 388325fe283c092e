"""`figures`: the main job."""

from atlas_lab.system.disk import expand
from atlas_lab.system.progress import note

__all__ = ["add"]


def add(command):
    """Add this command."""
    sub = command("figures", _run_figures, "Train the baseline live, check it against its record, draw every figure.")
    sub.add_argument("--out", type=expand, help="folder for the figures (default: figures/; for real ATLAS, outside)")
    sub.add_argument("--runs", type=expand, metavar="DIR", help="records of your own to draw from, beside the lab's "
                     "(default: runs/ in ATLAS_LAB_HOME; none for figures/)")


def _run_figures(options):
    """The command `figures`."""
    from atlas_lab.paper.figures import draw_figures

    out = draw_figures(options.out, note, options.runs)
    print("\n".join(str(path) for path in sorted(out.glob("*.png"))))
