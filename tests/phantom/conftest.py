"""Cohorts that the phantom's tests share, made once; not to be changed by tests."""

import pytest

from atlas_lab.data.scans import find_scans
from atlas_lab.phantom.cohort import make_cohort

N_SUBJECTS = 8  # of seven sites; the fifth was scanned twice


@pytest.fixture(scope="session")
def cohort(tmp_path_factory):
    """A small cohort, made by two processes."""
    return make_cohort(tmp_path_factory.mktemp("cohort"), N_SUBJECTS, seed=0, jobs=2, progress=False)


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    """Two subjects made in this very process; tests copy it before they change anything."""
    return make_cohort(tmp_path_factory.mktemp("pair"), 2, seed=0, jobs=1, progress=False)


@pytest.fixture(scope="session")
def scans(cohort):
    return find_scans(cohort)
