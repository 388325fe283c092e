"""Which NIfTI files lie below a folder, linked folders and upper-case endings included, and which of them are masks."""

import os
import re
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from atlas_lab.system.disk import one_line
from atlas_lab.system.progress import first_few

__all__ = ["announce_left_out", "announce_unread", "masks_beside", "other_stem_of", "stem_of", "volumes_below"]

ENDING = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
# Other formats of volumes, other packers, and what a browser calls a file that it has not whole yet.
OTHER = re.compile(r"(\.nii)?(\.gz)?\.((img|hdr)(\.gz)?|mgz|mgh|mnc|nrrd|bz2|xz|zst|zip|7z|rar|part|crdownload)$",
                   re.IGNORECASE)


def stem_of(name: str) -> str | None:
    """A file's name without its NIfTI ending, in whatever case that is; None if it has none."""
    return ENDING.sub("", name) if ENDING.search(name) and not name.startswith(".") else None


def other_stem_of(name: str, beside: Sequence[str]) -> str | None:
    """A file's name without the ending of another format than NIfTI; None if it has none.

    None too where the NIfTI file of that name lies among the names `beside` it, and of a pair's header.
    """
    found = OTHER.search(name)
    stem = name[: found.start()] if found and not name.startswith(".") else None
    is_header = re.search(r"\.hdr(\.gz)?$", name, re.IGNORECASE) and any(
        other.lower().startswith(f"{stem}.img".lower()) for other in beside)
    return None if stem is None or is_header or stem in map(stem_of, beside) else stem


def volumes_below(root: Path) -> list[Path]:
    """Paths of all files with the ending of a volume below a folder, sorted; links to files that aren't here are among
    them, and so are volumes of other formats than NIfTI, so that reading one says what it is.

    Linked folders are entered, each folder once; hidden ones are not. A folder that can't be listed is announced.
    """
    def say(error):
        print(f"{one_line(error.filename)}: can't be listed ({error.strerror}); what lies in it is left out",
              file=sys.stderr)

    found, gone, top = [], [], os.path.realpath(root)
    seen = {top}
    for folder, below, files in os.walk(root, followlinks=True, onerror=say):
        entered = []
        # Links last, and none to what is entered as itself: a folder that is here twice goes by its own name and site.
        for name in sorted(below, key=lambda name: (os.path.islink(os.path.join(folder, name)), name)):
            real = os.path.realpath(os.path.join(folder, name))
            is_link = os.path.islink(os.path.join(folder, name))
            if not name.startswith(".") and real not in seen and not (is_link and _is_entered(real, top)):
                seen.add(real)
                entered.append(name)
        below[:] = entered
        volumes = [name for name in files if stem_of(name) is not None or other_stem_of(name, files) is not None]
        found += [Path(folder, name) for name in volumes]
        others = (Path(folder, name) for name in set(files).difference(volumes))
        gone += [str(path.relative_to(root)) for path in others if _is_folder_gone(path)]
    if gone:
        print(f"{len(gone)} links lead to folders that are not here, and what lies in them is left out: "
              f"{first_few(sorted(gone))}", file=sys.stderr)
    return sorted(found)


def _is_folder_gone(path):
    """Whether a path is a link to a folder, to go by the names, as of a disk that is not mounted: names of subjects and
    sites have no ending, and git-annex links to files alone.
    """
    return (os.path.islink(path) and not os.path.exists(path) and not path.suffix and not path.name.startswith(".")
            and "annex/objects" not in os.readlink(path))


def _is_entered(real, top):
    """Whether a real folder lies below another with no hidden folder on the way: it is come upon without any link."""
    real = Path(real)
    return real.is_relative_to(top) and not any(part.startswith(".") for part in real.relative_to(top).parts)


def masks_beside(t1w: Path, patterns: Sequence[str]) -> tuple[Path, ...]:
    """The mask files in a T1's folder whose names, less their ending, match one of the patterns: sorted paths.

    Upper and lower case are the same. A mask may also lie in a folder of its own name (x.nii/x.nii). What has a mask's
    name and can't be read is among them, so that reading it says so: a lesion is never left out because its file isn't
    here, or is of another format.
    """
    folder = t1w.parent if stem_of(t1w.parent.name) is None else t1w.parent.parent
    paths = list(folder.iterdir())
    names = [path.name for path in paths]

    def is_mask(path):
        stem = stem_of(path.name)
        stem = other_stem_of(path.name, names) if stem is None else stem
        return stem is not None and any(fnmatchcase(stem.lower(), pattern.lower()) for pattern in patterns)

    found = []
    for path in filter(is_mask, paths):
        inner = list(filter(is_mask, path.iterdir())) if path.is_dir() else []
        found += inner or [path]
    return tuple(sorted(found))


def announce_left_out(paths: Sequence[Path], root: Path) -> None:
    """Say on stderr which NIfTI files are neither a T1 volume nor a mask by the names of a release."""
    paths = [path for path in paths if stem_of(path.name) is not None]
    if not paths:
        return
    examples = first_few([str(path.relative_to(root)) for path in paths])
    print(f"{len(paths)} NIfTI files are no T1 volume or mask by a release's names and were left out: {examples}",
          file=sys.stderr)


def announce_unread(folder: Path, with_others: bool = True) -> None:
    """Say on stderr how many volumes lie in folders below one that is read alone, or, with them, in other formats."""
    unread = [path for path in volumes_below(folder)
              if path.parent != folder or (with_others and stem_of(path.name) is None)]
    if unread:
        some = first_few([str(path.relative_to(folder)) for path in unread])
        print(f"{one_line(folder)}: {len(unread)} volumes lie in folders below or are of other formats than NIfTI "
              f"and were left out: {some}; name each folder by itself", file=sys.stderr)
