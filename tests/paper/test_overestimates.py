"""Fig. 3 from records: six examples of twelve in order of the overestimate, and the numbers of the record itself."""

from dataclasses import replace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from atlas_lab.config import PROFILES
from atlas_lab.experiment.run import Run, pack_masks
from atlas_lab.paper import overestimates
from atlas_lab.paper.evidence import NotRecorded
from atlas_lab.paper.overestimates import study_overestimates
from atlas_lab.paper.study import StudyRecords

matplotlib.use("Agg")
BASE = PROFILES["study"].config
ROWS = [40, 7, 300, 12, 90, 55, 8, 21, 33, 70, 5, 2]
TRUE = 10  # pixels of lesion in each example
PREDICTED = [60, 5, 20, 0, 100, 30, 40, 9, 80, 50, 70, 90]


def masks_of(areas):
    """Masks (N, 12, 12) with so many pixels each."""
    return np.stack([np.arange(144).reshape(12, 12) < area for area in areas])


def run_of(seed=0, **settings):
    """A record of made-up masks; its area over all of dev is not that of the examples."""
    config = replace(BASE, seed=seed, cohort=seed, epochs=10, **settings)
    final = {"dev": {"area_ratio": {"value": 6.1, "low": 4.4, "high": 8.5}}}
    return Run(config, [], final, {}, {"source": "synthetic", "data_hash": "h"}, {}, {}, 1.0, point={"subjects": 220},
               examples={"rows": ROWS, "masks": pack_masks(masks_of(PREDICTED))})


@pytest.fixture
def slices(monkeypatch):
    """Slices without the people they are of; which rows were asked for."""
    asked = []

    def slices_of(run, rows):
        asked.append(list(rows))
        return np.zeros((len(rows), 12, 12), np.uint8), masks_of([TRUE] * len(rows))

    monkeypatch.setattr(overestimates, "example_slices", slices_of)
    return asked


def test_six_of_twelve_from_the_least_to_the_most_overestimated(slices):
    figure, about = study_overestimates(StudyRecords([run_of(1), run_of(0, pos_weight=10.0), run_of(0)]))
    assert slices == [ROWS] and about["runs"] == [run_of(0).name]
    # 0, 5, 9, 20, ..., 100 pixels in order; the 2nd, 4th, 6th, 7th, 9th and 11th of them are shown
    shown = [5, 20, 40, 50, 70, 90]
    assert [ax.get_title() for ax in figure.axes] == [f"area x {area / TRUE:.1f}" for area in shown]
    assert about["rows_of_store"] == [ROWS[PREDICTED.index(area)] for area in shown]
    plt.close(figure)


def test_the_title_says_whose_numbers_they_are(slices):
    figure, about = study_overestimates(StudyRecords([run_of(2)]), seed=2)
    title = figure.get_suptitle()
    assert "220 people, 4 mm a pixel, seed 2, 10 epochs" in title
    assert "9 of 12 example slices are overestimated" in title and "6.1 [4.4, 8.5] times the true area" in title
    assert (about["examples"], about["examples_overestimated"], about["area_ratio"]["value"]) == (12, 9, 6.1)
    assert about["data_hash"] == "h" and about["source"] == "synthetic"
    plt.close(figure)


def test_without_the_run_of_that_seed_nothing_is_drawn(slices):
    without = replace(run_of(0), examples={})
    for runs in ([], [run_of(1)], [without]):
        with pytest.raises(NotRecorded, match="the baseline of seed 0"):
            study_overestimates(StudyRecords(runs))
