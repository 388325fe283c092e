"""What a run leaves behind: its settings, its numbers, all that made them; and its record on disk."""

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from atlas_lab.config import RunConfig, check_config, config_from_plain, plain_settings, run_name
from atlas_lab.files import DataError, lab_home, write_text
from atlas_lab.system.disk import expand, read_plain
from atlas_lab.system.shipped import SHIPPED

__all__ = [
    "RECORDS", "Run", "checksum", "finals", "last_epoch", "load_run", "load_runs", "longest_runs", "pack_masks",
    "read_record", "run_from_dict", "run_to_dict", "runs_folder", "save_run", "score_text", "scores", "unpack_masks",
    "without_nan", "write_record",
]


@dataclass
class Run:
    """The record of one training run; `save_run` writes it as one JSON file.

    Attributes
    ----------
    config : RunConfig
    history : list of dict, one per epoch
        epoch (from 1), learning_rate, step_loss (mean over the epoch's steps, dropout on), seconds, and for
        train and dev: loss, mean_dice, first_100 (see `first_slices_dice`), precision, recall, area_ratio,
        measured with dropout off, on `dev_sample` of dev's slices (scans for volume_unet), chosen once at random, or on
        all; train on as many, chosen so too, in every `train_scored_every`-th epoch alone. made_by: the threads, device
        and host (hashed) that made this epoch.
    final : dict
        train and dev after the last epoch: score -> value with a 95 % interval (low, high) that resamples
        subjects; also dev_seen and dev_unseen where dev has subjects that train has and subjects it has not,
        and dev_exact, against the masks as drawn, where the run has them through JPEG. dev_copied holds the network's
        masks against those of the copying machine (see `copied_masks`) in place of the true ones: how far it copies.
        dev_fine, where there is one, holds the scores at 1 mm, see `fine_scores`.
    split : dict
        n_train, n_dev (slices), dev_subjects, shared_subjects (subjects with slices on both sides),
        neighbour_exposure (see `neighbour_exposure`).
    data : dict
        source, n_scans, n_slices, lesion_slices, data_hash.
    code, environment : dict
        What made the numbers; see `code_version` and `environment`.
    seconds : float
        Time spent in all epochs, evaluation included.
    examples : dict
        What the trained network predicts on a few of dev's slices: rows (of the store), and masks, as
        `pack_masks` gives them. Runs with the same data, split and seed have the same rows.
    point : dict
        The operating point, see `operating_point`.
    first_steps : list of float
        The losses of the variant's first steps, see `first_losses`; empty if they weren't noted.
    """

    config: RunConfig
    history: list
    final: dict
    split: dict
    data: dict
    code: dict
    environment: dict
    seconds: float
    examples: dict = field(default_factory=dict)
    point: dict = field(default_factory=dict)
    first_steps: list = field(default_factory=list)

    @property
    def name(self):
        """The record's file name without its ending."""
        return run_name(self.config)

    def curve(self, score="mean_dice", part="dev"):
        """One score of the history, an array with one number per epoch; NaN where it is undefined or not measured."""
        skipped = {score: np.nan} if part == "train" else {}  # train isn't scored in every epoch
        return np.array([entry.get(part, skipped)[score] for entry in self.history], dtype=float)


def pack_masks(masks: np.ndarray) -> dict:
    """Masks (N, H, W) as {"shape", "bits"}: one bit a pixel, compressed, as text that JSON can hold."""
    masks = np.asarray(masks, dtype=bool)
    return {"shape": list(masks.shape), "bits": base64.b64encode(zlib.compress(np.packbits(masks), 9)).decode()}


def unpack_masks(packed: dict) -> np.ndarray:
    """The masks that `pack_masks` packed, bool (N, H, W)."""
    bits = np.frombuffer(zlib.decompress(base64.b64decode(packed["bits"])), np.uint8)
    return np.unpackbits(bits, count=math.prod(packed["shape"])).reshape(packed["shape"]).astype(bool)


def run_to_dict(run: Run) -> dict:
    """A Run as plain values for JSON. NaN, which JSON doesn't have, becomes null."""
    values = {field.name: getattr(run, field.name) for field in fields(run)}
    return without_nan({**values, "config": plain_settings(run.config)})


def run_from_dict(values: dict) -> Run:
    """A Run from what `run_to_dict` gave, now or under the names that earlier code had for two of its values."""
    data = dict(values["data"])
    final = {part: {name: {key: math.nan if number is None else number for key, number in score.items()}
                    for name, score in scores.items()} for part, scores in values["final"].items()}
    if "hash" in data:
        data["data_hash"] = data.pop("hash")
    for scores in final.values():
        if "place_error" in scores:
            scores["centroid_distance"] = scores.pop("place_error")
    return Run(**{**values, "config": config_from_plain(values["config"]), "data": data, "final": final})


def without_nan(value: Any) -> Any:
    """Nested dicts and lists with None in place of NaN and infinity."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


LARGEST = 32_000_000  # bytes; a record has some ten thousand
RECORDS = SHIPPED / "figures" / "runs"  # the records that the lab ships: embedded cohort only


def runs_folder() -> Path:
    """Where new records go unless told otherwise: below `lab_home()`, outside of the repository's own."""
    return lab_home() / "runs"


def save_run(run: Run, folder: str | Path | None = None) -> Path:
    """Write a record as folder/NAME.json, atomically, with a checksum of its contents, and return the path."""
    path = expand(folder or runs_folder()) / f"{run.name}.json"
    values = run_to_dict(run)
    write_text(path, _record_text({**values, "checksum": checksum(values)}), run.data["source"])
    return path


def _record_text(values):
    """A record as JSON, one line for each field, and in the history for each epoch; without spaces, to be small."""
    lines = {name: _json(value) for name, value in values.items()}
    lines["history"] = "[\n  " + ",\n  ".join(map(_json, values["history"])) + "]"
    return "{" + ",\n".join(f"{_json(name)}:{text}" for name, text in lines.items()) + "}\n"


def _json(value):
    return json.dumps(value, separators=(",", ":"))


def checksum(values: dict) -> str:
    """SHA-256 of a record's values, the checksum itself left out, as 16 hexadecimal digits."""
    text = json.dumps({name: value for name, value in values.items() if name != "checksum"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_run(path: str | Path) -> Run:
    """Read one record. Raises DataError if it is none, lacks a field, or was changed after it was written.

    Fields of Run that have a default may be missing: earlier code did not write them.
    """
    needed = [field.name for field in fields(Run) if field.default_factory is MISSING]
    values = read_record(path, "a run record", needed)
    try:
        run = run_from_dict(values)
        _refuse_odd(run)
        score_text(run)
        check_config(run.config)
        return run
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path}: not a run record ({type(error).__name__}: {error})") from error


def _refuse_odd(run):
    """Raise TypeError or ValueError for a field of another kind than records have, or without what they are asked for.
    """
    if not run.history or not all(map(_is_epoch, run.history)):
        raise TypeError("the history is no list of epochs")
    if [entry["epoch"] for entry in run.history] != [*range(1, len(run.history) + 1)] or (
            len(run.history) != run.config.epochs):
        raise ValueError(f"the history has {len(run.history)} epochs; expected those from 1 to {run.config.epochs}")
    about = (run.environment, run.point, run.data, run.split)
    if not (all(isinstance(part, dict) for part in about) and _is_duration(run.seconds)
            and {"device", "threads"} <= run.environment.keys() and (not run.point or "name" in run.point)):
        raise TypeError("a field is of another kind than a record's")
    if not all(isinstance(run.data.get(name), str) for name in ("source", "data_hash")):
        raise TypeError("data doesn't say its source and data_hash")
    of_final = [number for scores in run.final.values() for score in scores.values() for number in score.values()]
    if not all(map(_is_score, [*of_final, *run.first_steps])):
        raise TypeError("a final score or a first loss is no number")


def _is_epoch(entry):
    """Whether a value is an entry of a history: numbers of dev, and of train where that was scored."""
    return (isinstance(entry, dict) and isinstance(entry.get("epoch"), int) and _is_duration(entry.get("seconds", 0.0))
            and "dev" in entry and all(isinstance(part, dict) and all(map(_is_score, part.values()))
                                       for part in (entry["dev"], entry.get("train", {}))))


def _is_duration(value):
    """Whether a value is a number of seconds."""
    return _is_score(value) and value is not None and 0 <= value < math.inf


def _is_score(value):
    """Whether a value is a number, or null or NaN for one that is undefined."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and not math.isinf(value))


def read_record(path: str | Path, what: str, needed: Sequence[str] = ()) -> dict:
    """The values of a record of any kind: a JSON file with the checksum of its contents, which is left out.

    `what` names the kind in errors. Raises DataError if the path is no regular file, if the file is none of these, is
    too large, lacks a field that is needed, or was changed after it was written.
    """
    try:
        values = json.loads(read_plain(path := expand(path), LARGEST))
        found = values.pop("checksum", None)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: not {what} ({type(error).__name__}: {error})") from error
    if missing := [name for name in needed if name not in values]:
        raise DataError(f"{path}: not {what}: {', '.join(missing)} missing; make it anew")
    if found != checksum(values):
        raise DataError(
            f"{path}: the contents don't fit the checksum ({found}, counted {checksum(values)}): the record was "
            "changed after it was written; restore it, or make it anew"
        )
    return values


def write_record(path: Path, values: dict, shows: str) -> None:
    """Write the values of a record of any kind, as `read_record` reads them: NaN as null, with a checksum, without
    spaces. `shows` is the source of its data, see `atomic_path`.
    """
    values = without_nan(values)
    write_text(path, _json({**values, "checksum": checksum(values)}) + "\n", shows)


def load_runs(folder: str | Path | None = None, **settings) -> list[Run]:
    """All records of a folder, in order of name, that have the given settings: load_runs(split_by="subject").

    Parameters
    ----------
    folder : path, optional
        By default the records that the lab ships.
    settings
        Fields of RunConfig and the value wanted.

    Raises DataError if there is no such folder, or a file in it is no record.
    """
    if folder is not None and not expand(folder).is_dir():
        raise DataError(f"{folder}: there is no such folder; give the one that records were saved to")
    runs = [load_run(path) for path in sorted(expand(folder or RECORDS).glob("*.json"))]
    return [run for run in runs if all(getattr(run.config, name) == value for name, value in settings.items())]


def longest_runs(runs: Iterable[Run]) -> dict[RunConfig, Run]:
    """The longest run of each training, by its settings with `epochs` 1: a longer run goes on from a shorter one."""
    return {replace(run.config, epochs=1): run for run in sorted(runs, key=lambda run: len(run.history))}


def score_text(run: Run, part: str = "dev") -> str:
    """Final mean Dice of a run with its interval, for people to read."""
    dice = run.final[part]["mean_dice"]
    return f"{part} Dice {dice['value']:.3f} [{dice['low']:.3f}, {dice['high']:.3f}]"


def scores(runs: Sequence[Run], score: str = "mean_dice", part: str = "dev", epoch: int | None = None) -> np.ndarray:
    """One score of each run after an epoch (by default the last): float array, one number per seed."""
    return np.array([run.curve(score, part)[(epoch or len(run.history)) - 1] for run in runs])


def finals(runs: Sequence[Run], score: str, part: str = "dev") -> np.ndarray:
    """One score of each run's final evaluation."""
    return np.array([run.final[part][score]["value"] for run in runs], dtype=float)


def last_epoch(*groups: Sequence[Run]) -> int:
    """The last epoch that all runs of some groups have."""
    return min(len(run.history) for runs in groups for run in runs)
