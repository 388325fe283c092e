"""How probable networks call pixels, against how many of those are lesion."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from atlas_lab.plots.style import COLOURS, GREY

__all__ = ["plot_calibration", "true_share"]


def true_share(called: np.ndarray, pos_weight: float) -> np.ndarray:
    """The share of lesion in pixels that a network calls so probable, whose loss counts each of lesion several times.

    Among pixels that look alike, p of which are lesion, weighted cross-entropy is least at odds `pos_weight` times p's.
    """
    return called / (called + pos_weight * (1 - called))


def plot_calibration(networks: Mapping[str, tuple], pos_weight: float | None = None) -> Figure:
    """Draw, for each network, the share of lesion against the probability that it was called with; returns the figure.

    Parameters
    ----------
    networks : dict
        Name -> (mean probability, share of lesion, number of pixels) of its bins, as `reliability` gives them.
    pos_weight : float, optional
        Draw too what a network would do that had learnt this weight's probabilities to perfection.
    """
    figure, ax = plt.subplots(figsize=(4.2, 3.2), layout="constrained")
    grid = np.linspace(0, 1, 101)
    ax.plot(grid, grid, color=GREY, linewidth=1, linestyle="--", label="as it is said")
    if pos_weight:
        ax.plot(grid, true_share(grid, pos_weight), color="black", linewidth=1, linestyle=":",
                label=f"weight {pos_weight:g}, learnt to perfection")
    for (name, (said, found, _)), colour in zip(networks.items(), COLOURS, strict=False):
        ax.plot(said, found, "o-", color=colour, markersize=4, linewidth=1.2, label=name)
    ax.set_xlabel("probability of lesion, as the network says it")
    ax.set_ylabel("share that is lesion")
    ax.legend(frameon=False, fontsize=8, loc="upper left")
    ax.spines[["top", "right"]].set_visible(False)
    return figure
