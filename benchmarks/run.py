"""All benchmarks in one run: a table on the screen, benchmarks/results.json by machine, the page's table.

Run: make bench, or: python benchmarks/run.py [training] [data]. Peers come with: pip install -e ".[test,bench]".
"""

import json
import sys
from pathlib import Path

import pipeline
import training
from sides import ask_in_turn, row, summary

from atlas_lab.files import REPOSITORY, write_json
from atlas_lab.paper.tables import write_block
from atlas_lab.provenance import code_version, environment

RESULTS = Path(__file__).parent / "results.json"


def sweep_row():
    """Eight short course runs by sweep with one worker and with two."""
    answers = ask_in_turn("sweep_time.py", ("2", "1"), 1)
    sides = {name: summary([answers[jobs][0]["seconds"]]) for name, jobs in (("ours", "2"), ("one worker", "1"))}
    return row("sweep of 8 course runs, two workers", "s", sides)


PARTS = {"training": training.rows, "data": pipeline.rows, "sweep": lambda: [sweep_row()]}


def table_text(table):
    """The rows as lines of text."""
    lines = []
    for line in table:
        lines.append(f"{line['what']} ({line['unit']})")
        for name, side in line["sides"].items():
            ratio = line["times_better"].get(name)
            beside = "" if ratio is None else f"   ours is {ratio:.2f} times as good"
            memory = f"   {side['peak_mb']:.0f} MB beyond the imports" if "peak_mb" in side else ""
            lines.append(f"  {name:32}{side['median']:10.3g}  ({side['min']:.3g} to {side['max']:.3g}){beside}{memory}")
        if line["note"]:
            lines.append(f"  {line['note']}")
    return "\n".join(lines)



def number(value):
    """Three digits, or all that stand before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def page_table(results):
    """The table of docs/speed.md, a column for each machine: ours, and how many times as good it is as the others."""
    machines = list(results)
    cells = {}
    for machine, parts in results.items():
        for part in parts.values():
            for line in part["rows"]:
                cells.setdefault(line["what"], {})[machine] = _cell(line)
    lines = ["| what | " + " | ".join(machines) + " |", "|---" * (1 + len(machines)) + "|"]
    lines += [f"| {what} | " + " | ".join(found.get(machine, "") for machine in machines) + " |"
              for what, found in cells.items()]
    return "\n".join(lines) + (
        "\n\nEach column was measured in turn in one run on two cores. \"2 x\" is twice as good; below 1 the other "
        "side is better. Torch: " + "; ".join(f"{_torch(results[machine])} on {machine}" for machine in machines)
        + ".\n")


def _cell(line):
    """One row on one machine: the median of ours, then the ratios."""
    beside = ", ".join(f"{ratio:.2g} x {name}" for name, ratio in line["times_better"].items())
    return f"{number(line['sides']['ours']['median'])} {line['unit']}: {beside}"


def _torch(parts):
    """The versions of torch that a machine's parts were measured with."""
    return " and ".join(sorted({part["machine"]["torch"] for part in parts.values()}))


def update_page(results, page=REPOSITORY / "docs" / "speed.md"):
    """Write the table between the page's two marks."""
    write_block(page, "bench", page_table(results))


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(PARTS)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in chosen:
        rows = PARTS[part]()
        print(table_text(rows), flush=True)
        machine = environment()
        results.setdefault(machine["processor"], {})[part] = {"rows": rows, "machine": machine, "code": code_version()}
        write_json(RESULTS, results)
    update_page(results)
