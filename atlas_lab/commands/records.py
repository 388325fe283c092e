"""`runs`: which records of runs there are, and what they came to."""

import sys

from atlas_lab.config import changed_settings, setting_text
from atlas_lab.files import DataError
from atlas_lab.system.disk import expand

__all__ = ["add", "run_line"]


def add(command):
    """Add this command."""
    text = "List the records of runs in a folder, with their scores; exit code 1 if a file is none."
    sub = command("runs", _run_runs, text)
    sub.add_argument("folder", type=expand, nargs="?", help="by default runs/ in ATLAS_LAB_HOME")
    sub.add_argument("--shipped", action="store_true", help="those that come with the lab")


def _run_runs(options):
    """The command `runs`; 1 if a file is no record, or was changed by hand."""
    from atlas_lab.experiment.run import RECORDS, load_run, runs_folder

    folder = RECORDS if options.shipped else options.folder or runs_folder()
    if options.folder and not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; name the one that train or sweep wrote to")
    paths, bad = sorted(folder.glob("**/*.json" if options.shipped else "*.json")), 0
    for path in paths:
        try:
            print(run_line(load_run(path)))
        except DataError as error:
            print(f"atlas-lab: {error}", file=sys.stderr)
            bad += 1
    print(f"{len(paths) - bad} records in {folder}")
    return 1 if bad else 0


def run_line(run):
    """One line on a run: its dev Dice, how long it took, and the settings that are not the default."""
    from atlas_lab.experiment.run import score_text

    settings = {name: value for name, value in changed_settings(run.config).items() if name != "seed"}
    words = [f"{name}={setting_text(name, getattr(run.config, name))}" for name in settings]
    return f"{score_text(run)}  {run.seconds:6.0f} s  seed {run.config.seed}  {' '.join(words) or 'baseline'}"
