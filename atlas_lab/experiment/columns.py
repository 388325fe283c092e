"""A run's history as columns, the form that its record has on disk: a name is written once, and not once an epoch."""

from collections.abc import Mapping, Sequence

__all__ = ["columns_from_history", "history_from_columns"]


def columns_from_history(history: Sequence[Mapping]) -> dict:
    """Entries, one per epoch, as name -> list of values. A value that an entry lacks is None.

    A name whose values are dicts (train, dev, made_by) becomes columns in turn, with the epochs that have it:
    {"epoch": [5, 10], "loss": [0.1, 0.09]}. `pandas.DataFrame` takes such a table as it is.
    """
    columns = {}
    for name in dict.fromkeys(name for entry in history for name in entry):
        having = [entry for entry in history if isinstance(entry.get(name), Mapping)]
        if having:
            epochs = [entry["epoch"] for entry in having]
            columns[name] = {"epoch": epochs, **columns_from_history([entry[name] for entry in having])}
        else:
            columns[name] = [entry.get(name) for entry in history]
    return columns


def history_from_columns(columns: Mapping) -> list[dict]:
    """The entries that `columns_from_history` was given. Raises ValueError for columns of unequal length."""
    history = _rows({name: column for name, column in columns.items() if not isinstance(column, Mapping)})
    entry_of = {entry["epoch"]: entry for entry in history}
    for name, part in columns.items():
        if isinstance(part, Mapping):
            for row in _rows(part):
                entry_of[row.pop("epoch")][name] = row
    return history


def _rows(columns):
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
