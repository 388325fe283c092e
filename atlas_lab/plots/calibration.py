"""How probable networks call pixels, against how many of those are lesion."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from atlas_lab.losses import best_probability
from atlas_lab.plots.style import COLOURS, GREY

__all__ = ["plot_calibration"]


def plot_calibration(networks: Mapping[str, tuple], pos_weight: float | None = None) -> Figure:
    """Draw, for each network, the share of lesion against the probability that it was called with; returns the figure.

    Parameters
    ----------
    networks : dict
        Name -> (mean probability, share of lesion, number of pixels) of its bins, as `reliability` gives them.
    pos_weight : float, optional
        Draw too what a network would say that had learnt with this weight to perfection: its `best_probability`.
    """
    figure, ax = plt.subplots(figsize=(4.2, 3.2), layout="constrained")
    grid = np.linspace(0, 1, 101)
    ax.plot(grid, grid, color=GREY, linewidth=1, linestyle="--", label="as it is said")
    if pos_weight:
        ax.plot(best_probability(grid, pos_weight), grid, color="black", linewidth=1, linestyle=":",
                label=f"weight {pos_weight:g}, learnt to perfection")
    for (name, (said, found, _)), colour in zip(networks.items(), COLOURS, strict=False):
        ax.plot(said, found, "o-", color=colour, markersize=4, linewidth=1.2, label=name)
    ax.set_xlabel("probability of lesion, as the network says it")
    ax.set_ylabel("share that is lesion")
    ax.legend(frameon=False, fontsize=8, loc="upper left")
    ax.spines[["top", "right"]].set_visible(False)
    return figure
