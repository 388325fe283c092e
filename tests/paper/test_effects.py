"""The waterfall from as written to as run, on made-up runs whose numbers are known."""

import json

import numpy as np
import pytest
from test_claims import COHORT, all_runs

import atlas_lab as lab
from atlas_lab.experiment.artifacts import DEPARTURES
from atlas_lab.files import REPOSITORY
from atlas_lab.paper.ablations import SWEEPS, VARIANTS
from atlas_lab.paper.card import card_text, write_card
from atlas_lab.paper.effects import ALONE, STACK, departure_effects, effects_table, updates_text
from atlas_lab.paper.evidence import NotRecorded, Records
from atlas_lab.plots.comparisons import plot_waterfall

DICE = {
    "as written": 0.20, "weight 1": 0.21, "last batch filled": 0.20, "slices scaled": 0.19, "masks from JPEG": 0.30,
    "split reversed": 0.12, "as run, two departures": 0.22, "as run, three departures": 0.20,
    "as run, four departures": 0.33, "as run": 0.25,
    "three convolutions, kernels 10 and 3": 0.20,
}


@pytest.fixture
def records():
    runs = all_runs(**{name.replace(" ", "_"): {"dev": dice} for name, dice in DICE.items()})
    for run in runs:
        for entry in run.history:
            entry["dev"]["first_100"] = entry["dev"]["mean_dice"] + 0.02
    return Records(runs, COHORT)


def test_every_step_changes_one_setting_and_the_stack_ends_as_run():
    for name, departure in zip(ALONE[1:], list(DEPARTURES)[1:], strict=False):
        field, _, as_run = DEPARTURES[departure]
        assert VARIANTS[name] == ("as written", field, as_run)
    written = lab.paper.variant_config("as written", lab.RunConfig())
    assert lab.experiment.as_written(written) == written
    stacked = lab.paper.variant_config(STACK[-1], lab.RunConfig())
    assert {f for f, _, run in DEPARTURES.values() if getattr(stacked, f) != run} == {"scored_slices"}
    assert set(SWEEPS["as_run"].variants) | {"weight 1"} == {"as written", *ALONE, *STACK}


def test_effects_are_the_differences_alone_and_in_the_stack(records):
    written, effects = departure_effects(records)
    assert written.mean == pytest.approx(0.20)
    assert [effect.departure for effect in effects] == list(DEPARTURES)
    np.testing.assert_allclose([e.alone.mean for e in effects], [0.01, 0, -0.01, 0.10, -0.08, 0.02], atol=1e-9)
    np.testing.assert_allclose([e.in_stack.mean for e in effects], [0.01, 0.01, -0.02, 0.13, -0.08, 0.02], atol=1e-9)
    np.testing.assert_allclose([e.dice.mean for e in effects], [0.21, 0.22, 0.20, 0.33, 0.25, 0.27], atol=1e-9)
    table = effects_table(written, effects)
    assert "| masks from JPEG files | +0.100 [+0.100, +0.100] | +0.130" in table and len(table.splitlines()) == 9


def test_the_reversed_split_is_told_of_with_its_updates(records):
    """4,190 slices in batches of 100 are 42 updates, as in the made-up runs of both; 58 and 25 epochs of them."""
    text = " ".join(updates_text(records).split())
    assert "42 updates an epoch instead of 42: after 25 epochs 0 of its 5 networks have found no lesion" in text
    assert "have found no lesion, and 0 of them after 58, with 2,436 updates against 1,050 as written" in text
    assert "changes the Dice by -0.080 [-0.080, -0.080], and as run the reported Dice is 0.270 [" in text


def test_without_longer_runs_the_reversed_split_is_told_of_as_it_is(records):
    records.runs = [run for run in records.runs if len(run.history) != SWEEPS["as_run_longer"].epochs]
    assert "after 25, with 1,050 updates against 1,050" in " ".join(updates_text(records).split())


def test_the_picture_s_bars_go_from_one_height_to_the_next(records):
    figure = plot_waterfall(*departure_effects(records))
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in figure.axes[0].patches]
    np.testing.assert_allclose(bars, [(0, 0.20), (0, 0.27), (0.20, 0.21), (0.21, 0.22), (0.22, 0.20), (0.20, 0.33),
                                      (0.33, 0.25), (0.25, 0.27)], atol=1e-9)


def test_a_missing_cell_is_named(records):
    records.runs = [run for run in records.runs if run.config.mask_files == "exact"]
    with pytest.raises(NotRecorded, match="masks from JPEG"):
        departure_effects(records)


def test_the_card_holds_the_best_model_s_numbers_the_effects_and_the_verdicts(records, tmp_path):
    text = write_card(records, tmp_path)
    assert (tmp_path / "card.md").read_text() == text
    assert "| slice, as the paper | 0.300 [" in text and "| subject | 0.100 [" in text
    assert "The split alone is worth +0.200 [" in text and "90% of them" in text
    assert effects_table(*departure_effects(records)) in text
    assert "the reported Dice goes from 0.200 [" in text and "to 0.270 [" in text
    assert "`dev_fraction` 0.3 and 0.7" in text
    deep = text.partition("| C10 | ")[2].partition("\n")[0].split(" | ")
    assert [variant[:6] for variant in deep[1:]] == ["0.300 ", "0.200 ", "-0.100", "20 |"]
    assert "hold here" not in text  # the ledgers say what holds


def test_there_is_no_card_without_the_runs_as_run(records, tmp_path):
    records.runs = [run for run in records.runs if run.config.dev_fraction == 0.3]
    with pytest.raises(NotRecorded, match="split reversed"):
        write_card(records, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_card_in_the_repository_is_that_of_its_records():
    """After new records: `make figures`."""
    card = REPOSITORY / "figures" / "card.md"
    records = Records(lab.load_runs(), json.loads((card.parent / "cohort.json").read_text()))
    try:
        expected = card_text(records)
    except NotRecorded:
        assert not card.exists()
    else:
        assert card.read_text() == expected
