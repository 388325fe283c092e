"""What the lab has derived and where it lies: listed, and removed when it is no longer wanted."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from atlas_lab.data.unpack import noted_folders
from atlas_lab.files import DataError, lab_home
from atlas_lab.system.asking import says_yes
from atlas_lab.system.locks import PRIVATE
from atlas_lab.system.progress import first_few

__all__ = ["DERIVED", "clean", "find_derived", "remove_derived", "size_of"]

# Folders in lab_home() that the lab makes, and what they hold. All but records come again by the same commands.
DERIVED = {
    "cohorts": "synthetic cohorts", "slices": "slices", "checkpoints": "checkpoints and trained networks",
    "runs": "records of runs", "controls": "records of controls", "figures": "figures", "views": "pages of the viewer",
    "check": "a quality report", "unlocking": "notes on archives being unlocked",
}
KEPT = {"class", "progress.json"}  # classes' notebooks, keys and marks, and a learner's progress: nothing comes again


def find_derived() -> dict[Path, str]:
    """All that was derived, by path, and what it is: folders of `lab_home()`, and archives that were never unlocked
    to their end, wherever they lie. Raises DataError if the folder named by ATLAS_LAB_HOME is not the lab's alone.
    """
    home = lab_home()
    _refuse_shared(home)
    found = dict.fromkeys(noted_folders(), "an archive that was not unlocked to its end")
    found |= {home / name: text for name, text in DERIVED.items() if os.path.lexists(home / name)}
    orphans = home.glob(f"{PRIVATE}*") if home.is_dir() else ()
    return found | dict.fromkeys(orphans, "unfinished files")


def _refuse_shared(home):
    """Raise DataError if there is more in a home that somebody named: `figures` there may be anybody's."""
    if not (os.environ.get("ATLAS_LAB_HOME") and home.is_dir()):
        return
    names = {path.name for path in home.iterdir() if not path.name.startswith(".")}
    others = sorted(names - KEPT - DERIVED.keys())
    if others:
        raise DataError(f"{home}: holds {first_few(others)} besides what the lab makes ({', '.join(DERIVED)}), so "
                        "these may be yours; remove what is the lab's by hand, or give the lab a folder of its own")


def size_of(path: Path) -> int:
    """Bytes of all files below a path; links count for nothing."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(
        os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(path) for name in names
    )


def clean(without_asking: bool) -> bool:
    """List all that was derived and remove it, once somebody has said yes; False if the answer was no."""
    found = find_derived()
    for path, text in found.items():
        print(f"{path}: {text}, {size_of(path) / 1e6:,.1f} MB")
    if not found:
        print(f"nothing derived lies in {lab_home()}")
        return True
    is_wanted = without_asking or says_yes("remove all of these?")
    if is_wanted:
        remove_derived(found)
        print("removed")
    return is_wanted


def remove_derived(paths: Iterable[Path]) -> None:
    """Remove paths of `find_derived`; a link goes, what it leads to stays. Raises DataError where that can't be."""
    for path in paths:
        try:
            if path.is_symlink() or not path.is_dir():
                path.unlink()
            else:
                shutil.rmtree(path)
        except OSError as error:
            raise DataError(f"{error.filename or path}: can't be removed: {error.strerror or error}; remove it by hand"
                            ) from error
