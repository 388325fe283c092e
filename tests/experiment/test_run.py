"""Records: what they keep through JSON, and the tables made of them."""

import json
import math

import numpy as np
import pytest

import atlas_lab as lab
from atlas_lab.config import run_name
from atlas_lab.experiment.run import (
    RECORDS,
    checksum,
    load_run,
    run_from_dict,
    run_to_dict,
    score_text,
    without_nan,
)
from atlas_lab.paper.people_records import SHIPPED_PEOPLE
from atlas_lab.paper.tables import group_by_config, marked_block, measured_table, write_measured

# ------------------------------------------------------------------------------------------------------------ records

SCORES = ("mean_dice", "subject_dice", "precision", "recall", "area_ratio")


def interval(value, low, high):
    return {"value": value, "low": low, "high": high}


def made_up_run(train=0.5, dev=0.25, half=0.05, source="made up", **settings):
    """A record whose dev scores are dev, dev + 0.1, ... in the order of SCORES, each with `half` on both sides."""
    def scores(first):
        values = [first + 0.1 * i for i in range(len(SCORES))]
        return {name: interval(v, v - half, v + half) for name, v in zip(SCORES, values, strict=True)}

    entry = {"epoch": 1, "train": {"mean_dice": train, "recall": 0.5}, "dev": {"mean_dice": dev, "recall": math.nan}}
    return lab.experiment.Run(
        config=lab.RunConfig(**settings), history=[entry, {**entry, "epoch": 2}],
        final={"train": scores(train), "dev": scores(dev)}, split={"n_train": 7, "n_dev": 3},
        data={"source": source, "data_hash": "0123"}, code={"commit": None},
        environment={"device": "cpu", "threads": 1}, seconds=1.5,
    )


def test_a_record_survives_json():
    run = made_up_run(lr_drop_epoch=5, pool="avg")
    run.history[0]["dev"]["recall"] = run.history[1]["dev"]["recall"] = 0.125
    text = json.dumps(run_to_dict(run), allow_nan=False)
    again = run_from_dict(json.loads(text))
    assert again == run and isinstance(again.config, lab.RunConfig)
    assert again.name == run.name == run_name(run.config)


def test_nan_becomes_null_in_json_and_nan_again_in_a_curve():
    run = made_up_run()
    text = json.dumps(run_to_dict(run), allow_nan=False)
    assert json.loads(text)["history"][0]["dev"]["recall"] is None
    assert math.isnan(run.history[0]["dev"]["recall"])  # the run itself is left alone
    curve = run_from_dict(json.loads(text)).curve("recall")
    assert curve.dtype == float and np.isnan(curve).all() and curve.shape == (2,)


def test_without_nan_by_hand():
    nested = {"a": [1, math.nan, (math.inf, "nan")], "b": {"c": -math.inf, "d": np.float64("nan"), "e": None}}
    assert without_nan(nested) == {"a": [1, None, [None, "nan"]], "b": {"c": None, "d": None, "e": None}}
    assert without_nan([True, 2, "a"]) == [True, 2, "a"]
    assert without_nan(0.0) == 0.0


def test_a_curve_is_one_score_of_one_part():
    run = made_up_run(train=0.5, dev=0.25)
    assert run.curve().tolist() == [0.25, 0.25]
    assert run.curve("recall", "train").tolist() == [0.5, 0.5]
    with pytest.raises(KeyError):
        run.curve("accuracy")


def test_a_record_of_other_settings_is_refused():
    values = run_to_dict(made_up_run())
    with pytest.raises(TypeError):
        run_from_dict({**values, "config": {**values["config"], "depth": 3}})
    with pytest.raises(TypeError):
        run_from_dict({name: value for name, value in values.items() if name != "split"})


# ---------------------------------------------------------------------------------------------- the table of records

def rows_of(table):
    """The cells of each row of a Markdown table, after its two lines of head."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_table_by_hand():
    runs = [
        made_up_run(train=0.60, dev=0.30, half=0.04, seed=1),
        made_up_run(train=0.50, dev=0.20, half=0.02, seed=0),
        made_up_run(train=0.40, dev=0.10, half=0.01, seed=0, split_by="subject", epochs=40),
    ]
    lines = measured_table(runs).splitlines()
    assert lines[0] == (
        "| split by | epochs | seeds | train Dice | Dice, mean over slices | Dice, whole scans | precision | recall "
        "| predicted / true area |"
    )
    assert lines[1] == "|---|---|---|---|---|---|---|---|---|"
    assert lines[2] == (
        "| slice | 10 | 2 | 0.55 (0.50 to 0.60) ± 0.03 | 0.25 (0.20 to 0.30) ± 0.03 | 0.35 (0.30 to 0.40) ± 0.03 "
        "| 0.45 (0.40 to 0.50) ± 0.03 | 0.55 (0.50 to 0.60) ± 0.03 | 0.65 (0.60 to 0.70) ± 0.03 |"
    )
    assert lines[3] == (
        "| subject | 40 | 1 | 0.40 (0.40 to 0.40) ± 0.01 | 0.10 (0.10 to 0.10) ± 0.01 | 0.20 (0.20 to 0.20) ± 0.01 "
        "| 0.30 (0.30 to 0.30) ± 0.01 | 0.40 (0.40 to 0.40) ± 0.01 | 0.50 (0.50 to 0.50) ± 0.01 |"
    )
    assert lines[4] == "" and lines[5].startswith("made up. Mean over seeds")
    assert len(lines) == 6


def test_all_sources_are_named_once():
    runs = [made_up_run(source=source, seed=i) for i, source in enumerate(["b", "a", "b"])]
    assert measured_table(runs).splitlines()[-1].startswith("a, b. Mean")


def test_the_table_is_the_same_from_records_that_went_through_json_in_any_order():
    runs = [made_up_run(seed=seed, dev=0.2 + 0.01 * seed) for seed in range(3)] + [made_up_run(epochs=2)]
    again = [run_from_dict(json.loads(json.dumps(run_to_dict(run)))) for run in reversed(runs)]
    assert measured_table(again) == measured_table(runs)


def test_a_score_that_was_undefined_says_so():
    run = made_up_run()
    run.final["dev"]["precision"] = interval(math.nan, math.nan, math.nan)
    for each in (run, run_from_dict(run_to_dict(run))):
        (row,) = rows_of(measured_table([each]))
        assert row[6].startswith("undefined")
        assert not any("undefined" in cell or "nan" in cell for cell in row[:6] + row[7:])


def test_a_score_of_0_has_its_interval_too():
    run = made_up_run()
    run.final["dev"]["mean_dice"] = interval(0.01, 0.0, 0.04)
    run.final["dev"]["recall"] = interval(0.0, 0.0, 0.0)
    (row,) = rows_of(measured_table([run]))
    assert row[4] == "0.01 (0.01 to 0.01) ± 0.02"
    assert row[7] == "0.00 (0.00 to 0.00) ± 0.00"


def test_runs_that_differ_in_the_seed_alone_are_one_group_by_seed():
    runs = [made_up_run(seed=2), made_up_run(seed=0), made_up_run(seed=1, pool="avg"), made_up_run(seed=1)]
    groups = group_by_config(runs)
    assert [[run.config.seed for run in group] for group in groups.values()] == [[0, 1, 2], [1]]
    assert list(groups) == [lab.RunConfig(), lab.RunConfig(pool="avg")]


def test_the_table_is_written_between_the_marks_of_a_readme_and_again_without_a_change(tmp_path):
    readme, out = tmp_path / "README.md", tmp_path / "figures"
    readme.write_text("before\n" + marked_block("measured", "| old |\n") + "after\n", encoding="utf-8")
    runs = [made_up_run()]
    table = write_measured(runs, out, readme)
    assert table == measured_table(runs) == (out / "measured.md").read_text(encoding="utf-8")
    assert readme.read_text(encoding="utf-8") == f"before\n{marked_block('measured', table)}after\n"
    write_measured(runs, out, readme)
    assert readme.read_text(encoding="utf-8") == f"before\n{marked_block('measured', table)}after\n"
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["README.md", "measured.md"]


def test_without_a_readme_only_the_table_is_written(tmp_path):
    write_measured([made_up_run()], tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["measured.md"]


def test_a_dice_that_is_undefined_is_written_and_read(tmp_path):
    run = made_up_run(epochs=2)
    run.final["dev"]["mean_dice"] = interval(math.nan, math.nan, math.nan)
    again = load_run(lab.save_run(run, tmp_path))
    assert math.isnan(again.final["dev"]["mean_dice"]["value"]) and score_text(again) == "dev Dice nan [nan, nan]"


EPOCH = {"epoch": 1, "dev": {"mean_dice": 0.1}}
INTERVAL = {"value": 0.5, "low": 0.4, "high": 0.6}


def test_the_record_that_is_harmed_below_is_sound_as_are_all_that_the_lab_ships(tmp_path):
    values = run_to_dict(made_up_run(epochs=2)) | {"history": [EPOCH, EPOCH | {"epoch": 2, "seconds": 0}]}
    path = tmp_path / "r.json"
    path.write_text(json.dumps({**values, "checksum": checksum(values)}))
    assert load_run(path).curve().tolist() == [0.1, 0.1]
    shipped = [*RECORDS.glob("**/*.json"), *SHIPPED_PEOPLE.glob("*.json")]
    assert len(shipped) > 300 and all(map(load_run, shipped))


@pytest.mark.parametrize("harm", [
    {"final": {}}, {"history": [{}]}, {"history": [3]}, {"history": [EPOCH]}, {"history": [EPOCH] * 2},
    {"history": [EPOCH, EPOCH | {"epoch": 2}, EPOCH | {"epoch": 3}]},
    {"history": [EPOCH | {"seconds": -1.0}, EPOCH | {"epoch": 2}]},
    {"history": [EPOCH | {"dev": {"mean_dice": "0.1"}}, EPOCH | {"epoch": 2}]},
    {"history": [EPOCH | {"train": {"mean_dice": [0.1]}}, EPOCH | {"epoch": 2}]},
    {"history": [EPOCH | {"train": 3}, EPOCH | {"epoch": 2}]},
    {"seconds": -1.0}, {"seconds": math.inf}, {"seconds": math.nan}, {"seconds": None}, {"seconds": True},
    {"data": {"source": "made up"}}, {"data": {"source": "made up", "data_hash": 5}}, {"data": {"data_hash": "0123"}},
    {"final": {"dev": {"mean_dice": INTERVAL, "recall": INTERVAL | {"value": "0.5"}}}},
    {"final": {"dev": {"mean_dice": INTERVAL | {"high": math.inf}}}}, {"first_steps": ["0.5"]}, {"first_steps": 3},
])
def test_a_record_that_is_not_sound_is_none(harm, tmp_path):
    values = run_to_dict(made_up_run(epochs=2)) | harm
    path = tmp_path / "r.json"
    path.write_text(json.dumps({**values, "checksum": checksum(values)}))
    with pytest.raises(lab.DataError, match="not a run record") as raised:
        load_run(path)
    assert "\n" not in str(raised.value)
