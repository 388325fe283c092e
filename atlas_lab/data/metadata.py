"""The table that comes with a release, joined to its scans."""

import re

from atlas_lab.dataset import scan_name
from atlas_lab.files import DataError

SUFFIXES = (".csv", ".xlsx")


def find_metadata(root):
    """The metadata tables at a folder, one above or one below it: list of paths; names differ between releases."""
    folders = [root, root.parent, *(path for path in sorted(root.iterdir()) if path.is_dir())]
    return [
        path for folder in folders for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES and re.search(r"meta-?_?data", path.name, re.IGNORECASE)
        and not path.name.startswith((".", "~"))
    ]


def load_metadata(path):
    """A metadata table with one row per scan, all cells as text, indexed by the scan's name, as in "031768/t01".

    The tables' habits are undone: subject ids that lost their leading zero, " t01" with a space, "sub-" and "ses-".

    Parameters
    ----------
    path : path of a .csv or .xlsx file

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    DataError
        If the file can't be read, or has no columns of subject and session.
    """
    import pandas

    read = pandas.read_excel if path.suffix.lower() == ".xlsx" else pandas.read_csv
    try:
        table = read(path, dtype=str)
    except Exception as error:  # pandas and openpyxl raise errors of many kinds
        raise DataError(f"{path}: can't be read as a table ({error}); copy or unpack it again") from error
    columns = {}
    for wanted in ("subject", "session"):
        found = [column for column in table.columns if wanted in str(column).lower()]
        if not found:
            names = ", ".join(map(str, table.columns))
            raise DataError(f"{path}: no column is named after the {wanted}; found {names}")
        columns[wanted] = found[0]
    subjects = table[columns["subject"]].fillna("").map(clean_subject)
    sessions = table[columns["session"]].fillna("").map(clean_session)
    return table.set_index(scan_name(subjects, sessions))


def clean_subject(text):
    """A subject as its folder has it: "31768" -> "031768", "sub-r001s001" -> "r001s001"."""
    text = text.strip().removeprefix("sub-")
    return text.zfill(6) if text.isdigit() else text


def clean_session(text):
    """A session as its folder has it: " t01" -> "t01", "1" -> "ses-1"."""
    text = text.strip()
    return f"ses-{text}" if text.isdigit() else text


def join_metadata(scans, root):
    """The metadata of scans, one row per scan in their order; cells are empty where a scan is not in the table.

    Returns
    -------
    pandas.DataFrame or None
        None if the release brings no table.

    Raises
    ------
    DataError
        If a table is there and can't be used.
    """
    paths = find_metadata(root)
    if not paths:
        return None
    table = load_metadata(paths[0])
    return table[~table.index.duplicated()].reindex([scan.name for scan in scans])
