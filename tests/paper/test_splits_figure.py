"""The figure of splits: networks and controls of the same slices, and nothing else in their panels."""

from dataclasses import replace

import matplotlib
import matplotlib.pyplot as plt
import pytest

import atlas_lab as lab
from atlas_lab.experiment.run import Run
from atlas_lab.paper.ablation_figures import splits_figure
from atlas_lab.paper.control_records import ControlConfig, ControlRecord
from atlas_lab.paper.evidence import NotRecorded

matplotlib.use("Agg")


def run_of(seed, split, dice):
    """A run of one epoch with a dev Dice, on the cohort of its seed."""
    config = replace(lab.RunConfig(), seed=seed, epochs=1, split_by=split)
    final, data = {"dev": {"mean_dice": {"value": dice}}}, {"source": "made for a test", "data_hash": f"hash{seed}"}
    return Run(config, [{"epoch": 1, "dev": {"mean_dice": dice}}], final, {}, data, {}, {}, 1.0)


def record_of(control, split, dice, seed=0, data_hash=None, **settings):
    """A control's record with a dev Dice."""
    config = ControlConfig(control, split_by=split, seed=seed, cohort=seed, **settings)
    dev = {"mean_dice": {"value": dice, "low": 0.0, "high": 1.0}}
    return ControlRecord(config, dev, {}, {}, {"data_hash": data_hash or f"hash{seed}"}, {}, {}, 1.0)


class FewRecords:
    """Weight 10 by slice and by subject; nothing else."""

    def variant(self, name, split="slice"):
        if name != "weight 10" or split not in ("slice", "subject"):
            raise NotRecorded(f"{name} by {split}")
        return [run_of(seed, split, {"slice": 0.4, "subject": 0.1}[split] + seed / 100) for seed in range(2)]


def markers(ax):
    return {round(float(x), 4) for line in ax.lines if line.get_marker() not in ("None", "|") for x in line.get_xdata()}


def test_controls_are_those_of_the_networks_slices_and_published_numbers_stand_apart():
    controls = [
        record_of("copying machine", "slice", 0.7), record_of("copying machine", "slice", 0.8, seed=1),
        record_of("copying machine", "subject", 0.02, labels="swapped"),
        record_of("lesion map", "slice", 0.33, data_hash="other slices"),
        record_of("copying machine", "slice", 0.55, dev_fraction=0.7),
    ]
    figure, about = splits_figure(FewRecords(), controls)
    networks, beside, published = figure.axes
    assert markers(networks) == {0.405, 0.105} and markers(beside) == {0.75, 0.02} and markers(published) == {0.4, 0.17}
    names = [text.get_text() for ax in (beside, published) for text in ax.get_yticklabels()]
    assert names == ["copying machine", "copying machine,\nother people's masks",
                     "the paper's baseline\n(wungemach/atlas)"]
    assert "ATLAS R1.1" in published.get_title("left")
    assert about["controls"] == [record.config.name for record in controls[:3]] and len(about["runs"]) == 4
    assert min(text.get_fontsize() for text in figure.findobj(matplotlib.text.Text) if text.get_text()) >= 6
    plt.close(figure)


def test_runs_may_come_by_seed():
    class BySeed(FewRecords):
        def variant(self, name, split="slice"):
            return dict(enumerate(super().variant(name, split)))

    figure, about = splits_figure(BySeed(), [])
    assert markers(figure.axes[0]) == {0.405, 0.105} and len(figure.axes) == 2 and len(about["runs"]) == 4
    plt.close(figure)


def test_without_a_pair_of_splits_there_is_no_figure():
    class NoRecords:
        def variant(self, name, split="slice"):
            raise NotRecorded(name)

    with pytest.raises(NotRecorded, match="by slice and by another split"):
        splits_figure(NoRecords(), [])
