"""What killed commands, two at once, hostile machines and damaged files do to the lab: python benchmarks/torture.py.

--part kills, pairs, faults or mutants runs one part; --few a short form of each. Prints a table of what was tried, what
came through, and what did not; the exit code is 1 if anything did not. Faults need root (mounts in a namespace of their
own); one that can't be set up counts as failed.

kills: each writing command is killed (SIGKILL) at a random moment between its first and its last write. Ten seconds
later none of its processes may live; what it finished must be whole; decrypted data may lie in the marked folder only;
and the same command, run again, must give what an undisturbed one gives, and leave no unfinished file.
pairs: two commands start together on one empty home; both must end well, with what each gives alone.
faults: a command runs on a machine that lacks something; it must end well, or with exit code 2 and one line.
mutants: archives, tables, records and networks with damaged bytes are opened in forked children; each must be refused
in one line or opened, within seconds and in little memory.
"""

import argparse
import sys
import tempfile
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple

__all__ = ["Trial", "main", "table"]


class Trial(NamedTuple):
    """One thing that was tried: the part and the group it belongs to, and what was wrong; "" if all was well."""

    part: str
    group: str
    wrong: str


def table(trials: list[Trial]) -> str:
    """The table of tried, survived and lost, with a line on each loss below it."""
    lines = ["| part | what | tried | survived | lost |", "|---|---|---|---|---|"]
    for part, group in dict.fromkeys((trial.part, trial.group) for trial in trials):
        some = [trial for trial in trials if (trial.part, trial.group) == (part, group)]
        lost = sum(bool(trial.wrong) for trial in some)
        lines.append(f"| {part} | {group} | {len(some)} | {len(some) - lost} | {lost} |")
    return "\n".join(lines + [f"LOST {trial.part}, {trial.group}: {trial.wrong}" for trial in trials if trial.wrong])


def main(arguments: list[str] | None = None) -> int:
    """Run the parts asked for; returns the exit code."""
    from torture_faults import faults
    from torture_kills import kills
    from torture_mutants import mutants
    from torture_pairs import pairs
    from torture_stage import Stage

    parts = {"mutants": mutants, "faults": faults, "kills": kills, "pairs": pairs}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=parts, action="append")
    parser.add_argument("--few", action="store_true")
    parser.add_argument("--atlas", type=Path, help="a small release to work on (default: one is made)")
    options = parser.parse_args(arguments)
    trials = []
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        stage = Stage(Path(folder), options.atlas and options.atlas.absolute())
        with suppress(KeyboardInterrupt):  # what was tried until then is told
            for trial in chain.from_iterable(parts[name](stage, options.few) for name in options.part or parts):
                trials.append(trial)
                print(f"{trial.part}, {trial.group}: {trial.wrong or 'well'}", file=sys.stderr, flush=True)
    print(table(trials))
    return int(any(trial.wrong for trial in trials))


if __name__ == "__main__":
    sys.exit(main())
