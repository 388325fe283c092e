"""The scans to work on: the real ATLAS where there is one, else the embedded cohort."""

import os

from atlas_lab.data.scans import find_scans, source_of
from atlas_lab.files import lab_home
from atlas_lab.phantom.cohort import make_cohort

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


def data_notice(scans):
    """What the data are, for the top of a notebook; with real scans it warns that outputs show patients."""
    people = len({scan.subject for scan in scans})
    text = f"{source_of(scans)}: {len(scans)} scans of {people} subjects, {len({scan.site for scan in scans})} sites"
    if all(scan.synthetic for scan in scans):
        return text
    return (
        f"{text}\nThe outputs of this notebook will show patient images. ATLAS is under a data use agreement: "
        "clear the outputs before you save or share it."
    )
