"""The tree of ablations, and the records of sweeps."""

import re
from dataclasses import asdict, replace

import pytest

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.config import check_config, run_name
from atlas_lab.files import REPOSITORY
from atlas_lab.paper.ablations import STUDY, SWEEPS, VARIANTS, sweep_configs, variant_config

BASE = lab.RunConfig(epochs=60)


@pytest.mark.parametrize("variant", [name for name, change in VARIANTS.items() if change])
def test_each_ablation_changes_one_setting_of_the_cell_it_is_compared_with(variant):
    parent, field, value = VARIANTS[variant]
    one, other = asdict(variant_config(variant, BASE)), asdict(variant_config(parent, BASE))
    assert [name for name in one if one[name] != other[name]] == [field]
    assert one[field] == value


def test_the_baseline_is_the_profile_s_own_config():
    assert variant_config("baseline", BASE) == BASE == lab.RunConfig(epochs=60)


def test_every_cell_is_in_one_sweep_and_all_configs_are_possible_and_differ():
    again = ("longer", "as_run_longer", "split")  # they train variants of the others for longer, or on other splits
    variants = [variant for name, sweep in SWEEPS.items() if name not in again for variant in sweep.variants]
    at_study = {variant for sweep in STUDY.values() for variant in sweep.variants}
    assert len(set(variants)) == len(variants) and set(variants) | at_study == set(VARIANTS)
    configs = [config for name in SWEEPS for config in sweep_configs(name, lab.PROFILES["course"].config)]
    assert len({run_name(config) for config in configs}) == len(configs)
    for config in configs:
        check_config(config)
        lab.experiment.build_model(config, (16, 16))
        lab.experiment.build_loss(config)


def test_the_study_plans_each_run_once_and_longer_rows_go_on_from_kept_states():
    base = lab.PROFILES["study"].config
    runs = [(config, row) for name, row in STUDY.items() for config in sweep_configs(name, base, STUDY)]
    assert len({run_name(config) for config, _ in runs}) == len(runs)
    shorter = {}
    for config, row in runs:
        assert config.scale in (2, 4) and config.z_step == 1 and 3 <= row.seeds <= 6
        key = replace(config, epochs=1, lr_drop_epoch=None)
        if key in shorter and config.lr_drop_epoch is None:
            assert shorter[key] & set(range(config.epochs)), config  # not trained from the start again
        shorter[key] = shorter.get(key, set()) | set(row.keep)
        if config.lr_drop_epoch:
            assert config.lr_drop_epoch in shorter[key] or config.scale == 2


def test_the_page_of_commands_names_every_sweep():
    text = (REPOSITORY / "docs" / "command_line.md").read_text(encoding="utf-8")
    named = text.partition("The named sweeps are ")[2].partition(", or `all`")[0]
    assert re.findall("`(.*?)`", named) == list(SWEEPS)


def test_a_sweep_takes_the_profile_it_is_given():
    paper = sweep_configs("pooling", lab.PROFILES["paper"].config)
    assert {config.scale for config in paper} == {1} and {config.pool for config in paper} == {"avg"}
    assert [config.split_by for config in paper] == ["slice", "subject"]


@pytest.mark.parametrize("settings, message", [
    (["wieghts"], "there is no sweep 'wieghts'; choose one of weights"),
    (["weights", "epochs=3"], "not both"),
    (["colour=red"], "'colour=red' is not a setting"),
    (["pos_weight=0,1"], "RunConfig.pos_weight is 0.0; it must be more than 0"),
    (["lr_drop_epoch=10", "epochs=10"], "RunConfig.lr_drop_epoch is 10; it must be none, or from 1 to 9"),
])
def test_a_sweep_that_can_not_be_is_one_clear_line(settings, message, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("atlas_lab.commands.training.prepare", lambda *_: None)
    assert main(["sweep", "--out", str(tmp_path), *settings]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("atlas-lab: ") and message in line
    assert not list(tmp_path.iterdir())
