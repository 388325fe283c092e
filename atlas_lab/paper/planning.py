"""What a sweep is to train: the runs, the epochs whose state is kept, and the slices their first steps are noted on."""

import itertools
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from atlas_lab.config import Profile, RunConfig, with_seeds
from atlas_lab.experiment.settings import config_from_strings
from atlas_lab.files import DataError
from atlas_lab.paper.ablations import STUDY, SWEEPS, sweep_configs
from atlas_lab.paper.scaling_plan import SCALING

if TYPE_CHECKING:  # an impossible setting is refused before torch is imported
    from atlas_lab.dataset import SliceStore

__all__ = ["has_own_cohorts", "is_scored_finely", "plan_sweep", "replay_slices", "share_of"]

SEEDS = 5  # where neither the command nor a named sweep says how many


def has_own_cohorts(profile: Profile) -> bool:
    """Whether seed k is trained on cohort k: where a profile says so, and not on the real ATLAS, which is one."""
    return profile.own_cohorts and not os.environ.get("ATLAS_DATA")


def plan_sweep(
    profile: Profile, names: Sequence[str], settings: Sequence[str], seeds: int | None = None,
) -> tuple[list[RunConfig], list[int]]:
    """The configs that a sweep is to train, all of them possible, and the epochs whose state is to be kept.

    Parameters
    ----------
    profile : Profile
    names : list of str
        Of sweeps of the paper's ablations, or "all"; or settings.
    settings : list of str
        As FIELD=V1,V2.
    seeds : int, optional
        Seeds 0 to so many less one; by default what each named sweep has, else SEEDS.

    Raises
    ------
    DataError
        If a name or a setting is unknown or impossible, or both kinds are mixed.
    """
    named, given = [name for name in names if "=" not in name], [*settings, *(name for name in names if "=" in name)]
    if named and given:
        raise DataError("give either names of sweeps or FIELD=V1,V2, not both")
    sweeps = STUDY | SCALING if profile.own_cohorts else SWEEPS
    chosen = list(sweeps) if named == ["all"] else named
    parts = [(config, sweeps[name].seeds) for name in chosen for config in sweep_configs(name, profile.config, sweeps)]
    if not named:
        choices = [[f"{name}={value}" for value in values.split(",")]
                   for name, _, values in (setting.partition("=") for setting in given)]
        parts = [(config_from_strings(pairs, profile.config), SEEDS) for pairs in itertools.product(*choices)]
    if any(config.seed != profile.config.seed for config, _ in parts):
        raise DataError("a sweep's seeds are 0 to N-1; choose N with --seeds N")
    own_cohorts = has_own_cohorts(profile)
    runs = [run for config, count in parts for run in with_seeds([config], range(seeds or count), own_cohorts)]
    return list(dict.fromkeys(runs)), sorted({epoch for name in chosen for epoch in sweeps[name].keep})


def replay_slices(config: RunConfig, profile: Profile) -> "SliceStore | None":
    """The slices that a record's first steps are made on, for profiles whose records note them; else None."""
    from atlas_lab.cohorts import cohort
    from atlas_lab.data.slicing import prepare_slices
    from atlas_lab.experiment.first_steps import REPLAY_SUBJECTS

    if not has_own_cohorts(profile):
        return None
    return prepare_slices(cohort(REPLAY_SUBJECTS, version=profile.version), config.scale, config.z_step)


def is_scored_finely(names: Sequence[str]) -> bool:
    """Whether a sweep's networks are scored at 1 mm too: where they differ in their resolution."""
    return bool(names) and all(name in SCALING and SCALING[name].scale for name in names)


def share_of(configs: Sequence[RunConfig], part: str | None) -> list[RunConfig]:
    """Every n-th config from the i-th on, for part "i/n": what one of n jobs trains. All, if there is no part.

    Raises DataError if the part is no such text, or i is not from 1 to n.
    """
    if part is None:
        return list(configs)
    i, _, n = part.partition("/")
    if not (i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n)):
        raise DataError(f"--only is {part!r}; write I/N, the I-th of N shares, as in 3/8")
    return list(configs[int(i) - 1 :: int(n)])
