"""The rules at the study point on made-up runs, each verdict from numbers that decide it; shipped records by hand."""

import json
import math
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import atlas_lab as lab
from atlas_lab.config import PROFILES
from atlas_lab.experiment.first_steps import first_losses
from atlas_lab.files import REPOSITORY
from atlas_lab.paper.ablations import STUDY, sweep_configs
from atlas_lab.paper.copying import copying_table
from atlas_lab.paper.people_records import load_people
from atlas_lab.paper.processing_choice import load_processed
from atlas_lab.paper.study import STUDY_RECORDS, StudyRecords, study_table
from atlas_lab.paper.study_claims import STUDY_CLAIMS, judge_study
from atlas_lab.paper.study_page import (
    shipped_study,
    short_study_table,
    study_findings,
    study_page,
    study_verdicts,
)
from atlas_lab.paper.tables import marked_block
from atlas_lab.paper.verdicts import FAILS, HOLDS, NEEDS_ATLAS, NOT_RUN, UNDECIDED, Part, conclude, failure_share, holm

BASE = PROFILES["study"].config
WOBBLE = (-0.004, 0.003, 0.0, 0.002, -0.001, 0.001)  # of the seeds


def made_up(config, seed, dice=0.3, gap=0.05, area=2.0, recall=0.5, precision=0.5, swing=0.0, copied=0.4):
    """A run that reaches `dice` at once; its late epochs swing until a learning rate has dropped."""
    n_train = 30_561 if config.dev_fraction == 0.3 else 13_098
    shift, history = WOBBLE[seed], []
    for epoch in range(1, config.epochs + 1):
        calm = config.lr_drop_epoch is not None and epoch > config.lr_drop_epoch
        found = (dice + shift) * (1 if calm else 1 - (swing + shift) * (epoch % 2))
        found *= 1 - abs(shift) * (epoch == config.epochs)
        dev = {"loss": 0.1, "mean_dice": found, "recall": recall + shift, "precision": precision - shift,
               "area_ratio": area + shift}
        history.append({"epoch": epoch, "dev": dev, "train": dev | {"mean_dice": found + gap + shift / 2},
                        "seconds": 30.0})
    final = {"dev": {"hit_rate": {"value": 0.8 + shift}, "centroid_distance": {"value": 0.5 + shift}},
             "dev_copied": {"mean_dice": {"value": copied + shift}}}
    updates = -(-n_train // config.batch_size)
    return lab.experiment.Run(
        replace(config, seed=seed, cohort=seed), history, final, {"n_train": n_train}, {"source": "synthetic"},
        {"commit": "0123456789"}, {}, 1.0, point={"updates_an_epoch": updates, "updates": updates * config.epochs})


SCORES = {  # by variant: numbers under which all that can be judged holds
    "baseline": {"dice": 0.17, "area": 6.0, "recall": 0.9}, "weight 10": {"dice": 0.3, "recall": 0.7},
    "weight 1": {"dice": 0.4, "swing": 0.2}, "decayed": {"dice": 0.45, "swing": 0.2},
    "weight 0.1": {"precision": 0.8},
    "equation 3": {"dice": 0.0}, "weight 10, average pooling": {"gap": 0.15},
    "weight 10, three convolutions": {"gap": 0.15, "area": 3.0, "dice": 0.2},
    "weight 10, batch 10": {"dice": 0.0}, "weight 10, batch 200": {"dice": 0.2},
}


def all_runs(**changes):
    """All the runs of STUDY; `changes` gives scores of single variants, "_" for a space."""
    runs = []
    for name, row in STUDY.items():
        for config in sweep_configs(name, BASE, {name: row}):
            variant = next(v for v in row.variants if sweep_configs(name, BASE, {name: replace(row, variants=(v,))})[0]
                           == replace(config, split_by=row.splits[0]))
            scores = SCORES.get(variant, {}) | changes.get(variant.replace(" ", "_").replace(",", ""), {})
            if config.split_by == "subject":
                scores = scores | {"dice": scores.get("dice", 0.3) / 4}
            runs += [made_up(config, seed, **scores) for seed in range(row.seeds)]
    return runs


def verdicts(runs, diameters=(14.0, 15.0, 16.0, 15.5, 14.5)):
    return {name: found["slice"].verdict for name, found in judge_study(StudyRecords(runs, diameters)).items()}


def test_all_seventeen_claims_have_a_rule_and_one_of_the_verdicts():
    assert list(STUDY_CLAIMS) == [f"C{i}" for i in range(1, 18)]
    found = verdicts(all_runs())
    assert {name for name, verdict in found.items() if verdict == NEEDS_ATLAS} == {"C1", "C12"}
    assert {name for name, verdict in found.items() if verdict == NOT_RUN} == {"C15", "C16"}
    assert {name for name, verdict in found.items() if verdict == HOLDS} == {
        "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10", "C11", "C13", "C14", "C17"}


@pytest.mark.parametrize("claim, change", [
    ("C2", {"baseline": {"area": 1.1}}), ("C3", {"weight_10": {"dice": 0.1}}),
    ("C4", {"weight_0.1": {"precision": 0.2}}),
    ("C6", {"weight_10_batch_200": {"dice": 0.35}}), ("C8", {"equation_3": {"dice": 0.25}}),
    ("C10", {"weight_10_three_convolutions": {"gap": 0.15, "area": 3.0, "dice": 0.35}}),
    ("C11", {"decayed": {"dice": 0.28}}),
])
def test_a_claim_does_not_hold_where_a_part_lies_on_the_other_side(claim, change):
    assert verdicts(all_runs(**change))[claim] == FAILS


def test_numbers_that_spread_over_the_bound_are_undecided_and_say_what_would_decide():
    part = Part("change", [0.1, -0.05, 0.08, -0.02, 0.03])
    low, high = stats.t.interval(0.95, 4, np.mean(part.values), stats.sem(part.values))
    assert part.interval[1:] == pytest.approx((low, high)) and low < 0 < high
    found = conclude([part])
    assert found.verdict == UNDECIDED and "5 seeds could have shown 0.079" in found.decides
    needed = next(n for n in range(6, 101)
                  if stats.t.ppf(0.975, n - 1) * np.std(part.values, ddof=1) / math.sqrt(n) < np.mean(part.values))
    assert f"about {needed} seeds" in found.decides


def test_several_open_parts_each_say_what_would_decide_and_what_holds_says_nothing():
    near, far = Part("near", [0.1, -0.05, 0.08]), Part("far", [1.0, 1.01, 0.99])
    level = Part("level", [1.0, -1.0, 0.01, 0.02])
    found = conclude([near, far, level])
    one, other = found.decides.split("; level: ")
    assert one.startswith("near: 3 seeds") and other.endswith("over 100 seeds") and found.parts == (near, far, level)
    held = conclude([far])
    assert (held.verdict, held.decides, held.parts) == (HOLDS, "", (far,))


@pytest.mark.parametrize("values", [[0.1, -0.05, 0.08, -0.02, 0.03], [0.4, 0.1, -0.2], [0.2, 0.1, -0.1, 0.1]])
def test_the_seeds_that_an_effect_takes_are_those_of_a_search(values):
    """The first number of seeds whose interval, half as wide as scipy says, leaves out 0."""
    mean, spread = np.mean(values), np.std(values, ddof=1)
    halves = {n: stats.t.interval(0.95, n - 1, 0, spread / math.sqrt(n))[1] for n in range(len(values) + 1, 101)}
    needed = min(n for n, half in halves.items() if half < mean)
    assert f"about {needed} seeds" in conclude([Part("change", values)]).decides


def test_networks_that_find_nothing_are_compared_exactly():
    """Zeros have no spread; of three against five all 56 ways of dealing out the labels are counted."""
    zeros, base = [0.0, 0.0, 0.0], [0.2, 0.21, 0.19, 0.2, 0.22]
    part = Part("Dice", np.subtract(zeros, base[:3]).tolist(), above=False, groups=(zeros, base))
    assert part.p == pytest.approx(2 / 56) and part.holds is True
    assert Part("Dice", [-0.2, -0.21], above=False, groups=(zeros[:2], base[:2])).holds is None


def test_a_direction_that_turns_at_2_mm_leaves_it_undecided():
    runs = [replace(run, history=[entry | {"train": entry["dev"]} for entry in run.history])
            if run.config.scale == 2 and run.config.pool == "avg" else run for run in all_runs()]
    assert verdicts(runs)["C9"] == UNDECIDED
    assert verdicts([run for run in all_runs() if run.config.scale == 4])["C9"] == UNDECIDED


def test_absolute_numbers_are_judged_on_patients_only():
    runs = [replace(run, data={"source": "ATLAS R1.1"}) for run in all_runs()]
    found = verdicts(runs)
    assert found["C1"] == HOLDS and found["C12"] != NEEDS_ATLAS
    assert "0.15 to 0.19" in judge_study(StudyRecords(runs))["C1"]["slice"].measured
    far = [replace(run, data={"source": "ATLAS R1.1"}) for run in all_runs(baseline={"dice": 0.3})]
    assert verdicts(far)["C1"] == FAILS


def test_a_missing_seed_is_not_run():
    runs = [run for run in all_runs() if not (run.config.pos_weight == 100 and run.config.seed == 4)]
    assert verdicts(runs)["C2"] == NOT_RUN


def test_holm_by_hand():
    assert holm({"a": 0.001, "b": 0.02, "c": 0.03, "d": math.nan}) == {"a", "b", "c"}
    assert holm({"a": 0.001, "b": 0.03, "c": 0.03}) == {"a"}


def test_the_share_of_failures_is_exact():
    assert failure_share(2, 5)[1:] == pytest.approx((0.0527, 0.8534), abs=1e-4)  # Clopper and Pearson's table
    assert failure_share(6, 6).low == pytest.approx(0.025 ** (1 / 6)) and failure_share(6, 6).low > 0.5
    assert failure_share(3, 3).low < 0.5  # three networks of three that fail could be less than half of all


def test_the_table_of_runs_counts_each_epoch_once():
    long = [run for run in all_runs() if run.config.scale == 4 and run.config.epochs == 60]
    table = study_table([run for run in long if run.config.pos_weight == 1])
    assert "| decay | decayed | slice | 5 | 60 | 5 | 5 | 0.6 |" in table  # 5 x 15 epochs of 30 s
    assert table.rstrip().splitlines()[-1].startswith(f"{5 * 60 + 5 * 15} of ")


def test_the_page_names_what_was_not_run():
    page = study_page(StudyRecords([]), [], study_findings(StudyRecords([])))
    assert page.count("**undecided: not run**") == 20 and "0 of 5 seeds are recorded" in page


def test_the_verdicts_on_the_page_of_results_are_those_of_the_shipped_records():
    """After new records: `make figures`."""
    table = short_study_table(study_verdicts())
    assert table.count("\n| C") == 17 and f"| {STUDY_CLAIMS['C1'].text} | {NEEDS_ATLAS} |" in table
    assert marked_block("study", table) in (REPOSITORY / "docs" / "results.md").read_text("utf-8")


def shipped_epochs():
    """Each epoch of each shipped record as a row of plain pandas, settings as they are and dev's scores with "dev_"."""
    import pandas

    rows = []
    for path in sorted(STUDY_RECORDS.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        for entry in record["history"]:
            scores = {f"dev_{name}": value for name, value in entry["dev"].items()}
            rows.append(record["config"] | {"epoch": entry["epoch"], "length": len(record["history"])} | scores)
    return pandas.DataFrame(rows)


def t_interval(values, form):
    """Mean and 95 % interval of Student's t by scipy, as text."""
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    return f"{format(np.mean(values), form)} [{format(low, form)}, {format(high, form)}]"


USUAL = {"net": "baseline", "loss": "cross_entropy", "pos_weight": 100, "split_by": "slice", "scale": 4, "pool": "max",
         "convs_per_stage": 1, "labels": "true", "batch_size": 100, "learning_rate": 0.001, "dev_fraction": 0.3,
         "alpha": 1, "beta": 1, "smooth": 0, "loss_over": "batch", "start_probability": 0}


def by_seed(table, epoch, **settings):
    """The rows after an epoch of the runs with these settings, all others as usual; indexed by seed."""
    for name, value in {**USUAL, **settings, "epoch": epoch}.items():
        table = table[table[name] == value]
    longest = table.sort_values("length").drop_duplicates("seed", keep="last")  # a longer run stands for a shorter one
    return longest.set_index("seed").sort_index()


def test_shipped_records_give_the_numbers_of_plain_pandas_and_scipy():
    """Read as JSON, and recomputed with nothing of the lab."""
    table, found = shipped_epochs(), judge_study(StudyRecords())
    baseline = by_seed(table, 10)
    assert list(baseline.index) == [0, 1, 2, 3, 4]
    assert t_interval(baseline.dev_mean_dice, ".3f") in found["C1"]["slice"].measured
    for split in ("slice", "subject"):
        logs = np.log(by_seed(table, 10, split_by=split).dev_area_ratio)
        low, high = stats.t.interval(0.95, 4, logs.mean(), stats.sem(logs))
        area = f"{np.exp(logs.mean()):.1f} [{np.exp(low):.1f}, {np.exp(high):.1f}]"
        assert len(logs) == 5 and found["C2"][split].measured == f"predicted / true area {area}"
    tversky = by_seed(table, 10, loss="tversky", pos_weight=100).dev_mean_dice
    assert t_interval((tversky - baseline.dev_mean_dice).dropna(), "+.3f") in found["C8"]["slice"].measured
    large, usual = by_seed(table, 40, pos_weight=10, batch_size=200), by_seed(table, 20, pos_weight=10)  # equal updates
    worse = (large.dev_mean_dice - usual.dev_mean_dice).dropna()
    assert len(worse) == 3 and t_interval(worse, "+.3f") in found["C6"]["slice"].measured


def test_first_steps_are_held_against_every_record_of_a_variant(tree, monkeypatch, tmp_path):
    monkeypatch.setenv("ATLAS_DATA", str(tree))
    from atlas_lab.paper.replays import replay_first_steps

    config = replace(BASE, batch_size=20, z_step=20, epochs=1)
    store = lab.prepare_slices(lab.cohort(), 4, 20, jobs=1, progress=False)
    losses = first_losses(config, store)
    runs = [replace(made_up(config, seed), first_steps=losses) for seed in range(2)]
    lines = []
    replay_first_steps(runs, lines.append)
    assert "2 records" in lines[0] and "bit for bit" in lines[0]
    runs[1].first_steps = [loss * (1 + 1e-4) for loss in losses]
    replay_first_steps(runs, lines.append)
    assert "within 1.0e-04" in lines[1]
    runs[0].first_steps = [*losses[:-1], losses[-1] * 1.02]  # a record that was tampered with
    with pytest.raises(lab.DataError, match="losses differ by"):
        replay_first_steps(runs, lines.append)


@pytest.mark.parametrize("rules, records", [
    (("study_claims.py", "study.py", "verdicts.py"), "figures/runs/study"),
    (("people_claims.py", "people_plan.py"), "figures/people"),
])
def test_rules_were_committed_before_the_records_that_they_judge(rules, records):
    def git(*words):
        return subprocess.run(["git", "-C", REPOSITORY, *words], capture_output=True, text=True)

    last = git("log", "-1", "--format=%H", "--", *(f"atlas_lab/paper/{name}" for name in rules)).stdout.strip()
    first = git("log", "--diff-filter=A", "--format=%H", "--", records).stdout.split()
    if not (last and first) or git("rev-parse", "--is-shallow-repository").stdout.strip() == "true":
        pytest.skip("the history of the repository is not here")
    assert git("merge-base", "--is-ancestor", last, first[-1]).returncode == 0 and last != first[-1]


def test_agreement_with_the_copying_machine_stands_beside_dice():
    def run(seed, split, dice, copied):
        config = replace(BASE, pos_weight=10.0, split_by=split, epochs=20)
        final = {part: {"mean_dice": {"value": value, "low": value, "high": value}}
                 for part, value in (("dev", dice), ("dev_copied", copied))}
        return replace(made_up(config, seed), final=final)

    runs = [run(seed, "slice", 0.4, 0.4) for seed in range(3)] + [run(seed, "subject", 0.1, 0.02) for seed in range(2)]
    (row,) = [line for line in copying_table(runs).splitlines() if line.startswith("| weight 10 ")]
    assert row == "| weight 10 | slice | 20 | 3 | 0.400 [0.400, 0.400] | 0.400 [0.400, 0.400] |"
    assert copying_table(runs[2:]) == ""


def test_the_page_of_the_study_is_that_of_its_records():
    records, people = shipped_study(), load_people()
    page = study_page(records, people, study_findings(records, people), load_processed())
    kept = (REPOSITORY / "figures" / "study.md").read_text(encoding="utf-8")
    # From the ledger on: above it stand commits, which a copy without history doesn't know.
    assert kept.partition("\n| claim ")[2] == page.partition("\n| claim ")[2] != ""
