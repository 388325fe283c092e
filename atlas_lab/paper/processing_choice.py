"""What is done to a final network's answers: chosen on its own people of dev, and scored once on new ones.

The rule, committed before any network was scored by it: of the WAYS, the one with the largest sum of mean subject Dice
and mean lesion-wise F1 on dev's people; of equal ones the simplest.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch

from atlas_lab.config import RunConfig, config_from_plain, plain_settings
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.datasets import scan_rows
from atlas_lab.experiment.folds import choose_split
from atlas_lab.experiment.people import false_alarms, scores_of_masks
from atlas_lab.experiment.post_processing import PostProcessing, post_processed
from atlas_lab.experiment.prediction import predict_rows
from atlas_lab.metrics import dice_from_counts
from atlas_lab.paper.many_people import FINAL, final_scores, of_seed_0
from atlas_lab.paper.other_people import healthy_slices, real_lesion_slices
from atlas_lab.paper.people_plan import FINAL_COHORTS
from atlas_lab.paper.people_progress import recorded_so_far
from atlas_lab.paper.people_records import (
    calibration_values,
    final_slices,
    load_people,
    study_slices,
    territories,
    trained,
)
from atlas_lab.paper.score_files import load_scores, save_scores, scores_file
from atlas_lab.provenance import code_version, environment
from atlas_lab.scoring.bootstrap import paired_difference, people_interval
from atlas_lab.scoring.lesions import challenge_f1
from atlas_lab.scoring.scans import by_subject
from atlas_lab.statistics import Interval
from atlas_lab.system.shipped import SHIPPED_NETWORK

__all__ = ["WAYS", "choose_processing", "load_processed", "process_rows", "processed_row", "processing_gains",
           "processing_table", "record_processing"]

WAYS = tuple(PostProcessing(*way) for way in product((False, True), (0.5, 0.6, 0.7, 0.8, 0.9), (0.0, 0.1, 0.3)))


def processed_row(row: str) -> str:
    """The name under which a row's scores after post-processing are kept."""
    return f"{row}, processed"


def load_processed(folder: str | Path | None = None) -> list[dict]:
    """The scores after post-processing of a folder of `record_people`; by default those that the lab ships.

    Each is like a record of `load_people` of the row `processed_row`, with "chosen", a PostProcessing's fields, and
    "tried". Raises DataError if one is none, or was changed.
    """
    folder = Path(folder or SHIPPED_NETWORK.parent) / "processed"
    return [load_scores(path, ["chosen", "tried"]) for path in sorted(folder.glob("*.json"))]


def process_rows(
    names: Sequence[str], folder: Path, report: Callable[[str], None] = print, lesions: Path | None = None,
) -> list[Path]:
    """`record_processing` for the networks of seed 0 of those final rows among `names` that are scored; by default all.

    Raises DataError if one of their checkpoints is gone.
    """
    first = of_seed_0(load_people(folder))
    return [record_processing(row, config_from_plain(first[row]["config"]), folder, report, lesions)
            for row in FINAL if row in first and row in (names or FINAL)]


def record_processing(
    row: str, config: RunConfig, folder: Path, report: Callable[[str], None] = print, lesions: Path | None = None,
) -> Path:
    """Choose a trained network's post-processing, score it once, and write both, unless it is done; returns the file.

    Parameters
    ----------
    row, config, folder : as of `record_scores`
    lesions : path, optional
        Folder of real lesion masks, on whose shapes it is scored too.
    """
    path = folder / "processed" / scores_file(row, config)
    if not path.exists():
        store, model = study_slices(config), trained(config, folder)
        way, tried = choose_processing(model, config, store, choose_split(config, store).dev)
        report(f"{row}: {way.describe() or 'nothing'} on dev")
        values = {
            "row": processed_row(row), "config": plain_settings(config), "code": code_version(),
            "environment": environment(), "chosen": way._asdict(), "tried": tried,
            "scores": _final_scores(model, config, way, lesions),
        }
        save_scores(path, values, store.about["source"])
    return path


def choose_processing(
    model: torch.nn.Module, config: RunConfig, store: SliceStore, rows: np.ndarray,
) -> tuple[PostProcessing, list[dict]]:
    """The best of WAYS by the rule above on some of a store's slices, whole scans; and what each scored.

    Returns
    -------
    PostProcessing; and for each of WAYS its fields, "dice" and "lesion_f1", means over people.
    """
    answers = _answers(model, config, store, rows, (False, True))
    tried = []
    for way in WAYS:
        scans = [{"subject": name.split("/")[0], **_dice_and_f1(ask, true, way, store.pixel_ml)}
                 for name, (ask, true) in answers.items()]
        means = {score: float(np.mean(list(by_subject(scans, score).values()))) for score in ("dice", "lesion_f1")}
        tried.append(way._asdict() | means)
    best = max(range(len(WAYS)), key=lambda index: tried[index]["dice"] + tried[index]["lesion_f1"])
    return WAYS[best], tried


def _answers(model, config, store, rows, sides):
    """Scan -> what `post_processed` asks of it, from answers that are computed once; and the true masks."""
    found = {side: predict_rows(model, config, store, rows, side) for side in sides}
    place, answers = np.empty(len(store), np.int64), {}
    place[rows] = np.arange(len(rows))
    for name, of_scan in scan_rows(store, rows).items():
        one = {side: probability[place[of_scan]] for side, probability in found.items()}
        answers[name] = one.__getitem__, np.asarray(store.masks[of_scan])
    return answers


def _dice_and_f1(ask, true, way, voxel_ml):
    """The two scores that the choice rests on, with the challenge's conventions."""
    pred = post_processed(ask, way, voxel_ml)[0] > 0.5
    tp, n_pred, n_true = (int(np.count_nonzero(mask)) for mask in (pred & true, pred, true))
    return {"dice": float(dice_from_counts(tp, n_pred - tp, n_true - tp, empty="one")),
            "lesion_f1": challenge_f1(pred, true)}


def _final_scores(model, config, way, lesions):
    """Scores after post-processing on all people of the final cohort, healthy ones, and those with real shapes."""
    number = FINAL_COHORTS + config.seed
    processed, store = partial(_processed, model, config, way), final_slices(config)
    probability, rows = processed(store), np.arange(len(store))
    found = {
        "plain": scores_of_masks(probability > 0.5, store, rows, about=territories(number)),
        "calibration": calibration_values(probability, store, rows),
    }
    others = {"false alarms": healthy_slices(config)}
    others |= {} if lesions is None else {"real shapes": real_lesion_slices(config, number, lesions)}
    for name, store in others.items():
        found[name] = scores_of_masks(processed(store) > 0.5, store, np.arange(len(store)))
    return found | {"false alarms": false_alarms(found["false alarms"])}


def _processed(model, config, way, store):
    """Probabilities of all of a store's slices after post-processing, float32 (N, H, W)."""
    found = np.empty((len(store), *store.shape), np.float32)
    rows, sides = scan_rows(store), (False, True) if way.mirrored else (False,)
    for name, (ask, _) in _answers(model, config, store, np.arange(len(store)), sides).items():
        found[rows[name]], _ = post_processed(ask, way, store.pixel_ml)
    return found


def processing_gains(people: Sequence[Mapping], processed: Sequence[Mapping]) -> dict[str, dict[str, Interval]]:
    """Final row -> "dice" and "lesion_f1" -> what post-processing brought its network of seed 0, on the same people.

    `people` and `processed` are as `load_people` and `load_processed` give them.
    """
    after = of_seed_0(processed)
    plain = {score: final_scores(people, score) for score in ("dice", "lesion_f1")}
    return {row: {score: paired_difference(recorded_so_far([record], record["row"], score)[0], before[row])
                  for score, before in plain.items()}
            for row in plain["dice"] if (record := after.get(processed_row(row)))}


def processing_table(people: Sequence[Mapping], processed: Sequence[Mapping]) -> str:
    """What post-processing brought each final network of seed 0, on the people it is scored on once, as Markdown.

    Arguments as of `processing_gains`. "" if none was processed.
    """
    heads = ("network of seed 0", "chosen on its own people of dev", "subject Dice", "gain on the same people",
             "lesion F1", "gain", "real shapes", "false alarm, median ml")
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    after = of_seed_0(processed)
    for row, gains in processing_gains(people, processed).items():
        record = after[processed_row(row)]
        cells = [PostProcessing(**record["chosen"]).describe() or "nothing"]
        for score, gain in gains.items():
            cells += [format(people_interval(recorded_so_far([record], record["row"], score)[0])), f"{gain:+.3f}"]
        shapes, _ = recorded_so_far([record], record["row"], way="real shapes")
        cells += [format(people_interval(shapes)) if shapes else "",
                  f"{record['scores']['false alarms']['median_ml']:.2f}"]
        lines.append(f"| {row.removeprefix('final: ')} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""
