"""Trained networks on people: every score of each scan, alone, as an ensemble, as a cascade, and on the healthy."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from atlas_lab.config import RunConfig
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.datasets import scan_rows
from atlas_lab.experiment.prediction import predict_rows
from atlas_lab.files import DataError
from atlas_lab.nets.cascade import cascade_masks, stage_target
from atlas_lab.scoring.lesions import without_small
from atlas_lab.scoring.scans import score_scan

__all__ = ["cascade_scores", "ensemble_probability", "false_alarms", "scores_of_masks", "stage_masks"]


def ensemble_probability(
    models: Sequence[torch.nn.Module], config: RunConfig, store: SliceStore, rows: np.ndarray, mirrored: bool = False,
) -> np.ndarray:
    """Mean probability over networks of one config, such as its seeds; one network is an ensemble of one.

    Shape: float32 (N, H, W) for the N rows. `mirrored` as in `predict_rows`. Raises DataError if there is no network.
    """
    if not models:
        raise DataError("an ensemble of no networks says nothing; give at least one")
    return sum(predict_rows(model, config, store, rows, mirrored) for model in models) / np.float32(len(models))


def scores_of_masks(
    masks: np.ndarray, store: SliceStore, rows: np.ndarray, smallest_ml: float = 0.0,
    about: Mapping[str, Mapping] | None = None,
) -> list[dict]:
    """Every score of each scan, see `score_scan`, from masks of some of a store's slices.

    Parameters
    ----------
    masks : bool (N, H, W)
    rows : int array (N,)
        Whole scans.
    smallest_ml : float
        Predicted components of less are left out first; 0 keeps all.
    about : dict, optional
        Scan -> what else is known of it, such as {"territory": ...}.

    Returns
    -------
    list of dict
        subject, session, site, what `about` says, and the scores.
    """
    spacing = store.about["z_step"], store.about["scale"], store.about["scale"]
    place, found = np.empty(len(store), np.int64), []
    place[rows] = np.arange(len(rows))
    for name, of_scan in scan_rows(store, rows).items():
        pred = np.asarray(masks[place[of_scan]])
        pred = without_small(pred, smallest_ml, store.pixel_ml) if smallest_ml else pred
        row = store.table.iloc[of_scan[0]]
        found.append({"subject": row["subject"], "session": row["session"], "site": row["site"],
                      **(about or {}).get(name, {}), **score_scan(pred, np.asarray(store.masks[of_scan]), spacing)})
    return found


def stage_masks(store: SliceStore, rows: np.ndarray, stage: str) -> np.ndarray:
    """The true answers of a stage of the cascade for some slices, bool (N, H, W); see `stage_target`."""
    target = torch.from_numpy(np.asarray(store.masks[rows])).float().unsqueeze(1)
    return stage_target(target, stage)[:, 0].numpy() > 0.5


def cascade_scores(
    models: Mapping[str, torch.nn.Module], config: RunConfig, store: SliceStore, rows: np.ndarray,
) -> dict[str, list[dict]]:
    """The cascade scored whole, and each stage alone behind perfect ones.

    Parameters
    ----------
    models : dict
        "presence", "place" and "mask" -> the stage's network.
    config : RunConfig
        Of the mask; the other stages' have another `stage` alone.
    rows : int array
        Whole scans.

    Returns
    -------
    dict
        "cascade": all three stages; "mask alone": no stage before it; "perfect presence": the true slices, then place
        and mask; "perfect start": the true slices and blocks, then the mask; "presence alone" and "place alone": that
        stage's answer with all others true, so what it costs by itself.
    """
    said = {stage: predict_rows(model, replace(config, stage=stage), store, rows) > 0.5
            for stage, model in models.items()}
    true = {stage: stage_masks(store, rows, stage) for stage in models}
    chosen = {
        "cascade": (), "mask alone": None, "perfect presence": ("presence",), "perfect start": ("presence", "place"),
        "presence alone": ("place", "mask"), "place alone": ("presence", "mask"),
    }
    found = {}
    for name, perfect in chosen.items():
        answers = {stage: true[stage] if stage in (perfect or ()) else said[stage] for stage in said}
        masks = said["mask"] if perfect is None else cascade_masks(**answers)
        found[name] = scores_of_masks(masks, store, rows)
    return found


def false_alarms(scans: Sequence[dict]) -> dict[str, float]:
    """False alarms on people without lesion: median_ml and largest_ml over people, and the share with any.

    Each of `scans` is as `scores_of_masks` gives it. Raises DataError if one of them has a lesion.
    """
    with_lesion = sum(scan["true_ml"] > 0 for scan in scans)
    if with_lesion or not scans:
        raise DataError(f"of {len(scans)} scans {with_lesion} have a lesion; false alarms are counted on people "
                        "without: make_cohort(..., n_lesions=0)")
    people: dict[str, list[float]] = {}
    for scan in scans:
        people.setdefault(scan["subject"], []).append(scan["pred_ml"])
    ml = np.array([np.mean(values) for values in people.values()])
    return {"people": len(ml), "median_ml": float(np.median(ml)), "largest_ml": float(ml.max()),
            "share_with_any": float((ml > 0).mean())}
