"""Pictures: what they say agrees with what they are drawn from, and what is saved says what made it."""

import json
import subprocess
from dataclasses import replace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

import atlas_lab as lab
from atlas_lab.experiment.own_scan import Prediction
from atlas_lab.experiment.run import Run
from atlas_lab.files import REPOSITORY
from atlas_lab.plots import saving
from atlas_lab.plots.overlay import overlay
from atlas_lab.plots.slices import plot_prediction
from atlas_lab.statistics import Interval

matplotlib.use("Agg")
SYNTHETIC = {"cohort": "synthetic", "source": "test"}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def fake_run(seed, dice):
    """A Run with the given dev Dice per epoch and half of it on train."""
    scores = {"loss": 1.0, "precision": 0.1, "recall": 0.9, "area_ratio": 3.0}
    history = [
        {"epoch": i + 1, "train": {**scores, "mean_dice": d / 2}, "dev": {**scores, "mean_dice": d}}
        for i, d in enumerate(dice)
    ]
    final = {"dev": {"mean_dice": {"value": dice[-1]}}}
    data = {"source": "made for a test"}
    return Run(replace(lab.RunConfig(), seed=seed, epochs=len(dice)), history, final, {}, data, {}, {}, 1.0)


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def test_a_slice_carries_its_orientation():
    ax = lab.show_slice(np.zeros((20, 16), np.uint8))
    assert {"L", "R", "A", "P"} <= {text.get_text() for text in ax.texts}


def test_slice_and_grid_draw_what_overlay_gives():
    rng = np.random.default_rng(0)
    image, target, prediction = rng.integers(0, 255, (3, 20, 16), np.uint8)
    target, prediction = target > 200, prediction > 200
    ax = lab.show_slice(image, target, prediction)
    expected = overlay(image, target, prediction, zoom=20, line=6)
    np.testing.assert_array_equal(ax.images[0].get_array(), expected)
    grid = lab.plots.plot_grid(image[None].repeat(5, 0), target[None].repeat(5, 0), ["a"] * 5, columns=3)
    assert sum(bool(ax.images) for ax in grid.axes) == 5


def test_curves_are_the_records_numbers_and_their_mean():
    runs = [fake_run(0, [0.1, 0.2, 0.3]), fake_run(1, [0.3, 0.4, 0.7])]
    ax = lab.plots.plot_histories(runs)
    drawn = [line.get_ydata() for line in ax.lines]
    for expected in ([0.1, 0.2, 0.3], [0.3, 0.4, 0.7], [0.2, 0.3, 0.5], [0.1, 0.15, 0.25]):
        assert any(np.allclose(expected, line) for line in drawn)
    assert {text.get_text() for text in ax.texts} == {"train", "dev"}


def test_cells_are_drawn_with_mean_interval_name_and_source():
    variants = {"one": [fake_run(0, [0.1, 0.2]), fake_run(1, [0.3, 0.4])], "other": [fake_run(0, [0.0, 0.0])] * 2}
    figure, axes = plt.subplots(1, 2)
    for ax in axes:
        lab.plots.plot_variants(variants, ax=ax)
    np.testing.assert_allclose(axes[0].lines[0].get_ydata(), [0.2, 0.3])
    assert {text.get_text() for text in axes[0].texts} == {"one", "other"}
    assert texts(figure).count("made for a test") == 1
    low, high = axes[0].collections[0].get_paths()[0].vertices[:, 1].min(), 0.3 + 12.706 * 0.1  # t for two runs
    assert low == pytest.approx(0.2 - 12.706 * 0.1, abs=1e-3)
    assert axes[0].collections[0].get_paths()[0].vertices[:, 1].max() == pytest.approx(high, abs=1e-3)


def test_splits_are_drawn_at_their_means_after_the_last_epoch_that_all_have():
    by_slice = [fake_run(0, [0.1, 0.5, 0.9]), fake_run(1, [0.1, 0.3, 0.9])]
    runs = {"slice": by_slice, "subject": [fake_run(0, [0.0, 0.2]), fake_run(1, [0.3, 0.0])]}
    figure = lab.plots.plot_splits({"a variant": runs})
    np.testing.assert_allclose(figure.axes[0].lines[0].get_xdata(), [0.1, 0.4])
    assert "made for a test" in texts(figure) and "a variant" in texts(figure)


def test_controls_and_published_numbers_have_panels_of_their_own():
    run = fake_run(0, [0.3, 0.5])
    run.final["dev_copied"] = {"mean_dice": {"value": 0.35}}
    one = lab.statistics.mean_interval([0.2])  # of one cohort: without end
    controls = {"a control": {"slice": lab.statistics.Interval(0.8, 0.75, 0.85), "block": one}}
    published = {"elsewhere": {"slice": (0.4, 0.4), "scan": (0.16, 0.18)}}
    figure = lab.plots.plot_splits({"a network": {"slice": [run], "subject": [run]}}, controls, published)
    networks, beside, others = figure.axes
    markers = [{round(float(x), 6) for line in ax.lines if line.get_marker() != "None" for x in line.get_xdata()}
               - {0.75, 0.85} for ax in figure.axes]
    assert markers[0] >= {0.5, 0.35} and markers[1] >= {0.8, 0.2} and markers[2] >= {0.4, 0.17}
    titles = ["networks", "controls: no networks", "published by others, on ATLAS R1.1 itself"]
    assert [ax.get_title("left") for ax in figure.axes] == titles
    words = texts(figure)
    assert all(word in words for word in ("by block", "by scan", "agreement with the", "a control", "elsewhere"))
    assert networks.get_xlim()[0] == beside.get_xlim()[0] == others.get_xlim()[0] == 0


def column_figures():
    """The figures that a paper prints one column wide, from made-up runs and noise."""
    runs = {"slice": [fake_run(0, [0.5])] * 2, "subject": [fake_run(0, [0.1])] * 2}
    noise = np.random.default_rng(0).integers(0, 255, (6, 20, 16), np.uint8)
    return {
        "splits": lab.plots.plot_splits({"three convolutions, kernels 10 and 3, 20 epochs": runs}),
        "variants": lab.plots.plot_variants({"weight 10": [fake_run(0, [0.1, 0.2])] * 2}).figure,
        "grid": lab.plots.plot_grid(noise, noise > 200, ["by subject: Dice 0.55"] * 6, columns=3, in_column=True),
        "intervals": lab.plots.plot_intervals({"all": {"a long name, of two lines": Interval(0.3, 0.2, 0.4)}}, "Dice"),
    }


@pytest.mark.parametrize("name", ["splits", "variants", "grid", "intervals"])
def test_figures_can_be_read_in_a_column(name):
    figure = column_figures()[name]
    assert figure.get_figwidth() * 2.54 <= 8.6
    shown = [text for text in figure.findobj(matplotlib.text.Text) if text.get_text()]
    assert min(text.get_fontsize() for text in shown) >= 6
    figure.canvas.draw()
    for ax in figure.axes:
        room = figure.get_window_extent()
        assert room.x0 - 1 <= ax.title.get_window_extent().x0 and ax.title.get_window_extent().x1 <= room.x1 + 1


def test_the_legend_of_a_column_leaves_the_source_its_place(tmp_path, monkeypatch):
    """Where a figure is saved, the legend moves to the lower edge of all that is drawn, where the source stands too."""
    figure = column_figures()["grid"]
    lab.plots.mask_legend(figure)
    boxes = []

    def note(file, **options):
        figure.canvas.draw()
        artists = [figure.legends[0], *(text for text in figure.texts if text.get_gid() == "source")]
        boxes.extend(artist.get_window_extent() for artist in artists)

    monkeypatch.setattr(figure, "savefig", note)
    lab.plots.save_figure(figure, tmp_path / "grid.png", SYNTHETIC)
    legend, source = boxes[:2]
    assert legend.x1 < source.x0


def test_architecture_is_drawn_from_the_model():
    shown = texts(lab.plots.plot_architecture(lab.BaselineNet((56, 48), pool="avg", convs_per_stage=3)))
    for shape in ("1 ch\n56 x 48", "8 ch\n28 x 24", "16 ch\n14 x 12", "2,688", "1,024", "256"):
        assert shape in shown
    assert "avg pool" in shown and "conv 5x5\nconv 5x5\nconv 5x5" in shown
    assert f"{lab.count_parameters(lab.BaselineNet((56, 48), convs_per_stage=3)):,} parameters" in shown
    assert "max pool" in texts(lab.plots.plot_architecture(lab.BaselineNet((56, 48))))


def test_overlap_map_is_in_percent_of_subjects():
    overlap = np.zeros((197, 233, 189), np.float32)
    overlap[60:80, 100:120, 60:100] = 0.3
    affine = np.array([[1.0, 0, 0, -98], [0, 1, 0, -134], [0, 0, 1, -72], [0, 0, 0, 1]])
    shown = texts(lab.plots.plot_overlap_map(overlap, affine, "a title"))
    assert "% of subjects" in shown and "a title" in shown


def draw(value=1.0):
    figure, ax = plt.subplots()
    ax.plot([0, value])
    return figure


def test_a_saved_figure_says_what_made_it(tmp_path):
    figure = draw()
    path = lab.plots.save_figure(figure, tmp_path / "curve.png", {**SYNTHETIC, "runs": ["a", "b"]})
    about = json.loads(path.with_suffix(".json").read_text())
    assert about["runs"] == ["a", "b"] and about["figure"] == "curve.png" and "commit" in about["code"]
    assert "synthetic cohort, not patient data" in texts(figure)
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert path.with_suffix(".pdf").read_bytes()[:5] == b"%PDF-"
    again = lab.plots.save_figure(draw(), tmp_path / "again" / "curve.png", {**SYNTHETIC, "runs": ["a", "b"]})
    assert again.with_suffix(".pdf").read_bytes() == path.with_suffix(".pdf").read_bytes()  # no date, no program


def test_redrawing_the_same_changes_no_file_and_another_changes_both(tmp_path):
    path = lab.plots.save_figure(draw(), tmp_path / "curve.png", SYNTHETIC)
    before = [(p.stat().st_mtime_ns, p.read_bytes()) for p in (path, path.with_suffix(".json"))]
    lab.plots.save_figure(draw(), path, SYNTHETIC)
    assert [(p.stat().st_mtime_ns, p.read_bytes()) for p in (path, path.with_suffix(".json"))] == before
    lab.plots.save_figure(draw(2.0), path, SYNTHETIC)
    assert [p.read_bytes() for p in (path, path.with_suffix(".json"))] != [content for _, content in before]
    path.write_bytes(b"tampered")
    path.with_suffix(".pdf").unlink()
    lab.plots.save_figure(draw(2.0), path, SYNTHETIC)
    assert path.read_bytes()[:4] == b"\x89PNG" and path.with_suffix(".pdf").exists()


def test_patient_images_stay_out_of_the_repository(tmp_path):
    about = {"cohort": "patients", "source": "ATLAS R1.1"}
    with pytest.raises(lab.DataError, match="data use agreement"):
        lab.plots.save_figure(draw(), REPOSITORY / "figures" / "patient.png", about)
    assert not (REPOSITORY / "figures" / "patient.png").exists()
    lab.plots.save_figure(draw(), tmp_path / "patient.png", about)


def test_every_figure_in_the_repository_has_its_provenance():
    tracked = subprocess.run(["git", "-C", REPOSITORY, "ls-files", "figures"], capture_output=True, text=True)
    pictures = [REPOSITORY / name for name in tracked.stdout.split() if name.endswith(".png")]
    for picture in pictures:
        about = json.loads(picture.with_suffix(".json").read_text())
        assert saving.is_unchanged(picture, {k: v for k, v in about.items() if k != "code"}), picture.name


@pytest.mark.parametrize("name", ["T1_$\\frac$.nii.gz", "T1_\udcff.nii.gz"])
def test_a_prediction_of_a_file_with_an_odd_name_is_drawn(name, tmp_path):
    volume = np.zeros((20, 24, 9), np.float32)
    volume[5:9, 5:9, 4] = 1
    found = Prediction(volume, volume, volume > 0.5, np.diag([2.0, 2, 2, 1]), ())
    plot_prediction(found, name).savefig(tmp_path / "a.png")
