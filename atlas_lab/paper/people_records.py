"""The planned runs on new people: trained, scored by person, recorded; a later call goes on with what is missing."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from atlas_lab.cohorts import cohort
from atlas_lab.config import PROFILES, RunConfig, plain_settings, run_name
from atlas_lab.data.metadata import match_metadata
from atlas_lab.data.slicing import prepare_slices
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.checkpoint import load_model
from atlas_lab.experiment.folds import choose_split
from atlas_lab.experiment.people import (
    cascade_scores,
    ensemble_probability,
    false_alarms,
    scores_of_masks,
    stage_masks,
)
from atlas_lab.experiment.prediction import predict_rows
from atlas_lab.experiment.run import load_run, runs_folder
from atlas_lab.experiment.sweep import sweep
from atlas_lab.files import DataError
from atlas_lab.nets.cascade import BLOCK
from atlas_lab.paper.many_people import MANY, many_people_config
from atlas_lab.paper.other_people import healthy_slices, real_lesion_slices, slices_without_mimics
from atlas_lab.paper.people_claims import chosen_best
from atlas_lab.paper.people_plan import FINAL_COHORTS, PEOPLE, row_config, row_runs
from atlas_lab.paper.score_files import load_scores, save_scores, scores_file
from atlas_lab.provenance import code_version, environment
from atlas_lab.scoring.calibration import calibration
from atlas_lab.system.disk import expand
from atlas_lab.system.shipped import SHIPPED_NETWORK

__all__ = ["SHIPPED_PEOPLE", "calibration_values", "final_slices", "load_people", "people_folder", "record_people",
           "record_scores", "study_slices", "territories", "trained"]

SHIPPED_PEOPLE = SHIPPED_NETWORK.parent  # the scores that the lab ships: embedded cohorts only
STUDY = PROFILES["study"]
SMALLEST_ML = 0.1  # components that post-processing leaves out
DOUBTFUL = 0.01    # calibration is that of pixels from this probability on


def people_folder() -> Path:
    """Where records and scores go unless told otherwise."""
    return runs_folder() / "people"


def record_people(
    names: Sequence[str] = (), folder: str | Path | None = None, jobs: int = 2, report: Callable[[str], None] = print,
    lesions: Path | None = None,
) -> list[Path]:
    """Train every run of the plan's rows and write each one's scores by person; what is recorded already stays.

    Parameters
    ----------
    names : list of str
        Rows of PEOPLE, in the order wanted, and MANY, which is beside the plan; by default all, in the plan's.
    folder : path, optional
        For records and scores; `people_folder()` by default.
    jobs : int
        Processes at a time, of one thread each.
    lesions : path, optional
        Folder of real lesion masks, on whose shapes the networks of final rows are scored too.

    Returns
    -------
    list of Path
        Of the scores, one file a run.

    Raises
    ------
    DataError
        If ATLAS_DATA is set, a row is unknown, or the best is asked for before the rows that it is chosen from are
        recorded.
    """
    if os.environ.get("ATLAS_DATA"):  # which stands in for every cohort, those of the final scores too
        raise DataError("ATLAS_DATA is set, and the plan on new people needs synthetic cohorts of other people for "
                        "each seed: on one release its networks would be scored on those they learnt from; unset it")
    folder = expand(folder or people_folder())
    for name in names:
        if name != MANY:
            row_config(name)
    written = []
    for name in names or (*PEOPLE, MANY):
        configs = _row_runs(name, folder)
        sweep(configs, study_slices, folder, jobs, report)
        written += [record_scores(name, one, folder, report, lesions) for one in configs]
    return written


def _row_runs(name, folder):
    """The runs of a row of the plan, or the one beside it; what is chosen from records is chosen from the folder's."""
    if name == MANY:
        return [many_people_config(load_people(folder))]
    return row_runs(name, chosen_best(load_people(folder)) if name == "final: best" else None)


def record_scores(
    name: str, config: RunConfig, folder: Path, report: Callable[[str], None] = print, lesions: Path | None = None,
) -> Path:
    """Score one trained run of a row, unless it is done, and write it; returns the file. See `record_people`."""
    path = folder / "scores" / scores_file(name, config)
    if not path.exists():
        values = {
            "row": name, "config": plain_settings(config), "code": code_version(), "environment": environment(),
            "scores": _scores(name, config, folder, lesions),
        }
        save_scores(path, values, study_slices(config).about["source"])
        report(f"scored {path.name}")
    return path


def load_people(folder: str | Path | None = None) -> list[dict]:
    """All scores of a folder of `record_people`, in order of name; by default those that the lab ships.

    Raises DataError if one is none, or was changed.
    """
    folder = expand(folder or SHIPPED_PEOPLE) / "scores"
    return [load_scores(path) for path in sorted(folder.glob("*.json"))]


def study_slices(config: RunConfig) -> SliceStore:
    """The slices of a run's cohort at the study point; of more people than the study's, if it asks for more."""
    return _slices(config.cohort, config.scale, config.z_step, max(STUDY.n_subjects, config.people or 0))


def final_slices(config: RunConfig) -> SliceStore:
    """The slices of the people whom a final row's run is scored on: those of cohort 100 + its seed."""
    return _slices(FINAL_COHORTS + config.seed, config.scale, config.z_step, STUDY.n_subjects)


@cache
def _slices(number, scale, z_step, people):
    """The slices of a cohort of the study, made on first use."""
    return prepare_slices(cohort(people, number, version=STUDY.version), scale, z_step)


@cache
def territories(number: int) -> dict[str, dict]:
    """Scan -> {"territory": its territory}, as the metadata table of a cohort of the study has it."""
    scans = cohort(STUDY.n_subjects, number, version=STUDY.version)
    table, _ = match_metadata(scans, scans[0].t1w.parents[3])
    if table is None or "Vascular territory" not in table:
        return {}
    return {name: {"territory": text} for name, text in table["Vascular territory"].items()}


def _scores(name, config, folder, lesions):
    """The scores of a trained run: on its own dev people; of a final row, on people of a cohort of its own."""
    if name.startswith("final: "):
        return _final_scores(config, folder, lesions)
    store, model = study_slices(config), trained(config, folder)
    rows = choose_split(config, store).dev
    if config.stage == "mask":
        return _by_post_processing(config, [model], store, rows, territories(config.cohort))
    found = {"stage": _stage_scores(config, model, store, rows)}
    if config.stage == "place":  # the last of the three
        stages = {"presence": row_config("cascade: presence"), "mask": row_config("U-Net")}
        models = {stage: trained(replace(other, seed=config.seed, cohort=config.cohort), folder)
                  for stage, other in stages.items()}
        found |= cascade_scores(models | {"place": model}, replace(config, stage="mask"), store, rows)
    return found


def trained(config: RunConfig, folder: Path) -> torch.nn.Module:
    """The trained network of a recorded run. Raises DataError if it is not there."""
    path = folder / f"{run_name(config)}.json"
    if not path.exists():
        raise DataError(f"{path}: not recorded yet, and another row needs its network; record the rows in the plan's "
                        "order, as atlas-lab people does")
    return load_model(load_run(path), study_slices(config))


def _stage_scores(config, model, store, rows):
    """How a stage of the cascade does its own task: over slices or blocks, of those with lesion and those without."""
    said, true = predict_rows(model, config, store, rows) > 0.5, stage_masks(store, rows, config.stage)
    side = (slice(None), *(2 * (slice(None, None, BLOCK),) if config.stage == "place" else (0, 0)))
    said, true = said[side], true[side]
    return {"sensitivity": float(said[true].mean()), "specificity": float((~said[~true]).mean())}


def _by_post_processing(config, models, store, rows, about):
    """Scores of each person, plain and with each way of post-processing alone; and the calibration."""
    plain, mirrored = (ensemble_probability(models, config, store, rows, side) for side in (False, True))
    found = {
        "plain": scores_of_masks(plain > 0.5, store, rows, about=about),
        "flipped too": scores_of_masks((plain + mirrored) / 2 > 0.5, store, rows, about=about),
        "without small": scores_of_masks(plain > 0.5, store, rows, SMALLEST_ML, about=about),
    }
    return found | {"calibration": calibration_values(plain, store, rows)}


def calibration_values(probability: np.ndarray, store: SliceStore, rows: np.ndarray) -> dict[str, list]:
    """What `calibration` finds of the probabilities for some of a store's slices, as plain values."""
    measured = calibration(probability, np.asarray(store.masks[rows]), from_probability=DOUBTFUL)
    return {name: np.asarray(value).tolist() for name, value in measured._asdict().items()}


def _final_scores(config, folder, lesions):
    """Scores on all people of cohort 100 + seed, none of whom anything was chosen on, and on others of that seed.

    The others are people without lesion, the first people without their mimics, and, if given, lesions of real shapes.
    The ensemble of the row's seeds is scored by the last of them.
    """
    number = FINAL_COHORTS + config.seed
    store, model = final_slices(config), trained(config, folder)
    rows = np.arange(len(store))
    found = _by_post_processing(config, [model], store, rows, territories(number))
    found["false alarms"] = false_alarms(_whole_scores(model, config, healthy_slices(config)))
    found["without mimics"] = _whole_scores(model, config, slices_without_mimics(config, number))
    if lesions is not None:
        found["real shapes"] = _whole_scores(model, config, real_lesion_slices(config, number, lesions))
    seeds = PEOPLE["final: U-Net"].seeds
    if config.seed == seeds - 1:
        models = [trained(replace(config, seed=seed, cohort=seed), folder) for seed in range(seeds)]
        probability = ensemble_probability(models, config, store, rows)
        found["ensemble"] = scores_of_masks(probability > 0.5, store, rows, about=territories(number))
    return found


def _whole_scores(model: torch.nn.Module, config: RunConfig, store: SliceStore) -> list[dict]:
    """Every score of each scan of a store, see `scores_of_masks`."""
    rows = np.arange(len(store))
    return scores_of_masks(predict_rows(model, config, store, rows) > 0.5, store, rows)
