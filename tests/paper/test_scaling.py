"""Lines through recorded runs, and what they let expect of a run that is not made yet."""

from dataclasses import replace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.stats

from atlas_lab.config import PROFILES
from atlas_lab.experiment.run import Run, load_runs, save_run
from atlas_lab.paper import scaling
from atlas_lab.paper.ablations import sweep_configs, variant_config
from atlas_lab.paper.evidence import NotRecorded
from atlas_lab.paper.planning import plan_sweep
from atlas_lab.paper.scaling import (
    SCALING_RECORDS,
    Points,
    expected_full_size,
    fit_line,
    scaling_figure,
    scaling_points,
    scaling_runs,
)
from atlas_lab.paper.scaling_plan import SCALING

matplotlib.use("Agg")
STUDY = PROFILES["study"]


def dice_of(config, epoch):
    """A Dice that grows by 0.02 with each doubling of updates and people, and by 0.05 with each halving of pixels."""
    people = config.people or 220
    steps = np.log2(epoch * people / 220 / 10), np.log2(people / 220), -np.log2(config.scale / 4)
    return 0.3 + float(np.dot(steps, (0.02, 0.02, 0.05))) - 0.2 * (config.split_by == "subject") + config.seed / 1000


def run_of(config):
    """A record of made-up numbers, as a test needs them."""
    people = config.people or 220
    history = [{"epoch": e, "dev": {"mean_dice": dice_of(config, e)}} for e in range(1, config.epochs + 1)]
    final = {"dev_fine": {"mean_dice": {"value": dice_of(config, config.epochs)}}}
    point = {"name": "study", "updates_an_epoch": round(303 * people / 220), "subjects": people}
    data, made_by = {"source": "made for a test", "data_hash": "h"}, {"device": "cpu", "threads": 1}
    return Run(config, history, final, {}, data, {}, made_by, 1.0, point=point)


@pytest.fixture(scope="module")
def runs():
    configs = [config for name in SCALING for config in sweep_configs(name, STUDY.config, SCALING)]
    configs += [replace(variant_config("weight 10", STUDY.config), epochs=20, split_by=split)
                for split in ("slice", "subject")]
    return [run_of(replace(config, seed=seed, cohort=seed)) for config in configs for seed in range(3)]


def test_a_line_is_scipy_s_and_its_band_holds_nine_new_runs_of_ten():
    rng, at = np.random.default_rng(0), np.repeat([8, 6, 4, 3, 2], 3)
    inside = []
    for _ in range(400):
        score = 0.4 - 0.05 * np.log2(at) + rng.normal(0, 0.02, len(at))
        line = fit_line(Points(at, score))
        inside.append(line.predict(1).low <= 0.4 + rng.normal(0, 0.02) <= line.predict(1).high)
    assert 0.86 < np.mean(inside) < 0.94
    expected = scipy.stats.linregress(np.log2(at), score)
    assert (line.slope, line.intercept) == pytest.approx((expected.slope, expected.intercept))
    # At the middle of the points the mean's own error is residual / sqrt(n).
    half = line.predict(2**line.middle).high - line.predict(2**line.middle).mean
    assert half == pytest.approx(scipy.stats.t.ppf(0.95, 13) * line.residual * np.sqrt(1 + 1 / 15))


def test_runs_are_found_along_each_road_and_no_others(runs):
    scale = scaling_points(runs, "scale")
    assert sorted(set(scale.at)) == [2, 3, 4, 6, 8] and len(scale.at) == 15
    assert sorted(set(scaling_points(runs, "people").at)) == [15, 30, 60, 120, 220]
    assert sorted(set(scaling_points(runs, "updates").at)) == [303 * k for k in (1, 2, 4, 8, 16)]
    assert fit_line(scale).slope == pytest.approx(-0.05) and fit_line(scaling_points(runs, "people")).slope > 0
    with pytest.raises(NotRecorded, match="weight 1, by site: no run along scale"):
        scaling_points(runs, "scale", "site", "weight 1")


def test_the_full_size_run_is_expected_from_the_coarser_ones(runs):
    expected = expected_full_size(runs)
    assert expected.mean == pytest.approx(0.401, abs=1e-6) and expected.low < 0.4 < expected.high
    with pytest.raises(NotRecorded, match="3 places"):
        expected_full_size([run for run in runs if run.config.scale >= 4])


def test_the_figure_shows_both_splits_on_three_roads_in_a_column(runs):
    figure, about = scaling_figure(runs)
    assert len(figure.axes) == 3 and all(len(ax.lines) == 5 for ax in figure.axes)
    assert figure.get_figwidth() == pytest.approx(8.5 / 2.54, abs=0.01)
    assert min(text.get_fontsize() for text in figure.findobj(matplotlib.text.Text) if text.get_text()) >= 6
    assert len(about["runs"]) == len([run for run in runs if run.config.pos_weight == 10])
    plt.close(figure)


def words(ax):
    return [text.get_text() for text in [*ax.texts, ax.title]]


def test_a_road_without_runs_is_marked_and_the_others_are_drawn(runs):
    """Weight 10 by subject is recorded along one road, weight 100 by slice along another, nothing along the third."""
    updates, scale, people = scaling_figure([
        run for run in runs if run.config.people is None and (run.config.pos_weight == 100 or run.config.epochs == 20)
        and (run.config.pos_weight, run.config.split_by) in ((100, "slice"), (10, "subject"))])[0].axes
    assert "weight 10; up to 3 seeds" in words(updates) and len(updates.lines) == 3
    assert "weight 100, as written; up to 3 seeds" in words(scale) and len(scale.lines) == 3
    assert "not run" in words(people) and len(people.lines) == 1  # the paper's place
    assert [label.get_text() for label in people.get_xticklabels()] == ["220"]
    assert updates.get_legend() and not people.get_legend()
    plt.close("all")
    with pytest.raises(NotRecorded, match="no variant is recorded at 4 places"):
        scaling_figure([run for run in runs if run.config.epochs < 8])


def test_places_that_nearly_coincide_are_named_once(runs):
    other = [replace(run, point=run.point | {"updates_an_epoch": run.point["updates_an_epoch"] + 3}) for run in runs]
    figure, _ = scaling_figure([*runs, *(replace(run, config=replace(run.config, cohort=9)) for run in other)])
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == [
        "303", "606", "1,212", "2,424", "4,848", "18,180"]
    plt.close(figure)


def test_a_longer_run_counts_once_with_the_shorter_that_it_went_on_from(runs):
    longer = [run_of(replace(run.config, epochs=40)) for run in runs if run.config.epochs == 20]
    points = scaling_points([*runs, *longer], "updates")
    assert len(points.at) == 3 * 6 and len(scaling_points([*runs, *longer], "people").at) == 3 * 5


def test_the_runs_of_both_folders_are_taken_each_once(runs, tmp_path, monkeypatch):
    study, roads = tmp_path / "study", tmp_path / "scaling"
    monkeypatch.setattr(scaling, "STUDY_RECORDS", study)
    monkeypatch.setattr(scaling, "SCALING_RECORDS", roads)
    first, second, third = (replace(run, final={"dev": {"mean_dice": {"value": 0.3, "low": 0.2, "high": 0.4}}})
                            for run in runs[:3])
    for run, folder in ((first, study), (second, study), (replace(second, seconds=2.0), roads), (third, roads)):
        save_run(run, folder)
    assert {run.name: run.seconds for run in scaling_runs()} == {first.name: 1.0, second.name: 2.0, third.name: 1.0}
    assert {run.name for run in scaling_runs([first])} == {first.name, second.name, third.name}


def test_the_shipped_runs_along_the_resolution_are_drawn():
    along_scale = {run.name for run in load_runs(SCALING_RECORDS)}
    figure, about = scaling_figure(scaling_runs())
    assert along_scale <= set(about["runs"]) and "not run" not in words(figure.axes[1])
    plt.close(figure)


def test_a_sweep_of_fewer_people_and_other_pixels_can_be_planned():
    (configs, _) = plan_sweep(STUDY, ["people_15", "resolution_8"], [])
    assert {(c.people, c.scale, c.epochs) for c in configs} == {(15, 4, 147), (None, 8, 10)} and len(configs) == 12
