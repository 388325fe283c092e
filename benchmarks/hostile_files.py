"""What damaged and hostile files do to the lab: python benchmarks/hostile_files.py [N_DAMAGED].

One scan of a synthetic cohort is damaged in N ways (1,000 by default), one after the other, and loaded; before that,
about a hundred paths are opened that no one should pass. Each is loaded in a process of its own. The table says how
many were refused in one line, taken with a note, or taken unchanged; what was taken changed and without a word; and
the most time and memory that one took. The exit code is 1 if one hung, crashed, took over 20 s of the processor or
2 GiB, or was taken wrongly though a checksum, its header or the account could have shown it.
"""

import sys
import tempfile
from pathlib import Path

from hostile_kinds import hostile_paths
from hostile_trials import Trial, damage_trials, in_child, run_trial, sound_scan

LIMIT_S, LIMIT_MIB = 20, 2048


def verdict(trial: Trial) -> str:
    """The kind of a trial's outcome; one that starts with "BAD" fails the benchmark."""
    if trial.seconds > LIMIT_S or trial.mib > LIMIT_MIB:
        return f"BAD: {trial.seconds:.0f} s, {trial.mib:.0f} MiB"
    if trial.outcome in ("refused", "noted", "unchanged"):
        return trial.outcome
    if trial.outcome == "changed" and trial.only_voxels:
        return "voxels changed where no checksum is"
    return f"BAD: {trial.outcome}"


def report(title: str, trials: list[Trial]) -> bool:
    """Print the counts of one group; True if none is bad."""
    counts = {}
    for trial in trials:
        counts.setdefault(verdict(trial), []).append(trial)
    print(f"\n{title}: {len(trials)} files, at most {max(t.seconds for t in trials):.1f} s and "
          f"{max(t.mib for t in trials):.0f} MiB above the baseline")
    for kind, some in sorted(counts.items()):
        print(f"  {len(some):5} {kind}")
        for trial in some if kind.startswith("BAD") else some[: 3 if title.startswith("damaged") else 0]:
            print(f"        {trial.name}: {trial.text[:160]}")
    return not any(kind.startswith("BAD") for kind in counts)


def main(n_damaged: int = 1000) -> int:
    """Run both groups; returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        scan = in_child(sound_scan, Path(folder) / "sound")
        hostile = report("hostile", [run_trial(*trial) for trial in hostile_paths(scan, Path(folder) / "hostile")])
        damaged = report("damaged", [run_trial(*trial) for trial in damage_trials(scan, n_damaged)])
        return 0 if hostile and damaged else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
