"""Settings, records and the table of what was measured, against values by hand."""

import hashlib
import json
import math
import re
from dataclasses import FrozenInstanceError, asdict, fields, replace

import pytest

import atlas_lab as lab
from atlas_lab.config import (
    SETTINGS,
    check_config,
    config_from_plain,
    plain_settings,
    run_name,
    setting_text,
)
from atlas_lab.experiment.run import RECORDS
from atlas_lab.experiment.settings import config_from_strings
from atlas_lab.files import digest

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
    assert set(lab.PROFILES) == {"quick", "course", "study", "paper"}
    assert lab.PROFILES["paper"].config.scale == lab.PROFILES["paper"].config.z_step == 1
    baseline = asdict(lab.RunConfig())
    for profile in lab.PROFILES.values():
        check_config(profile.config)
        changed = {name for name, value in asdict(profile.config).items() if value != baseline[name]}
        assert changed <= {"epochs", "batch_size", "scale", "z_step", "train_scored_every"}
    sizes = [lab.PROFILES[name].n_subjects for name in ("quick", "course", "study")]
    assert sizes == sorted(sizes) and sizes[-1] == 220  # patients of ATLAS R1.1


@pytest.mark.parametrize("name, value", [
    ("batch_size", 0), ("epochs", 0), ("learning_rate", 0.0), ("learning_rate", -1e-3), ("learning_rate", math.nan),
    ("max_grad_norm", 0.0), ("dev_fraction", 0.0), ("dev_fraction", 1.0), ("dropout", -0.1), ("dropout", 1.0),
    ("pos_weight", 0.0), ("pos_weight", -1.0), ("pos_weight", math.nan),
])
def test_a_setting_that_can_mean_nothing_is_refused_by_name_and_value(name, value):
    with pytest.raises(lab.DataError, match=rf"RunConfig\.{name} is {re.escape(str(value))};"):
        check_config(replace(lab.RunConfig(), **{name: value}))


@pytest.mark.parametrize("name, value, wanted", [
    ("pos_weight", "10", "a number, and more than 0"), ("alpha", None, "a number, and 0 or more"),
    ("dropout", True, "a number, and from 0 to below 1"), ("dev_fraction", [0.3], "a number, and between 0 and 1"),
    ("epochs", 2.5, "a whole number, from 1 to 2147483647"), ("convs_per_stage", [2], "a whole number, from 1 to 512"),
    ("seed", "0", "a whole number, from 0 to 4294967295"), ("people", 2.0, "a whole number, at least 2, or none"),
    ("fold", "1", "a whole number, or none"), ("pool", 3, "one of max, avg"),
    ("scale", True, "a whole number, from 1 to 49"),
    ("pos_weight", 0, "more than 0"), ("epochs", 0, "from 1 to 2147483647"), ("people", 1, "at least 2, or none"),
])
def test_a_value_of_another_type_is_told_the_type_and_one_of_the_right_type_the_range_alone(name, value, wanted):
    with pytest.raises(lab.DataError) as refused:
        check_config(replace(lab.RunConfig(), **{name: value}))
    assert str(refused.value) == f"RunConfig.{name} is {value!r}; it must be {wanted}"


@pytest.mark.parametrize("name, value", [
    ("kernels", 3), ("kernels", "3-5"), ("kernels", [3, 5]), ("kernels", 10 - 3), ("kernels", (3, 5, 7)),
    ("scored_slices", "all"), ("scored_slices", "first 100"), ("scored_slices", 0), ("scored_slices", 2.5),
])
def test_what_a_refusal_tells_to_write_is_taken_by_python_and_by_the_command_line(name, value):
    with pytest.raises(lab.DataError) as refused:
        check_config(replace(lab.RunConfig(), **{name: value}))
    python, texts = {
        "kernels": ("(3, 5)", ["3-5"]), "scored_slices": ("None, or 100", ["all", "first 100"])}[name]
    assert all(words in str(refused.value) for words in [python, *texts])
    for text, taken in zip(texts, [(3, 5)] if name == "kernels" else [None, 100], strict=True):
        assert config_from_strings([f"{name}={text}"]) == replace(lab.RunConfig(), **{name: taken})


@pytest.mark.parametrize("name, value", [
    ("batch_size", 1), ("epochs", 1), ("learning_rate", 1e-9), ("dev_fraction", 0.01), ("dev_fraction", 0.99),
    ("dropout", 0.0), ("dropout", 0.99), ("pos_weight", 0.1),
])
def test_settings_at_the_edge_of_their_range_are_taken(name, value):
    check_config(replace(lab.RunConfig(), **{name: value}))


# ------------------------------------------------------------------------------------------------ settings from texts

def test_config_from_texts_by_hand():
    texts = ["epochs=40", "split_by=subject", "pos_weight=0.5", "learning_rate=1e-4", "lr_drop_epoch=20", "pool=avg"]
    config = config_from_strings(texts)
    assert config == lab.RunConfig(
        epochs=40, split_by="subject", pos_weight=0.5, learning_rate=1e-4, lr_drop_epoch=20, pool="avg"
    )
    assert type(config.epochs) is type(config.lr_drop_epoch) is int and type(config.learning_rate) is float


def test_no_texts_give_the_base():
    base = lab.PROFILES["quick"].config
    assert config_from_strings([]) == lab.RunConfig()
    assert config_from_strings([], base) == base
    assert config_from_strings(["seed=7"], base) == replace(base, seed=7)
    assert base.seed == 0


def test_every_field_can_be_set_by_text():
    config = lab.RunConfig(
        pool="avg", convs_per_stage=3, dropout=0.5, loss="tversky", pos_weight=2.5, alpha=0.7, beta=0.3,
        smooth=1.5, batch_size=7, learning_rate=2e-5, lr_drop_epoch=2, lr_drop_factor=0.5, max_grad_norm=1.25,
        epochs=3, split_by="site", dev_fraction=0.25, scale=2, z_step=5, seed=11, kernels=(5, 3), loss_over="slice",
        start_probability=0.01, labels="swapped", dropout_on="pooling", last_batch="filled", scaling="slice",
        mask_files="jpeg", scored_slices=100, cohort=3, train_scored_every=5, net="unet", skips=1, code="none", width=4,
        context=2, deep_supervision=2, stage="place", augment="flip", fold=3, people=15, precision="bfloat16",
        dev_sample=50,
    )
    same = [name for name, value in asdict(config).items() if value == getattr(lab.RunConfig(), name)]
    assert same == []
    texts = [f"{name}={setting_text(name, value)}" for name, value in asdict(config).items()]
    assert config_from_strings(texts) == config


def test_a_text_is_read_as_the_type_of_the_field_s_default_whatever_the_base_holds():
    base = replace(lab.RunConfig(), pos_weight=1, max_grad_norm=5)  # whole numbers, as people write them
    assert config_from_strings(["pos_weight=0.5", "max_grad_norm=2.5"], base).pos_weight == 0.5


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
        config_from_strings(["seed=1", text])


# -------------------------------------------------------------------------------------------------------------- names

OTHER_VALUES = {str: "other", int: 977, float: 0.0977, tuple: (7, 9)}


def variants():
    """The baseline, and one config for each field that differs from it in that field alone."""
    base = lab.RunConfig()
    changed = {f.name: OTHER_VALUES[SETTINGS[f.name].metadata["kind"]] for f in fields(base)}
    return [base, *(replace(base, **{name: value}) for name, value in changed.items())]


def test_configs_that_differ_in_any_field_have_different_names():
    names = [run_name(config) for config in variants()]
    assert len(names) == len(fields(lab.RunConfig)) + 1 == len(set(names))


def test_a_setting_s_text_in_a_record_stays_what_it_was():
    """Names are digests of these texts: others would rename every record."""
    plain = plain_settings(lab.RunConfig(kernels=(10, 3), scored_slices=100))
    assert (plain["kernels"], plain["scored_slices"]) == ("10-3", "first 100")
    assert plain_settings(lab.RunConfig())["scored_slices"] == "all"
    assert config_from_plain(json.loads(json.dumps(plain))) == lab.RunConfig(kernels=(10, 3), scored_slices=100)


@pytest.mark.parametrize("path", sorted(RECORDS.glob("*.json")), ids=lambda path: path.stem)
def test_every_shipped_record_has_the_name_of_its_settings(path):
    run = lab.experiment.load_run(path)
    assert run.name == path.stem
    assert "data_hash" in run.data and "place_error" not in run.final["dev"]


def test_equal_configs_have_equal_names():
    assert run_name(lab.RunConfig(epochs=3)) == run_name(replace(lab.RunConfig(), epochs=3))


@pytest.mark.parametrize("name, value", [("pos_weight", 1), ("max_grad_norm", 5), ("alpha", 1), ("smooth", 0)])
def test_a_whole_number_written_without_its_point_is_the_same_config_and_has_the_same_name(name, value):
    one, other = (replace(lab.RunConfig(), **{name: number}) for number in (value, float(value)))
    assert one == other
    assert run_name(one) == run_name(other)


def test_a_name_is_a_file_name_that_tells_the_main_settings():
    for config in variants():
        assert re.fullmatch(r"[\w.-]+", run_name(config))
    name = run_name(lab.RunConfig(pos_weight=10.0, split_by="subject", epochs=40, seed=3))
    assert re.fullmatch(r"baseline-w10-by-subject-e40-seed3-[0-9a-f]{12}", name)
    assert run_name(lab.RunConfig(loss="tversky")).startswith("baseline-tversky-by-slice-e10-seed0-")


def test_a_digest_is_the_first_half_of_a_hash_and_does_not_depend_on_the_order_of_keys():
    assert digest({"b": 1, "a": [2]}) == digest({"a": [2], "b": 1})
    assert digest([1, 2]) == hashlib.sha256(b"[1, 2]").hexdigest()[:12] != digest([2, 1])
