"""The main job: from the cohort's files and the run records to the paper's figures, with a live check."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from atlas_lab.cohorts import cohort
from atlas_lab.config import PROFILES
from atlas_lab.data.lesion_maps import median_diameter
from atlas_lab.data.slicing import prepare_slices
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.experiment import run_experiment
from atlas_lab.experiment.replay import agreement_text, device_like
from atlas_lab.experiment.run import load_runs, runs_folder
from atlas_lab.fast.workers import processor_threads
from atlas_lab.files import REPOSITORY, DataError, check_target, lab_home, write_json
from atlas_lab.paper.ablation_figures import (
    best_masks,
    best_study_masks,
    departures_figure,
    drop_figure,
    rates_figure,
    splits_figure,
    weights_figure,
)
from atlas_lab.paper.ablations import SWEEPS, sweep_configs
from atlas_lab.paper.card import write_card
from atlas_lab.paper.claims import judge_claims
from atlas_lab.paper.evidence import NotRecorded, Records
from atlas_lab.paper.hook import find_hook, hook_figure, write_hook
from atlas_lab.paper.overestimates import study_overestimates
from atlas_lab.paper.own_runs import Evidence, gather_records
from atlas_lab.paper.own_study import write_own_study
from atlas_lab.paper.people_figure import draw_people
from atlas_lab.paper.replays import replay_first_steps, replay_records
from atlas_lab.paper.scaling import scaling_figure
from atlas_lab.paper.scan_figures import baseline_curves, figure_1a, figure_1b, figure_2, figure_3
from atlas_lab.paper.study_page import write_study
from atlas_lab.paper.tables import write_ledger, write_measured
from atlas_lab.plots.saving import save_figure
from atlas_lab.system.disk import expand
from atlas_lab.system.shipped import IN_A_CLONE

__all__ = ["LIVE", "draw_figures"]

LIVE = PROFILES["course"].config  # the paper's baseline: ten epochs, split by slice, seed 0


class _Job(NamedTuple):
    """What the parts of the main job share: where to draw, from what, and how to say so."""

    out: Path
    page: Path | None  # the page of results, for the repository's own figures
    store: SliceStore
    evidence: Evidence
    draw: Callable[[dict], None]
    step: Callable[[str], None]


def draw_figures(
    out: Path | None = None, report: Callable[[str], None] = print, runs: Path | None = None,
) -> Path:
    """Make or find the cohort, train the baseline live, hold it against its record, redraw every figure.

    Returns the figures' folder.

    Parameters
    ----------
    out : path, optional
        Folder for the figures. By default figures/ in the repository; where there is none, or the cohort is the
        real ATLAS, `lab_home()/figures`: patient images stay out of the repository.
    report : callable
        Called with each line of progress.
    runs : path, optional
        Folder of run records of one's own, drawn from beside those that come with the lab, see `gather_records`. By
        default `runs_folder()`, and none for figures/ in the repository, which show what comes with the lab.

    Raises
    ------
    DataError
        If data can't be used, the live run disagrees with its record, `runs` is no folder of records, or `out` can't
        be written to.
    """
    started = time.perf_counter()

    def step(text):
        report(f"[{time.perf_counter() - started:4.0f} s] {text}")

    if runs is not None:
        load_runs(runs)  # a folder that is none is refused before any work
    if out is not None:
        check_target(expand(out) / "figure_1a.png")  # and so is one that can't be written to
    step("the cohort and its slices")
    scans = cohort()
    store = prepare_slices(scans, LIVE.scale, LIVE.z_step)
    synthetic = store.about["source"].startswith("synthetic")
    out = expand(out or (REPOSITORY if synthetic and IN_A_CLONE else lab_home()) / "figures")
    report(f"{store.about['source']}: {len(scans)} scans, {len(store):,} slices; figures go to {out}")
    if not synthetic:
        report("The figures show patient images. ATLAS is under a data use agreement: keep them to yourself.")
    cohort_kind = "synthetic" if synthetic else "patients"
    about = {"cohort": cohort_kind, "source": store.about["source"], "data_hash": store.about["data_hash"]}
    page = REPOSITORY / "docs" / "results.md" if out.resolve() == REPOSITORY / "figures" else None
    evidence = gather_records(scans, runs or (None if page else runs_folder()), report)
    job = _Job(out, page, store, evidence, partial(_draw_and_save, out, about, step), step)

    job.draw({"figure_1a": partial(figure_1a, scans), "figure_1b": partial(figure_1b, scans, store),
              "figure_2": figure_2})
    _draw_live(job, report)
    _draw_study(job)
    _draw_course(job)
    step(f"done: {', '.join(path.name for path in sorted(out.glob('*.png')))} in {out}")
    return out


def _draw_live(job, report):
    """Train the baseline beside its record and draw its masks and, where it is recorded on these data, its curves."""
    job.step(f"the baseline, live: {LIVE.epochs} epochs")
    live, recorded = _train_beside_record(job.store, job.evidence.runs, report)
    job.draw({"figure_3": partial(figure_3, live, job.store) if _is_own(job)
              else partial(study_overestimates, job.evidence.study)})
    if recorded:
        job.draw({"baseline_curves": partial(baseline_curves, recorded)})
        report(write_measured(recorded, job.out, job.page))


def _is_own(job):
    """Whether figures show the data at hand rather than the study that comes with the lab."""
    return job.page is None or not job.evidence.embedded


def _draw_study(job):
    """The page and the figures of the study point, where it has records."""
    study, people, controls = job.evidence.study, job.evidence.people, job.evidence.controls
    if not study.runs:
        return
    if job.page is not None:
        job.step("a replay of the first steps of every variant of the study point")
        replay_first_steps(study.runs, job.step)
    job.step("the study point")
    of_study = [record for record in controls if record.config.profile == "study"]
    figures = {"study_splits": partial(splits_figure, study, of_study),
               "scaling": partial(scaling_figure, job.evidence.roads),
               "hook": lambda: hook_figure(find_hook(study, of_study))}
    if job.page is not None:
        write_hook(study, REPOSITORY / "README.md", job.step)
    if job.evidence.embedded:
        write_study(study, people, job.out, job.page)
        figures |= {"people": partial(draw_people, people)}
    else:
        write_own_study(study, controls, job.out)
    job.draw(figures)


def _draw_course(job):
    """A replay, the tables and the figures of the runs on the very slices at hand, where there are any."""
    runs = [run for run in job.evidence.runs if run.data["data_hash"] == job.store.about["data_hash"]]
    if not runs:
        return
    job.step("a replay of the first epoch of a run of each sweep")
    _replay(runs, job.step)
    job.step("the ablations and the ledger")
    records = _write_tables(runs, job)
    study = job.evidence.study
    best = partial(best_masks, records, job.store) if _is_own(job) else partial(best_study_masks, study)
    curves = [records] if _is_own(job) else [study, records]
    controls = job.evidence.controls
    job.draw({
        "figure_4_left": partial(_first_drawn, rates_figure, curves),
        "figure_4_drop": partial(_first_drawn, drop_figure, curves),
        "figure_4_right": partial(_first_drawn, weights_figure, curves),
        "figure_5": best, "splits": partial(splits_figure, records, controls),
        "departures": partial(departures_figure, records),
    })


def _first_drawn(make, sources):
    """A figure of the first of several sources of records that has what it needs. Raises NotRecorded if none has."""
    for records in sources[:-1]:
        try:
            return make(records)
        except NotRecorded:
            continue
    return make(sources[-1])


def _draw_and_save(out, about, report, figures):
    """Draw each figure and write it with its provenance, added to what all have; report those without records."""
    for name, make in figures.items():
        try:
            figure, provenance = make()
        except NotRecorded as error:
            report(f"{name} is not drawn: {error}")
            continue
        report(name)
        save_figure(figure, out / f"{name}.png", {**about, **provenance})


def _write_tables(runs, job):
    """Write what is known of the cohort's lesions, the ledger and the card from records; returns the Records."""
    store, out, page = job.store, job.out, job.page
    cohort_facts = {"source": store.about["source"], "data_hash": store.about["data_hash"],
                    "diameter_mm": median_diameter(store)}
    write_json(out / "cohort.json", cohort_facts)
    records = Records(runs, cohort_facts)
    findings = judge_claims(records)
    write_ledger(records, findings, out, page)
    if records.on_patients:  # the card's sentences are about made-up lesions
        return records
    try:
        write_card(records, out)
    except NotRecorded as error:
        job.step(f"the reproducibility card is not written: {error}")
    return records


def _replay(runs, report):
    """Train one epoch of one recorded run of each sweep and hold it against the record.

    Raises DataError where one disagrees.
    """
    recorded = {run.config: run for run in runs}
    found = [[recorded[config] for config in sweep_configs(name, LIVE) if config in recorded] for name in SWEEPS]
    compared, wrong = replay_records([of_sweep[-1] for of_sweep in found if of_sweep], report=report)
    if wrong:
        raise DataError(f"{wrong} of {compared} records disagree with their replay, see above; a record or the code "
                        "was changed: git log tells which")


def _train_beside_record(store, runs, report):
    """Train the baseline live and hold it against its record, if there is one for these data among the runs.

    Returns
    -------
    live : Run
    recorded : list of Run
        All records of the baseline made on these data; empty if there are none.
    """
    free = {name: getattr(LIVE, name) for name in ("split_by", "epochs", "seed")}
    recorded = [run for run in runs if run.data["data_hash"] == store.about["data_hash"]
                and replace(run.config, **free) == LIVE]
    twins = [run for run in recorded if run.config == LIVE]
    with processor_threads(_threads_of(twins[0]) if twins else torch.get_num_threads()):
        device = device_like(twins[0]) if twins else None
        live = run_experiment(LIVE, store, report, fresh=True, device=device, times=True)
    report(agreement_text(live, twins[0]) if twins else "no record was made on these data; nothing to compare with")
    return live, recorded


def _threads_of(run):
    """The threads of a record; those of its first epochs, where it was gone on with on others."""
    threads = run.environment["threads"]
    return threads if isinstance(threads, int) else threads[0]
