"""`replay`: records trained again in their first epochs, and held against what they say."""

from atlas_lab.commands.numbers import at_least_1, processes
from atlas_lab.files import DataError
from atlas_lab.system.disk import expand
from atlas_lab.system.progress import result

__all__ = ["add"]


def add(command):
    """Add this command."""
    text = "Train the first epochs of records again and compare; exit code 1 if one disagrees."
    sub = command("replay", _run_replay, text)
    sub.add_argument("records", type=expand, nargs="*", metavar="RECORD",
                     help="files of records, or folders of them (default: all that come with the lab, in hours)")
    sub.add_argument("--epochs", type=at_least_1, default=1, help="how many epochs of each (default 1)")
    sub.add_argument("--jobs", type=processes, default=2, help="single-threaded runs at a time (default 2)")


def _run_replay(options):
    """The command `replay`; 1 if a record disagrees with its epochs, made again."""
    from atlas_lab.experiment.run import RECORDS, load_run
    from atlas_lab.paper.people_records import SHIPPED_PEOPLE
    from atlas_lab.paper.replays import replay_records

    shipped = [*sorted(RECORDS.glob("**/*.json")), *sorted(SHIPPED_PEOPLE.glob("*.json"))]
    paths = [path for given in options.records for path in _records_at(given)] or shipped
    compared, wrong = replay_records([load_run(path) for path in paths], options.epochs, options.jobs, result)
    result(f"{wrong} of {compared} records disagree")
    return 1 if wrong else 0


def _records_at(path):
    """The records in a folder, or the one that a file is. Raises DataError if there is none."""
    found = sorted(path.glob("*.json")) if path.is_dir() else [path] if path.is_file() else []
    if not found:
        raise DataError(f"{path}: there is no record; name a file or a folder that train or sweep wrote")
    return found
