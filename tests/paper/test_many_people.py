"""The network beside the plan: its settings, its record, its place on the pages, all from small or made-up runs."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from boxes import store_of

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.config import check_config, config_from_plain, plain_settings, run_name
from atlas_lab.experiment.folds import choose_split
from atlas_lab.files import REPOSITORY
from atlas_lab.paper import many_people, people_records
from atlas_lab.paper.many_people import MANY, beside_table, final_scores, many_people_config, scores_of
from atlas_lab.paper.people_claims import chosen_best
from atlas_lab.paper.people_errors import error_analysis
from atlas_lab.paper.people_figure import people_lines
from atlas_lab.paper.people_plan import BASE
from atlas_lab.paper.people_progress import difference_so_far
from atlas_lab.paper.people_scores import field_scores_table
from atlas_lab.paper.shipped_network import chosen_record
from atlas_lab.paper.tables import marked_block

DICE = np.linspace(0.1, 0.7, 20)


def record(row, gain=0.0, seed=0, **settings):
    """Scores of a final network of twenty people, of whom every second has a small lesion."""
    scans = [{"subject": f"{index:03d}", "dice": value + gain, "lesion_f1": 0.5, "hd95": 20.0, "assd": 5.0,
              "surface_dice": 0.625, "volume_difference_ml": -1.0, "count_difference": 0.0, "site": "Site1",
              "true_ml": 0.5 + 9 * (index % 2), "territory": "basilar"} for index, value in enumerate(DICE)]
    bins = {"said": np.linspace(0.05, 0.95, 10), "found": np.linspace(0, 0.9, 10), "pixels": np.full(10, 100.0)}
    config = replace(BASE, seed=seed, cohort=seed, **settings)
    return {"row": row, "config": plain_settings(config), "scores": {"plain": scans, "calibration": bins}}


def run_of(one, subjects, dev):
    """What a table reads of the record of a run."""
    name, point = run_name(config_from_plain(one["config"])), {"subjects": subjects, "updates": 1234}
    return SimpleNamespace(name=name, point=point, split={"dev_subjects": dev})


def test_it_has_the_best_settings_and_five_times_as_many_people_who_teach():
    people = people_records.load_people()
    config, best = many_people_config(people), chosen_best(people)
    check_config(config)
    changed = {name for name, value in plain_settings(config).items() if value != plain_settings(best)[name]}
    assert changed == set(many_people.SETTINGS)
    store = store_of(config.people, 63)
    split = choose_split(config, store)
    subjects = store.table["subject"].to_numpy()
    assert len(set(subjects[split.train])) == 5 * 154 == 770 and len(set(subjects[split.dev])) == 110


def test_it_is_trained_on_a_larger_cohort_and_scored_as_a_final_row_is(small_people, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(many_people, "chosen_best", lambda records: replace(
        people_records.row_config("U-Net"), width=2))
    monkeypatch.setattr(many_people, "SETTINGS", {"people": 300, "dev_fraction": 0.125, "epochs": 1})
    monkeypatch.setattr(people_records, "_slices", lambda number, scale, z_step, people: asked.append(
        (number, people)) or store_of(300 if number == 0 else 7, 63))
    monkeypatch.setattr(people_records, "healthy_slices", lambda config: replace(store_of(2), masks=np.zeros(
        store_of(2).masks.shape, bool)))
    monkeypatch.setattr(people_records, "slices_without_mimics", lambda config, number: store_of(3))
    (path,) = people_records.record_people([MANY], tmp_path, 1, lambda line: None)
    assert path.name.startswith("final-many_people-unet") and set(asked) == {(0, 300), (100, 220)}
    people = people_records.load_people(tmp_path)
    assert len(scores_of(people, MANY)) == 7 and "false alarms" in people[0]["scores"]
    assert chosen_record(people) is people[0]


def test_a_smaller_run_keeps_the_study_s_cohort(monkeypatch):
    asked = []
    monkeypatch.setattr(people_records, "_slices", lambda *key: asked.append(key))
    for people in (None, 15, 880):
        people_records.study_slices(replace(BASE, people=people))
    assert [key[-1] for key in asked] == [220, 220, 880]


def test_the_table_has_the_final_networks_of_the_same_seed_on_the_same_people():
    first, other = record("final: baseline"), record("final: baseline", 0.3, seed=1)
    many = record(MANY, 0.2, people=880)
    runs = [run_of(first, 220, 66), run_of(many, 880, 110)]
    table = beside_table([first, other, many], runs)
    assert f"| baseline | 154 people | 1,234 | {DICE.mean():.3f} [" in table
    assert "| +0.200 [+0.200, +0.200] | 0.500 [0.500, 0.500] |" in table
    assert f"| many people | 770 people | 1,234 | {DICE.mean() + 0.2:.3f} [" in table and table.count("\n") == 4
    assert beside_table([first, other], runs) == ""


def test_a_final_row_is_compared_with_others_of_its_cohort_alone():
    people = [record("baseline"), record("final: baseline", 0.1), record("final: U-Net", 0.2)]
    assert difference_so_far(people, "final: baseline") is None  # people of another cohort, under the same numbers
    assert difference_so_far(people, "final: U-Net").mean == pytest.approx(0.1)


def test_the_pages_have_it_once_it_is_recorded():
    people = [record(MANY)]
    text = error_analysis(people, MANY)
    assert f"| all people | {DICE.mean():.3f} [" in text
    assert f"| size: 0 to 1 ml    |     10 | {DICE[::2].mean():.3f} [" in text and "| territory: basilar |" in text
    assert people_lines(people)["people that nothing was chosen on"][MANY].mean == pytest.approx(DICE.mean())
    assert f"| {MANY} | 0.625 [0.625, 0.625] | 20.0 [" in field_scores_table(people)
    with pytest.raises(lab.DataError, match="final: many people is not recorded"):
        error_analysis([record("final: best")], MANY)


def test_the_page_of_results_has_its_table():
    people = people_records.load_people()
    page = (REPOSITORY / "docs" / "results.md").read_text("utf-8")
    assert marked_block("final-people", beside_table(people)) in page
    dice = final_scores(people)
    assert len(dice[MANY]) == 220 and dice[MANY].keys() == dice["final: baseline"].keys()


def test_the_plan_s_table_names_it_too(capsys):
    assert main(["people", "--plan"]) == 0
    assert f"Beside the plan, for what predict uses: {MANY}." in capsys.readouterr().out
