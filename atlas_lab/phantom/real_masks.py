"""Real lesion masks for the embedded cohort: given to its subjects and brought onto the template's grid."""

import numpy as np

from atlas_lab.data.masks import find_lesion
from atlas_lab.data.nifti import read_volume
from atlas_lab.data.search import stem_of
from atlas_lab.files import SYNTHETIC_MARKER, DataError
from atlas_lab.grid import GRID, voxel_ml
from atlas_lab.phantom.lesions import left_share
from atlas_lab.phantom.streams import SubjectStream
from atlas_lab.system.disk import expand

__all__ = ["account_of_volumes", "mask_files", "mask_ml", "masks_of_subjects", "place_mask"]

SMALLEST_ML = 0.001  # volumes are kept to a microlitre: a smaller mask counts as one


def mask_files(folder):
    """The NIfTI files of a folder of real lesion masks. Raises DataError if there is none."""
    folder = expand(folder)
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder of lesion masks; give a folder with NIfTI masks in MNI space"
        )
    files = sorted(path for path in folder.iterdir() if stem_of(path.name) is not None)
    if not files:
        raise DataError(f"{folder} holds no .nii or .nii.gz file; expected lesion masks in MNI space")
    return files


def masks_of_subjects(indices, seed, folder):
    """Which real mask each subject gets: {index: path}, every mask once before any is used again."""
    if folder is None:
        return {}
    files = mask_files(folder)
    chosen = {}
    for index in indices:
        lap, place = divmod(index, len(files))
        order = np.random.default_rng([seed, lap, SubjectStream.REAL_MASKS]).permutation(len(files))
        chosen[index] = files[order[place]]
    # A damaged file is better found now than after many subjects.
    for path in sorted(set(chosen.values())):
        _load_mask(path)
    return chosen


def _load_mask(path):
    """A lesion mask as float32 and its affine, looked at as those of scans are. Raises DataError if it is none."""
    values, affine = read_volume(path)
    mask = find_lesion(values, str(path), voxel_ml(affine))
    if not mask.any():
        raise DataError(f"{path}: no lesion voxel; expected a lesion mask, or take it out")
    return mask.astype(np.float32), affine


def mask_ml(path):
    """The volume of a real mask as its file has it, ml."""
    mask, affine = _load_mask(path)
    return round(float(mask.sum() * voxel_ml(affine)), 3)


def account_of_volumes(records):
    """One line on how much of the real masks' volume has come to the subjects, and who lost or gained most.

    Parameters
    ----------
    records : list of dict
        Of subjects with real masks, as version 2 keeps them.
    """
    came, of_file = (sum(r[part][name] for r in records)
                     for part, name in (("measured", "true_ml"), ("aimed", "file_ml")))
    kept = sorted((r["measured"]["true_ml"] / max(r["aimed"]["file_ml"], SMALLEST_ML), r["aimed"]["mask"])
                  for r in records)
    (least, least_name), (most, most_name) = kept[0], kept[-1]
    return (
        f"real masks: lesions of {came / max(of_file, SMALLEST_ML):.2f} times the files' volume in {len(records)} "
        f"subjects' own brains, {np.median([share for share, _ in kept]):.2f} in the median; least {least:.2f} "
        f"({least_name}), most {most:.2f} ({most_name}); each is in {SYNTHETIC_MARKER}"
    )


def place_mask(path, seed, index, anatomy):
    """Bring a real mask onto the template's grid by the affines; mirror it left to right at random.

    Returns
    -------
    components : list of bool (197, 233, 189), largest first
    aim : dict
    """
    from scipy import ndimage

    mask, affine = _load_mask(path)
    to_mask = np.linalg.inv(affine) @ anatomy.affine
    lesion = (
        ndimage.affine_transform(
            mask, to_mask[:3, :3], to_mask[:3, 3], output_shape=anatomy.brain.shape, order=1
        )
        > 0.5
    )
    lesion &= anatomy.brain
    if not lesion.any():
        raise DataError(f"{path}: no lesion voxel inside the MNI152 brain; expected a mask in MNI space (mm)")
    mirrored = bool(np.random.default_rng([seed, index, SubjectStream.MIRRORED]).random() < 0.5)
    lesion = lesion[::-1] if mirrored else lesion  # the grid is symmetric about x = 0
    pieces, count = ndimage.label(lesion, np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    order = 1 + np.argsort(-sizes, kind="stable")
    keep = [pieces == label for label in order[:8]]
    if count > 8:
        keep.append(np.isin(pieces, order[8:]))
    side = "left" if left_share(keep, GRID[0] // 2) > 0.5 else "right"
    aim = {
        "mask": path.name,
        "mirrored": mirrored,
        "side": side,
        "volume_ml": round(float(lesion.sum()) / 1000, 3),
    }
    return keep, aim
