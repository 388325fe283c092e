"""One sweep of six course runs by loky, by a Dask cluster of two workers, and by `--estimate`, in turn.

Run: python benchmarks/backend_time.py [ROUNDS]. Seconds count from the call of the sweep to its end; the workers of
a cluster are there before it, as they are where a cluster is used, and loky's processes are started by the call.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from sides import ask, summary

import atlas_lab as lab
from atlas_lab.config import with_seeds

EPOCHS, RUNS, WORKERS = 5, 6, 2
UNITS = {"seconds": 1, "minutes": 60, "hours": 3600}


def task():
    """The configs and their slices."""
    store = lab.prepare_slices(lab.cohort(progress=False), progress=False)
    return with_seeds([lab.RunConfig(epochs=EPOCHS)], range(RUNS)), store


@contextlib.contextmanager
def cluster(folder):
    """Address of a scheduler with its workers, as processes of their own."""
    file = Path(folder) / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    dask, host = [sys.executable, "-m", "dask"], ["--host", "127.0.0.1"]
    started = [subprocess.Popen([*dask, "scheduler", *host, "--port", "0", "--no-dashboard", "--scheduler-file", file],
                                **quiet)]
    worker = [*dask, "worker", *host, "--scheduler-file", file, "--nthreads", "1", "--no-dashboard"]
    started += [subprocess.Popen(worker, **quiet) for _ in range(WORKERS)]
    try:
        while not file.exists() or not file.stat().st_size:
            time.sleep(0.1)
        yield json.loads(file.read_text())["address"]
    finally:
        for process in started:
            process.terminate()
            process.wait()


def by(backend):
    """Seconds of the sweep on a backend."""
    configs, store = task()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ATLAS_LAB_HOME"] = folder  # checkpoints of earlier runs would be gone on with
        run = partial(lab.sweep, configs, store, Path(folder) / "runs", WORKERS, lambda line: None)
        with contextlib.ExitStack() as held:
            if backend == "dask":
                from distributed import Client

                address = held.enter_context(cluster(folder))
                held.enter_context(Client(address)).wait_for_workers(WORKERS)
                run = partial(run, backend="dask", address=address)
            began = time.perf_counter()
            run()
            return time.perf_counter() - began


def estimated():
    """What the sweep is said to take, in seconds."""
    from atlas_lab.experiment.estimate import estimate_lines

    configs, store = task()
    line = next(line for line in estimate_lines(configs, store, WORKERS) if line.startswith("time: "))
    value, unit = re.match(r"time: ([\d.,]+) (\w+)", line).groups()
    return float(value.replace(",", "")) * UNITS[unit]


SIDES = {"loky": partial(by, "loky"), "dask": partial(by, "dask"), "estimated": estimated}

if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in SIDES:
        print(json.dumps(SIDES[sys.argv[1]]()))
    else:
        rounds = int(sys.argv[1]) if sys.argv[1:] else 3
        found = {side: [] for side in SIDES}
        for _ in range(rounds):
            for side in SIDES:
                found[side].append(ask("backend_time.py", side))
                print(side, f"{found[side][-1]:.1f} s", flush=True)
        loky, dask, said = (summary(found[side])["median"] for side in SIDES)
        print(f"dask does {loky / dask:.3f} of loky's work in the same time; the estimate is {said / loky:.2f} of loky")
