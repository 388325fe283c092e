"""Probabilities against what was there: drawn as recorded, beside what a weight makes of them."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from atlas_lab.plots.calibration import plot_calibration


def test_bins_are_drawn_where_they_lie():
    said, found = np.linspace(0.05, 0.95, 10), np.linspace(0, 0.7, 10) ** 2
    lines = plot_calibration({"one": (said, found, np.ones(10))}, pos_weight=10).axes[0].lines
    drawn = {line.get_label(): line.get_xydata() for line in lines}
    np.testing.assert_array_equal(drawn["one"], np.column_stack([said, found]))
    assert drawn["weight 10, learnt to perfection"][50] == pytest.approx([10 / 11, 0.5])
    assert len(plot_calibration({"one": (said, found, np.ones(10))}).axes[0].lines) == 2
    plt.close("all")
