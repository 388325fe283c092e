"""What the lesions of a cohort look like together: the overlap map (Fig. 1a), and a table of sizes and sides."""

import numpy as np

from atlas_lab.data.door import as_array
from atlas_lab.data.masks import find_lesion
from atlas_lab.data.scans import load_lesion
from atlas_lab.fast.workers import share_out
from atlas_lab.files import DataError
from atlas_lab.grid import bounding_box, voxel_ml
from atlas_lab.metrics import SMALLEST_LESION_ML
from atlas_lab.system.progress import bar

__all__ = [
    "cohort_overlap", "count_components", "disc_diameter", "lesion_side", "lesion_table", "lesion_volume_ml",
    "median_diameter", "overlap_map",
]

TOUCHING = np.ones((3, 3, 3), bool)  # voxels that share a face, an edge or a corner belong together


def overlap_map(masks):
    """In how many of the masks each voxel is lesion, as a share: Fig. 1a of the paper.

    Masks are added one by one, so memory doesn't grow with their number.

    Parameters
    ----------
    masks : iterable of masks, all of one shape
        Bool arrays, or numbers as files have them, see `find_lesion`.

    Returns
    -------
    float32 array of that shape, 0 to 1

    Raises
    ------
    DataError
        If there are no masks, their shapes differ, or one is none.
    """
    count, n_masks = None, 0
    for mask in masks:
        mask = _as_lesion(mask, f"mask {n_masks + 1}")
        if count is None:
            count = np.zeros_like(mask, np.uint16)  # in the same order in memory: adding is three times as fast
        if mask.shape != count.shape:
            raise DataError(f"mask {n_masks + 1} has shape {mask.shape}, the first {count.shape}; they must be equal")
        if n_masks == np.iinfo(count.dtype).max:
            count = count.astype(np.int64)
        count += mask
        n_masks += 1
    if not n_masks:
        raise DataError("there are no masks to overlap")
    return np.divide(count, n_masks, dtype=np.float32)  # without it numpy would divide in float64, twice the memory


def cohort_overlap(scans, progress=True):
    """The overlap map of a cohort's scans, each mask loaded from disk and dropped again.

    A subject scanned twice would count twice; only the first scan of each subject is taken.
    """
    first = {}
    for scan in scans:
        first.setdefault(scan.subject, scan)
    masks = (load_lesion(scan)[0] for scan in first.values())
    return overlap_map(bar(masks, "adding masks", len(first), progress))


def lesion_volume_ml(mask, affine):
    """Volume of a mask in millilitres: lesion voxels times the volume of one, |det| of the affine's 3 x 3 part."""
    return float(np.count_nonzero(_as_lesion(mask)) * voxel_ml(affine))


def _as_lesion(mask, name="the mask"):
    """A mask as bool, whatever it is of. Raises DataError as `find_lesion`."""
    return find_lesion(as_array(mask, name), name)


def lesion_side(mask, affine):
    """The hemisphere that holds most of a lesion: "left", "right", or "both" if neither holds over 90 %.

    The affine decides, not the index: in MNI space x < 0 mm is the left hemisphere, and some files store
    their voxels from right to left.
    """
    voxels = np.argwhere(_as_lesion(mask))
    x_mm = voxels @ np.asarray(affine)[0, :3] + np.asarray(affine)[0, 3]
    if not len(voxels):
        raise DataError("the mask holds no lesion voxel, so it has no side")
    return "left" if np.mean(x_mm < 0) > 0.9 else "right" if np.mean(x_mm > 0) > 0.9 else "both"


def disc_diameter(pixels, scale=1):
    """Diameter in mm of the disc with an area of so many pixels, each `scale` mm wide."""
    return 2 * np.sqrt(pixels * scale**2 / np.pi)


def median_diameter(store, n_resamples=2000, seed=0):
    """Median over scans of the lesion's diameter in its fullest slice, in mm, with an interval over subjects.

    The diameter is that of the circle with the area of the slice's lesion pixels. The 95 % interval resamples
    subjects, as `bootstrap_scores` does.

    Returns
    -------
    dict
        value, low, high.
    """
    pixels = store.table.groupby(["subject", "session"])["lesion_pixels"].max()
    diameters = disc_diameter(pixels, store.about["scale"])
    by_subject = [group.to_numpy() for _, group in diameters.groupby("subject")]
    draws = np.random.default_rng(seed).integers(len(by_subject), size=(n_resamples, len(by_subject)))
    medians = [np.median(np.concatenate([by_subject[i] for i in draw])) for draw in draws]
    low, high = np.quantile(medians, [0.025, 0.975])
    return {"value": float(diameters.median()), "low": float(low), "high": float(high)}


def count_components(mask, affine, at_least_ml=SMALLEST_LESION_ML):
    """Number of connected pieces of a mask of at least `at_least_ml` millilitres (26 neighbours)."""
    from scipy import ndimage

    mask = _as_lesion(mask)
    labels, _ = ndimage.label(mask[bounding_box(mask)], TOUCHING)
    sizes = np.bincount(labels.ravel())[1:]
    return int(np.sum(sizes * voxel_ml(affine) >= at_least_ml))


def lesion_table(scans, jobs=-1, progress=True):
    """One row per scan: subject, session, site, mask_files, volume_ml, side, components (pandas.DataFrame)."""
    import pandas

    rows = share_out(_describe_lesion, ((scan,) for scan in scans), jobs)
    return pandas.DataFrame(bar(rows, "measuring lesions", len(scans), progress))


def _describe_lesion(scan):
    """One row of `lesion_table`."""
    mask, affine = load_lesion(scan)
    return {
        "subject": scan.subject, "session": scan.session, "site": scan.site, "mask_files": len(scan.masks),
        "volume_ml": lesion_volume_ml(mask, affine), "side": lesion_side(mask, affine) if mask.any() else "none",
        "components": count_components(mask, affine),
    }
