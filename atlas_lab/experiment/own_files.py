"""The files of `predict`: what it reads and what it writes, checked before any work, and written all or none."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from atlas_lab.data.identify import name_folder
from atlas_lab.data.nifti import read_header
from atlas_lab.data.overlap import refuse_overlap
from atlas_lab.data.search import announce_unread, other_stem_of, stem_of
from atlas_lab.data.whose import source_of_file
from atlas_lab.experiment.inference import SavedModel
from atlas_lab.experiment.own_scan import Prediction, predict_scan
from atlas_lab.files import DataError, atomic_path, check_target
from atlas_lab.system.disk import one_line
from atlas_lab.system.progress import bar, first_few

__all__ = ["Job", "plan_jobs", "run_jobs", "write_outputs"]

VOLUMES = (".nii.gz", ".nii")
NO_SCAN = ("mask", "_probability", "_probseg", "_dseg")  # as releases, BIDS and `predict` name what is no scan
T1 = re.compile(r"(?<![a-z0-9])t1w?(?![a-z0-9])", re.IGNORECASE)  # as a word: a patient1 is none
PICTURES = (".png", ".jpg", ".pdf", ".svg")


class Job(NamedTuple):
    """One scan to segment: the T1 volume, and the mask, probability and picture to write, the last two or None."""

    t1w: Path
    mask: Path
    probability: Path | None = None
    picture: Path | None = None

    @property
    def outputs(self) -> list[Path]:
        """What will be written."""
        return [path for path in (self.mask, self.probability, self.picture) if path]


def plan_jobs(
    t1w: Path, out: Path, probability: Path | None = None, picture: Path | None = None, model: Path | None = None
) -> list[Job]:
    """What to read and write for one scan, or for each in a folder; nothing is written yet.

    Parameters
    ----------
    t1w : path of a NIfTI file, or of a folder of them
    out, probability, picture : paths of files, or, for a folder of scans, of folders
        There the files get the scan's name with _mask, _probability or nothing added.
    model : path, optional
        Read as well, so that nothing may overwrite it.

    Raises
    ------
    DataError
        If a scan can't be read, an ending is unknown, an output is an input or another output - whatever the
        spelling, through links too -, or can't be written: see `check_target`.
    """
    if t1w.is_dir():
        jobs = [_job_in_folder(path, out, probability, picture) for path in _scans_in(t1w)]
    else:
        jobs = [Job(t1w, out, probability, picture)]
    for job in jobs:
        _check_endings(job)
    read = [*(job.t1w for job in jobs), *([model] if model else [])]
    refuse_overlap(read, [path for job in jobs for path in job.outputs])
    needed = sum(_bytes_needed(job, alone=len(jobs) == 1) for job in jobs)
    for job in jobs:
        for path in job.outputs:
            check_target(path, source_of_file(job.t1w), needed)
    return jobs


def _scans_in(folder: Path) -> list[Path]:
    """The volumes to segment in a folder: those with T1 in their names, or all if there are none; masks are none.

    What is left out is said on stderr.
    """
    paths = sorted(folder.iterdir())
    volumes = {path: stem for path in paths if (stem := stem_of(path.name)) is not None}
    names = [path.name for path in paths]
    others = [path for path in paths if other_stem_of(path.name, names) is not None]
    found = [path for path, stem in volumes.items() if not stem.lower().endswith(NO_SCAN)]
    t1w = [path for path in found if T1.search(volumes[path])] or found
    for reason, left in (("are named as masks or probabilities", [path for path in volumes if path not in found]),
                         ("have no T1 in their names, as others have", [path for path in found if path not in t1w]),
                         ("are volumes of other formats than NIfTI, or packed", others)):
        if left:
            some = first_few([path.name for path in left])
            print(f"{one_line(folder)}: {len(left)} files {reason} and were left out: {some}", file=sys.stderr)
    announce_unread(folder, with_others=False)
    if not t1w:
        raise DataError(f"{folder}: {name_folder(folder)}, or a folder of them")
    return t1w


def _job_in_folder(t1w: Path, out: Path, probability: Path | None, picture: Path | None) -> Job:
    """The job of one scan of a folder. Raises DataError if an output is not a folder."""
    for folder in (out, probability, picture):
        if folder and (folder.is_file() or folder.name.lower().endswith((*VOLUMES, *PICTURES))):
            raise DataError(f"{folder}: {t1w.parent} is a folder of scans, so this must be a folder too")
    stem = stem_of(t1w.name)
    return Job(
        t1w, out / f"{stem}_mask.nii.gz", probability and probability / f"{stem}_probability.nii.gz",
        picture and picture / f"{stem}.png",
    )


def _check_endings(job: Job) -> None:
    """Raise DataError for an output whose ending says no kind of file that can be written."""
    for path in (job.mask, job.probability):
        if path and not (path.name.endswith(VOLUMES) and stem_of(path.name)):
            raise DataError(f"{path}: the name must end in .nii or .nii.gz, and begin with something else")
    if job.picture and not (job.picture.name.endswith(PICTURES) and job.picture.stem[:1] not in ("", ".")):
        raise DataError(f"{job.picture}: the picture's name must end in {', '.join(PICTURES)}")


def _bytes_needed(job: Job, alone: bool) -> int:
    """At most what the outputs of a job take on disk; DataError if the scan can't be read and is the only one."""
    try:
        voxels = int(np.prod(read_header(job.t1w).shape))
    except DataError:
        if alone:
            raise
        return 0  # it will be told when its turn comes
    return voxels * (5 if job.probability else 1) + (2_000_000 if job.picture else 0)


def run_jobs(
    jobs: Sequence[Job], saved: SavedModel, to_register: bool, to_strip: bool,
    draw: Callable[[Prediction, str], object],
) -> int:
    """Segment scan after scan, write what each job asks for and print its account; returns how many it went well for.

    A scan of several that can't be used is told on stderr and the next one taken; a single one raises DataError.

    Parameters
    ----------
    draw : callable
        Gives a matplotlib figure of a prediction and its title.
    """
    done, replaced = 0, []
    with bar(jobs, shown=None, leave=False) as shown:
        for job in shown:
            try:
                found = predict_scan(saved, job.t1w, to_register, to_strip, report=shown.set_description)
                there = [str(path) for path in job.outputs if os.path.exists(path)]
                write_outputs(job, found, draw)
            except DataError as error:
                if len(jobs) == 1:
                    raise
                shown.write(f"atlas-lab: {error}", file=sys.stderr)
                continue
            done, replaced = done + 1, replaced + there
            shown.write("\n  ".join([f"{found.volume_ml:.1f} ml called lesion, in {job.mask}", *found.account]))
    if replaced:
        print(f"replaced: {first_few(replaced)}", file=sys.stderr)
    return done


def write_outputs(job: Job, found: Prediction, draw: Callable[[Prediction, str], object]) -> None:
    """Write the mask and what else is asked for; if one can't be written, none is. `draw`: see `run_jobs`."""
    import matplotlib.pyplot as plt
    import nibabel

    shows = source_of_file(job.t1w)
    with ExitStack() as stack:
        for path, volume in ((job.mask, found.mask.astype(np.uint8)), (job.probability, found.probability)):
            if path:
                image = nibabel.Nifti1Image(volume, found.affine)
                image.header.set_xyzt_units("mm")
                nibabel.save(image, stack.enter_context(atomic_path(path, shows)))
        if job.picture:
            figure = draw(found, job.t1w.name)
            figure.savefig(stack.enter_context(atomic_path(job.picture, shows)), dpi=150)
            plt.close(figure)
