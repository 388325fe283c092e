"""The paper's own point: what was expected of the full-size runs before they were made, and what they came to."""

from collections.abc import Sequence
from dataclasses import replace

from atlas_lab.config import PROFILES
from atlas_lab.data.state import read_json
from atlas_lab.experiment.artifacts import DEPARTURES, as_run
from atlas_lab.experiment.run import RECORDS, Run
from atlas_lab.statistics import Interval

__all__ = ["EXPECTED", "FULL_SIZE_RECORDS", "HEADLINE", "full_size_text"]

FULL_SIZE_RECORDS = RECORDS / "full_size"
EXPECTED = RECORDS.parent / "full_size_expected.json"
SEEDS = 3
BASE = PROFILES["paper"].config
AS_RUN = as_run(BASE)
# Of dev's 29,000 slices a thousand are scored after each epoch, for time's sake: of them come the hundred reported.
HEADLINE = replace(AS_RUN, pos_weight=1.0, epochs=60, lr_drop_epoch=45, dev_sample=1000)
# What is planned: a name -> its settings, how many seeds, and under which name EXPECTED has what it should come to.
PLAN = {
    "as written, weight 100": (BASE, SEEDS, "expected"),
    "as run, weight 100": (AS_RUN, SEEDS, None),
    "as run, weight 1, learning rate dropped": (HEADLINE, 1, "headline"),
}
HEAD = """## Full size

1 mm a pixel, 93.7 million parameters, by slice. What runs were expected to score was committed before them, as the
interval that nine of ten such runs fall into: as written from {sources} runs at {coarsest} to {finest} mm scored at
1 mm; with weight 1 as run from the study's runs with weight 1, times what weight 100 came to as run over the study's.
Each record names its commit. Other intervals here are those over people, of one training. The Dice that
the public code reports stands beside that of all slices, and is the one held against what was expected. As run means:
{departures}.

| run | epochs | updates | Dice | expected (90 %) | predicted / true area | agrees with the copying machine | commit |
|---|---|---|---|---|---|---|---|
"""


def full_size_text(runs: Sequence[Run], expected: dict | None = None) -> str:
    """The full-size runs as Markdown, those that were not made among them; `expected` by default from EXPECTED."""
    expected = expected or read_json(EXPECTED, "take it from the repository again")
    sizes = [source["mm"] for source in expected["from"].values()]
    head = HEAD.format(departures="; ".join(DEPARTURES), sources=len(sizes), coarsest=max(sizes), finest=min(sizes))
    found = {run.config: run for run in runs}
    lines = []
    for name, (config, seeds, ahead) in PLAN.items():
        for seed in range(seeds):
            run = found.get(replace(config, seed=seed, cohort=seed))
            cells = _cells(run, expected[ahead] if ahead else None) if run else ["not run"] + [""] * 5
            lines.append(f"| {name}, seed {seed} | {config.epochs} | {' | '.join(cells)} |")
    return head + "\n".join(lines) + "\n"


def _cells(run, expected):
    """What one run came to: updates, Dice, how that compares, area, agreement, commit."""
    dice, area, copied = (run.final[part][score] for part, score in (
        ("dev", "mean_dice"), ("dev", "area_ratio"), ("dev_copied", "mean_dice")))
    scored = run.config.scored_slices  # of so many is the Dice that the public code reports
    reported = run.curve()[-1] if scored else dice["value"]
    beside = f"; {reported:.3f} of the first {scored}" if scored else ""
    return [f"{run.point['updates']:,}", _interval(dice, ".3f") + beside, _outcome(reported, expected),
            _interval(area, ".1f"), _interval(copied, ".3f"), (run.code["commit"] or "unknown")[:7]]


def _interval(score, form):
    """A score with its interval, as text."""
    return format(Interval(score["value"], score["low"], score["high"]), form)


def _outcome(dice, expected):
    """What was expected, and whether it came."""
    if expected is None:
        return "none stated"
    found = Interval(expected["mean_dice"], expected["low"], expected["high"])
    return f"{found:.3f}: {'inside' if found.low <= dice <= found.high else 'outside'}"
