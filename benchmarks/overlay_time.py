"""One slice with two masks as an array by `overlay`, beside the redraw of the same picture by matplotlib.

Run: python benchmarks/overlay_time.py. Both draw 197 x 233 pixels with a target's outline and a prediction's fill, in
turn; medians of 40.
"""

import statistics

import matplotlib
import numpy as np
from sides import seconds

from atlas_lab.plots.overlay import overlay

matplotlib.use("Agg")
ROUNDS = 40


def slices():
    """A slice of noise with two masks that overlap."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:233, :197]
    target = (rows - 100) ** 2 + (columns - 80) ** 2 < 900
    prediction = (rows - 110) ** 2 + (columns - 90) ** 2 < 1200
    return rng.integers(0, 255, (233, 197), dtype=np.uint8), target, prediction


def redraw(figure, ax, image, target, prediction):
    """What a matplotlib viewer does for every slice: clear, draw, render."""
    ax.clear()
    ax.imshow(image, cmap="gray")
    ax.imshow(np.ma.masked_where(~prediction, prediction), cmap="Blues", alpha=0.5, vmin=0, vmax=1)
    ax.contour(target, levels=[0.5], colors="orange")
    figure.canvas.draw()


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    arrays = slices()
    figure, ax = plt.subplots(figsize=(3.94, 4.66))
    rounds = [(seconds(overlay, *arrays), seconds(redraw, figure, ax, *arrays)) for _ in range(ROUNDS)]
    ours, theirs = (1000 * statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"overlay {ours:.2f} ms, matplotlib {theirs:.1f} ms, ratio {theirs / ours:.1f}")
