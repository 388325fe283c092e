"""Probabilities against what was there: drawn as recorded, and what a weight makes of them, found from the loss."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import atlas_lab as lab
from atlas_lab.plots.calibration import plot_calibration, true_share


@pytest.mark.parametrize("pos_weight", [0.1, 1.0, 10.0, 100.0])
def test_a_weight_moves_the_probability_that_costs_least(pos_weight):
    alike = torch.zeros(100)
    alike[:30] = 1  # 30 of 100 pixels that look alike are lesion
    logits = torch.linspace(-8, 8, 3201)
    losses = [float(lab.weighted_cross_entropy(logit.expand(100), alike, pos_weight)) for logit in logits]
    cheapest = torch.sigmoid(logits[int(np.argmin(losses))])
    assert float(true_share(cheapest, pos_weight)) == pytest.approx(0.3, abs=0.002)


def test_bins_are_drawn_where_they_lie():
    said, found = np.linspace(0.05, 0.95, 10), np.linspace(0, 0.7, 10) ** 2
    lines = plot_calibration({"one": (said, found, np.ones(10))}, pos_weight=10).axes[0].lines
    drawn = {line.get_label(): line.get_xydata() for line in lines}
    np.testing.assert_array_equal(drawn["one"], np.column_stack([said, found]))
    assert drawn["weight 10, learnt to perfection"][90] == pytest.approx([0.9, 9 / 19])
    assert len(plot_calibration({"one": (said, found, np.ones(10))}).axes[0].lines) == 2
    plt.close("all")
