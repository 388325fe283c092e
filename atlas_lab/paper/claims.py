"""The paper's claims C1 to C17 at the course's point, each a function from run records to a measure and a verdict.

Numbers are means over seeds with the 95 % interval of Student's t. A seed changes initial weights, split, order of
slices and dropout, so the interval covers other people on the dev side as well as other trainings. Two variants are
compared seed by seed, since runs of one seed share their split. A rule decides only where the whole interval lies on
one side of its bound. Nothing here is typed in but what the paper says.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from atlas_lab.architecture import receptive_field
from atlas_lab.experiment.operating_point import PAPER_UPDATES
from atlas_lab.experiment.run import finals, last_epoch, scores
from atlas_lab.model import BaselineNet
from atlas_lab.paper.evidence import (
    LATE,
    NOTHING,
    RECENT,
    NotRecorded,
    Records,
    difference,
    gap,
    late_dice,
    oscillation,
    recent_rise,
    updates,
)
from atlas_lab.paper.verdicts import FAILS, HOLDS, NEEDS_ATLAS, UNDECIDED, Finding
from atlas_lab.statistics import Interval, geometric_interval, mean_interval, paired_interval

__all__ = ["CLAIMS", "PENDING", "Claim", "judge_claims"]

UNTESTABLE, PENDING = "cannot be tested here", "not recorded yet"


def _lies(interval, low=-math.inf, high=math.inf):
    """Whether a number lies between two bounds: True or False if all of its interval says so, else None."""
    if interval.low > low and interval.high < high:
        return True
    return False if interval.high <= low or interval.low >= high else None


def _on_atlas(records, interval, low, high):
    """The same for a number of the paper's own, which other people than ATLAS's can't decide."""
    return _lies(interval, low, high) if records.on_patients else NEEDS_ATLAS


def _finding(measured, *parts):
    """The finding on a claim of several parts: its verdict is that on the weakest."""
    weakest = {False: FAILS, None: UNDECIDED, NEEDS_ATLAS: NEEDS_ATLAS}
    return Finding(next((verdict for part, verdict in weakest.items() if part in parts), HOLDS), measured)


def _c1(records, split):
    """Dice of the baseline after 10 epochs, and after as many as were run."""
    runs = records.variant("baseline", split)
    early, last = mean_interval(scores(runs, epoch=10)), len(runs[0].history)
    return _finding(
        f"Dice {early} after 10 epochs ({updates(runs, 10):,} updates), {mean_interval(scores(runs))} after {last} "
        f"({updates(runs, last):,}; ten epochs of 70 % of ATLAS R1.1 have {10 * PAPER_UPDATES:,})",
        _on_atlas(records, early, 0.15, 0.19),
    )


def _c2(records, split):
    """Predicted over true area of the baseline."""
    runs = records.variant("baseline", split)
    early, late = (geometric_interval(scores(runs, "area_ratio", epoch=epoch)) for epoch in (10, None))
    text = f"predicted / true area {early:.1f} after 10 epochs, {late:.1f} after {len(runs[0].history)}"
    return _finding(text, _lies(early, low=2))


def _c3(records, split):
    """Lower weights against higher ones, and whether the curves still rise."""
    weights = {100: "baseline", 10: "weight 10", 1: "weight 1"}
    variants = {weight: records.variant(name, split) for weight, name in weights.items()}
    dice = [f"{mean_interval(scores(runs))} with weight {weight} after {len(runs[0].history)} epochs (last {RECENT} "
            f"against the {RECENT} before: {recent_rise(runs):+.3f})" for weight, runs in variants.items()]
    steps = {(high, low): difference(variants[low], variants[high]) for high, low in pairwise(variants)}
    text = ", ".join(f"from {high} to {low} {step:+.3f} after {last_epoch(variants[high], variants[low])} epochs"
                     for (high, low), step in steps.items())
    return _finding(f"Dice {', '.join(dice)}; {text}", *(_lies(step, low=0) for step in steps.values()))


def _c4(records, split):
    """Recall with weights above 1, precision with a weight below 1, against weight 1."""
    even = records.variant("weight 1", split)
    recall = [difference(records.variant(name, split), even, "recall") for name in ("weight 10", "baseline")]
    low = records.variant("weight 0.1", split)
    silent = int(np.isnan(scores(low, "precision")).sum())
    text = f"recall against weight 1: {recall[0]:+.2f} with 10, {recall[1]:+.2f} with 100; "
    if silent:
        text += f"precision with 0.1 undefined, {silent} of {len(low)} networks call nothing lesion"
        return Finding(UNDECIDED, text)
    precision = difference(low, even, "precision")
    parts = (*recall, precision)
    return _finding(text + f"precision {precision:+.2f} with 0.1", *(_lies(part, low=0) for part in parts))


def _c5(records, split):
    """Batch 10 against batch 100, at equal epochs and at equal updates."""
    small, base = records.variant("batch 10", split), records.variant("weight 1", split)
    last = last_epoch(small, base)
    equal = max(1, round(last * updates(base, 1) / updates(small, 1)))
    late = [late_dice(runs, last) for runs in (small, base)]
    halves, idle = mean_interval(late[0] - late[1] / 2), np.count_nonzero(late[0] < NOTHING)
    return _finding(
        f"Dice of the last {LATE} of {last} epochs {mean_interval(late[0])}, {idle} of {len(small)} networks find "
        f"nothing; {mean_interval(late[1])} with batch 100; with 10 minus half of that {halves:+.3f}; at equal "
        f"updates (epoch {equal}) {mean_interval(scores(small, epoch=equal))}",
        _lies(halves, high=0),
    )


def _c6(records, split):
    """Batch 200 against batch 100, at equal epochs and at equal updates."""
    large, base = records.variant("batch 200", split), records.variant("weight 1", split)
    last = len(large[0].history)
    equal = round(last * updates(large, 1) / updates(base, 1))
    change = difference(large, base)
    same_updates = mean_interval(scores(large) - scores(base, epoch=equal))
    widest = mean_interval(np.max([gap(large, epoch) for epoch in range(1, last + 1)], axis=0))
    return _finding(
        f"dev Dice {change:+.3f} at equal epochs, {same_updates:+.3f} at equal updates; widest train-dev gap {widest}",
        _lies(change, high=0),
    )


def _c7(records, split):
    """Late oscillation at a constant learning rate and at one that drops."""
    constant, decayed = records.variant("weight 1", split), records.variant("decayed", split)
    last = last_epoch(constant, decayed)
    swings = [np.array([oscillation(run.curve()[:last][-LATE:]) for run in runs]) for runs in (constant, decayed)]
    before, after = (mean_interval(swing) for swing in swings)
    kept = mean_interval(np.array([run.curve()[-1] / run.curve().max() for run in decayed]))
    parts = [_lies(paired_interval(*swings), low=0), _lies(kept, low=0.9)]
    return _finding(
        f"swing of the last {LATE} of {last} epochs {before:.0%} of the maximum at a constant rate, {after:.0%} after "
        f"the drop, which ends at {kept:.0%} of its maximum",
        *parts, *([_lies(after, high=0.1)] if records.on_patients else []),
    )


def _c8(records, split):
    """Equation 3 as printed against the baseline, and what rescues it."""
    runs, base = records.variant("equation 3", split), records.variant("baseline", split)
    change = difference(runs, base)
    changes = ("false positives cheaper", "alpha 0.7, beta 0.3", "smoothed", "slice by slice", "rare from the start",
               "smaller steps")
    dice = [f"{mean_interval(scores(records.variant(f'equation 3, {change}', split)))} {change}" for change in changes]
    return _finding(
        f"Dice {mean_interval(scores(runs))} after {len(runs[0].history)} epochs, {change:+.3f} against weight 100; "
        f"{', '.join(dice)}",
        _lies(change, high=0),
    )


def _c9(records, split):
    """The train-dev gap of average pooling against max pooling."""
    average, maximum = records.variant("average pooling", split), records.variant("weight 1", split)
    last = last_epoch(average, maximum)
    gaps = gap(average, last), gap(maximum, last)
    wider = paired_interval(*gaps)
    return _finding(
        f"gap {mean_interval(gaps[0])} against {mean_interval(gaps[1])} after {last} epochs: {wider:+.3f}; "
        f"dev Dice {difference(average, maximum):+.3f}",
        _lies(wider, low=0),
    )


def _c10(records, split):
    """Three convolutions before each pooling against one."""
    deep, base = records.variant("three convolutions", split), records.variant("weight 1", split)
    last = last_epoch(deep, base)
    wider = paired_interval(gap(deep, last), gap(base, last))
    area, dice = difference(deep, base, "area_ratio"), difference(deep, base)
    return _finding(
        f"gap {wider:+.3f}, predicted / true area {area:+.2f}, dev Dice {dice:+.3f} against one convolution, "
        f"after {last} epochs",
        _lies(wider, low=0), _lies(area, low=0), _lies(dice, high=0),
    )


def _c11(records, split):
    """Dice of weight 1 with a decayed learning rate, against weights 1 and 10 at a constant one."""
    best = records.variant("decayed", split)
    dice = mean_interval(scores(best))
    gains = [difference(best, records.variant(name, split)) for name in ("weight 1", "weight 10")]
    return _finding(
        f"Dice {dice} after {len(best[0].history)} epochs, {gains[0]:+.3f} against a constant rate, {gains[1]:+.3f} "
        "against weight 10 at one",
        *(_lies(gain, low=0) for gain in gains), _on_atlas(records, dice, 0.43, 0.53),
    )


def _c12(records, split):
    """The train-dev gap of the best model."""
    found = mean_interval(gap(records.variant("decayed", split)))
    return _finding(f"gap {found}", _on_atlas(records, found, 0.05, 0.15))


def _c13(records, split):
    """By slice against by subject, with the neighbours that leak and what memory alone gives."""
    names = {"baseline": "weight 100", "weight 1": "weight 1", "decayed": "weight 1 decayed"}
    pairs = {name: (records.variant(name, "slice"), records.variant(name, "subject")) for name in names}
    drops = [difference(*pair) for pair in pairs.values()]
    exposed = mean_interval(np.array([run.split["neighbour_exposure"] for run in pairs["decayed"][0]]))
    swapped = [mean_interval(scores(records.variant("permuted masks", by))) for by in ("slice", "subject")]
    text = ", ".join(f"{drop:+.3f} {name}" for drop, name in zip(drops, names.values(), strict=True))
    return _finding(
        f"Dice by slice minus by subject: {text}; {exposed:.0%} of dev's slices have a neighbour in train; with other "
        f"people's masks Dice is {swapped[0]} by slice, {swapped[1]} by subject",
        *(_lies(drop, low=0) for drop in drops),
    )


def _c14(records, split):
    """How often the best model's masks touch the lesion, and how far off they lie."""
    best = records.variant("decayed", split)
    hits, distance = (mean_interval(finals(best, score)) for score in ("hit_rate", "centroid_distance"))
    return _finding(
        f"{hits:.0%} of lesion slices are touched; where both masks have pixels, their centres lie {distance:.2f} "
        "lesion radii apart",
        _lies(hits, low=0.5), _lies(distance, high=1),
    )


def _c15(records, split):
    """Future work in the paper; what an ideal first stage of a cascade could add."""
    best = records.variant("decayed", split)
    gain = mean_interval(finals(best, "lesion_dice") - finals(best, "mean_dice"))
    return Finding(
        UNTESTABLE,
        f"no cascade is trained; an ideal first stage, which clears slices without lesion, would add {gain:+.3f} Dice "
        "to the best model",
    )


def _c16(records, split):
    """Future work in the paper."""
    return Finding(UNTESTABLE, "no volumetric network is trained at this point: these networks, like the paper's, see "
                               "one slice")


def _c17(records, split):
    """The receptive field against the lesions' diameters."""
    if "diameter_mm" not in records.cohort:
        raise NotRecorded("the cohort's lesion diameters are not recorded")
    field = receptive_field(BaselineNet())
    diameter = Interval(*(records.cohort["diameter_mm"][key] for key in ("value", "low", "high")))
    return _finding(
        f"a deepest feature sees {field} mm at 1 mm a pixel; median lesion diameter in its fullest slice "
        f"{diameter:.0f} mm (interval over subjects)",
        _lies(diameter, field / 1.5, field * 1.5),
    )


@dataclass(frozen=True)
class Claim:
    """A claim, how it is judged, the function that does so, and the ways of splitting it is judged with."""

    text: str
    rule: str
    judge: object
    splits: tuple = ("slice", "subject")


ONE_SPLIT = ("slice",)
CLAIMS = {
    "C1": Claim("baseline: Dice 0.15 to 0.19 after 10 epochs", "from 0.15 to 0.19, on ATLAS", _c1),
    "C2": Claim("the baseline grossly overestimates lesion size", "area ratio after 10 epochs above 2", _c2),
    "C3": Claim("lower weights reach higher Dice, given time", "both steps down raise Dice", _c3),
    "C4": Claim("weight > 1 raises recall, < 1 raises precision", "all three differences above 0", _c4),
    "C5": Claim("batch size 10 does not converge", "late Dice minus half of batch 100's below 0", _c5, ONE_SPLIT),
    "C6": Claim(
        "batch 200: worse dev Dice (a gap of up to 0.2 needs ATLAS)", "dev Dice lower at equal epochs", _c6, ONE_SPLIT),
    "C7": Claim(
        "late Dice oscillates by up to 20 % of its maximum; a smaller learning rate brings that under 10 %, near the "
        "maximum", "smaller swing with the drop, end above 90 % of the maximum; on ATLAS also below 10 %", _c7,
    ),
    "C8": Claim("the Tversky loss (equation 3) trains poorly", "Dice lower than the baseline's", _c8, ONE_SPLIT),
    "C9": Claim("average pooling widens the train-dev gap", "difference of gaps above 0", _c9),
    "C10": Claim("depth overfits, overestimates and lowers dev Dice", "all three, each interval beyond 0", _c10),
    "C11": Claim(
        "best: weight 1, decayed learning rate, Dice 0.48",
        "Dice above that of weights 1 and 10 at a constant rate; on ATLAS from 0.43 to 0.53 (our reading)", _c11,
    ),
    "C12": Claim("train-dev gap of the best model about 0.1", "from 0.05 to 0.15 (our reading), on ATLAS", _c12),
    "C13": Claim("the split by slice inflates dev Dice", "by slice above by subject for all three", _c13, ONE_SPLIT),
    "C14": Claim(
        "the best model's masks give the lesion's shape and place", "over half of the lesions touched, within a radius",
        _c14,
    ),
    "C15": Claim("future work: a cascade would help", "needs a network beyond the paper", _c15),
    "C16": Claim("future work: a volumetric model would help", "needs a network beyond the paper", _c16, ONE_SPLIT),
    "C17": Claim("the receptive field is about a lesion's size", "within a factor of 1.5", _c17, ONE_SPLIT),
}


def judge_claims(records: Records) -> dict[str, dict[str, Finding]]:
    """All findings: {"C1": {"slice": Finding, "subject": Finding}, ...}; NotRecorded becomes a Finding that says so."""
    findings = {}
    for name, claim in CLAIMS.items():
        findings[name] = {}
        for split in claim.splits:
            try:
                findings[name][split] = claim.judge(records, split)
            except NotRecorded as error:
                findings[name][split] = Finding(PENDING, str(error))
    return findings
