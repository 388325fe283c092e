"""The embedded cohort: synthetic T1w scans with stroke lesions, written to disk in the layout of an ATLAS release.

Version 2 shows whole heads: the MNI152 template under each subject's own deformation and atrophy, inside a skull and
scalp with the face removed, with things in it that look like a lesion and aren't one, seen by one of nine scanners,
and with a lesion whose mask a rater drew. Version 1 shows brains on black; the shipped records were made from it.
No scan of either is a patient's.
"""

import math
import os
import shutil
import sys
from importlib import import_module
from pathlib import Path

from atlas_lab.data.layouts import LAYOUTS
from atlas_lab.data.search import announce_unread
from atlas_lab.data.state import read_json
from atlas_lab.data.unfinished import MAKING
from atlas_lab.fast.memory import keep_freed_memory
from atlas_lab.fast.workers import share_out
from atlas_lab.files import (
    SYNTHETIC_MARKER,
    DataError,
    atomic_path,
    digest,
    refuse_patients_in_repository,
    working_on,
    write_json,
)
from atlas_lab.grid import GRID
from atlas_lab.phantom.metadata_table import METADATA, metadata
from atlas_lab.phantom.real_masks import account_of_volumes, mask_files, masks_of_subjects
from atlas_lab.system.disk import expand
from atlas_lab.system.progress import bar

__all__ = ["VERSIONS", "make_cohort", "make_subject"]

VERSIONS = (1, 2)  # a version's files are never changed: what should look otherwise gets a number of its own
HEADER = 352  # bytes of NIfTI before the voxels


def make_cohort(
    out, n_subjects=60, seed=0, layout="R1.1", lesions=None, jobs=None, progress=True, *,
    version=2, heads=True, mimics=True, dark_cores=True, n_lesions=None, only=None,
):
    """Make synthetic subjects and write them as an ATLAS release.

    The same arguments give the same bytes, whatever `jobs` is; a subject doesn't depend on how many others
    there are. A call that was interrupted goes on where it stopped; a complete cohort is left as it is.

    Parameters
    ----------
    out : path
        Folder for the cohort; the release lies in a folder of its own name below, as in out/ATLAS_R1.1.
    n_subjects : int
        Subjects, of whom one in twenty has a repeat scan.
    seed : int
    layout : a key of LAYOUTS, "R1.1", "R1.2", "R2.0", "R2.1" or "R2.1 raw"
        All hold the same voxels: R2's scans have one mask file each, and the raw ones' axes point anywhere.
    lesions : path, optional
        Folder of real lesion masks in MNI space (NIfTI, any grid) to use instead of grown lesions.
    jobs : int, optional
        Processes; by default one per core.
    progress : bool
    version : {1, 2}
        Version 1 takes none of the switches below.
    heads : bool
        False leaves the brain alone on black, as skull-stripped data have it.
    mimics : bool
        False leaves out what looks like a lesion and isn't one, lopsided atrophy among it.
    dark_cores : bool
        False makes all lesions as pale as version 1's, and leaves all else as it is. These two are for asking what
        makes a lesion easy to find.
    n_lesions : {None, 0}
        0 makes a healthy cohort, without masks, to count false alarms on.
    only : sequence of int, optional
        Make these of the subjects, by their index, and not the others.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    DataError
        If an argument is unusable, `out` holds something else than this cohort, or real lesions would get into a
        repository.
    """
    out = expand(out)
    if lesions is not None:
        refuse_patients_in_repository(out / SYNTHETIC_MARKER, f"lesions out of {lesions}")
    switches = {"heads": heads, "mimics": mimics, "dark_cores": dark_cores, "n_lesions": n_lesions}
    settings = _check_settings(n_subjects, seed, layout, lesions, version, switches, only)
    release = out / LAYOUTS[layout].folder
    if _missing_subjects(release, settings) or not (release / SYNTHETIC_MARKER).exists():
        with working_on(release, "making the cohort"):
            _complete(release, settings, lesions, jobs, progress)
    return out


def _complete(release, settings, lesions, jobs, progress):
    """Make what a cohort still lacks, its marker last; another process may have done so by now."""
    missing = _missing_subjects(release, settings)
    masks = masks_of_subjects(missing, settings["seed"], lesions)
    if missing:
        write_json(release / MAKING / "settings.json", settings)
    _run_subjects(missing, masks, release, settings, jobs, progress)
    if not (release / SYNTHETIC_MARKER).exists():
        _finish(release, settings)
    shutil.rmtree(release / MAKING, ignore_errors=True)


def _check_settings(n_subjects, seed, layout, lesions, version, switches, only=None):
    """The settings that tell one cohort from another, as written to its marker file."""
    if layout not in LAYOUTS:
        raise DataError(f"layout {layout!r} is not known; choose one of {', '.join(LAYOUTS)}")
    if n_subjects < 1:
        raise DataError(f"n_subjects is {n_subjects}; expected at least 1")
    if seed < 0:
        raise DataError(f"seed is {seed}; expected 0 or more")
    if version not in VERSIONS:
        raise DataError(f"version is {version!r}; expected one of {', '.join(map(str, VERSIONS))}")
    if switches["n_lesions"] not in (None, 0):
        raise DataError(f"n_lesions is {switches['n_lesions']!r}; expected 0, for a healthy cohort, or None")
    if switches["n_lesions"] == 0 and lesions is not None:
        raise DataError(f"lesions is {lesions}, n_lesions 0; expected one of them alone")
    if version == 1 and switches != {"heads": True, "mimics": True, "dark_cores": True, "n_lesions": None}:
        raise DataError("version 1 has no heads, mimics, dark cores or healthy subjects to switch; expected version=2")
    if only is not None and not (len(only) and all(index in range(n_subjects) for index in only)):
        raise DataError(f"only is {list(only)}; expected some of the subjects 0 to {n_subjects - 1}")
    source = None
    if lesions is not None:
        names = [path.name for path in mask_files(lesions)]
        announce_unread(expand(lesions))
        source = f"real masks: {Path(lesions).resolve().name} ({len(names)} files, {digest(names)})"
    settings = {
        "n_subjects": int(n_subjects),
        "seed": int(seed),
        "layout": layout,
        "lesions": source,
        "phantom_version": version,
    }
    if only is not None:
        settings["only"] = sorted(map(int, set(only)))
    return settings if version == 1 else settings | switches


def _missing_subjects(release, settings):
    """Indices of the subjects that are still to be made. Raises DataError if something else lies there."""
    for folder in (release.parent, release):
        if folder.exists() and not folder.is_dir():
            raise DataError(f"{folder} is a file; expected a folder to write a cohort to: choose another one")
    marker, making = release / SYNTHETIC_MARKER, release / MAKING / "settings.json"
    if marker.exists() or making.exists():
        found = _read_json(marker if marker.exists() else making)
        different = {key: found.get(key) for key in [*settings, "only"] if found.get(key) != settings.get(key)}
        if different:
            expected = {key: settings.get(key) for key in different}
            raise DataError(
                f"{release} holds a cohort with {different}, not {expected}; choose another folder"
            )
        records = found.get("subjects") or _finished_records(release, settings)
        _check_records(records, release)
    elif release.exists() and any(release.iterdir()):
        raise DataError(f"{release} holds files that aren't a synthetic cohort's; choose another folder")
    else:
        records = []
    done = {r["index"] for r in records if all(_is_whole(release / name) for name in r["files"])}
    return [index for index in settings.get("only", range(settings["n_subjects"])) if index not in done]


def _read_json(path):
    return read_json(path, f"delete the folder {path.parent} to make it anew")


def _check_records(records, release):
    """Raise DataError if the records of subjects are none, or name files outside of the release."""
    def is_record(record):
        names = record.get("files") if isinstance(record, dict) else None
        return isinstance(names, list) and isinstance(record.get("index"), int) and all(
            isinstance(name, str) and ".." not in Path(name).parts and not Path(name).is_absolute() for name in names)

    if not isinstance(records, list) or not all(map(is_record, records)):
        raise DataError(f"{release}: what it says of its subjects is damaged; delete the folder to make it anew")


def _is_whole(path):
    """True if a volume is there to its end: gzip's last word is the size of what was packed."""
    try:
        with open(path, "rb") as file:
            file.seek(-4, os.SEEK_END)
            size = int.from_bytes(file.read(4), "little")
    except OSError:  # missing, or shorter than that
        return False
    return size in {HEADER + math.prod(GRID) * item for item in (1, 2, 4, 8)}


def _finished_records(release, settings):
    """The records of the subjects that an earlier, unfinished call has written."""
    paths = (_record_path(release, index) for index in range(settings["n_subjects"]))
    return [_read_json(path) for path in paths if path.exists()]


def _record_path(release, index):
    return release / MAKING / f"{index:05d}.json"


def _run_subjects(indices, masks, release, settings, jobs, progress):
    """Make the subjects in parallel, one single-threaded process each."""
    from joblib import cpu_count

    if not indices:
        return
    jobs = min(jobs or cpu_count(), len(indices))
    done = share_out(make_subject, ((i, settings, release, masks.get(i)) for i in indices), jobs, in_order=False)
    for _ in bar(done, "making subjects", len(indices), progress):
        pass


def make_subject(index, settings, release, real_mask=None):
    """Make and write subject `index`; its record is written last and says which files there are."""
    keep_freed_memory()  # the next volume needs as much
    version = import_module(f"atlas_lab.phantom.version{settings['phantom_version']}")
    record = version.make_subject(index, settings, release, real_mask)
    write_json(_record_path(release, index), record)
    return record


def _finish(release, settings):
    """Write the metadata table, where the release has one, and, last, the marker: complete, and synthetic."""
    from atlas_lab import __version__

    records = _finished_records(release, settings)
    if settings["layout"] == "R1.1":
        with atomic_path(release / METADATA) as temporary:
            metadata(records).to_csv(temporary, index=False)
    if settings["lesions"] and settings["phantom_version"] > 1:
        print(account_of_volumes(records), file=sys.stderr)
    about = {"synthetic": True, "note": "synthetic cohort, not patient data", **settings}
    write_json(release / SYNTHETIC_MARKER, {**about, "package_version": __version__, "subjects": records})
