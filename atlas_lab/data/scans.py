"""From files on disk to arrays: finding the scans of an ATLAS release, loading one, checking all."""

import json
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from atlas_lab.data.layouts import LAYOUTS, match_path, scan_names
from atlas_lab.data.nifti import read_image, read_volume, to_grid
from atlas_lab.dataset import scan_name
from atlas_lab.files import SYNTHETIC_MARKER, DataError
from atlas_lab.grid import SAME


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
    part: str = "training"  # or "testing": without masks
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


def find_scans(root, exclude=(), part="training"):
    """All scans below a folder, in order of site, subject and session; the release is read off the file names.

    Parameters
    ----------
    root : path
        The release's folder, one above it, or one below.
    exclude : sequence of str
        Names of scans to leave out, as in "031768/t01"; each is announced on stderr.
    part : {"training", "testing"}
        R2.0 and R2.1 have testing scans, whose masks are kept secret; they are left out unless asked for.

    Returns
    -------
    list of Scan

    Raises
    ------
    DataError
        If the folder is missing, is a file, holds no scan of a known release, or scans of two that share people; if
        a session holds two T1 volumes, or an excluded name is not there.
    """
    root = Path(root).expanduser()
    if not root.exists():
        raise DataError(f"{root}: no such folder; expected the unpacked ATLAS release (is ATLAS_DATA right?)")
    if not root.is_dir():
        raise DataError(f"{root} is a file; expected the folder of an unpacked ATLAS release (is ATLAS_DATA right?)")
    volumes = [p for p in sorted(root.resolve().rglob("*.nii*")) if not p.name.startswith(".") and p.is_file()]
    scans = [scan for path in volumes if (scan := scan_at(path)) is not None]
    if not scans:
        examples = "; ".join(f"{layout.release}: {example_of(layout)}" for layout in LAYOUTS.values())
        raise DataError(
            f"{root}: found {len(volumes)} NIfTI files and no T1 volume of a known ATLAS release; "
            f"expected files such as ({examples})"
        )
    scans = choose_part(choose_release(scans, root), part, root)
    refuse_two_volumes(scans)
    return leave_out(sorted(scans, key=lambda scan: (scan.site, scan.subject, scan.session)), exclude)


def example_of(layout):
    """A path below a release's folder, for messages."""
    return layout.t1w.format(**scan_names(layout, 0, 31768, 1, 1))


def scan_at(path):
    """The Scan whose T1 volume is at `path`, or None if it is none of a known release."""
    layout, match = match_path(path)
    if layout is None:
        return None
    folder = path.parent.parent if path.parent.name.endswith(".nii") else path.parent  # x.nii/x.nii, met in the wild
    found = [p for pattern in layout.masks for p in [*folder.glob(pattern), *folder.glob(f"*.nii/{pattern}")]]
    masks = tuple(sorted(p for p in set(found) if p.is_file() and not p.name.startswith(".")))
    release_folder = Path(path.as_posix()[: match.start()])
    part = "testing" if (match.groupdict().get("part") or "").startswith("Testing") else "training"
    site = match["site"].upper() if match["site"].startswith("r") else match["site"]
    marker = release_folder / SYNTHETIC_MARKER
    synthetic = marker.exists()
    healthy = synthetic and not masks and is_healthy_cohort(marker, marker.stat().st_mtime_ns)
    return Scan(
        match["subject"], match["session"], site, path, masks, layout.release, synthetic, part, healthy
    )


@lru_cache(maxsize=8)
def is_healthy_cohort(marker, changed):
    """True if an embedded cohort's marker file says that its subjects have no lesions; `changed` is its time."""
    return json.loads(marker.read_text(encoding="utf-8")).get("n_lesions") == 0


def choose_release(scans, root):
    """Keep one release: R2.1's registered scans rather than its raw ones; other mixtures are refused."""
    releases = sorted({scan.release for scan in scans})
    if releases == ["R2.1", "R2.1 raw"]:
        raw = sum(scan.release == "R2.1 raw" for scan in scans)
        print(f"{raw} raw scans of R2.1 left out; to work on them name the folder Training_Raw", file=sys.stderr)
        return [scan for scan in scans if scan.release == "R2.1"]
    if len(releases) > 1:
        raise DataError(
            f"{root}: found scans of {' and '.join(releases)}; the releases share people, so that training on one and "
            "testing on another would leak: name the folder of one of them"
        )
    return scans


def choose_part(scans, part, root):
    """The training scans, or the testing scans, which have no masks."""
    chosen = [scan for scan in scans if scan.part == part]
    if not chosen:
        raise DataError(f"{root}: all {len(scans)} scans are of the other part than {part!r}; name another folder")
    if part == "training" and len(chosen) < len(scans):
        print(f"{len(scans) - len(chosen)} testing scans without masks left out", file=sys.stderr)
    return chosen


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


def load_scan(scan):
    """Load a scan: image as float32, mask as bool, and the affine that takes voxel indices to MNI mm.

    The masks of a scan are OR-ed. A mask voxel is lesion where it is above 0, since releases mix masks whose
    lesions are 1 with masks whose lesions are 255. Axes are turned to RAS by the affine; volumes off ATLAS's grid are
    resampled to it, with a GridWarning (see `to_grid`).

    Returns
    -------
    LoadedScan
        image float32 (197, 233, 189) in the file's own units, mask bool, affine float64 (4, 4).

    Raises
    ------
    DataError
        If a file is damaged, a mask has another grid than the T1, a volume holds NaN or infinite voxels, if the T1 is
        empty, or if there is no mask or no lesion voxel in any.
    """
    image, affine = read_t1w(scan.t1w)
    mask = read_masks(scan, image.shape, affine)
    mask, _ = to_grid(mask, affine, scan.t1w)
    image, affine = to_grid(image, affine, scan.t1w)
    return LoadedScan(image, mask, affine)


def read_t1w(path):
    """A T1 volume as it lies in its file, float32, and its affine. Raises DataError if it can't be used."""
    image, affine = read_volume(path)
    refuse_not_finite(image, path)
    if not (image > 0).any():
        raise DataError(f"{path}: no voxel is above 0; restore the file or exclude the scan by its name")
    return image.astype(np.float32, copy=False), affine


def load_lesion(scan):
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
    t1w = read_image(scan.t1w, header_only=True)
    return to_grid(read_masks(scan, t1w.shape, t1w.affine), t1w.affine, scan.t1w)


def read_masks(scan, shape, affine):
    """The OR of a scan's masks on the grid of its T1, which is given. Raises DataError if there is no lesion."""
    if scan.healthy:
        return np.zeros(shape, bool)
    if not scan.masks:
        raise DataError(f"{scan.name}: no lesion mask beside {scan.t1w}; add it or exclude the scan by its name")
    mask = combine_masks(read_mask(path, shape, affine) for path in scan.masks)
    if not mask.any():
        found = ", ".join(path.name for path in scan.masks)
        raise DataError(
            f"{scan.name}: no lesion voxel in {found} in {scan.t1w.parent}; every scan of the release has a lesion: "
            "restore the mask or exclude the scan by its name"
        )
    return mask


def read_mask(path, shape, affine):
    """One mask file as bool, checked to lie on the grid of its T1 volume. Raises DataError if it doesn't."""
    mask, mask_affine = read_volume(path)
    if mask.shape != shape:
        raise DataError(f"{path}: the mask has shape {mask.shape} and its T1 {shape}; they must be equal")
    if not np.allclose(mask_affine, affine, atol=SAME):
        raise DataError(f"{path}: the mask's affine differs from its T1's by more than {SAME}; expected the same grid")
    refuse_not_finite(mask, path)
    return mask > 0


def refuse_not_finite(volume, path):
    """Raise DataError if a volume holds NaN or infinite voxels."""
    # A sum is finite only if all its terms are, and far cheaper than looking at each voxel. If it is not, look.
    with np.errstate(over="ignore", invalid="ignore"):
        suspicious = not np.isfinite(volume.sum())
    bad = int(volume.size - np.isfinite(volume).sum()) if suspicious else 0
    if bad:
        raise DataError(f"{path}: {bad} voxels are NaN or infinite; restore the file or exclude the scan by its name")


def combine_masks(masks):
    """OR of lesion masks of one scan: an iterable of equal-shaped arrays, lesion > 0 -> one bool array."""
    combined = None
    for mask in masks:
        mask = np.asarray(mask)
        lesion = mask if mask.dtype == bool else mask > 0
        combined = lesion if combined is None else combined | lesion
    return combined


def source_of(scans):
    """One line on where a cohort comes from, for captions and records."""
    releases = ", ".join(sorted({scan.release for scan in scans}))
    if all(scan.synthetic for scan in scans):
        return f"synthetic cohort, not patient data (layout {releases})"
    return f"ATLAS {releases}"
