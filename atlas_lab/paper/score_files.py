"""The files of scores on new people: JSON with a checksum, each score a column, so that its name stands there once."""

from collections.abc import Sequence
from pathlib import Path

from atlas_lab.config import RunConfig, run_name
from atlas_lab.experiment.run import read_record, write_record

__all__ = ["load_scores", "save_scores", "scores_file"]


def scores_file(row: str, config: RunConfig) -> str:
    """The name of the file of a run's scores."""
    return f"{row.replace(': ', '-').replace(' ', '_')}-{run_name(config)}.json"


def save_scores(path: Path, values: dict, shows: str) -> None:
    """Write a record whose "scores" have, way by way, a list of scans, each a dict of the same scores; or values.

    `shows` is the source of its data, see `atomic_path`.
    """
    scores = {way: {"columns": _columns(found)} if isinstance(found, list) else found
              for way, found in values["scores"].items()}
    write_record(path, values | {"scores": scores}, shows)


def load_scores(path: str | Path, needed: Sequence[str] = ()) -> dict:
    """The values that `save_scores` was given, NaN as None. Raises DataError as `read_record` does."""
    values = read_record(path, "the scores of a run", ["scores", *needed])
    scores = {way: _rows(found["columns"]) if "columns" in found else found
              for way, found in values["scores"].items()}
    return values | {"scores": scores}


def _columns(rows):
    """Rows, dicts of the same keys, as key -> list."""
    return {name: [row[name] for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}


def _rows(columns):
    """The rows of `_columns`."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
