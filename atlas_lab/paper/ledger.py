"""The ledger: every claim with the paper's words, our numbers and a verdict, written from records alone."""

from atlas_lab.files import atomic_path
from atlas_lab.paper.claims import CLAIMS, judge_claims

BEGIN, END = "<!-- ledger: begin -->\n", "<!-- ledger: end -->\n"


def ledger_table(findings):
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
        cells = [cell(found.get(split)) for split in ("slice", "subject")]
        lines.append(f"| {name} | {CLAIMS[name].text} | {' | '.join(cells)} | {CLAIMS[name].rule} |")
    return "\n".join(lines) + "\n"


def cell(finding):
    """One finding in words; empty where the claim is judged by slice only."""
    return "" if finding is None else f"**{finding.verdict}**: {finding.measured}"


def short_table(findings):
    """The README's table: claim, verdict by slice, verdict by subject; claims without records are only counted."""
    lines = ["| claim | the paper | by slice, as the paper | by subject |", "|---|---|---|---|"]
    pending = [name for name, found in findings.items() if found["slice"].pending]
    for name in [name for name in CLAIMS if name not in pending]:
        verdicts = [getattr(findings[name].get(split), "verdict", "") for split in ("slice", "subject")]
        lines.append(f"| {name} | {CLAIMS[name].text} | {' | '.join(verdicts)} |")
    note = f"\nStill to be recorded: {', '.join(pending)}.\n" if pending else ""
    return "\n".join(lines) + "\n" + note


def ledger_text(records):
    """The page figures/ledger.md."""
    sources = ", ".join(sorted({run.data["source"] for run in records.runs}))
    return (
        "# The ledger\n\n"
        f"Computed from {len(records.runs)} run records in figures/runs; {sources}. Numbers are means over seeds "
        "with the 95 % interval of Student's t in brackets; differences are taken seed by seed. A claim is judged by "
        "the rule in the last column, which the whole interval has to meet unless the rule says otherwise; claims.py "
        "has each rule as a function.\n\n"
        f"{ledger_table(judge_claims(records))}"
    )


def write_ledger(records, out, readme=None):
    """Write out/ledger.md and the short table between the two marks of a README; returns the ledger's text."""
    texts = {out / "ledger.md": ledger_text(records)}
    if readme is not None:
        before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
        texts[readme] = before + BEGIN + short_table(judge_claims(records)) + END + rest.partition(END)[2]
    for path, text in texts.items():
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return texts[out / "ledger.md"]
