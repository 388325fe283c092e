"""A saved network on labelled scans: every score of each person whom it has not learnt from, and who that leaves out.

Slices are cut, predicted and scored at the network's own scale, as the study scores people, so the numbers are of its
kind.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from atlas_lab.config import plain_settings
from atlas_lab.data.scans import Scan
from atlas_lab.data.slicing import prepare_slices
from atlas_lab.data.state import read_json
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.artifacts import as_filed
from atlas_lab.experiment.datasets import scan_rows
from atlas_lab.experiment.inference import SavedModel, scan_digests, shows_skull, training_lines
from atlas_lab.experiment.people import scores_of_masks
from atlas_lab.experiment.post_processing import post_processed
from atlas_lab.experiment.prediction import predict_rows
from atlas_lab.experiment.run import without_nan
from atlas_lab.files import SYNTHETIC_MARKER, DataError, check_target, write_json
from atlas_lab.provenance import code_version, environment
from atlas_lab.system.progress import bar

__all__ = ["ScoredScans", "check_scores_file", "score_scans", "write_scores"]


class ScoredScans(NamedTuple):
    """What a network scored.

    Attributes
    ----------
    source : str
        Whose data the scans are, as `source_of` says it.
    scale, z_step : int
        Millimetres of a pixel's side, and between slices: the network's own.
    scans : list of dict
        As `scores_of_masks` gives them, with "healthy": whether a scan is of a cohort without lesions.
    notes : tuple of str
        What is to be known of the numbers, a line each: what the network learnt from, and whether from these people.
    """

    source: str
    scale: int
    z_step: int
    scans: list[dict]
    notes: tuple[str, ...]


def score_scans(saved: SavedModel, scans: Sequence[Scan]) -> ScoredScans:
    """Score a network on labelled scans, without the people whom it is known to have learnt from.

    They are known by a scan of theirs whose slices are the very ones that it learnt from; the notes say what isn't.

    Parameters
    ----------
    saved : as from `open_model`
    scans : as from `find_scans`

    Raises
    ------
    DataError
        If a scan has no mask or can't be used, if the network gives no masks, takes slices of another size or puts out
        what is no number, or if it has learnt from everybody here.
    """
    config = saved.config
    if config.stage != "mask":
        raise DataError(f"this network is the cascade's stage of {config.stage}, which gives no mask; take one that "
                        "was trained with stage=mask")
    _refuse_without_masks(scans)
    store = prepare_slices(scans, config.scale, config.z_step)
    if store.shape != tuple(saved.model.input_shape):
        raise DataError(f"the network takes slices of {saved.model.input_shape}, and its scale of {config.scale} mm "
                        f"gives {store.shape}; train it anew")
    left_out, notes = _learnt_from(saved, scans, store)
    rows = {name: of_scan for name, of_scan in scan_rows(store).items()
            if store.table["subject"].iloc[of_scan[0]] not in left_out}
    about = {scan.name: {"healthy": scan.healthy} for scan in scans}
    found = [_scores_of(saved, store, rows[name], about) for name in bar(sorted(rows), "scoring", shown=None)]
    notes = [*training_lines(saved), *filter(None, [saved.processing.describe()]), *notes,
             *_kind_lines(saved, store, list(rows)), *_lost_lines(found, config.scale)]
    return ScoredScans(store.about["source"], config.scale, config.z_step, found, tuple(notes))


def _refuse_without_masks(scans: Sequence[Scan]) -> None:
    """Raise DataError if a scan has no mask, before any is read."""
    bare = [scan.name for scan in scans if not (scan.masks or scan.healthy)]
    if len(bare) == len(scans):
        raise DataError(f"none of the {len(scans)} scans has a lesion mask, so there is nothing to score against; to "
                        "segment scans without: atlas-lab predict")
    if bare:
        raise DataError(f"{len(bare)} of {len(scans)} scans have no lesion mask, such as {bare[0]}; add the masks, or "
                        "leave each such scan out with --exclude")


def _scores_of(saved: SavedModel, store: SliceStore, rows: np.ndarray, about: dict) -> dict:
    """The scores of one scan, whose rows are given from the lowest slice up, as a store of its own."""
    alone = replace(store, images=np.asarray(store.images[rows]), masks=np.asarray(store.masks[rows]),
                    table=store.table.iloc[rows].reset_index(drop=True))
    seen, everything = as_filed(alone, replace(saved.config, mask_files="exact")), np.arange(len(rows))
    ask = partial(predict_rows, saved.model, saved.config, seen, everything)
    probability, _ = post_processed(ask, saved.processing, store.pixel_ml)
    if broken := int((~np.isfinite(probability)).sum()):
        raise DataError(f"{alone.scan_names[0]}: the network's output is NaN or infinite in {broken:,} of "
                        f"{probability.size:,} pixels; train it again, with a smaller learning_rate")
    return scores_of_masks(probability > 0.5, alone, everything, about=about)[0]


def _learnt_from(saved: SavedModel, scans: Sequence[Scan], store: SliceStore) -> tuple[set[str], list[str]]:
    """The people here whom a network has surely learnt from, and in words what is known of it.

    Raises DataError if that is everybody.
    """
    if "digests" not in saved.data:
        return set(), ["its file doesn't name the people that it learnt from: some here may be among them, and score "
                       "too well"]
    subjects = dict(zip(store.scan_names, store.table["subject"], strict=True))
    seen, everyone = set(saved.data["digests"]), set(subjects.values())
    learnt = {subjects[name] for name, digest in scan_digests(store).items() if digest in seen}
    if learnt == everyone:
        raise DataError(f"the network learnt from slices of all {len(everyone)} people here (split by "
                        f"{saved.config.split_by}); score it on people whom it has not seen")
    if not learnt:
        return set(), _maybe_lines(saved, scans, store)
    return learnt, [f"it learnt from {len(learnt)} of these people, who are left out; the {len(everyone - learnt)} "
                    "others are scored, on whom it may have been chosen"]


def _maybe_lines(saved: SavedModel, scans: Sequence[Scan], store: SliceStore) -> list[str]:
    """Whether a network may have learnt from people of whom no slice here is one that it learnt from."""
    theirs, ours = (source.startswith("synthetic") for source in (saved.data["source"], store.about["source"]))
    if theirs != ours:
        return []
    if not ours:
        return ["no slice here is one that it learnt from; but ATLAS's releases share people, whose slices differ with "
                "the release: some here may be among those that it learnt from, and score too well"]
    seeds, cohort = _seeds(scans), saved.config.cohort
    if cohort in seeds:
        return [f"its settings name cohort {cohort}, and people here are of seed {cohort}: they may be those that it "
                "learnt from, and score too well; score it on another seed's"]
    return [f"its settings name cohort {cohort}, and the people here are of seed {', '.join(map(str, seeds))}: others, "
            "unless it was trained with ATLAS_DATA"]


def _seeds(scans: Sequence[Scan]) -> list[int]:
    """The seeds of the embedded cohorts that scans are of, as their marker files say them."""
    folders = {folder for scan in scans for folder in scan.t1w.parents if (folder / SYNTHETIC_MARKER).is_file()}
    told = [read_json(folder / SYNTHETIC_MARKER, f"delete {folder} to make the cohort anew") for folder in folders]
    return sorted({one["seed"] for one in told if "seed" in one})


def _kind_lines(saved: SavedModel, store: SliceStore, names: Sequence[str]) -> list[str]:
    """In what the scans are of another kind than those that the network has seen: with skull, without, or raw."""
    if not saved.data:
        return []
    lines = []
    if "raw" in store.about["source"] and "raw" not in saved.data["source"]:
        lines.append("these scans are raw, and the network has only seen scans in MNI space; name the registered ones")
    if saved.data["skull"] != (heads := shows_skull(store, names)):
        lines.append("these scans show skull and scalp, which the network has never seen" if heads else
                     "these scans are brains without skull, and the network has only seen whole heads")
    return lines


def _lost_lines(found: Sequence[dict], scale: int) -> list[str]:
    """How many lesions are too small for the network's pixels; each is scored as if there were none."""
    lost = sum(scan["true_ml"] == 0 and not scan["healthy"] for scan in found)
    return [f"{lost} of {len(found)} scans have a lesion that fills no pixel of {scale} mm: each scores Dice 1 if "
            "nothing is found in it, else 0"] if lost else []


def check_scores_file(path: Path, source: str) -> Path:
    """Find out before any work whether scores of such data can be written; returns the path.

    Raises DataError as `check_target`, or if the name doesn't end in .json.
    """
    if path.suffix.lower() != ".json":
        raise DataError(f"{path}: scores are written as JSON; give a name that ends in .json")
    return check_target(path, source)


def write_scores(path: Path, scored: ScoredScans, saved: SavedModel) -> None:
    """Write every scan's scores as JSON, what is infinite or no number as null. Raises DataError if it can't be."""
    write_json(path, without_nan({
        "source": scored.source, "scale": scored.scale, "z_step": scored.z_step, "notes": list(scored.notes),
        "network": {"config": plain_settings(saved.config), "data": saved.data,
                    "processing": saved.processing._asdict()},
        "code": code_version(), "environment": environment(), "scans": scored.scans,
    }), scored.source)
