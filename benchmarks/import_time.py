"""How long `import atlas_lab` takes beside `import torch` alone: medians, in turn, each in a fresh Python.

Run: python benchmarks/import_time.py
"""

import statistics
import subprocess
import sys

ROUNDS = 7


def seconds(name):
    """Wall-clock seconds that a fresh Python takes to import a module, start of Python not counted."""
    code = f"import time; t = time.perf_counter(); import {name}; print(time.perf_counter() - t)"
    return float(subprocess.check_output([sys.executable, "-c", code], text=True))


if __name__ == "__main__":
    rounds = [(seconds("torch"), seconds("atlas_lab")) for _ in range(ROUNDS)]
    torch, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"torch {torch:.2f} s, atlas_lab {ours:.2f} s, ratio {ours / torch:.2f}, difference {ours - torch:+.2f} s")
