"""All benchmarks in one run: a table on the screen, and benchmarks/results.json with the machine's data.

Run: make bench, or: python benchmarks/run.py [training] [data]. Peers come with: pip install -e ".[test,bench]".
"""

import json
import sys
from pathlib import Path

import training
from sides import ask_in_turn, row, summary

import data
from atlas_lab.files import write_json
from atlas_lab.record import code_version, environment

RESULTS = Path(__file__).parent / "results.json"


def sweep_row():
    """Eight short course runs by sweep with one worker and with two."""
    answers = ask_in_turn("sweep_time.py", ("2", "1"), 1)
    sides = {name: summary([answers[jobs][0]["seconds"]]) for name, jobs in (("ours", "2"), ("one worker", "1"))}
    return row("sweep of 8 course runs, two workers", "s", sides)


PARTS = {"training": training.rows, "data": data.rows, "sweep": lambda: [sweep_row()]}


def table_text(table):
    """The rows as lines of text."""
    lines = []
    for line in table:
        lines.append(f"{line['what']} ({line['unit']})")
        for name, side in line["sides"].items():
            ratio = line["times_better"].get(name)
            beside = "" if ratio is None else f"   ours is {ratio:.2f} times as good"
            memory = f"   peak {side['peak_mb']:.0f} MB" if "peak_mb" in side else ""
            lines.append(f"  {name:32}{side['median']:10.3g}  ({side['min']:.3g} to {side['max']:.3g}){beside}{memory}")
        if line["note"]:
            lines.append(f"  {line['note']}")
    return "\n".join(lines)


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(PARTS)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in chosen:
        rows = PARTS[part]()
        print(table_text(rows), flush=True)
        results[part] = {"rows": rows, "machine": environment(), "code": code_version()}
        write_json(RESULTS, results)
