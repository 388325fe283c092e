"""How long `atlas-lab check` takes beside only decompressing the same files: python benchmarks/check_time.py ROOT.

Both with one process, in turn, three times; the ratio of the medians is printed.
"""

import gzip
import statistics
import sys
import time

from atlas_lab.quality import inspect_scans
from atlas_lab.scans import find_scans


def decompress(scans):
    """Read every T1 volume and mask with Python's gzip, and nothing else."""
    for scan in scans:
        for path in (scan.t1w, *scan.masks):
            with gzip.open(path) as file:
                file.read()


def seconds(function, *arguments, **options):
    """Wall time of one call."""
    started = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - started


if __name__ == "__main__":
    scans = find_scans(sys.argv[1])
    times = {"decompress": [], "check": []}
    for _ in range(3):
        times["decompress"].append(seconds(decompress, scans))
        times["check"].append(seconds(inspect_scans, scans, thumbnails=True, jobs=1, progress=False))
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{len(scans)} scans: decompress {medians['decompress']:.1f} s, check {medians['check']:.1f} s, "
          f"ratio {medians['check'] / medians['decompress']:.2f}")
