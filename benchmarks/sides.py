"""What all benchmarks share: sides timed in turn, in processes of their own, and a description of the machine."""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent


def seconds(function, *arguments, **options):
    """Wall time of one call."""
    started = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - started


def memory_mb(which):
    """Memory that this process holds ("VmRSS") or has held at most ("VmHWM"); getrusage would count its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{which}:")[2].split()[0]) / 1024


def summary(times):
    """Median, lowest and highest of some seconds."""
    return {"median": statistics.median(times), "min": min(times), "max": max(times), "rounds": len(times)}


def in_turn(sides, rounds=3):
    """Time functions without arguments in turn, A B C A B C: {name: {median, min, max, rounds}} in seconds."""
    times = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            times[name].append(seconds(side))
    return {name: summary(values) for name, values in times.items()}


def ask(file, *arguments, threads=None):
    """Run `python FILE ARGUMENTS` from this folder in a process of its own; the JSON of its last line."""
    environment = dict(os.environ)
    if threads:
        environment |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [sys.executable, HERE / file, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def ask_in_turn(file, sides, rounds, *arguments, threads=None):
    """`ask` every side in turn, each as FILE SIDE ARGUMENTS: {side: list of answers}."""
    answers = {side: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            answers[side].append(ask(file, side, *arguments, threads=threads))
    return answers


def row(what, unit, sides, ours="ours", higher_is_better=False, note=""):
    """One row of the table: sides with {median, min, max}, and how many times better ours is than each other side."""
    mine = sides[ours]["median"]
    ratios = {
        name: (mine / side["median"] if higher_is_better else side["median"] / mine)
        for name, side in sides.items() if name != ours
    }
    return {"what": what, "unit": unit, "sides": sides, "times_better": ratios, "note": note}
