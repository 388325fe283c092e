"""Whether a scan lies in MNI space: how well the template fits it where it lies, and how far a quick fit moves it.

One number can't tell. A head that is 1 cm off still covers the MNI brain; brains in their right place, but atrophied or
with a large lesion, correlate less than a young one that is tilted. So the template is fitted to the scan by an affine
at 4 mm, which takes a third of a second, and what counts first is how far that moves the brain.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from atlas_lab.data.intensity import HEAD
from atlas_lab.files import DataError

__all__ = [
    "SKULL", "Placement", "Template", "brain_points", "displacement", "measure_placement", "mni_template",
    "note_unlike_template", "quick_fit", "refuse_unless_in_mni", "skull_brightness",
]

STEP_MM = 4.0
SMOOTH_MM = (5.6, 1.4)  # the fit goes from coarse to fine
FURTHEST_MM = 8.0       # what the quick fit may move a point of the brain by, in the median
LEAST_CORRELATION = 0.3   # with the template where the scan lies; 0.4 with a skull and a lesion of 200 ml
LEAST_COVERED = 0.7     # share of the MNI brain
LEAST_FITTED = 0.35     # correlation after the fit, below which it is no fit; a box reaches 0.33
LEAST_IN_PLACE = 0.28   # the same for a scan that the fit leaves in place; 0.33 with a skull and a lesion of 200 ml
SKULL = 0.1             # brightness around the brain, of that within, above which a scan shows skull and scalp
RADIUS_MM = 70.0        # of a brain: makes a turn or a stretch and a shift of like effect comparable


class Placement(NamedTuple):
    """Where a scan lies, held against the MNI152 template.

    Attributes
    ----------
    correlation : float
        Of scan and template over the brain and 4 mm around it, where the scan lies.
    covered : float
        Share of the MNI brain in which the scan shows head.
    moved_mm : float
        How far the quick fit moves a point of the brain, in the median.
    fitted : float
        The correlation after the fit, over the brain alone.
    skull : float
        Mean brightness 8 to 16 mm around the brain after the fit, over that within: near 0 for a brain without skull.
    matrix : float64 (4, 4)
        The fit: a point of the template, in mm, to the scan's own mm.
    """

    correlation: float
    covered: float
    moved_mm: float
    fitted: float
    skull: float
    matrix: np.ndarray

    @property
    def is_fitted(self) -> bool:
        """True if template and scan can be brought to look alike, so that `moved_mm` means something."""
        return self.fitted >= LEAST_FITTED

    @property
    def in_mni(self) -> bool:
        """True if the scan lies in MNI space: the fit holds, hardly moves it, and it matches and covers the brain."""
        return (
            self.fitted >= LEAST_IN_PLACE and self.moved_mm <= FURTHEST_MM
            and self.correlation >= LEAST_CORRELATION and self.covered >= LEAST_COVERED
        )

    @property
    def has_skull(self) -> bool:
        """True if the scan shows skull and scalp."""
        return self.skull >= SKULL

    def describe(self) -> str:
        """The numbers in one line."""
        moved = f"the MNI152 template has to move by {self.moved_mm:.1f} mm to fit it" if self.is_fitted else (
            "the MNI152 template can't be fitted to it"
        )
        return (f"{moved}, correlates with it by {self.correlation:.2f} where it lies ({self.fitted:.2f} fitted), "
                f"and {self.covered:.0%} of the MNI brain is covered")


class Template(NamedTuple):
    """The MNI152 template at 4 mm: points in and around its brain, in mm, and what it shows there."""

    points: np.ndarray   # (N, 4), homogeneous
    values: np.ndarray   # (N,)
    brain: np.ndarray    # bool (N,): the others lie up to 4 mm outside
    shell: np.ndarray    # (M, 4): 8 to 16 mm outside, above the base of the skull


@lru_cache(maxsize=2)
def mni_template(smooth_mm: float = SMOOTH_MM[-1]) -> Template:
    """The template that nilearn brings along, on a grid of 4 mm, smoothed."""
    from nilearn import datasets
    from scipy import ndimage

    image, mask = datasets.load_mni152_template(resolution=1), datasets.load_mni152_brain_mask(resolution=1)
    small, affine = _shrunk(image.get_fdata(dtype=np.float32), image.affine)
    within = _shrunk(np.asarray(mask.dataobj) > 0, mask.affine)[0]
    outside = np.pad(within < 0.5, 4, constant_values=True)  # since the shell leaves the grid
    distance = ndimage.distance_transform_edt(outside) * STEP_MM
    at = np.argwhere(distance <= 16) - 4
    points = np.c_[at @ affine[:3, :3].T + affine[:3, 3], np.ones(len(at))]
    far = distance[tuple((at + 4).T)]
    near = far <= STEP_MM
    values = _look_up(_smoothed(small, affine, smooth_mm), at[near].T)
    return Template(points[near], values, far[near] == 0, points[(far >= 8) & (points[:, 2] > -20)])


def brain_points() -> np.ndarray:
    """Points of the MNI152 brain, 4 mm apart, in mm: float64 (N, 3)."""
    template = mni_template()
    return template.points[template.brain, :3]


def displacement(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How far apart two affines, (4, 4), take the points of the MNI brain, in mm: float64 (N,)."""
    difference = one - other
    return np.linalg.norm(brain_points() @ difference[:3, :3].T + difference[:3, 3], axis=1)


def _shrunk(volume: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A volume as means of blocks of about 4 mm, float32, and its affine."""
    size = np.linalg.norm(affine[:3, :3], axis=0)
    step = np.clip(np.rint(STEP_MM / size).astype(int), 1, volume.shape)
    for axis, n in enumerate(step):  # axis by axis: whole planes are added
        count = volume.shape[axis] // n * n
        parts = [volume[(slice(None),) * axis + (slice(i, count, n),)] for i in range(n)]
        volume = sum(parts[1:], parts[0].astype(np.float32)) / np.float32(n)
    blocks = np.diag([*step, 1.0])
    blocks[:3, 3] = (step - 1) / 2
    return volume, affine @ blocks


def _smoothed(small: np.ndarray, affine: np.ndarray, smooth_mm: float) -> np.ndarray:
    """A small volume after a Gaussian filter of this standard deviation."""
    from scipy import ndimage

    return ndimage.gaussian_filter(small, smooth_mm / np.linalg.norm(affine[:3, :3], axis=0))


def measure_placement(volume: np.ndarray, affine: np.ndarray) -> Placement:
    """Hold a T1 volume against the MNI152 template where its affine puts it.

    Parameters
    ----------
    volume : array (X, Y, Z)
        With its air near 0, as from `read_t1w`.
    affine : float array (4, 4), voxel to mm
    """
    template = mni_template()
    small, small_affine = _shrunk(volume, affine)
    small, to_voxel = _smoothed(small, small_affine, SMOOTH_MM[-1]), np.linalg.inv(small_affine)
    head = small > HEAD * np.percentile(small[small > 0], 99.5)
    covered = _look_up(head.astype(np.float32), to_voxel @ template.points[template.brain].T).mean()
    matrix, fitted = quick_fit(volume, affine)
    return Placement(
        _likeness(small, to_voxel, template), float(covered),
        float(np.median(displacement(matrix, np.eye(4)))), fitted,
        skull_brightness(volume, np.linalg.inv(matrix) @ affine), matrix,
    )


def note_unlike_template(volume: np.ndarray, affine: np.ndarray, template: Template) -> str:
    """A line on a T1 volume that doesn't look like the MNI152 template where it lies, or nothing.

    It takes every second voxel, and fits nothing: 15 ms, `measure_placement` half a second.
    """
    half = np.diag([2.0, 2.0, 2.0, 1.0])
    small, small_affine = _shrunk(volume[::2, ::2, ::2], affine @ half)
    small = _smoothed(small, small_affine, SMOOTH_MM[-1])
    found = _likeness(small, np.linalg.inv(small_affine), template)
    return "" if found >= LEAST_CORRELATION else (
        f"correlates with the MNI152 template by {found:.2f} where it lies, a T1 in MNI space by over "
        f"{LEAST_CORRELATION}: its contrast is inverted, or it is no T1, or lies elsewhere")


def _likeness(small: np.ndarray, to_voxel: np.ndarray, template: Template) -> float:
    """How a small volume, alike smoothed, correlates with the template where it lies."""
    return _correlation(_look_up(small, to_voxel @ template.points.T), template.values)


def skull_brightness(volume: np.ndarray, affine: np.ndarray) -> float:
    """How bright a volume in MNI space is 8 to 16 mm around the brain, over that within: 0 without a skull."""
    template = mni_template()
    small, small_affine = _shrunk(volume, affine)
    to_voxel = np.linalg.inv(small_affine)
    places = template.points[template.brain], template.shell
    inside, around = (float(_look_up(small, to_voxel @ points.T).mean()) for points in places)
    return around / inside if inside > 0 else 0.0


def quick_fit(
    volume: np.ndarray, affine: np.ndarray, starts: tuple[np.ndarray, ...] = ()
) -> tuple[np.ndarray, float]:
    """The affine that makes the template correlate most with a volume at 4 mm, sought from where it lies.

    First on smoothed volumes, which lead there from afar: over the brain and 4 mm around it, whose edge tells most, and
    over the brain alone, since a scan may show skull and scalp, which the template does not; and without smoothing, for
    a scan in its place whose large lesion leads the others astray. The one that matches the brain best counts.

    Parameters
    ----------
    volume, affine : as for `measure_placement`
    starts : affines (4, 4) to start from as well

    Returns
    -------
    matrix : float64 (4, 4)
        A point of the template, in mm, to the scan's own mm.
    correlation : float
        Over the brain.
    """
    small, small_affine = _shrunk(volume, affine)
    coarse, fine = (_smoothed(small, small_affine, mm) for mm in SMOOTH_MM)
    template, best, highest = mni_template(), np.eye(4), -1.0
    for start in (np.eye(4), *starts):
        near = [_climb(coarse, small_affine, start, SMOOTH_MM[0], brain_only)[0] for brain_only in (False, True)]
        for first in (*near, start):
            matrix, _ = _climb(fine, small_affine, first, SMOOTH_MM[1])
            seen = _look_up(fine, np.linalg.inv(small_affine) @ matrix @ template.points[template.brain].T)
            fitted = _correlation(seen, template.values[template.brain])
            if fitted > highest:
                best, highest = matrix, fitted
        if highest > 0.7:  # a fit beyond doubt
            break
    return best, highest


def _climb(
    small: np.ndarray, affine: np.ndarray, matrix: np.ndarray, smooth_mm: float, brain_only: bool = False,
    steps: int = 60,
) -> tuple[np.ndarray, float]:
    """Raise the correlation of a small volume with the template, alike smoothed, by damped Gauss-Newton steps."""
    template = mni_template(smooth_mm)
    used = template.brain if brain_only else slice(None)
    points, values = template.points[used].T, _standardised(template.values[used])
    to_voxel = np.linalg.inv(affine)
    slopes = np.stack([np.gradient(small, axis=axis) if n > 1 else np.zeros_like(small)
                       for axis, n in enumerate(small.shape)])
    unit = np.array([1 / RADIUS_MM] * 3 + [1.0])  # of the matrix' columns
    sampled = _look_up(small, to_voxel @ matrix @ points)
    highest, damping = _correlation(sampled, values), 1e-2
    for _ in range(steps):
        at = to_voxel @ matrix @ points
        slope = to_voxel[:3, :3].T @ np.stack([_look_up(part, at) for part in slopes])
        change = np.concatenate([slope * (column * scale) for column, scale in zip(points, unit, strict=True)])
        now = _standardised(sampled)
        change = (change - change.mean(axis=1, keepdims=True)) / max(sampled.std(), 1e-9)
        change -= np.outer(change @ now / now.size, now)  # brightness and contrast are free
        square, wanted = change @ change.T, change @ values
        square += 1e-6 * np.trace(square) * np.eye(12) + 1e-30 * np.eye(12)
        gained = 0.0
        while damping < 1e4 and not gained:
            step = np.linalg.solve(square + damping * np.diag(np.diag(square)), wanted / max(highest, 0.1))
            trial = matrix.copy()
            trial[:3] += (step.reshape(4, 3) * unit[:, None]).T
            tried = _look_up(small, to_voxel @ trial @ points)
            gained = max(0.0, _correlation(tried, values) - highest)
            damping = max(damping / 4, 1e-4) if gained else damping * 4
        if gained:
            matrix, sampled, highest = trial, tried, highest + gained
        if gained < 1e-5:
            break
    return matrix, highest


def _look_up(volume: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """A volume between its voxels, linearly, 0 outside: float32 (N,) at (3 or 4, N)."""
    from scipy import ndimage

    return ndimage.map_coordinates(volume, voxels[:3], order=1, mode="constant")


def _standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / max(float(values.std()), 1e-9)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float((_standardised(one) * _standardised(other)).mean())


def refuse_unless_in_mni(placement: Placement, path: object) -> None:
    """Raise DataError, with the remedy, if a scan doesn't lie in MNI space."""
    if not placement.in_mni:
        raise DataError(
            f"{path}: doesn't lie in MNI space: {placement.describe()}; let it be moved there with --register, or "
            "register it to the MNI152 template yourself"
        )
