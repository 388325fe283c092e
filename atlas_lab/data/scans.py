"""From files on disk to arrays: finding the scans of an ATLAS release, and loading one."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from atlas_lab.data.account import Account, lesion_place, look_at_head
from atlas_lab.data.choosing import choose_part, choose_patients, choose_release, leave_out, refuse_two_volumes
from atlas_lab.data.intensity import from_zero
from atlas_lab.data.layouts import LAYOUTS, match_path, scan_names
from atlas_lab.data.masks import combine_masks, read_masks
from atlas_lab.data.nifti import ScanWarning, read_header, read_volume, refuse_not_finite, to_grid
from atlas_lab.data.search import announce_left_out, masks_beside, other_stem_of, volumes_below
from atlas_lab.data.unfinished import refuse_unfinished
from atlas_lab.data.whose import REAL_LESIONS, cohort_marker, made_with, source_of_file
from atlas_lab.dataset import scan_name
from atlas_lab.files import SYNTHETIC_MARKER, TRUTH_FOLDER, DataError
from atlas_lab.system.disk import expand

__all__ = [
    "LoadedScan", "Scan", "combine_masks", "data_notice", "find_scans", "load_lesion", "load_scan",
    "load_with_account", "read_t1w", "source_of",
]


@dataclass(frozen=True)
class Scan:
    """One acquisition on disk: a T1-weighted volume and the lesion masks drawn on it.

    Scans of one person share `subject` and differ in `session`: a split that ignores this puts the same brain
    into train and dev. `synthetic` is True for the embedded cohort. `masks` are OR-ed.
    """

    subject: str
    session: str
    site: str
    t1w: Path
    masks: tuple[Path, ...]
    release: str
    synthetic: bool = False
    part: str = "training"  # or "testing": without masks
    label: float | None = None  # of masks that hold several labels, the one that is lesion
    healthy: bool = False  # of an embedded cohort without lesions: it has no mask, and needs none

    @property
    def name(self):
        """Subject and session, as in 031768/t01: the name by which a scan is excluded."""
        return scan_name(self.subject, self.session)


class LoadedScan(NamedTuple):
    """A scan in memory: image float32 (X, Y, Z), mask bool (X, Y, Z), affine float64 (4, 4) to MNI mm."""

    image: np.ndarray
    mask: np.ndarray
    affine: np.ndarray


def find_scans(root, exclude=(), part="training", label=None):
    """All scans below a folder, in order of site, subject and session; the release is read off the file names.

    Linked folders are entered, hidden ones are not. Files that aren't here (git-annex) are kept, so that loading says
    so; NIfTI files under other names than the release's are announced on stderr.

    Parameters
    ----------
    root : path
        The release's folder, one above it, or one below.
    exclude : sequence of str
        Names of scans to leave out, as in "031768/t01"; each is announced on stderr.
    part : {"training", "testing"}
        R2.0 and R2.1 have testing scans, whose masks are kept secret; they are left out unless asked for.
    label : number, optional
        Of masks that hold several labels, the lesion's.

    Returns
    -------
    list of Scan

    Raises
    ------
    DataError
        If the folder is missing, is a file, was not filled to the end, holds no scan of a known release, or scans of
        two that share people; if a session holds two T1 volumes, or an excluded name is not there.
    """
    root = expand(root)
    if not root.exists():
        raise DataError(f"{root}: no such folder; expected the unpacked ATLAS release (is ATLAS_DATA right?)")
    if not root.is_dir():
        raise DataError(f"{root} is a file; expected the folder of an unpacked ATLAS release (is ATLAS_DATA right?)")
    root = root.absolute()  # links unresolved: a subject's folder may be one, and its name is the subject's
    volumes = volumes_below(root)
    refuse_unfinished(root, volumes)
    scans = [scan for path in volumes if (scan := _scan_at(path)) is not None]
    used = {path for scan in scans for path in (scan.t1w, *scan.masks)}
    announce_left_out([path for path in volumes if path not in used and not _is_truth(path)], root)
    if not scans:
        examples = "; ".join(f"{layout.release}: {_example_of(layout)}" for layout in LAYOUTS.values())
        raise DataError(
            f"{root}: found {len(volumes)} NIfTI files and no T1 volume of a known ATLAS release; "
            f"expected files such as ({examples})"
        )
    scans = choose_part(choose_release(choose_patients(scans), root), part, root)
    refuse_two_volumes(scans)
    scans = leave_out(sorted(scans, key=lambda scan: (scan.site, scan.subject, scan.session)), exclude)
    return scans if label is None else [replace(scan, label=label) for scan in scans]


def _is_truth(path):
    """True for the file of a true lesion that an embedded cohort keeps for teaching."""
    return path.parent.name == TRUTH_FOLDER and (path.parent.parent / SYNTHETIC_MARKER).exists()


def _example_of(layout):
    """A path below a release's folder, for messages."""
    return layout.t1w.format(**scan_names(layout, 0, 31768, 1, 1))


def _scan_at(path):
    """The Scan whose T1 volume is at `path`, or None if it is none of a known release."""
    other = other_stem_of(path.name, [])
    layout, match = match_path(path.with_name(f"{other}.nii.gz") if other else path)
    if layout is None:
        return None
    release_folder = Path(path.as_posix()[: match.start()])
    part = "testing" if (match.groupdict().get("part") or "").startswith("Testing") else "training"
    site = match["site"].upper() if match["site"].startswith("r") else match["site"]
    masks = masks_beside(path, layout.masks)
    marker = release_folder / SYNTHETIC_MARKER
    # A link may lead from an embedded cohort's folder to a patient's scan.
    synthetic = marker.exists() and cohort_marker(path) is not None
    healthy = synthetic and not masks and made_with(marker).get("n_lesions") == 0
    return Scan(
        match["subject"], match["session"], site, path, masks, layout.release, synthetic, part, healthy=healthy,
    )


def load_scan(scan: Scan | str | Path) -> LoadedScan:
    """Load a scan: image as float32, mask as bool, and the affine that takes voxel indices to MNI mm.

    The masks of a scan are OR-ed, each after a look at its values (see `find_lesion`): releases mix masks whose
    lesions are 1 with masks whose lesions are 255. Axes are turned to RAS by the affine; volumes off ATLAS's grid are
    resampled to it, with a GridWarning (see `to_grid`), and what that does to the lesion is warned of.

    Parameters
    ----------
    scan : Scan, or path of its T1 volume under a release's names

    Returns
    -------
    LoadedScan
        image float32 (197, 233, 189) in the file's own units, mask bool, affine float64 (4, 4).

    Raises
    ------
    DataError
        If a file is damaged, isn't here or is of another kind; if a mask is none, has another grid than the T1 or is
        another person's; if a volume holds NaN or infinite voxels, the T1 is empty, or there is no lesion voxel, in
        the files or on the grid.
    """
    loaded, account = load_with_account(scan)
    _warn_of_changes(account)
    return loaded


def load_with_account(scan, brain=None):
    """A scan as `load_scan` gives it, and what became of it on the way: LoadedScan, Account.

    With the MNI152 brain, as from `coarse_brain`, the account says how much of it the head fills.
    """
    scan = scan if isinstance(scan, Scan) else _named_scan(scan)
    image, affine = read_t1w(scan.t1w)
    account = Account(scan.name)
    mask = read_masks(scan, image.shape, affine, image, account)
    on_grid, _ = to_grid(mask, affine, scan.t1w)
    image, grid_affine = to_grid(image, affine, scan.t1w)
    account.joined_ml, account.side_mm = lesion_place(mask, affine)
    is_same = on_grid is mask
    account.grid_ml, account.grid_side_mm = (
        (account.joined_ml, account.side_mm) if is_same else lesion_place(on_grid, grid_affine))
    look_at_head(account, image, brain)
    return LoadedScan(image, on_grid, grid_affine), account


def _named_scan(path):
    """The Scan of a T1 volume's path. Raises DataError if its name is none of a release."""
    scan = _scan_at(expand(path).absolute())
    if scan is None:
        raise DataError(f"{path}: not named as the T1 volume of a release, so its masks can't be found; look at it "
                        "with view_slices, or name a file as in find_scans")
    return scan


def read_t1w(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """A T1 volume as it lies in its file, float32, and its affine; see `from_zero` for intensities that are shifted.

    Raises DataError if it can't be used.
    """
    image, affine = read_volume(path)
    with np.errstate(over="ignore"):
        image = image.astype(np.float32, copy=False)
    refuse_not_finite(image, path)
    image = from_zero(image, path)
    low, high = image.min(), image.max()
    if not high > max(low, np.finfo(np.float32).tiny):
        raise DataError(f"{path}: no voxel is above 0 and the others; restore the file or exclude the scan by its name")
    if ((image == low) | (image == high)).all():
        raise DataError(f"{path}: two values alone, {low:g} and {high:g}, as a mask has; expected a T1-weighted volume")
    return image, affine


def load_lesion(scan: Scan) -> tuple[np.ndarray, np.ndarray]:
    """The lesion mask of a scan, all its mask files OR-ed, without reading the T1's voxels.

    Returns
    -------
    mask : bool (197, 233, 189)
    affine : float64 (4, 4)

    Raises
    ------
    DataError
        As `load_scan`.
    """
    t1w = read_header(scan.t1w)
    mask, account = read_masks(scan, t1w.shape, t1w.affine), Account(scan.name)
    on_grid, affine = to_grid(mask, t1w.affine, scan.t1w)
    if on_grid is not mask:
        account.joined_ml, account.side_mm = lesion_place(mask, t1w.affine)
        account.grid_ml, account.grid_side_mm = lesion_place(on_grid, affine)
        _warn_of_changes(account)
    return on_grid, affine


def _warn_of_changes(account):
    """Warn of what coming to ATLAS's grid did to a scan's lesion."""
    for line in account.grid_changes():
        warnings.warn(f"{account.scan}: {line}", ScanWarning, stacklevel=3)


def source_of(scans: Sequence[Scan]) -> str:
    """One line on where a cohort comes from, for captions and records."""
    releases = ", ".join(sorted({scan.release for scan in scans}))
    if not all(scan.synthetic for scan in scans):
        return f"ATLAS {releases}"
    whose = {source_of_file(scan.t1w) for scan in scans}
    return f"{REAL_LESIONS if REAL_LESIONS in whose else 'synthetic cohort, not patient data'} (layout {releases})"


def data_notice(scans: Sequence[Scan]) -> str:
    """What the data are, for the top of a notebook; with real scans it warns that outputs show patients."""
    people = len({scan.subject for scan in scans})
    text = f"{source_of(scans)}: {len(scans)} scans of {people} subjects, {len({scan.site for scan in scans})} sites"
    if all(scan.synthetic for scan in scans):
        return text
    return (
        f"{text}\nThe outputs of this notebook will show patient images. ATLAS is under a data use agreement: "
        "clear the outputs before you save or share it.\n"
        "The records that come with the lab are of synthetic people. Nothing here is to be compared with them but for "
        "how it was done: for records of these data, atlas-lab sweep all."
    )
