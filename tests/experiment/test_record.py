"""Settings, records and the table of what was measured, against values by hand."""

import hashlib
import json
import math
import re
from dataclasses import FrozenInstanceError, asdict, fields, replace

import numpy as np
import pytest

import atlas_lab as lab
from atlas_lab.config import SETTINGS, check_config, config_from_plain, plain_settings, setting_text
from atlas_lab.experiment.run import RECORDS, run_from_dict, run_to_dict, without_nan
from atlas_lab.files import digest
from atlas_lab.paper.tables import group_by_config, marked_block, measured_table, write_measured

# ---------------------------------------------------------------------------------------------------------- settings


def test_the_default_config_is_the_paper_s_baseline():
    config = lab.RunConfig()
    paper = {
        "net": "baseline", "pool": "max", "convs_per_stage": 1, "loss": "cross_entropy", "pos_weight": 100.0,
        "batch_size": 100, "learning_rate": 1e-3, "epochs": 10, "split_by": "slice", "dev_fraction": 0.3,
    }
    code = {"dropout": 0.15, "max_grad_norm": 5.0, "smooth": 0.0}
    as_printed = {"alpha": 1.0, "beta": 1.0}  # equation 3
    for name, value in (paper | code | as_printed).items():
        assert getattr(config, name) == value, name
    assert config.lr_drop_epoch is None


def test_a_config_is_frozen_and_can_be_a_key():
    with pytest.raises(FrozenInstanceError):
        lab.RunConfig().pool = "avg"
    assert {lab.RunConfig(): 1}[lab.RunConfig()] == 1


def test_profiles_differ_in_size_only():
    assert set(lab.PROFILES) == {"quick", "course", "paper"}
    assert lab.PROFILES["paper"].config.scale == lab.PROFILES["paper"].config.z_step == 1
    baseline = asdict(lab.RunConfig())
    for profile in lab.PROFILES.values():
        check_config(profile.config)
        changed = {name for name, value in asdict(profile.config).items() if value != baseline[name]}
        assert changed <= {"epochs", "batch_size", "scale", "z_step"}
    sizes = [lab.PROFILES[name].n_subjects for name in ("quick", "course", "paper")]
    assert sizes == sorted(sizes) and sizes[-1] == 220  # patients of ATLAS R1.1


@pytest.mark.parametrize("name, value", [
    ("batch_size", 0), ("epochs", 0), ("learning_rate", 0.0), ("learning_rate", -1e-3), ("learning_rate", math.nan),
    ("max_grad_norm", 0.0), ("dev_fraction", 0.0), ("dev_fraction", 1.0), ("dropout", -0.1), ("dropout", 1.0),
    ("pos_weight", 0.0), ("pos_weight", -1.0), ("pos_weight", math.nan),
])
def test_a_setting_that_can_mean_nothing_is_refused_by_name_and_value(name, value):
    with pytest.raises(lab.DataError, match=rf"RunConfig\.{name} is {re.escape(str(value))};"):
        check_config(replace(lab.RunConfig(), **{name: value}))


@pytest.mark.parametrize("name, value", [
    ("batch_size", 1), ("epochs", 1), ("learning_rate", 1e-9), ("dev_fraction", 0.01), ("dev_fraction", 0.99),
    ("dropout", 0.0), ("dropout", 0.99), ("pos_weight", 0.1),
])
def test_settings_at_the_edge_of_their_range_are_taken(name, value):
    check_config(replace(lab.RunConfig(), **{name: value}))


# ------------------------------------------------------------------------------------------------ settings from texts

def test_config_from_texts_by_hand():
    texts = ["epochs=40", "split_by=subject", "pos_weight=0.5", "learning_rate=1e-4", "lr_drop_epoch=20", "pool=avg"]
    config = lab.config_from_strings(texts)
    assert config == lab.RunConfig(
        epochs=40, split_by="subject", pos_weight=0.5, learning_rate=1e-4, lr_drop_epoch=20, pool="avg"
    )
    assert type(config.epochs) is type(config.lr_drop_epoch) is int and type(config.learning_rate) is float


def test_no_texts_give_the_base():
    base = lab.PROFILES["quick"].config
    assert lab.config_from_strings([]) == lab.RunConfig()
    assert lab.config_from_strings([], base) == base
    assert lab.config_from_strings(["seed=7"], base) == replace(base, seed=7)
    assert base.seed == 0


def test_every_field_can_be_set_by_text():
    config = lab.RunConfig(
        net="n", pool="avg", convs_per_stage=3, dropout=0.5, loss="tversky", pos_weight=2.5, alpha=0.7, beta=0.3,
        smooth=1.5, batch_size=7, learning_rate=2e-5, lr_drop_epoch=4, lr_drop_factor=0.5, max_grad_norm=1.25,
        epochs=3, split_by="site", dev_fraction=0.25, scale=2, z_step=5, seed=11, kernels=(5, 3), loss_over="slice",
        start_probability=0.01, labels="swapped", dropout_on="pooling", last_batch="filled", scaling="slice",
        mask_files="jpeg", scored_slices=100,
    )
    assert all(value != getattr(lab.RunConfig(), name) for name, value in asdict(config).items())
    texts = [f"{name}={setting_text(name, value)}" for name, value in asdict(config).items()]
    assert lab.config_from_strings(texts) == config


def test_a_text_is_read_as_the_type_of_the_field_s_default_whatever_the_base_holds():
    base = replace(lab.RunConfig(), pos_weight=1, max_grad_norm=5)  # whole numbers, as people write them
    assert lab.config_from_strings(["pos_weight=0.5", "max_grad_norm=2.5"], base).pos_weight == 0.5


@pytest.mark.parametrize("text, message", [
    ("epochs", "'epochs' is not a setting; write epochs=VALUE"),
    ("", "'' is not a setting.*FIELD=VALUE"),
    ("=3", "'=3' is not a setting"),
    ("epoch=3", "'epoch=3' is not a setting; did you mean epochs"),
    ("bach_size=3", "'bach_size=3' is not a setting; did you mean batch_size"),
    ("pool=median", "pool is 'median'; it must be one of max, avg"), ("kernels=3x5", "kernels takes the sides of two"),
    ("kernels=3-5-7", "must be the sides of two kernels"),
    ("scored_slices=last", "scored_slices takes all, or first 100"),
    ("lr_drop_epoch=10", "from 1 to 9"),
    ("Epochs=3", "'Epochs=3' is not a setting"),
    ("epochs=many", "'epochs=many'.*int"),
    ("epochs=2.5", "'epochs=2.5'.*int"),
    ("epochs=", "'epochs='.*int"),
    ("learning_rate=fast", "'learning_rate=fast'.*float"),
    ("lr_drop_epoch=late", "'lr_drop_epoch=late'.*int"),
])
def test_a_text_that_is_no_setting_is_refused(text, message):
    with pytest.raises(lab.DataError, match=message):
        lab.config_from_strings(["seed=1", text])


# -------------------------------------------------------------------------------------------------------------- names

OTHER_VALUES = {str: "other", int: 977, float: 0.0977, tuple: (7, 9)}


def variants():
    """The baseline, and one config for each field that differs from it in that field alone."""
    base = lab.RunConfig()
    changed = {f.name: OTHER_VALUES[SETTINGS[f.name].metadata["kind"]] for f in fields(base)}
    return [base, *(replace(base, **{name: value}) for name, value in changed.items())]


def test_configs_that_differ_in_any_field_have_different_names():
    names = [lab.run_name(config) for config in variants()]
    assert len(names) == len(fields(lab.RunConfig)) + 1 == len(set(names))


def test_a_setting_s_text_in_a_record_stays_what_it_was():
    """Names are digests of these texts: others would rename every record."""
    plain = plain_settings(lab.RunConfig(kernels=(10, 3), scored_slices=100))
    assert (plain["kernels"], plain["scored_slices"]) == ("10-3", "first 100")
    assert plain_settings(lab.RunConfig())["scored_slices"] == "all"
    assert config_from_plain(json.loads(json.dumps(plain))) == lab.RunConfig(kernels=(10, 3), scored_slices=100)


@pytest.mark.parametrize("path", sorted(RECORDS.glob("*.json")), ids=lambda path: path.stem)
def test_every_shipped_record_has_the_name_of_its_settings(path):
    run = lab.load_run(path)
    assert run.name == path.stem
    assert "data_hash" in run.data and "place_error" not in run.final["dev"]


def test_equal_configs_have_equal_names():
    assert lab.run_name(lab.RunConfig(epochs=3)) == lab.run_name(replace(lab.RunConfig(), epochs=3))


@pytest.mark.parametrize("name, value", [("pos_weight", 1), ("max_grad_norm", 5), ("alpha", 1), ("smooth", 0)])
def test_a_whole_number_written_without_its_point_is_the_same_config_and_has_the_same_name(name, value):
    one, other = (replace(lab.RunConfig(), **{name: number}) for number in (value, float(value)))
    assert one == other
    assert lab.run_name(one) == lab.run_name(other)


def test_a_name_is_a_file_name_that_tells_the_main_settings():
    for config in variants():
        assert re.fullmatch(r"[\w.-]+", lab.run_name(config))
    name = lab.run_name(lab.RunConfig(pos_weight=10.0, split_by="subject", epochs=40, seed=3))
    assert re.fullmatch(r"baseline-w10-by-subject-e40-seed3-[0-9a-f]{12}", name)
    assert lab.run_name(lab.RunConfig(loss="tversky")).startswith("baseline-tversky-by-slice-e10-seed0-")


def test_a_digest_is_the_first_half_of_a_hash_and_does_not_depend_on_the_order_of_keys():
    assert digest({"b": 1, "a": [2]}) == digest({"a": [2], "b": 1})
    assert digest([1, 2]) == hashlib.sha256(b"[1, 2]").hexdigest()[:12] != digest([2, 1])


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
    return lab.Run(
        config=lab.RunConfig(**settings), history=[entry, {**entry, "epoch": 2}],
        final={"train": scores(train), "dev": scores(dev)}, split={"n_train": 7, "n_dev": 3},
        data={"source": source, "data_hash": "0123"}, code={"commit": None}, environment={"torch": "2"}, seconds=1.5,
    )


def test_a_record_survives_json():
    run = made_up_run(lr_drop_epoch=5, pool="avg")
    run.history[0]["dev"]["recall"] = run.history[1]["dev"]["recall"] = 0.125
    text = json.dumps(run_to_dict(run), allow_nan=False)
    again = run_from_dict(json.loads(text))
    assert again == run and isinstance(again.config, lab.RunConfig)
    assert again.name == run.name == lab.run_name(run.config)


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
