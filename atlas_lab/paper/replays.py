"""Records trained again for some epochs, on their own people, and held against what they say."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from atlas_lab.cohorts import cohort
from atlas_lab.config import PROFILES, Profile, config_until
from atlas_lab.data.slicing import prepare_slices
from atlas_lab.dataset import open_store
from atlas_lab.experiment.experiment import run_experiment
from atlas_lab.experiment.first_steps import REPLAY_SUBJECTS, first_losses, variant_of
from atlas_lab.experiment.replay import agreement_text, device_like, is_on_its_device, steps_text
from atlas_lab.experiment.run import Run
from atlas_lab.fast.workers import processor_threads, share_out
from atlas_lab.files import DataError
from atlas_lab.system.progress import bar, note

__all__ = ["first_epochs", "replay_first_steps", "replay_records"]


def replay_records(
    runs: Sequence[Run], epochs: int = 1, jobs: int = 2, report: Callable[[str], None] = print,
) -> tuple[int, int]:
    """Train the first epochs of recorded runs again and say of each how it agrees.

    Each is trained on its own people, made on first use, on the record's kind of device and one thread. Records that
    were made on a GPU are left out where there is none, and so are those made on other data than are here.

    Parameters
    ----------
    runs : list of Run
    epochs : int
        How many of each; all of those that have fewer.
    jobs : int
        Processes at a time; -1 is one per core.
    report : callable
        Called with a line for each record, and for those left out.

    Returns
    -------
    tuple of int
        How many were compared, and how many of these disagree.

    Raises DataError if `epochs` is less than 1.
    """
    from joblib import effective_n_jobs

    if epochs < 1:
        raise DataError(f"epochs is {epochs}; at least 1 must be trained again to be compared")
    here = [run for run in runs if is_on_its_device(run)]
    if len(here) < len(runs):
        report(f"{len(runs) - len(here)} records were made on a GPU, which draws other dropout masks, and are left out")
    jobs = effective_n_jobs(jobs)
    seconds = sum(entry.get("seconds", 0) for run in here for entry in run.history[:epochs])
    note(f"{len(here)} records, {seconds / 60 / jobs:.0f} minutes where they were made, {jobs} at a time, and the time "
         "for scores, and for people who aren't made yet")
    groups, compared, wrong = {}, 0, 0
    for run in here:
        groups.setdefault((_profile_of(run), run.config.cohort, run.config.scale, run.config.z_step), []).append(run)
    for (profile, number, scale, z_step), group in groups.items():
        store = prepare_slices(cohort(profile.n_subjects, number, version=profile.version), scale, z_step)
        same = [run for run in group if run.data["data_hash"] == store.about["data_hash"]]
        if len(same) < len(group):
            report(f"{len(group) - len(same)} records were made on other data than the {store.about['source']} that is "
                   "here, and are left out")
        live = share_out(first_epochs, ((run, store.folder, epochs) for run in same), jobs)
        for run, again in bar(zip(same, live, strict=True), "replays", len(same), shown=None):
            compared, wrong = compared + 1, wrong + (not _agrees(run, again, report))
    return compared, wrong


def _profile_of(run: Run) -> Profile:
    """The profile whose people a record was made on; the course's records are older than points."""
    return PROFILES.get(run.point["name"], PROFILES["study"]) if run.point else PROFILES["course"]


def _agrees(run, again, report):
    """Whether a record's epochs, made again, agree with it; reports how."""
    try:
        report(f"{run.name}: {agreement_text(again, run)}")
    except DataError as error:
        report(str(error))
        return False
    return True


def first_epochs(run: Run, store_folder, epochs: int = 1) -> Run:
    """The first epochs of a recorded run again, live, on one thread."""
    config = replace(config_until(run.config, epochs), epochs=min(epochs, run.config.epochs))
    with processor_threads(1):
        return run_experiment(config, open_store(store_folder), lambda line: None, fresh=True, device=device_like(run))


def replay_first_steps(runs: Sequence[Run], report: Callable[[str], None]) -> None:
    """Make the first steps of every variant of the study point's runs again and hold them against the records.

    All seeds of a variant note the same steps. Raises DataError where one disagrees.
    """
    variants = {}
    for run in runs:
        if run.first_steps:
            variants.setdefault(config_until(variant_of(run.config), 1), []).append(run)
    if not variants:
        return
    scans = cohort(REPLAY_SUBJECTS, version=PROFILES["study"].version)
    folders = {grid: prepare_slices(scans, *grid).folder for grid in {(c.scale, c.z_step) for c in variants}}
    tasks = [(config, folders[config.scale, config.z_step]) for config in variants]
    live = bar(share_out(_first_losses, tasks, jobs=-1), "first steps", len(tasks), shown=None)
    for same, losses in zip(variants.values(), live, strict=True):
        for run in same:
            line = steps_text(run, losses)
        report(f"{run.name} and its other seeds ({len(same)} records): {line}")


def _first_losses(config, store_folder):
    """`first_losses` on the slices of a folder, in a process of its own."""
    return first_losses(config, open_store(store_folder))
