"""How long `atlas-lab check` takes beside only decompressing the same files: python benchmarks/check_time.py ROOT.

Both with one process, in turn, three times; the ratio of the medians is printed.
"""

import gzip
import sys

from sides import in_turn

from atlas_lab.check import inspect_scans
from atlas_lab.data.scans import find_scans


def decompress(scans):
    """Read every T1 volume and mask with Python's gzip, and nothing else."""
    for scan in scans:
        for path in (scan.t1w, *scan.masks):
            with gzip.open(path) as file:
                file.read()


if __name__ == "__main__":
    scans = find_scans(sys.argv[1])
    times = in_turn({
        "decompress": lambda: decompress(scans),
        "check": lambda: inspect_scans(scans, thumbnails=True, jobs=1, progress=False),
    })
    medians = {name: side["median"] for name, side in times.items()}
    print(f"{len(scans)} scans: decompress {medians['decompress']:.1f} s, check {medians['check']:.1f} s, "
          f"ratio {medians['check'] / medians['decompress']:.2f}")
