"""The rules by which the paper's claims are judged at the study point. They were committed before the records.

Each rule compares runs after equal updates of the weights. Where a bound is not the paper's own, `rule` says that it is
our reading. Absolute numbers of the paper are not judged on synthetic people: the number found stands beside them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from atlas_lab.architecture import receptive_field
from atlas_lab.model import BaselineNet
from atlas_lab.paper.evidence import LATE, NOTHING, NotRecorded, oscillation, recent_rise
from atlas_lab.paper.study import FINER, StudyRecords, at_updates, paired, score_at
from atlas_lab.paper.verdicts import (
    FAILS,
    HOLDS,
    NEEDS_ATLAS,
    NOT_RUN,
    UNDECIDED,
    Finding,
    Part,
    conclude,
    failure_share,
)
from atlas_lab.statistics import Interval, mean_interval

__all__ = ["STUDY_CLAIMS", "StudyClaim", "judge_study"]

DEPTH, POOLING = "weight 10, three convolutions", "weight 10, average pooling"


@dataclass(frozen=True)
class StudyClaim:
    """A claim in the paper's words, what is compared, the rule, and whether we also ask it by subject."""

    text: str
    rule: str
    judge: Callable
    by_subject: bool = False


def _absolute(records, name, values, low, high):
    """A number of the paper, as a finding: judged on patients only."""
    found = mean_interval(list(values.values()))
    measured = f"{name} {found}; the paper {low:g}" + ("" if low == high else f" to {high:g}")
    if not records.on_patients:
        return Finding(NEEDS_ATLAS, measured, "the same runs on ATLAS R1.1 (ATLAS_DATA)")
    inside, outside = low <= found.low and found.high <= high, found.high < low or found.low > high
    verdict = HOLDS if inside else FAILS if outside else UNDECIDED
    return Finding(verdict, measured, "" if verdict != UNDECIDED else "more seeds")


def _c1(records, split):
    runs = records.variant("baseline", split, 10)
    return _absolute(records, "Dice after 10 epochs", score_at(runs, 10), 0.15, 0.19)


def _c2(records, split):
    runs = records.variant("baseline", split, 10)
    ratios = [value for value in score_at(runs, 10, "area_ratio").values() if value > 0]
    return conclude([Part("predicted / true area", np.log(ratios).tolist(), math.log(2), form=".1f", logs=True)])


def _c3(records, split):
    epochs = {"baseline": 40, "weight 10": 40, "weight 1": 60}
    runs = {name: records.variant(name, split, count) for name, count in epochs.items()}
    steps = [paired("from 100 to 10", score_at(runs["weight 10"], 40), score_at(runs["baseline"], 40)),
             paired("from 10 to 1", score_at(runs["weight 1"], 60),
                    score_at(records.variant("weight 10", split, 60), 60))]
    rise = recent_rise(list(runs["weight 1"].values()))
    still = rise.low > 0 and steps[1].holds is False
    return conclude(steps, f"weight 1 rose by {rise:+.3f} over its last ten epochs",
                    "weight 1 still rises: the paper says, given enough training time" if still else "")


def _c4(records, split):
    even, low = (records.variant(name, split, 20) for name in ("weight 1", "weight 0.1"))
    recall, parts = score_at(even, 20, "recall"), []
    for name, weight in (("weight 10", 10), ("baseline", 100)):
        higher = score_at(records.variant(name, split, 20), 20, "recall")
        parts.append(paired(f"recall with {weight} minus with 1", higher, recall, form="+.2f"))
    sides = [score_at(runs, 20, "precision") for runs in (low, even)]
    silent = sum(math.isnan(value) for value in sides[0].values())
    if silent:
        decides = f"{silent} of {len(low)} networks of weight 0.1 call nothing lesion, without precision: more epochs"
        return replace(conclude(parts), verdict=UNDECIDED, decides=decides)
    return conclude([*parts, paired("precision with 0.1 minus with 1", *sides, form="+.2f")])


def _c5(records, split):
    runs = records.variant("weight 10, batch 10", split, 8)
    late = [float(np.mean(run.curve()[-4:])) for run in runs.values()]
    share = failure_share(sum(value < NOTHING for value in late), len(late))
    base = records.variant("weight 10", split, 20)
    text = (f"{share.mean:.0%} [{share.low:.0%}, {share.high:.0%}] of {len(late)} networks find nothing in their last "
            f"four epochs; Dice then {mean_interval(late)}, with batch 100 at its 20th epoch "
            f"{mean_interval(list(score_at(base, 20).values()))}")
    verdict = HOLDS if share.low > 0.5 else FAILS if share.high < 0.5 else UNDECIDED
    return Finding(verdict, text, "about 6 seeds, if all agree; 20, if half do" if verdict == UNDECIDED else "")


def _c6(records, split):
    large, base = records.variant("weight 10, batch 200", split, 40), records.variant("weight 10", split, 20)
    epoch = at_updates(base, next(iter(large.values())).point["updates"])
    widest = mean_interval([float(np.nanmax(run.curve(part="train") - run.curve())) for run in large.values()])
    worse = paired(
        "dev Dice with 200 minus with 100, equal updates", score_at(large, 40), score_at(base, epoch), False)
    return conclude([worse], f"widest train-dev gap {widest}; the paper up to 0.2, which needs ATLAS")


def _c7(records, split):
    constant, decayed = (records.variant(name, split, 60) for name in ("weight 1", "decayed"))
    swings = [{seed: oscillation(run.curve()[60 - LATE:60]) for seed, run in runs.items()}
              for runs in (constant, decayed)]
    calmer = paired("swing with the drop minus without, of the maximum", swings[1], swings[0], False)
    kept = Part("end over maximum", [run.curve()[59] / run.curve().max() for run in decayed.values()], 0.9, form=".2f")
    before, after = (mean_interval(list(swing.values())) for swing in swings)
    return conclude([calmer, kept], f"swing {before:.0%} without, {after:.0%} with; the paper up to 20 % and under "
                                    "10 %, which need ATLAS")


def _c8(records, split):
    poor, base = records.variant("equation 3", split, 10), records.variant("baseline", split, 10)
    change = paired("Dice minus weight 100's after 10 epochs", score_at(poor, 10), score_at(base, 10), False)
    return conclude([change], "the paper's reason for it is not tested by this")


def _finer_direction(records, name, epoch, score, expected):
    """A doubt where 2 mm a pixel point the other way or aren't recorded; else nothing."""
    try:
        sides = [score_at(records.variant(v, "slice", epoch, FINER), epoch, score) for v in (name, "weight 10")]
    except NotRecorded:
        return f"the same at {FINER} mm a pixel, which is not run yet"
    found = np.mean([sides[0][seed] - sides[1][seed] for seed in sides[0]])
    agrees = (found > 0) == expected
    return "" if agrees else f"{score} differs by {found:+.3f} at {FINER} mm, the other way: finer runs"


def _c9(records, split):
    runs, base = records.variant(POOLING, split, 30), records.variant("weight 10", split, 30)
    wider = paired("gap with average minus with max", score_at(runs, 30, "gap"), score_at(base, 30, "gap"))
    return conclude([wider], doubt=_finer_direction(records, POOLING, 20, "gap", np.mean(wider.values) > 0))


def _c10(records, split):
    runs, base = records.variant(DEPTH, split, 30), records.variant("weight 10", split, 30)
    parts = [paired(f"{score} with three minus with one", score_at(runs, 30, score), score_at(base, 30, score), above)
             for score, above in (("gap", True), ("area_ratio", True), ("mean_dice", False))]
    doubts = [_finer_direction(records, DEPTH, 20, score, np.mean(part.values) > 0)
              for score, part in zip(("gap", "area_ratio", "mean_dice"), parts, strict=True)]
    return conclude(parts, doubt="; ".join(dict.fromkeys(filter(None, doubts))))


def _c11(records, split):
    best = score_at(records.variant("decayed", split, 60), 60)
    parts = [paired(f"Dice minus that of {name}", best, score_at(records.variant(name, split, 60), 60))
             for name in ("weight 1", "weight 10")]
    return conclude(parts, f"Dice {mean_interval(list(best.values()))}; the paper 0.48, which needs ATLAS")


def _c12(records, split):
    return _absolute(records, "gap", score_at(records.variant("decayed", split, 60), 60, "gap"), 0.05, 0.15)


def _c13(records, split):
    parts, notes, epoch = [], [], 20
    for name in ("weight 10", "baseline", "weight 1"):
        sides = [score_at(records.variant(name, by, epoch), epoch) for by in ("slice", "subject")]
        parts.append(paired(f"{name}, by slice minus by subject", *sides))
        by_slice = records.variant(name, "slice", epoch).values()
        copies = [run.final["dev_copied"]["mean_dice"]["value"] for run in by_slice]
        notes.append(f"{name} agrees with the copying machine by {mean_interval(copies)}")
    return conclude(parts, "; ".join(notes))


def _c14(records, split):
    def of(scale, score):
        return [run.final["dev"][score]["value"] for run in records.variant("decayed", split, 60, scale).values()]

    bounds = {"hit_rate": (0.5, True), "centroid_distance": (1.0, False)}
    parts = [Part(score, of(4, score), bound, above, form=".2f") for score, (bound, above) in bounds.items()]
    try:
        doubts = [f"{score} {np.mean(of(FINER, score)):.2f} at {FINER} mm" for score, (bound, above) in bounds.items()
                  if (np.mean(of(FINER, score)) > bound) != (np.mean(of(4, score)) > bound)]
    except NotRecorded:
        doubts = [f"the same at {FINER} mm a pixel, which is not run yet"]
    return conclude(parts, doubt="; ".join(doubts))


def _future(records, split):
    raise NotRecorded("a network beyond the paper's")


def _c17(records, split):
    if len(records.diameters) < 5:
        raise NotRecorded("lesion diameters of five cohorts")
    field = receptive_field(BaselineNet())
    found = mean_interval(np.log(np.array(records.diameters) / field))
    ratio, inside = Interval(*np.exp(found)), max(abs(found.low), abs(found.high)) < math.log(1.5)
    verdict = HOLDS if inside else FAILS if min(abs(found.low), abs(found.high)) > math.log(1.5) else UNDECIDED
    return Finding(verdict, f"median lesion diameter over the {field} mm that a deepest feature sees: {ratio:.2f}")


STUDY_CLAIMS = {
    "C1": StudyClaim("baseline: Dice 0.15 to 0.19 after 10 epochs", "absolute: needs ATLAS", _c1),
    "C2": StudyClaim("the baseline grossly overestimates lesion size",
                     "predicted / true area after 10 epochs above 2 (our reading)", _c2, True),
    "C3": StudyClaim("lower weights (100, 10, 1) reach higher Dice, given enough training time",
                     "both steps above 0, after 40 and 60 epochs of equally many updates", _c3),
    "C4": StudyClaim("w_p > 1 raises recall, w_p < 1 raises precision",
                     "all three differences above 0 after 20 epochs", _c4),
    "C5": StudyClaim("batch size 10 does not converge",
                     "over half of the networks find nothing late in 8 epochs of ten times the updates", _c5),
    "C6": StudyClaim("batch size 200 does significantly worse on dev", "lower dev Dice after equal updates", _c6),
    "C7": StudyClaim("late Dice oscillates; a smaller learning rate calms it and stays near the maximum",
                     "smaller swing over the last 15 of 60 epochs; end above 0.9 of the maximum (our reading)", _c7),
    "C8": StudyClaim("the Tversky loss trains poorly", "lower Dice than weight 100 after 10 epochs", _c8),
    "C9": StudyClaim("average pooling widens the train-dev gap",
                     "wider gap after 30 epochs with weight 10, and the same direction at 2 mm", _c9, True),
    "C10": StudyClaim("depth overfits, overestimates and lowers dev Dice",
                      "all three after 30 epochs with weight 10, and the same directions at 2 mm", _c10, True),
    "C11": StudyClaim("best: original architecture, weight 1, decayed learning rate, Dice 0.48",
                      "Dice above weight 1's and weight 10's at a constant rate after 60 epochs; 0.48 needs ATLAS",
                      _c11),
    "C12": StudyClaim("train-dev gap of the best model about 0.1", "absolute: needs ATLAS", _c12),
    "C13": StudyClaim("the split by slice inflates dev Dice",
                      "by slice above by subject for weights 100, 10 and 1, after 20 epochs", _c13),
    "C14": StudyClaim("the best model's masks give the lesion's overall shape and place",
                      "over half of lesion slices touched, centres within a radius (our reading); also at 2 mm", _c14),
    "C15": StudyClaim("future work: a cascade would help", "needs a network beyond the paper", _future),
    "C16": StudyClaim("future work: a volumetric model would help", "needs a network beyond the paper", _future),
    "C17": StudyClaim("the deepest receptive field is about a lesion's size",
                      "within a factor of 1.5 (our reading)", _c17),
}


def judge_study(records: StudyRecords) -> dict[str, dict[str, Finding]]:
    """All findings at the study point: claim -> split -> Finding; what was not run says so."""
    findings = {}
    for name, claim in STUDY_CLAIMS.items():
        for split in ("slice", "subject") if claim.by_subject else ("slice",):
            try:
                found = claim.judge(records, split)
            except NotRecorded as error:
                found = Finding(NOT_RUN, "", f"not run: {error}")
            findings.setdefault(name, {})[split] = found
    return findings
