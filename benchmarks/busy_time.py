"""How long an epoch of the course takes, alone and beside other programs, with threads that spin long or shortly.

In turn, each in a process of its own; the other programs are as many loops in Python as there are processors. Run:
python benchmarks/busy_time.py
"""

import os
import statistics
import subprocess
import sys
from contextlib import contextmanager

ROUNDS = 3
CORES = os.cpu_count()
SPINS = (300_000, 1000)  # rounds that a thread of libgomp waits for the others before it sleeps: by default, in the lab
EPOCH = """
import time
import atlas_lab as lab
store = lab.prepare_slices(lab.cohort(progress=False), progress=False)
run = lambda seed: lab.run_experiment(lab.RunConfig(epochs=1, seed=seed), store, report=lambda line: None, fresh=True)
run(0)
started = time.perf_counter()
run(1)
print(time.perf_counter() - started)
"""


def epoch_seconds(spins):
    """Seconds of a second epoch, in a fresh Python."""
    environment = {**os.environ, "GOMP_SPINCOUNT": str(spins), "OMP_NUM_THREADS": str(CORES)}
    return float(subprocess.check_output([sys.executable, "-c", EPOCH], env=environment, text=True).split()[-1])


@contextmanager
def others(n):
    """That many other programs at work."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


if __name__ == "__main__":
    for n in (0, CORES):
        with others(n):
            rounds = [[epoch_seconds(spins) for spins in SPINS] for _ in range(ROUNDS)]
        long, short = map(statistics.median, zip(*rounds, strict=True))
        print(f"beside {n} programs: {long:.1f} s by default, {short:.1f} s in the lab, ratio {long / short:.2f}")
