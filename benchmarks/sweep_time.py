"""Seconds that a sweep of eight runs of two epochs takes with so many workers: python benchmarks/sweep_time.py JOBS."""

import json
import os
import sys
import tempfile
import time

import atlas_lab as lab
from atlas_lab.config import with_seeds

if __name__ == "__main__":
    store = lab.prepare_slices(lab.cohort(progress=False), progress=False)
    configs = with_seeds([lab.RunConfig(epochs=2)], range(8))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ATLAS_LAB_HOME"] = folder  # checkpoints of earlier runs would be gone on with
        started = time.perf_counter()
        lab.sweep(configs, store, folder, jobs=int(sys.argv[1]), report=lambda line: None)
        print(json.dumps({"seconds": time.perf_counter() - started}))
