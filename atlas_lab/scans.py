"""From files on disk to arrays: finding the scans of an ATLAS release, loading one, checking all."""

import os
import re
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from atlas_lab.files import SYNTHETIC_MARKER, DataError, lab_home
from atlas_lab.phantom import make_cohort


@dataclass(frozen=True)
class Scan:
    """One acquisition on disk: a T1-weighted volume and the lesion masks drawn on it.

    Scans of one person share `subject` and differ in `session`: a split that ignores this puts the same brain
    into train and dev. `synthetic` is True for the embedded cohort.
    """

    subject: str
    session: str
    site: str
    t1w: Path
    masks: tuple[Path, ...]
    release: str
    synthetic: bool = False

    @property
    def name(self):
        """Subject and session, as in 031768/t01: the name by which a scan is excluded."""
        return f"{self.subject}/{self.session}"


class LoadedScan(NamedTuple):
    """A scan in memory: image float32 (X, Y, Z), mask bool (X, Y, Z), affine float64 (4, 4) to MNI mm."""

    image: np.ndarray
    mask: np.ndarray
    affine: np.ndarray


@dataclass(frozen=True)
class Layout:
    """How one release names its files. `t1w` is matched against the path below the release's own folder."""

    release: str
    t1w: re.Pattern
    mask_glob: str
    example: str


LAYOUTS = [
    Layout(
        release="R1.1",
        t1w=re.compile(
            r"(?P<site>Site\d+)/(?P<subject>\d{6})/(?P<session>t\d\d)/\d{6}_t1w_deface_stx\.nii(\.gz)?$"
        ),
        # 104 of the 229 scans have more than one mask file; the first alone drops 177 of 406 lesions.
        mask_glob="*_LesionSmooth*stx.nii*",
        example="Site1/031768/t01/031768_t1w_deface_stx.nii.gz",
    ),
]


def find_scans(root, exclude=()):
    """All scans below a folder, in order of site, subject and session; the release is read off the file names.

    Parameters
    ----------
    root : path
        The release's folder, or the folder that holds it.
    exclude : sequence of str
        Names of scans to leave out, as in "031768/t01"; each is announced on stderr.

    Returns
    -------
    list of Scan

    Raises
    ------
    DataError
        If the folder is missing, is a file, holds no scan of a known release, a session holds two T1 volumes,
        or an excluded name is not there.
    """
    root = Path(root).expanduser()
    if not root.exists():
        raise DataError(f"{root}: no such folder; expected the unpacked ATLAS release (is ATLAS_DATA right?)")
    if not root.is_dir():
        raise DataError(f"{root} is a file; expected the folder of an unpacked ATLAS release (is ATLAS_DATA right?)")
    volumes = [p for p in sorted(root.rglob("*.nii*")) if not p.name.startswith(".")]
    scans = [scan for path in volumes for scan in match_layout(path)]
    if not scans:
        examples = "; ".join(f"{layout.release}: {layout.example}" for layout in LAYOUTS)
        raise DataError(
            f"{root}: found {len(volumes)} NIfTI files and no T1 volume of a known ATLAS release; "
            f"expected files such as ({examples})"
        )
    refuse_two_volumes(scans)
    return leave_out(sorted(scans, key=lambda scan: (scan.site, scan.subject, scan.session)), exclude)


def match_layout(path):
    """A list with the Scan whose T1 volume is at `path`, or an empty list if it is none."""
    for layout in LAYOUTS:
        match = layout.t1w.search(path.as_posix())
        if match:
            release_folder = Path(path.as_posix()[: match.start()])
            return [
                Scan(
                    match["subject"], match["session"], match["site"], path,
                    tuple(sorted(m for m in path.parent.glob(layout.mask_glob) if not m.name.startswith("."))),
                    layout.release, (release_folder / SYNTHETIC_MARKER).exists(),
                )
            ]
    return []


def refuse_two_volumes(scans):
    """Raise DataError if two scans share subject and session: which one is meant can't be known."""
    seen = {}
    for scan in scans:
        if scan.name in seen:
            raise DataError(
                f"{scan.name}: found two T1 volumes, {seen[scan.name]} and {scan.t1w}; "
                "expected one per session: remove the one that is not meant"
            )
        seen[scan.name] = scan.t1w


def leave_out(scans, names):
    """The scans less those named, each announced on stderr. Raises DataError for a name that is not there."""
    missing = set(names) - {scan.name for scan in scans}
    if missing:
        raise DataError(f"can't exclude {', '.join(sorted(missing))}: no such scan; the first is {scans[0].name}")
    for name in sorted(names):
        print(f"left out by name: {name}", file=sys.stderr)
    return [scan for scan in scans if scan.name not in names]


def open_volume(path):
    """A NIfTI file with its header read. Raises DataError if it is missing or not NIfTI."""
    import nibabel

    try:
        return nibabel.load(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, EOFError, zlib.error, nibabel.filebasedimages.ImageFileError) as error:
        raise unreadable(path, error) from error


def load_volume(path):
    """One NIfTI file as its array and its affine. Raises DataError if it is missing or damaged."""
    volume = open_volume(path)
    try:
        return np.asanyarray(volume.dataobj), volume.affine
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise unreadable(path, error) from error


def unreadable(path, error):
    """The DataError for a file that is damaged."""
    reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    return DataError(
        f"{path}: can't be read as NIfTI ({reason}); the file is damaged or incomplete: copy or unpack it again"
    )


def load_scan(scan):
    """Load a scan: image as float32, mask as bool, and the affine that takes voxel indices to MNI mm.

    The masks of a scan are OR-ed. A mask voxel is lesion where it is above 0, since releases mix masks whose
    lesions are 1 with masks whose lesions are 255.

    Returns
    -------
    LoadedScan
        image float32 (X, Y, Z) in the file's own units, mask bool (X, Y, Z), affine float64 (4, 4).

    Raises
    ------
    DataError
        If a file is damaged, has another grid than the T1, holds NaN or infinite voxels, if the T1 is empty,
        or if there is no mask or no lesion voxel in any.
    """
    image, affine = load_volume(scan.t1w)
    refuse_not_finite(image, scan.t1w)
    if not (image > 0).any():
        raise DataError(f"{scan.t1w}: no voxel is above 0; restore the file or exclude the scan by its name")
    mask, _ = load_lesion(scan)
    return LoadedScan(image.astype(np.float32, copy=False), mask, affine)


def load_lesion(scan):
    """The lesion mask of a scan, all its mask files OR-ed, without reading the T1's voxels.

    Returns
    -------
    mask : bool (X, Y, Z)
    affine : float64 (4, 4)

    Raises
    ------
    DataError
        As `load_scan`.
    """
    if not scan.masks:
        raise DataError(f"{scan.name}: no lesion mask beside {scan.t1w}; add it or exclude the scan by its name")
    t1w = open_volume(scan.t1w)
    mask = combine_masks(load_mask(path, t1w.shape, t1w.affine) for path in scan.masks)
    if not mask.any():
        found = ", ".join(path.name for path in scan.masks)
        raise DataError(
            f"{scan.name}: no lesion voxel in {found} in {scan.t1w.parent}; every scan of the release has a lesion: "
            "restore the mask or exclude the scan by its name"
        )
    return mask, t1w.affine


def load_mask(path, shape, affine):
    """One mask file as bool, checked to lie on the grid of its T1 volume. Raises DataError if it doesn't."""
    mask, mask_affine = load_volume(path)
    if mask.shape != shape:
        raise DataError(f"{path}: the mask has shape {mask.shape} and its T1 {shape}; they must be equal")
    if not np.allclose(mask_affine, affine, atol=1e-3):
        raise DataError(f"{path}: the mask's affine differs from its T1's by more than 0.001; expected the same grid")
    refuse_not_finite(mask, path)
    return mask > 0


def refuse_not_finite(volume, path):
    """Raise DataError if a volume holds NaN or infinite voxels."""
    # A sum is finite only if all its terms are; it is far cheaper than looking at each voxel.
    if not np.isfinite(volume.sum(dtype=np.float64)):
        bad = int(volume.size - np.isfinite(volume).sum())
        raise DataError(f"{path}: {bad} voxels are NaN or infinite; restore the file or exclude the scan by its name")


def combine_masks(masks):
    """OR of lesion masks of one scan: an iterable of equal-shaped arrays, lesion > 0 -> one bool array."""
    combined = None
    for mask in masks:
        lesion = np.asarray(mask) > 0
        combined = lesion if combined is None else combined | lesion
    return combined


def check_scans(scans, jobs=-1, progress=True):
    """Load every scan and tell what is wrong.

    Returns
    -------
    pandas.DataFrame
        One row per unusable scan: scan, site, problem (the line that load_scan raises). Empty if all is well.
    """
    import pandas
    from joblib import Parallel, delayed
    from tqdm import tqdm

    problems = Parallel(n_jobs=jobs, return_as="generator")(delayed(problem_of)(scan) for scan in scans)
    problems = tqdm(problems, "checking scans", total=len(scans), disable=not progress)
    rows = [
        {"scan": scan.name, "site": scan.site, "problem": problem}
        for scan, problem in zip(scans, problems, strict=True)
        if problem
    ]
    return pandas.DataFrame(rows, columns=["scan", "site", "problem"])


def problem_of(scan):
    """The line of the DataError that loading a scan raises, or an empty string."""
    try:
        load_scan(scan)
    except DataError as error:
        return str(error)
    return ""


def cohort(n_subjects=60, seed=0, exclude=(), progress=True):
    """The scans to work on: the real ATLAS if `ATLAS_DATA` names its folder, else the embedded cohort.

    The embedded cohort is made on first use, below `lab_home()`; `n_subjects` and `seed` choose it.
    `exclude` and what is raised: see `find_scans`.
    """
    if os.environ.get("ATLAS_DATA"):
        return find_scans(os.environ["ATLAS_DATA"], exclude)
    out = lab_home() / "cohorts" / f"embedded-{n_subjects}-seed{seed}"
    return find_scans(make_cohort(out, n_subjects, seed, progress=progress), exclude)


def source_of(scans):
    """One line on where a cohort comes from, for captions and records."""
    releases = ", ".join(sorted({scan.release for scan in scans}))
    if all(scan.synthetic for scan in scans):
        return f"synthetic cohort, not patient data (layout {releases})"
    return f"ATLAS {releases}"


def data_notice(scans):
    """What the data are, for the top of a notebook; with real scans it warns that outputs show patients."""
    people = len({scan.subject for scan in scans})
    text = f"{source_of(scans)}: {len(scans)} scans of {people} subjects, {len({scan.site for scan in scans})} sites"
    if all(scan.synthetic for scan in scans):
        return text
    return (
        f"{text}\nThe outputs of this notebook will show patient images. ATLAS is under a data use agreement: "
        "clear the outputs before you save or share it."
    )
