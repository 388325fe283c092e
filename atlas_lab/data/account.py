"""The account of a scan: what each step from its files to its slices did to lesion, side, place and intensities."""

from dataclasses import asdict, dataclass, field
from itertools import pairwise

import numpy as np

from atlas_lab.data.intensity import HEAD
from atlas_lab.grid import voxel_ml

__all__ = ["Account", "changed_steps", "coarse_brain", "lesion_place", "lesion_voxels", "look_at_head", "seen_lesions"]

CHANGED = 0.1          # a share of the lesion that is told when it comes or goes
MOVED_MM = 2.0         # a shift of the lesion's centre that is told
COVERED = 0.65         # share of the MNI brain that the head fills, below which it is told
CLIPPED = 0.05         # share of voxels whose intensity is cut off that is told
SPIKE = 50             # times white; no tissue or vessel is so bright
STEP = 4               # every 4th voxel along each axis: enough to tell where a head lies


@dataclass
class Account:
    """What became of one scan, step by step. Volumes in ml, places in mm to the right of the middle.

    Attributes
    ----------
    scan : str
        Its name, as in 031768/t01.
    files_ml : dict
        Lesion of each mask file, by its name.
    joined_ml, grid_ml : float
        Of all masks together, before and after the volume came to ATLAS's grid.
    side_mm, grid_side_mm : float
        The lesion's centre, before and after: negative is left.
    brain_covered : float or None
        Share of the MNI152 brain that the head fills.
    clipped : float
        Share of the voxels that hold something whose intensity is cut off, below 0 or above white.
    low, high, white : float
        The lowest and the highest intensity, and the 99.5th percentile of those above 0.
    slices_ml : float or None
        Lesion in the slices that were cut: pixels times their area times the distance of slices.
    lesions, lesions_cut : int or None
        Connected pieces on the grid, and how many of them have a pixel in the slices.
    """

    scan: str
    files_ml: dict = field(default_factory=dict)
    joined_ml: float = 0.0
    grid_ml: float = 0.0
    side_mm: float = 0.0
    grid_side_mm: float = 0.0
    brain_covered: float | None = None
    clipped: float = 0.0
    low: float = 0.0
    high: float = 0.0
    white: float = 0.0
    slices_ml: float | None = None
    lesions: int | None = None
    lesions_cut: int | None = None

    def as_dict(self):
        """Plain values, rounded, for JSON."""
        def plain(value):
            if isinstance(value, dict):
                return {key: plain(inner) for key, inner in value.items()}
            if isinstance(value, float | np.floating):
                return None if np.isnan(value) else round(float(value), 4)  # where there is no lesion; JSON has no NaN
            return value

        return plain(asdict(self))

    def steps(self):
        """The lesion's volume in ml at each step that was taken, by the step's name."""
        volumes = {f"in {len(self.files_ml)} files": sum(self.files_ml.values()), "joined": self.joined_ml,
                   "on ATLAS's grid": self.grid_ml}
        return volumes if self.slices_ml is None else volumes | {"in the slices": self.slices_ml}

    def text(self):
        """The lesion's volume at each step and its side, in one line."""
        volumes = ", ".join(f"{ml:.3g} ml {step}" for step, ml in self.steps().items())
        if not self.grid_ml:
            return f"lesion {volumes}"
        side = "right" if self.grid_side_mm > 0 else "left"
        return f"lesion {volumes}; its centre {abs(self.grid_side_mm):.0f} mm {side} of the middle"

    def grid_changes(self):
        """Lines on what coming to ATLAS's grid changed by more than a tenth, or moved."""
        lines = changed_steps({"in the files": self.joined_ml, "on ATLAS's grid": self.grid_ml})
        if abs(self.side_mm - self.grid_side_mm) > MOVED_MM:
            lines.append(f"lesion's centre at x = {self.side_mm:.0f} mm in the files, at {self.grid_side_mm:.0f} after")
        return lines

    def changes(self):
        """Lines on all that changed by more than a tenth, that moved, that was lost or that lies elsewhere."""
        lines = changed_steps(dict(list(self.steps().items())[:2])) + self.grid_changes()
        if self.brain_covered is not None and self.brain_covered < COVERED:
            lines.append(f"the head fills {self.brain_covered:.0%} of the MNI152 brain: not in MNI space, or cut off")
        if self.clipped > CLIPPED:
            lines.append(f"{self.clipped:.0%} of the intensities are cut off: below 0 or above white")
        if self.white and max(-self.low, self.high) > SPIKE * self.white:
            lines.append(f"intensities from {self.low:.3g} to {self.high:.3g}, 99.5 % of them below {self.white:.3g}: "
                         "damaged voxels?")
        return lines + self.slice_changes()

    def slice_changes(self):
        """Lines on what cutting to slices changed by more than a tenth, and on lesions that vanished."""
        if self.slices_ml is None:
            return []
        lines = changed_steps({"on the grid": self.grid_ml, "in the slices": self.slices_ml})
        if self.lesions_cut < self.lesions:
            lines.append(f"{self.lesions - self.lesions_cut} of {self.lesions} lesions have no pixel in the slices")
        return lines


def changed_steps(volumes):
    """Lines on the steps that made a lesion larger or smaller by more than a tenth.

    Parameters
    ----------
    volumes : dict
        The lesion's volume in ml after each step, by what the step is called: {"in the file": 3.2, "after warping": 2}.

    Returns
    -------
    list of str
    """
    steps = list(volumes.items())
    return [
        f"lesion {before:.3g} ml {name}, {after:.3g} ml {step}"
        for (name, before), (step, after) in pairwise(steps) if abs(after - before) > CHANGED * before
    ]


def lesion_voxels(mask: np.ndarray) -> tuple[np.ndarray, ...]:
    """Indices x, y and z of the voxels of a mask, three int arrays."""
    # In the order of the memory: many times as fast as numpy's nonzero, which goes through an array of files crosswise.
    order = "F" if mask.flags.f_contiguous else "C"
    return np.unravel_index(np.flatnonzero(mask.ravel(order)), mask.shape, order)


def lesion_place(mask: np.ndarray, affine: np.ndarray) -> tuple[float, float]:
    """Volume of a mask in ml and the x of its centre in mm; 0 and NaN if it is empty."""
    voxels = lesion_voxels(mask)
    if not voxels[0].size:
        return 0.0, float("nan")
    centre = affine[0, :3] @ [axis.mean() for axis in voxels] + affine[0, 3]
    return float(voxels[0].size * voxel_ml(affine)), float(centre)


def coarse_brain():
    """Every `STEP`-th voxel of the MNI152 brain on ATLAS's grid: bool (50, 59, 48)."""
    from nilearn.datasets import load_mni152_brain_mask

    return np.asarray(load_mni152_brain_mask(resolution=1).dataobj)[::STEP, ::STEP, ::STEP] > 0


def look_at_head(account, image, brain=None):
    """Enter into an account its head's intensities, what is cut off of them, and what share of the brain it fills.

    Parameters
    ----------
    account : Account
    image : float array on ATLAS's grid
    brain : bool array, as from `coarse_brain`, optional
    """
    some = np.ascontiguousarray(image[::STEP, ::STEP, ::STEP])  # it is looked at several times
    account.low, account.high = float(image.min()), float(image.max())
    bright = some[some > 0]
    account.white = float(np.percentile(bright, 99.5)) if bright.size else 0.0
    if brain is not None:
        account.brain_covered = float((some > HEAD * account.white)[brain].mean())
    n_cut = np.count_nonzero(some < -0.01 * account.white) + np.count_nonzero(some > account.white)
    account.clipped = n_cut / max(1, np.count_nonzero(some))


def seen_lesions(mask, find_pixel):
    """How many connected pieces (26 neighbours) a mask has, and in how many of them a voxel is found in the slices.

    Parameters
    ----------
    mask : bool array (X, Y, Z)
    find_pixel : callable
        Is given the x, y and z of lesion voxels and says of each whether the slices have a lesion pixel there.
    """
    from scipy import ndimage

    voxels = lesion_voxels(mask)
    if not voxels[0].size:
        return 0, 0
    first = [int(axis.min()) for axis in voxels]
    box = tuple(slice(low, int(axis.max()) + 1) for low, axis in zip(first, voxels, strict=True))
    labels, count = ndimage.label(mask[box], np.ones((3, 3, 3)))
    of_voxels = labels[tuple(axis - low for axis, low in zip(voxels, first, strict=True))]
    return count, len(np.unique(of_voxels[find_pixel(*voxels)]))
