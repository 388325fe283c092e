"""The tables written from run records alone: what was measured, the ledger, and their copies in pages."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from atlas_lab.config import RunConfig
from atlas_lab.experiment.run import Run
from atlas_lab.files import DataError, write_text
from atlas_lab.paper.claims import CLAIMS, PENDING
from atlas_lab.paper.evidence import Records
from atlas_lab.paper.verdicts import NOT_RUN, Finding

__all__ = [
    "finding_cell", "group_by_config", "ledger_table", "ledger_text", "marked_block", "measured_table", "short_table",
    "write_block", "write_ledger", "write_measured",
]

COLUMNS = {
    "mean_dice": "Dice, mean over slices", "subject_dice": "Dice, whole scans", "precision": "precision",
    "recall": "recall", "area_ratio": "predicted / true area",
}


def marked_block(name: str, text: str) -> str:
    """A text between the two marks that keep its place in a page."""
    return f"<!-- {name}: begin -->\n{text}<!-- {name}: end -->\n"


def write_block(page: Path, name: str, text: str) -> None:
    """Put a text between the marks of its name in a page, in place of what stands there.

    Raises DataError if the marks aren't there, one after the other.
    """
    begin, end = marked_block(name, "\n").split("\n\n")
    before, begun, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise DataError(f"{page}: a line {begin} and below it a line {end.strip()} are expected around the table of "
                        "that name, and aren't there; put them back")
    write_text(page, before + marked_block(name, text) + after)


def group_by_config(runs: list[Run]) -> dict[RunConfig, list[Run]]:
    """Runs that differ in nothing but the seed, together: config with seed 0 -> list of Run, by seed."""
    groups = defaultdict(list)
    for run in sorted(runs, key=lambda run: (run.config.split_by, run.config.epochs, run.config.seed)):
        groups[replace(run.config, seed=0)].append(run)
    return dict(groups)


def measured_table(runs: list[Run]) -> str:
    """A Markdown table of final dev scores, one row per config, from records alone.

    Each cell: mean over seeds, geometric for areas (lowest to highest seed) ± mean half width of the seeds' 95 %
    intervals over subjects.
    """
    lines = [
        f"| split by | epochs | seeds | train Dice | {' | '.join(COLUMNS.values())} |",
        "|" + "---|" * (4 + len(COLUMNS)),
    ]
    for config, group in group_by_config(runs).items():
        cells = [_score_cell(group, "train", "mean_dice"), *(_score_cell(group, "dev", score) for score in COLUMNS)]
        lines.append(f"| {config.split_by} | {config.epochs} | {len(group)} | {' | '.join(cells)} |")
    sources = ", ".join(sorted({run.data["source"] for run in runs}))
    lines += [
        "",
        f"{sources}. Mean over seeds, of areas the geometric one (lowest to highest seed) ± mean half width of the 95 "
        "% interval over subjects; dev unless it says train.",
    ]
    return "\n".join(lines) + "\n"


def _score_cell(runs, part, score):
    """One cell of the table of scores."""
    final = [run.final[part][score] for run in runs]
    values, low, high = (np.array([entry[key] for entry in final], float) for key in ("value", "low", "high"))
    half_widths = (high - low) / 2
    if np.isnan(values).any():
        return "undefined (nothing predicted)"
    with np.errstate(divide="ignore"):  # an area of 0 among them makes it 0
        mean = values.mean() if score != "area_ratio" else np.exp(np.log(values).mean())  # ratios spread by factors
    return f"{mean:.2f} ({values.min():.2f} to {values.max():.2f}) ± {half_widths.mean():.2f}"


def write_measured(runs: list[Run], out: Path, page: Path | None = None) -> str:
    """Write the table to out/measured.md and between the two marks in a page; returns the table."""
    table = measured_table(runs)
    write_text(out / "measured.md", table)
    if page is not None:
        write_block(page, "measured", table)
    return table


def ledger_table(findings: dict[str, dict[str, Finding]]) -> str:
    """The ledger as a Markdown table, one row per claim.

    Parameters
    ----------
    findings : dict
        As `judge_claims` gives them, or some of them.
    """
    lines = [
        "| claim | the paper | split by slice, as the paper | split by subject | holds when |",
        "|---|---|---|---|---|",
    ]
    for name, found in findings.items():
        cells = [finding_cell(found.get(split)) for split in ("slice", "subject")]
        lines.append(f"| {name} | {CLAIMS[name].text} | {' | '.join(cells)} | {CLAIMS[name].rule} |")
    return "\n".join(lines) + "\n"


def finding_cell(finding: Finding | None, starred: bool = False) -> str:
    """One finding in words; empty where the claim is not judged with that split."""
    if finding is None:
        return ""
    if finding.verdict == NOT_RUN:  # which says so itself, and what is missing would decide it
        return f"**{NOT_RUN}**: {finding.decides.removeprefix('not run: ')}"
    texts = [finding.measured, f"decided by: {finding.decides}" if finding.decides else ""]
    return f"**{finding.verdict}**{' *' if starred else ''}: " + "; ".join(filter(None, texts))


def short_table(findings: dict[str, dict[str, Finding]]) -> str:
    """The short table: claim, verdict by slice, verdict by subject; claims without records are only counted."""
    lines = ["| claim | the paper | by slice, as the paper | by subject |", "|---|---|---|---|"]
    pending = [name for name, found in findings.items() if found["slice"].verdict == PENDING]
    for name in [name for name in CLAIMS if name not in pending]:
        verdicts = [getattr(findings[name].get(split), "verdict", "") for split in ("slice", "subject")]
        lines.append(f"| {name} | {CLAIMS[name].text} | {' | '.join(verdicts)} |")
    note = f"\nStill to be recorded: {', '.join(pending)}.\n" if pending else ""
    return "\n".join(lines) + "\n" + note


def ledger_text(records: Records, findings: dict[str, dict[str, Finding]]) -> str:
    """The page figures/ledger.md, from records and what `judge_claims` finds in them."""
    sources = ", ".join(sorted({run.data["source"] for run in records.runs}))
    return (
        "# The ledger\n\n"
        f"Computed from {len(records.runs)} run records in figures/runs; {sources}. Numbers are means over seeds "
        "with the 95 % interval of Student's t in brackets; differences are taken seed by seed. A claim is judged by "
        "the rule in the last column: it holds where the whole interval meets it, does not hold where the whole "
        "interval lies on the other side, and is undecided else; of several parts the weakest counts. claims.py has "
        "each rule as a function.\n\n"
        f"{ledger_table(findings)}"
    )


def write_ledger(
    records: Records, findings: dict[str, dict[str, Finding]], out: Path, page: Path | None = None,
) -> str:
    """Write out/ledger.md and the short table between the two marks of a page; returns the ledger's text."""
    text = ledger_text(records, findings)
    write_text(out / "ledger.md", text)
    if page is not None:
        write_block(page, "ledger", short_table(findings))
    return text
