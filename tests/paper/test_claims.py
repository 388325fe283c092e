"""The ledger: each verdict on made-up runs whose numbers decide it, and what becomes of it when a record changes."""

import json
import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import atlas_lab as lab
from atlas_lab.experiment.run import checksum
from atlas_lab.files import REPOSITORY
from atlas_lab.paper.ablations import SWEEPS, variant_config
from atlas_lab.paper.claims import CLAIMS, PENDING, judge_claims
from atlas_lab.paper.evidence import LATE, Records, oscillation, recent_rise
from atlas_lab.paper.tables import ledger_text, marked_block, short_table, write_block, write_ledger
from atlas_lab.statistics import geometric_interval, mean_interval

COHORT = {"diameter_mm": {"value": 20.0, "low": 18.0, "high": 20.9}}


def made_up(variant, split, seed, dev=0.3, gap=0.05, area=2.0, precision=0.5, recall=0.5, swing=0.0, epochs=60,
            source="ATLAS R1.1"):
    """A run whose dev Dice rises to `dev`, with a swing in the last epochs; scores vary a little with the seed."""
    config = replace(variant_config(variant, lab.RunConfig(epochs=60)), epochs=epochs, split_by=split, seed=seed)
    wobble = 0.001 * (seed - 2)
    history = []
    for epoch in range(1, epochs + 1):
        dice = (dev + wobble) * min(1, epoch / 20) * (1 - swing * (epoch % 2 if epoch > min(epochs, 60) - LATE else 0))
        part = {"loss": 0.1, "mean_dice": dice, "precision": precision + wobble, "recall": recall + wobble,
                "area_ratio": area + wobble}
        history.append({"epoch": epoch, "dev": part, "train": {**part, "mean_dice": dice + gap}})
    final = {name: {"value": value, "low": value, "high": value} for name, value in
             {**history[-1]["dev"], "lesion_dice": dev + 0.1 + wobble, "hit_rate": 0.8 + wobble,
              "centroid_distance": 0.5 + wobble}.items()}
    return lab.experiment.Run(
        config, history, {"dev": final, "train": final}, {"n_train": 4190, "n_dev": 1795, "neighbour_exposure": 0.9},
        {"source": source, "data_hash": "0"}, {}, {"device": "cpu", "threads": 1}, 1.0,
    )


def all_runs(**variants):
    """Five seeds of every variant and split; `variants` gives arguments of single variants, "_" for a space."""
    runs = []
    for sweep in SWEEPS.values():
        for variant in sweep.variants:
            for split in sweep.splits:
                chosen = {"dev": 0.3 if split == "slice" else 0.1} | variants.get(variant.replace(" ", "_"), {})
                runs += [made_up(variant, split, seed, epochs=sweep.epochs, **chosen) for seed in range(5)]
    return runs


def verdicts(runs, split="slice"):
    return {name: found[split].verdict for name, found in judge_claims(Records(runs, COHORT)).items() if split in found}


PAPER = {  # made-up numbers under which all that can be tested holds
    "baseline": {"dev": 0.34, "area": 5.0, "recall": 0.9, "precision": 0.1},
    "weight_10": {"dev": 0.4, "recall": 0.7}, "weight_1": {"dev": 0.45, "swing": 0.2},
    "weight_0.1": {"precision": 0.8}, "equation_3": {"dev": 0.0}, "batch_10": {"dev": 0.05}, "batch_200": {"dev": 0.2},
    "decayed": {"dev": 0.48, "gap": 0.1}, "average_pooling": {"gap": 0.2},
    "three_convolutions": {"gap": 0.2, "area": 3.0, "dev": 0.3},
}


def test_all_that_can_be_tested_holds_where_the_numbers_are_the_paper_s():
    found = verdicts(all_runs(**PAPER))
    untestable = {"C13", "C15", "C16"}  # C13 compares splits, which these numbers leave equal
    assert {name for name, verdict in found.items() if verdict != "holds"} == untestable
    assert found["C15"] == found["C16"] == "cannot be tested here" and found["C13"] == "does not hold"


@pytest.mark.parametrize("claim, variant, change", [
    ("C1", "baseline", {"dev": 0.1}), ("C2", "baseline", {"area": 1.5}), ("C3", "weight_10", {"dev": 0.2}),
    ("C4", "weight_0.1", {"precision": 0.4}), ("C4", "weight_10", {"recall": 0.3}), ("C5", "batch_10", {"dev": 0.3}),
    ("C6", "batch_200", {"dev": 0.5}), ("C7", "decayed", {"swing": 0.3}),
    ("C8", "equation_3", {"dev": 0.6}), ("C9", "average_pooling", {"gap": 0.01}),
    ("C10", "three_convolutions", {"area": 1.0}), ("C10", "three_convolutions", {"dev": 0.6}),
    ("C11", "decayed", {"dev": 0.3}), ("C12", "decayed", {"gap": 0.3}),
])
def test_each_verdict_turns_on_the_number_it_is_about(claim, variant, change):
    numbers = {**PAPER, variant: {**PAPER.get(variant, {}), **change}}
    assert verdicts(all_runs(**numbers))[claim] == "does not hold"


def test_numbers_of_the_paper_s_own_need_atlas():
    """The same runs on other people than ATLAS's: whether they hold there nobody can know."""
    runs = [replace(run, data={**run.data, "source": "synthetic"}) for run in all_runs(**PAPER)]
    found = verdicts(runs)
    assert {name for name, verdict in found.items() if verdict == "needs ATLAS"} == {"C1", "C11", "C12"}
    assert found["C7"] == "holds"


@pytest.mark.parametrize("claim, variant, score", [
    ("C3", "weight 10", "mean_dice"), ("C4", "weight 0.1", "precision"), ("C5", "batch 10", "mean_dice"),
    ("C6", "batch 200", "mean_dice"), ("C8", "equation 3", "mean_dice"), ("C10", "three convolutions", "area_ratio"),
])
def test_where_the_interval_holds_the_bound_the_claim_is_undecided(claim, variant, score):
    """Every other seed is as far on the other side of what the claim is about."""
    runs = all_runs(**PAPER)
    wanted = replace(variant_config(variant, lab.RunConfig(epochs=60)), epochs=1)
    for run in runs:
        if replace(run.config, seed=0, epochs=1) == wanted:
            for entry in run.history:
                entry["dev"][score] += run.config.seed - 2
    assert verdicts(runs)[claim] == "undecided"


def test_a_swing_that_shrinks_and_is_still_wide_is_no_calm():
    runs = all_runs(**PAPER | {"weight_1": {"dev": 0.45, "swing": 0.5}, "decayed": {"dev": 0.48, "swing": 0.2}})
    assert verdicts(runs)["C7"] == "does not hold"


def test_by_slice_above_by_subject_is_claim_13():
    finding = judge_claims(Records(all_runs(), COHORT))["C13"]["slice"]
    assert finding.verdict == "holds" and "+0.200 [+0.200, +0.200] weight 100" in finding.measured


def test_the_receptive_field_is_held_against_the_lesions():
    small = Records([], {"diameter_mm": {"value": 5.0, "low": 4.0, "high": 6.0}})
    assert judge_claims(small)["C17"]["slice"].verdict == "does not hold"
    assert judge_claims(Records([], COHORT))["C17"]["slice"].verdict == "holds"
    wide = Records([], {"diameter_mm": {"value": 23.0, "low": 16.0, "high": 31.0}})
    assert judge_claims(wide)["C17"]["slice"].verdict == "undecided"


def test_a_network_that_calls_nothing_lesion_has_no_precision():
    runs = all_runs(**PAPER)
    for run in runs:
        if run.config.pos_weight == 0.1:
            run.history[-1]["dev"]["precision"] = None
    finding = judge_claims(Records(runs, COHORT))["C4"]["slice"]
    assert finding.verdict == "undecided" and "5 of 5 networks call nothing lesion" in finding.measured


def test_without_records_each_claim_says_what_is_missing():
    found = judge_claims(Records([]))
    assert list(found) == list(CLAIMS) == [f"C{i}" for i in range(1, 18)]
    assert found["C1"]["slice"].verdict == "not recorded yet"
    assert found["C1"]["slice"].measured == "baseline, by slice: fewer than 5 seeds are recorded"
    four = [made_up("baseline", "slice", seed) for seed in range(4)]
    assert judge_claims(Records(four))["C1"]["slice"].verdict == PENDING


def test_the_longest_training_with_enough_seeds_counts():
    runs = [made_up("baseline", "slice", s, epochs=e) for e, n in ((20, 5), (40, 5), (60, 3)) for s in range(n)]
    chosen = Records(runs).variant("baseline")
    assert [len(run.history) for run in chosen] == [40] * 5 and [run.config.seed for run in chosen] == [0, 1, 2, 3, 4]


def test_cells_of_differing_length_are_compared_after_the_last_epoch_that_both_have():
    """Weight 1 goes on for 20 epochs and rises at their end; beside shorter runs only its first 60 count."""
    runs = all_runs(**PAPER)
    before = judge_claims(Records(runs, COHORT))
    for run in runs:
        if run.config.pos_weight == 1 and run.config.epochs == 80:
            for entry in run.history[60:]:
                entry["dev"]["mean_dice"] += 0.3 * (entry["epoch"] > 70)
    after = judge_claims(Records(runs, COHORT))
    changed = {name for name in CLAIMS if after[name]["slice"].measured != before[name]["slice"].measured}
    assert changed == {"C3"}  # there weight 10 has 80 epochs too


def test_a_curve_is_flat_where_its_last_epochs_are_no_higher_than_those_before():
    runs = [made_up("weight 1", "slice", seed) for seed in range(3)]
    for run in runs:
        for entry in run.history:
            entry["dev"]["mean_dice"] = 0.01 * entry["epoch"] + 0.001 * run.config.seed
    assert recent_rise(runs) == pytest.approx((0.1, 0.1, 0.1))


def test_intervals_are_those_of_scipy():
    values = [0.2, 0.35, 0.3, 0.28, 0.4]
    found = mean_interval(values)
    low, high = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert found == pytest.approx((statistics.mean(values), low, high))
    assert mean_interval([*values, math.nan]) == found
    assert mean_interval([0.2]) == (0.2, -math.inf, math.inf) and math.isnan(mean_interval([]).mean)
    logs = stats.t.interval(0.95, 4, loc=np.mean(np.log(values)), scale=stats.sem(np.log(values)))
    assert geometric_interval(values) == pytest.approx((stats.gmean(values), *np.exp(logs)))
    assert f"{found}" == f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"
    assert found.overlaps(0.3, 0.3) and not found.overlaps(0.9, 1)


def test_a_rise_is_no_oscillation_and_a_swing_is():
    rising, swinging = made_up("weight 1", "slice", 2), made_up("weight 1", "slice", 2, swing=0.2)
    for i, entry in enumerate(rising.history):
        entry["dev"]["mean_dice"] = 0.01 * i
    assert oscillation(rising.curve()[-LATE:]) == pytest.approx(0, abs=1e-9)
    assert 0.15 < oscillation(swinging.curve()[-LATE:]) < 0.25
    assert math.isnan(oscillation([0, 0, 0]))
    # The line through 1, 3, 1 is 5/3 everywhere, so what is left goes from -2/3 to 4/3.
    assert oscillation([1, 3, 1]) == pytest.approx(2 / 3)


def test_the_ledger_has_seventeen_rows_and_goes_between_the_readme_s_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{marked_block('ledger', '')}after\n")
    records = Records(all_runs(**PAPER), COHORT)
    text = write_ledger(records, judge_claims(records), tmp_path, readme)
    assert (tmp_path / "ledger.md").read_text() == text and text.count("\n| C") == 17
    assert all(f"| C{i} |" in readme.read_text() for i in range(1, 18))
    assert readme.read_text().startswith("before\n") and readme.read_text().endswith("<!-- ledger: end -->\nafter\n")
    assert "[" in text.split("| C1 |")[1].split("\n")[0]


def test_the_readme_counts_claims_without_records_and_judges_the_others():
    table = short_table(judge_claims(Records([made_up("baseline", "slice", seed) for seed in range(5)], COHORT)))
    assert "| C1 |" in table and "| C17 |" in table and "| C3 |" not in table
    assert "Still to be recorded: C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14, C15." in table


def test_the_tables_in_the_repository_are_those_of_its_records():
    """After new records: `make figures`."""
    figures = REPOSITORY / "figures"
    records = Records(lab.load_runs(), json.loads((figures / "cohort.json").read_text()))
    findings = judge_claims(records)
    assert (figures / "ledger.md").read_text() == ledger_text(records, findings)
    page = (REPOSITORY / "docs" / "results.md").read_text()
    assert marked_block("ledger", short_table(findings)) in page


@pytest.mark.parametrize("page", [
    "", "<!-- ledger: begin -->\nold\n", "<!-- ledger: end -->\n<!-- ledger: begin -->\n"])
def test_a_page_without_both_marks_is_left_as_it_is(tmp_path, page):
    path = tmp_path / "page.md"
    path.write_text(page)
    with pytest.raises(lab.DataError, match="put them back"):
        write_block(path, "ledger", "new\n")
    assert path.read_text() == page


def test_a_number_changed_in_a_record_is_found_out_and_would_change_the_ledger(tmp_path):
    runs = all_runs(**PAPER)
    for run in runs:
        lab.save_run(run, tmp_path)
    def ledger():
        records = Records(lab.load_runs(tmp_path), COHORT)
        return ledger_text(records, judge_claims(records))

    before = ledger()
    path = next(tmp_path.glob("baseline-w100-by-slice-e60-seed0*"))
    values = json.loads(path.read_text())
    values["history"][9]["dev"]["mean_dice"] = 0.9
    path.write_text(json.dumps(values))
    with pytest.raises(lab.DataError, match="don't fit the checksum"):
        lab.load_runs(tmp_path)
    path.write_text(json.dumps({**values, "checksum": checksum(values)}))
    after = ledger()
    changed = [a for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert len(changed) == 1 and changed[0].startswith("| C1 |")


