"""The table that comes with a release, joined to its scans."""

import csv
import io
import re
import warnings
from pathlib import Path

from atlas_lab.data.identify import refuse_path
from atlas_lab.data.nifti import ScanWarning
from atlas_lab.dataset import scan_name
from atlas_lab.files import DataError
from atlas_lab.system.disk import expand
from atlas_lab.system.progress import first_few

__all__ = ["find_metadata", "join_metadata", "load_metadata", "match_metadata"]

SUFFIXES = (".csv", ".tsv", ".xlsx")
LARGEST = 2**26   # bytes of a table; that of R2.0 has 100 KB
SEPARATORS = ",;\t|"
SAYS_SEPARATOR = re.compile(r'\A"?sep=(.)"?\r?\n', re.IGNORECASE)  # Excel's own first line
WHOLE = re.compile(r"^(\d+)\.0$")  # a number as spreadsheets give it back


def find_metadata(root):
    """The metadata tables at a folder, one above or one below it: list of paths; names differ between releases."""
    root = expand(root).resolve()
    return [
        path for folder in [root, root.parent, *filter(Path.is_dir, _listed(root))] for path in _listed(folder)
        if path.suffix.lower() in SUFFIXES and re.search(r"meta-?_?data", path.name, re.IGNORECASE)
        and not path.name.startswith((".", "~"))
    ]


def _listed(folder):
    """The paths in a folder, sorted; none if it can't be listed, as the folder above the data may not."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def load_metadata(path):
    """A metadata table with one row per scan, all cells as text, indexed by the scan's name, as in "031768/t01".

    The tables' habits are undone: subject ids that lost their leading zero, " t01" with a space, "sub-" and "ses-".

    Parameters
    ----------
    path : path of a .csv, .tsv or .xlsx file
        Text in UTF-8, UTF-16 or Windows' cp1252, its columns apart by commas, semicolons, tabs or bars.

    Returns
    -------
    pandas.DataFrame
        Without the rows that have more cells than the header, of which a ScanWarning tells.

    Raises
    ------
    DataError
        If the file can't be read, or has no columns of subject and session.
    """
    table, notes = _load_noted(path)
    for text in notes:
        warnings.warn(text, ScanWarning, stacklevel=2)
    return table


def _load_noted(path):
    """As `load_metadata`, and lines on the rows that were left aside."""
    table, notes = _read_table(path)
    columns = {}
    for wanted in ("subject", "session"):
        found = [column for column in table.columns if wanted in str(column).lower()]
        if not found:
            names = ", ".join(map(str, table.columns))
            raise DataError(f"{path}: no column is named after the {wanted}; found {names}")
        columns[wanted] = min(found, key=lambda column: _is_other(column, wanted))  # the first of the likeliest
    subjects = table[columns["subject"]].fillna("").map(_clean_subject)
    sessions = table[columns["session"]].fillna("").map(_clean_session)
    return table.set_index(scan_name(subjects, sessions)), notes


def _is_other(column, wanted):
    """Whether a column named after a subject or session holds something else of it, such as "Session date"."""
    return str(column).strip().lower() not in (wanted, f"{wanted} id", f"{wanted}_id", f"{wanted}id")


def _read_table(path):
    """A table with all cells as text, and lines on rows left aside. Raises DataError if the file is none."""
    import pandas

    try:
        refuse_path(path, f"expected a table, {', '.join(SUFFIXES)}")
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has over {LARGEST >> 20} MiB")
        if path.suffix.lower() == ".xlsx":
            return pandas.read_excel(path, dtype=str), []
        decoded, doubted = _decode(path.read_bytes())
        rows, shifted = _split_rows(*_find_separator(decoded))
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        text.seek(0)
        table = pandas.read_csv(text, dtype=str, index_col=False)
        return table, [f"{path}: {note}" for note in doubted + shifted]
    except DataError:
        raise
    except Exception as error:  # pandas and openpyxl raise errors of many kinds
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"{path}: can't be read as a table ({reason}); copy or unpack it again") from error


def _find_separator(text):
    """A table's text and the separator of its columns: the one that Excel's first line names, or the commonest in the
    header, outside of quotes.
    """
    if said := SAYS_SEPARATOR.match(text):
        return f"\n{text[said.end():]}", said[1]  # an empty line instead, so that lines keep their numbers
    header = re.sub(r'"[^"]*"', "", text.lstrip()).split("\n", 1)[0]
    return text, max(SEPARATORS, key=header.count)


def _split_rows(text, separator):
    """The rows of a table as lists of cells, the header first, less those with more cells than it: somebody's comma
    has moved theirs. With a line on these, if there are any. Raises ValueError if a quote is never closed.
    """
    reader, rows, line = csv.reader(io.StringIO(f"{text}\nend", newline=""), delimiter=separator), {}, 1
    for row in reader:
        last = row
        if any(cell.strip() for cell in row):
            rows[line] = row
        line = reader.line_num + 1
    if last != ["end"]:
        raise ValueError("a quote is not closed")
    *lines, _ = rows.items()
    if not lines:
        raise ValueError("it is empty")
    width = len(lines[0][1])
    usual = max(width, min((len(row) for _, row in lines[1:]), default=0))  # some programs end rows with a separator
    shifted = [line for line, row in lines if len(row) > usual or "".join(row[width:]).strip()]
    notes = [f"rows with more cells than the {width} of the header, in line {first_few([*map(str, shifted)])}, are "
             f"left aside; put a cell that holds {separator!r} in quotes"] if shifted else []
    return [row[:width] for line, row in lines if line not in shifted], notes


def _decode(data):
    """The text of a file that Excel, or another program, may have written, and a line if its letters are guessed, as
    those of Windows: a Macintosh or DOS has others in their place. Raises ValueError if it is no text.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16"), []
    if b"\0" in data:
        raise ValueError("it is no text")
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
        word = re.search(r"\w*[^\W\x00-\x7f]\w*|[^\x00-\x7f]", text)[0]
        return text, [f"is no UTF-8, and read as Windows' cp1252, which makes one word {word!r}; if that is wrong, "
                      "save the table as UTF-8"]


def _clean_subject(text):
    """A subject as its folder has it: "31768" -> "031768", "sub-r001s001" -> "r001s001"."""
    text = WHOLE.sub(r"\1", re.sub("^sub-", "", text.strip(), flags=re.IGNORECASE))
    return text.zfill(6) if text.isdigit() else text


def _clean_session(text):
    """A session as its folder has it: " t01" -> "t01", "1" or "01" -> "ses-1"."""
    text = WHOLE.sub(r"\1", text.strip())
    return f"ses-{int(text)}" if text.isdigit() else text


def join_metadata(scans, root):
    """The metadata of scans, one row per scan in their order; cells are empty where a scan is not in the table.

    Tables that can't be read, and those of other data, are warned of (ScanWarning) and left aside.

    Returns
    -------
    pandas.DataFrame or None
        None if no table near the release has a row of these scans.
    """
    table, notes = match_metadata(scans, root)
    for text in notes:
        warnings.warn(text, ScanWarning, stacklevel=2)
    return table


def match_metadata(scans, root):
    """The first table near a release that has rows of its scans, joined to them, or None; and lines on the others."""
    names, notes = [scan.name for scan in scans], []
    written = {name.casefold(): name for name in names}
    for path in find_metadata(root):
        try:
            table, shifted = _load_noted(path)
        except DataError as error:
            notes.append(f"{error}; left aside")
            continue
        notes += shifted
        table.index = table.index.map(lambda name: written.get(name.casefold(), name))
        if table.index.isin(names).any():
            ours = table[table.index.isin(names)].drop_duplicates()
            if twice := sorted(set(ours.index[ours.index.duplicated()])):
                notes.append(f"{path}: has rows that differ for {first_few(twice)}; the first of each is taken")
            return table[~table.index.duplicated()].reindex(names), notes
        notes.append(f"{path}: holds no row of these {len(names)} scans; left aside")
    return None, notes
