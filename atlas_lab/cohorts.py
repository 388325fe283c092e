"""The scans to work on: the real ATLAS where there is one, else the embedded cohort."""

import os

from atlas_lab.data.scans import find_scans
from atlas_lab.files import lab_home
from atlas_lab.phantom.cohort import make_cohort

__all__ = ["cohort"]


def cohort(n_subjects=60, seed=0, exclude=(), progress=True, version=1):
    """The scans to work on: the real ATLAS if `ATLAS_DATA` names its folder, else the embedded cohort.

    The embedded cohort is made on first use, below `lab_home()`; `n_subjects`, `seed` and the phantom's `version`
    choose it. The course's records were made from version 1, the study's from version 2.
    `exclude` and what is raised: see `find_scans`.
    """
    if os.environ.get("ATLAS_DATA"):
        return find_scans(os.environ["ATLAS_DATA"], exclude)
    name = f"embedded-{n_subjects}-seed{seed}" + (f"-version{version}" if version > 1 else "")
    return find_scans(make_cohort(lab_home() / "cohorts" / name, n_subjects, seed, progress=progress, version=version),
                      exclude)
