"""The waterfall from as written to as run, on made-up runs whose numbers are known."""

import numpy as np
import pytest
from test_claims import all_runs

import atlas_lab as lab
from atlas_lab.claims import NotRecorded, Records
from atlas_lab.departures import DEPARTURES
from atlas_lab.sweeps import CELLS, SWEEPS
from atlas_lab.waterfall import ALONE, STACK, departure_effects, effects_table, plot_waterfall

DICE = {
    "as written": 0.20, "weight 1": 0.21, "last batch filled": 0.20, "slices scaled": 0.19, "masks from JPEG": 0.30,
    "split reversed": 0.12, "as run, two departures": 0.22, "as run, three departures": 0.20,
    "as run, four departures": 0.33, "as run": 0.25,
}


@pytest.fixture
def records():
    runs = all_runs(**{name.replace(" ", "_"): {"dev": dice} for name, dice in DICE.items()})
    for run in runs:
        for entry in run.history:
            entry["dev"]["first_100"] = entry["dev"]["mean_dice"] + 0.02
    return Records(runs)


def test_every_step_changes_one_setting_and_the_stack_ends_as_run():
    for name, departure in zip(ALONE[1:], list(DEPARTURES)[1:], strict=False):
        field, _, as_run = DEPARTURES[departure]
        assert CELLS[name] == ("as written", field, as_run)
    written = lab.cell_config("as written", lab.RunConfig())
    assert lab.as_written(written) == written
    stacked = lab.cell_config(STACK[-1], lab.RunConfig())
    assert {f for f, _, run in DEPARTURES.values() if getattr(stacked, f) != run} == {"scored_slices"}
    assert set(SWEEPS["as_run"].cells) | {"weight 1"} == {"as written", *ALONE, *STACK}


def test_effects_are_the_differences_alone_and_in_the_stack(records):
    written, effects = departure_effects(records)
    assert written.mean == pytest.approx(0.20)
    assert [effect.departure for effect in effects] == list(DEPARTURES)
    np.testing.assert_allclose([e.alone.mean for e in effects], [0.01, 0, -0.01, 0.10, -0.08, 0.02], atol=1e-9)
    np.testing.assert_allclose([e.in_stack.mean for e in effects], [0.01, 0.01, -0.02, 0.13, -0.08, 0.02], atol=1e-9)
    np.testing.assert_allclose([e.dice.mean for e in effects], [0.21, 0.22, 0.20, 0.33, 0.25, 0.27], atol=1e-9)
    table = effects_table(written, effects)
    assert "| masks from JPEG files | +0.100 [+0.100, +0.100] | +0.130" in table and len(table.splitlines()) == 9


def test_the_picture_s_bars_go_from_one_height_to_the_next(records):
    figure = plot_waterfall(*departure_effects(records))
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in figure.axes[0].patches]
    np.testing.assert_allclose(bars, [(0, 0.20), (0, 0.27), (0.20, 0.21), (0.21, 0.22), (0.22, 0.20), (0.20, 0.33),
                                      (0.33, 0.25), (0.25, 0.27)], atol=1e-9)


def test_a_missing_cell_is_named(records):
    records.runs = [run for run in records.runs if run.config.mask_files == "exact"]
    with pytest.raises(NotRecorded, match="masks from JPEG"):
        departure_effects(records)
