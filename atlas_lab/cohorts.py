"""The scans to work on: the real ATLAS where there is one, else the embedded cohort."""

import os

from atlas_lab.data.scans import find_scans
from atlas_lab.files import lab_home
from atlas_lab.phantom.cohort import make_cohort

__all__ = ["RECORDS_VERSION", "cohort"]

RECORDS_VERSION = 1  # of the phantom: the shipped records were made from it, and ask for it by name


def cohort(n_subjects=60, seed=0, exclude=(), progress=True):
    """The scans to work on: the real ATLAS if `ATLAS_DATA` names its folder, else the embedded cohort.

    The embedded cohort is made on first use, below `lab_home()`; `n_subjects` and `seed` choose it.
    `exclude` and what is raised: see `find_scans`.
    """
    if os.environ.get("ATLAS_DATA"):
        return find_scans(os.environ["ATLAS_DATA"], exclude)
    out = lab_home() / "cohorts" / f"embedded-{n_subjects}-seed{seed}"
    return find_scans(make_cohort(out, n_subjects, seed, progress=progress, version=RECORDS_VERSION), exclude)
