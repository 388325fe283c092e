"""The plan of runs on new people, the rules that were fixed before them, and a small recording from end to end."""

from dataclasses import asdict, replace

import numpy as np
import pandas
import pytest
from boxes import store_of

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.config import check_config, run_name
from atlas_lab.data.scans import find_scans
from atlas_lab.experiment.build import build_loss, build_model
from atlas_lab.files import REPOSITORY
from atlas_lab.paper import other_people, people_plan, people_records
from atlas_lab.paper.evidence import NotRecorded
from atlas_lab.paper.people_claims import CANDIDATES, effect, effects_table, judge_people, people_page, people_scores
from atlas_lab.paper.people_figure import draw_people, people_lines
from atlas_lab.paper.people_plan import (
    BUDGET_HOURS,
    CORES,
    FOLDS,
    PEOPLE,
    best_config,
    planned_hours,
    row_config,
    row_runs,
)
from atlas_lab.paper.people_progress import (
    difference_so_far,
    difference_table,
    partial_rows,
    partial_table,
    people_summary,
)
from atlas_lab.paper.people_scores import compute_table, equal_compute_text, field_scores_table
from atlas_lab.paper.score_files import load_scores
from atlas_lab.paper.study import StudyRecords
from atlas_lab.paper.study_page import study_findings, study_page
from atlas_lab.paper.tables import marked_block
from atlas_lab.paper.verdicts import FAILS, HOLDS, NOT_RUN, UNDECIDED
from atlas_lab.phantom.cohort import make_cohort
from atlas_lab.statistics import Interval


def test_the_plan_fits_its_budget():
    assert sum(map(planned_hours, PEOPLE)) / CORES <= BUDGET_HOURS


def test_every_row_can_be_built_and_no_two_runs_are_the_same():
    names = []
    for name in PEOPLE:
        config = row_config(name)
        build_model(config, (16, 16)), build_loss(config)
        runs = row_runs(name)
        for run in runs:
            check_config(run)
        names += [] if name == "final: best" else [run_name(run) for run in runs]
        assert all(run.split_by in ("subject", "site") and (run.scale, run.z_step) == (4, 1) for run in runs)
    assert len(set(names)) == len(names)


def test_each_row_changes_one_thing():
    for name, row in PEOPLE.items():
        if row.against is not None:
            mine, other = (asdict(replace(row_config(n), epochs=1)) for n in (name, row.against))
            changed = {field for field in mine if mine[field] != other[field]}
            assert changed == set(row.settings) and len(changed) <= (2 if name == "volumetric, width 4" else 1), name


def test_the_best_takes_of_each_setting_what_helps_most_and_surely():
    effects = {name: Interval(0.0, -0.1, 0.1) for name in CANDIDATES}
    assert best_config(effects) == row_config("final: U-Net")
    effects |= {"flips": Interval(0.02, 0.01, 0.03), "all augmentation": Interval(0.03, 0.02, 0.04),
                "2.5D, seven slices": Interval(0.2, -0.01, 0.4), "2.5D, three slices": Interval(0.1, 0.05, 0.15),
                "Dice and cross-entropy": Interval(-0.1, -0.2, -0.05)}
    best = best_config(effects)
    assert (best.augment, best.context, best.loss, best.epochs) == ("all", 1, "cross_entropy", 20)
    volumetric = best_config(effects | {"volumetric": Interval(0.3, 0.2, 0.4)})
    assert (volumetric.net, volumetric.context) == ("volume_unet", 0)
    build_model(volumetric, (16, 16))
    with pytest.raises(lab.DataError, match="boundary is compared with Dice and cross-entropy"):
        best_config({"boundary": Interval(0.1, 0.05, 0.15)})


def records_of(row, gain=0.0, ways=("plain",), seed=0):
    """A row's records of 30 people a cohort, whose Dice is a draw of their own and a gain."""
    found = []
    for cohort in range(PEOPLE[row].seeds):
        rng, noise = np.random.default_rng([7, cohort]), np.random.default_rng([seed, cohort])
        base = rng.uniform(0.2, 0.6, 30)
        dice = {way: base + gain * (way == ways[0]) + noise.normal(0, 0.02, 30) for way in ways}
        scans = {way: [{"subject": f"{index:03d}", "dice": value, "lesion_f1": 0.5, "hd95": None,
                        "true_ml": 3.0 * (index % 2), "site": "Site1"}
                       for index, value in enumerate(values)] for way, values in dice.items()}
        found.append({"row": row, "config": {"cohort": cohort}, "scores": scans})
    return found


@pytest.mark.parametrize("gain, verdict", [(0.2, HOLDS), (-0.2, FAILS), (0.05, UNDECIDED)])
def test_c16_asks_whether_a_volume_helps_a_lot(gain, verdict):
    records = records_of("U-Net") + records_of("volumetric, width 4", gain, seed=1)
    assert judge_people(records)["C16"].verdict == verdict
    assert effect(records, "volumetric, width 4").mean == pytest.approx(gain, abs=0.01)


@pytest.mark.parametrize("gain, verdict", [(0.05, HOLDS), (-0.05, FAILS), (0.0, UNDECIDED)])
def test_c15_asks_whether_the_cascade_beats_its_own_mask(gain, verdict):
    records = records_of("cascade: place", gain, ("cascade", "mask alone", "perfect start"))
    found = judge_people(records)
    assert found["C15"].verdict == verdict and found["C16"].verdict == NOT_RUN
    assert "volumetric, width 4: 0 of 3 runs" in found["C16"].decides


def test_a_table_says_what_is_not_run():
    table = effects_table(records_of("baseline") + records_of("U-Net", 0.1))
    assert table.count("not run") == len(PEOPLE) - 4  # two are recorded; the cascade's two stages have no masks
    row = next(line for line in table.splitlines() if line.startswith("| U-Net |"))
    assert "| baseline | +0.1" in row


def test_the_page_has_groups_of_people_and_the_verdicts():
    page = people_page(records_of("baseline") + records_of("U-Net", 0.1))
    assert "| size: 1 to 5 ml | 45 | 0." in page and "| size: none | 45 | 0." in page  # the same names on each cohort
    assert "| territory: unknown | 90 |" in page and "| site: Site1 | 90 |" in page
    assert "C15: undecided: not run. cascade: place: 0 of 3" in page


def page_of(people):
    """The ledger's page where nothing else is recorded."""
    records = StudyRecords([])
    return study_page(records, people, study_findings(records, people))


def test_the_ledger_s_page_has_the_verdicts_and_scores_on_new_people():
    people = [record | {"code": {"commit": "0123456789"}} for record in
              records_of("U-Net") + records_of("volumetric, width 4", 0.2, seed=1) + records_of("final: U-Net")]
    page = page_of(people)
    (c16,) = [line for line in page.splitlines() if line.startswith("| C16 ")]
    assert "more than 0.05 above" in c16 and "|  | **holds**: volumetric minus" in c16 and "0123456" in page
    assert "## People never seen" in page and "| volumetric, width 4 | 0." in page
    assert "### final: U-Net" in page and "| all people | 0." in page
    assert "### U-Net\n" in page and "### volumetric" not in page
    assert "## People never seen" not in page_of([])


def test_the_picture_has_every_recorded_row_once_and_the_controls_on_top():
    people = records_of("baseline") + records_of("U-Net", 0.1) + records_of("2.5D, three slices", 0.2)[:2]
    people += records_of("cascade: place", 0.1, ("cascade", "mask alone", "perfect start"))
    figure, about = draw_people(people)
    lines = {ax.get_title(loc="left"): [label.get_text() for label in ax.get_yticklabels()] for ax in figure.axes}
    assert lines == {
        "the paper's network, and no network": ["baseline", "copying machine", "lesion map", "local classifier"],
        "the network": ["U-Net"], "context": ["2.5D, three slices (2/3)", "cascade"]}
    assert about["rows"]["context"] == ["2.5D, three slices (2/3)", "cascade"]
    assert figure.axes[-1].get_xlabel().endswith("(n/m): n of m runs recorded")
    dice = people_scores(people, "U-Net")
    assert people_lines(people)["the network"]["U-Net"].mean == pytest.approx(np.mean(list(dice.values())))
    with pytest.raises(NotRecorded, match="no run of the plan"):
        draw_people([])


def test_rows_recorded_in_part_stand_apart_and_are_compared_on_the_same_people():
    people = records_of("baseline") + records_of("U-Net", 0.1) + records_of("flips", 0.15, seed=1)[1:]
    assert partial_rows(people) == {"flips": (2, 3)}
    (row,) = [line for line in partial_table(people).splitlines() if line.startswith("| flips")]
    gains = [mine["dice"] - theirs["dice"] for cohort in (1, 2) for mine, theirs in zip(
        records_of("flips", 0.15, seed=1)[cohort]["scores"]["plain"],
        records_of("U-Net", 0.1)[cohort]["scores"]["plain"], strict=True)]
    dice = np.mean([scan["dice"] for record in people[-2:] for scan in record["scores"]["plain"]])
    assert f"| 2 of 3 | {dice:.3f} [" in row and f"| U-Net | {np.mean(gains):+.3f} [" in row
    assert "| flips | not run |" in effects_table(people)  # where only whole rows count
    page = page_of([record | {"code": {"commit": "0123456789"}} for record in people])
    assert "only some runs are recorded" in page and row in page
    assert partial_table(people[:6]) == ""


def test_the_page_of_results_has_the_recorded_rows_and_the_u_net_s_people_by_size():
    people = people_records.load_people()
    assert marked_block("people", people_summary(people)) in (REPOSITORY / "docs" / "results.md").read_text("utf-8")
    summary = people_summary(records_of("baseline") + records_of("U-Net", 0.1) + records_of("flips")[:1])
    assert "| U-Net | 3 of 3 | 0." in summary and "flips" not in summary
    assert "| none | 45 | 0." in summary and "| 1 to 5 ml | 45 | 0." in summary


def test_the_cascade_is_compared_with_its_own_mask_network_and_rows_without_runs_say_so():
    people = records_of("cascade: place", 0.1, ("cascade", "mask alone", "perfect start"))[:1]
    assert difference_so_far(people, "cascade: place").mean == pytest.approx(0.1, abs=0.02)
    table = difference_table(people, ["cascade: place", "flips"])
    assert "| 1 of 3 |" in table and "| its mask network alone | +0." in table
    assert "| flips | 0 of 3 | not run |" in table
    assert difference_so_far(people, "flips") is None and difference_so_far(people, "baseline") is None


def test_every_row_with_masks_has_its_panel():
    ways = {"cascade: place": ("cascade", "mask alone", "perfect start")}
    people = [record for name, row in PEOPLE.items() if name != "cascade: presence"
              for record in records_of(name, ways=ways.get(name, ("plain",))) * (FOLDS.get(row.folds) or 1)]
    panels = people_lines(people)
    assert [len(lines) for lines in panels.values()] == [1, 7, 5, 11, 2, 3]


def test_the_command_prints_the_plan(capsys):
    assert main(["people", "--plan"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n| ") == len(PEOPLE) and f"hours on {CORES} cores" in out


def test_rows_are_recorded_once_and_judged(small_people, tmp_path):
    lines = []
    rows = [name for name in small_people if not name.startswith("final: ")]
    people_records.record_people(rows, tmp_path, 1, lines.append)
    assert len(lines) == 4
    again = people_records.record_people(rows, tmp_path, 1, lines.append)
    assert len(lines) == 4 and len(again) == 4
    records = people_records.load_people(tmp_path)
    dice = people_scores(records, "U-Net")
    assert len(dice) == 2 and {name[:2] for name in dice} == {"0/"}
    stage = next(record["scores"] for record in records if record["row"] == "cascade: presence")
    assert set(stage) == {"stage"} and set(stage["stage"]) == {"sensitivity", "specificity"}
    found = judge_people(records)
    assert found["C15"].verdict != NOT_RUN and "subject Dice" in found["C15"].measured
    path = again[0]
    path.write_text(path.read_text().replace('"row"', '"raw"'))
    with pytest.raises(lab.DataError, match="don't fit the checksum"):
        people_records.load_people(tmp_path)


def test_the_best_waits_for_what_it_is_chosen_from(small_people, tmp_path):
    with pytest.raises(lab.DataError, match="runs are recorded; make the others with"):
        people_records.record_people(["final: best"], tmp_path)
    with pytest.raises(lab.DataError, match="there is no row 'unet'"):
        people_records.record_people(["unet"], tmp_path)


def test_the_page_names_the_best_once_all_that_it_is_chosen_from_is_recorded():
    gains = {"flips": 0.2, "affine": 0.15, "2.5D, three slices": 0.15}
    people = [record | {"code": {"commit": "0123456789"}} for name in ("baseline", "U-Net", *CANDIDATES)
              for record in records_of(name, gains.get(name, 0.1))]
    assert "\ncontext 1, augment flip. It is scored once" in page_of(people)
    assert "It is scored once" not in page_of(people[:-1])


def test_a_final_row_is_scored_on_all_the_people_that_nothing_was_chosen_on(small_people, tmp_path, monkeypatch):
    healthy = store_of(3)
    healthy.masks[:] = False
    asked = []
    monkeypatch.setattr(people_records, "healthy_slices", lambda config: healthy)
    monkeypatch.setattr(people_records, "slices_without_mimics",
                        lambda config, number: asked.append(number) or store_of(2))
    monkeypatch.setattr(people_records, "real_lesion_slices", lambda config, *where: asked.append(where) or store_of(4))
    path, *_ = people_records.record_people(["final: U-Net"], tmp_path, 1, lambda line: None, tmp_path / "lesions")
    found = load_scores(path)["scores"]
    assert asked == [100, (100, tmp_path / "lesions")] and found["false alarms"]["people"] == 3
    assert {way: len(found[way]) for way in ("plain", "without mimics", "real shapes", "ensemble")} == {
        "plain": 7, "without mimics": 2, "real shapes": 4, "ensemble": 7}
    assert found["ensemble"] == found["plain"]  # of one network


def test_other_people_are_what_they_are_called(tmp_path, monkeypatch):
    monkeypatch.setattr(other_people, "PEOPLE", 1)
    config = replace(people_plan.BASE, z_step=27)
    healthy, plain = other_people.healthy_slices(config), other_people.slices_without_mimics(config, 100)
    usual = lab.prepare_slices(find_scans(make_cohort(tmp_path / "usual", 1, 100)), config.scale, config.z_step)
    assert not healthy.masks.any() and usual.masks.any()
    np.testing.assert_array_equal(plain.masks, usual.masks)  # the same person, with the same lesion
    assert (plain.images != usual.images).any()


def test_the_field_s_scores_and_what_a_run_took_stand_beside_dice():
    people = people_records.load_people()
    table = field_scores_table(people)
    mine = [record for record in people if record["row"] == "U-Net"]
    found = {}
    for record in mine:
        for scan in record["scores"]["plain"]:
            found.setdefault((record["config"]["cohort"], scan["subject"]), []).append(scan["surface_dice"])
    mean = np.mean([np.nanmean(np.array(values, float)) for values in found.values()])
    (row,) = [line for line in table.splitlines() if line.startswith("| U-Net |")]
    assert row.startswith(f"| U-Net | {mean:.3f} [")
    bins = pandas.concat([pandas.DataFrame(record["scores"]["calibration"])[["said", "found", "pixels"]].fillna(0)
                          for record in mine])
    bins[["said", "found"]] = bins[["said", "found"]].mul(bins["pixels"], axis=0)
    bins = bins.groupby(level=0).sum()
    error = (bins["said"] - bins["found"]).abs()[1:].sum() / bins["pixels"][1:].sum()
    called = bins[5:].sum()
    assert row.endswith(f"| {error:.2f} | {called['said'] / called['pixels']:.2f} | "
                        f"{called['found'] / called['pixels']:.2f} |")
    assert called["said"] > 1.1 * called["found"]  # surer of lesions than it should be
    took = compute_table(lab.load_runs(people_records.SHIPPED_PEOPLE))
    assert "| baseline | 6,040,881 | 3,023 | 1 on a GPU | 0.38 | 0.11 |" in took and "final: best" not in took


def test_equal_compute_is_said_of_the_records_that_both_have():
    runs = lab.load_runs(people_records.SHIPPED_PEOPLE)
    study = lab.load_runs(lab.experiment.run.RECORDS / "study", split_by="subject", pos_weight=10.0, epochs=20)
    text = equal_compute_text(runs, study)
    small = [run.final["dev"]["subject_dice"]["value"] for run in runs if run.config.net == "unet"
             and run.config.width == 4]
    longer = [run.final["dev"]["subject_dice"]["value"] for run in study
              if run.config.seed < 3 and run.config.labels == "true" and run.config.net == "baseline"]
    said = [float(word) for word in text.rstrip(".\n").split(": ")[-1].split(" and ")]
    assert (len(small), len(longer)) == (3, 3) and said == [round(np.mean(small), 3), round(np.mean(longer), 3)]
    assert equal_compute_text(runs, study[:1]) == equal_compute_text([], study) == ""


def test_people_are_never_scored_on_a_release_they_learnt_from(monkeypatch, tmp_path):
    monkeypatch.setenv("ATLAS_DATA", str(tmp_path))
    with pytest.raises(lab.DataError, match="ATLAS_DATA is set"):
        people_records.record_people(["baseline"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
