"""Slices of people that no network is trained on: without lesion, without mimics of lesions, with real lesions."""

from functools import cache
from pathlib import Path

from atlas_lab.config import RunConfig
from atlas_lab.data.scans import find_scans
from atlas_lab.data.slicing import prepare_slices
from atlas_lab.dataset import SliceStore
from atlas_lab.files import lab_home
from atlas_lab.paper.people_plan import FINAL_COHORTS
from atlas_lab.phantom.cohort import make_cohort

__all__ = ["healthy_slices", "real_lesion_slices", "slices_without_mimics"]

PEOPLE = 60  # of each; a subject doesn't depend on how many others there are


def healthy_slices(config: RunConfig) -> SliceStore:
    """Slices of people without lesion, on whom false alarms are counted."""
    return _slices("healthy", FINAL_COHORTS, config.scale, config.z_step, n_lesions=0)


def slices_without_mimics(config: RunConfig, number: int) -> SliceStore:
    """Slices of the first people of a final cohort as they would be without mimics: what these cost shows in Dice."""
    return _slices("no-mimics", number, config.scale, config.z_step, mimics=False)


def real_lesion_slices(config: RunConfig, number: int, lesions: Path) -> SliceStore:
    """Slices of people of a final cohort's seed whose lesions have the shapes of real ones, from a folder of masks."""
    return _slices("real-lesions", number, config.scale, config.z_step, lesions=Path(lesions))


@cache
def _slices(kind, number, scale, z_step, **switches):
    """The slices of such a cohort, made on first use."""
    place = lab_home() / "cohorts" / f"{kind}-{PEOPLE}-seed{number}-version2"
    return prepare_slices(find_scans(make_cohort(place, PEOPLE, number, **switches)), scale, z_step)
