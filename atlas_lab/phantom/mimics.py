"""What looks like a lesion in a T1w image and isn't labelled as one: small vessel disease, spaces and vessels."""

from dataclasses import dataclass

import numpy as np

from atlas_lab.grid import AFFINE, bounding_box
from atlas_lab.phantom.fields import smooth_noise, step_up

__all__ = ["HYPERINTENSITY", "LACUNE", "MimicPlan", "median_wmh_ml", "paint_mimics", "plan_mimics"]

# ml of white matter hyperintensities: the median of stroke patients aged 50 and its spread (337 followed for ten years,
# PMC5035980: 1.5, quartiles 0.5 and 3.7) and an exponential rise with age (de Kort et al. 2025, doi
# 10.1016/j.neurobiolaging.2024.11.006). Its rate, and that T1w images show as much as FLAIR, are assumptions.
MEDIAN_ML, SPREAD, PER_YEAR = 1.5, 1.35, 0.05
LARGEST_ML = 70
# Fazekas grades by ml, periventricular and deep (an assumption: the grades are words, not volumes).
PVH_ML, DWMH_ML = (0.4, 4, 14), (0.15, 1.5, 7)
NONE_SHARE = 0.2  # of subjects, who have none of all this
LACUNES = 0.24  # share of patients aged 50 with a lacune (PMC5035980)
LACUNE_SITES = (  # mm (MNI, x as |x|), centre and spread: basal ganglia, thalamus, deep white matter, pons
    ((24, -2, 7), (5, 9, 6)), ((12, -17, 6), (4, 5, 4)), ((25, -18, 30), (5, 22, 6)), ((4, -27, -32), (3, 4, 5)),
)
HYPERINTENSITY, LACUNE = 2, 3  # labels in the truth file; 1 is the lesion


@dataclass(frozen=True)
class MimicPlan:
    """What one subject has of each; volumes in ml."""

    periventricular_ml: float
    deep_ml: float
    pvh: int  # Fazekas grades, 0 to 3
    dwmh: int
    kept: float  # of white matter's signal in a hyperintensity, on the scale from fluid to white matter
    lacunes: int
    spaces: int  # perivascular
    vessels: int

    def describe(self):
        """What is written to the cohort's records."""
        ml = self.periventricular_ml + self.deep_ml
        return {"pvh": self.pvh, "dwmh": self.dwmh, "wmh_ml": round(ml, 3), "lacunes": self.lacunes,
                "perivascular_spaces": self.spaces, "vessels": self.vessels}


def median_wmh_ml(years):
    """The aimed median volume of white matter hyperintensities at an age."""
    return MEDIAN_ML * np.exp(PER_YEAR * (years - 50))


def plan_mimics(years, rng, place, wanted=True):
    """Draw what a subject of an age has; nothing if it isn't `wanted`, and in a fifth of the subjects.

    `place` in [0, 1) is the subject's among those of the same age, by the volume of hyperintensities.
    """
    from scipy.special import ndtri

    z = float(ndtri(np.clip(place, 1e-4, 1 - 1e-4)))
    ml = float(min(LARGEST_ML, median_wmh_ml(years) * np.exp(SPREAD * z)))
    near = ml * float(rng.uniform(0.55, 0.85))
    grades = int(np.searchsorted(PVH_ML, near)), int(np.searchsorted(DWMH_ML, ml - near))
    kept = float(rng.uniform(0.5, 0.78))
    has_lacunes = rng.random() < min(0.6, LACUNES * np.exp(0.03 * (years - 50)))
    lacunes = int(has_lacunes) * min(5, int(rng.geometric(0.55)))
    spaces, vessels = int(rng.poisson(8 + 0.9 * max(0, years - 35))), int(rng.integers(0, 4))
    if rng.random() < NONE_SHARE or not wanted:
        return MimicPlan(0.0, 0.0, 0, 0, kept, 0, 0, 0)
    return MimicPlan(near, ml - near, *grades, kept, lacunes, spaces, vessels)


def paint_mimics(image, subject, plan, contrast, rng):
    """Draw the plan into an image of the subject's box, in place.

    Returns
    -------
    uint8, shape of the box
        HYPERINTENSITY and LACUNE where there are such, else 0.
    """
    labels = np.zeros(image.shape, np.uint8)
    fluid = np.float32(contrast.csf)
    if plan.periventricular_ml or plan.deep_ml:
        _paint_hyperintensities(image, labels, subject, plan, fluid, rng)
    for _ in range(plan.lacunes):
        _paint_lacune(image, labels, subject, fluid, rng)
    if plan.spaces:
        _paint_tubes(image, subject, _space_lines(subject, plan.spaces, rng), 0.55, fluid)
    if plan.vessels:
        _paint_tubes(image, subject, _vessel_lines(subject, plan.vessels, rng), 0.9, fluid, thick=True)
    return labels


def _paint_hyperintensities(image, labels, subject, plan, fluid, rng):
    """Caps and bands at the ventricles, and patches in the deep white matter, of the planned volumes."""
    from scipy import ndimage

    box = bounding_box((subject.t1w > 0.75) & (subject.ventricle < 45), margin=2)
    half = min(box[0].stop - 98 + subject.box[0].start, 98 - subject.box[0].start - box[0].start)
    middle = 98 - subject.box[0].start
    box = (slice(middle - half, middle + half + 1), *box[1:])
    t1w, wall = subject.t1w[box], subject.ventricle[box]
    x, y, z = (np.arange(b.start, b.stop) + s.start + AFFINE[a, 3]
               for a, (b, s) in enumerate(zip(box, subject.box, strict=True)))
    white = (t1w > 0.76) & (wall > 0.2) & (subject.added[box] < 0.3) & (z > -22)
    tips = step_up(y, 22, 30) + step_up(-y, 62, 72)
    score = wall - 3.0 * tips[:, None] + 5.0 * (np.abs(x) < 12)[:, None, None]
    near = _lowest(score + 1.6 * _mirrored(rng, t1w.shape, 4, 0.6), white & (wall < 22), plan.periventricular_ml)
    deep = white & (wall > 5) & (ndimage.uniform_filter(t1w, 7) > 0.76) & ~near
    patch = 1.7 if plan.dwmh < 2 else 2.6 if plan.dwmh == 2 else 4.0
    broad = _mirrored(rng, t1w.shape, 14, 0.8) + 0.6 * step_up(z, 5, 30)
    far = _lowest(-_mirrored(rng, t1w.shape, patch, 0.25) - 0.8 * broad, deep, plan.deep_ml)
    share = ndimage.gaussian_filter((near | far).astype(np.float32), 0.8)
    uneven = np.clip(1 + 0.25 * smooth_noise(rng, t1w.shape, 3), 0.4, 1.5)
    image[box] += np.minimum(1, share * (1 - plan.kept) * uneven) * (fluid - image[box])
    labels[box][near | far] = HYPERINTENSITY


def _mirrored(rng, shape, sigma, alike):
    """A random field that is partly the same on both sides, as small vessel disease is."""
    field = smooth_noise(rng, shape, sigma)
    return ((field + np.float32(alike) * field[::-1]) / np.float32((1 + alike**2) ** 0.5)).astype(np.float32)


def _lowest(score, where, ml):
    """The voxels of lowest score, of a volume in ml: bool."""
    values = score[where]
    count = min(round(1000 * ml), values.size)
    if count == 0:
        return np.zeros(score.shape, bool)
    return where & (score <= np.partition(values, count - 1)[count - 1])


def _place_near(subject, centre, spread, rng):
    """A brain voxel of the box near a point in mm on either side, or None."""
    for _ in range(50):
        mm = rng.normal(centre, spread) * (rng.choice((-1, 1)), 1, 1)
        voxel = np.rint(mm - AFFINE[:3, 3]).astype(int) - [b.start for b in subject.box]
        inside = (voxel > 6).all() and (voxel < np.array(subject.t1w.shape) - 6).all()
        if inside and subject.t1w[tuple(voxel)] > 0.62 and subject.ventricle[tuple(voxel)] > 3:
            return voxel
    return None


def _paint_lacune(image, labels, subject, fluid, rng):
    """A small old cavity, round or oval, with a rim that is less dark; unlabelled, though an infarct once."""
    centre, spread = LACUNE_SITES[rng.choice(len(LACUNE_SITES), p=(0.45, 0.15, 0.3, 0.1))]
    voxel, kept = _place_near(subject, centre, spread, rng), float(rng.uniform(0.08, 0.45))
    radii = np.exp(rng.normal(np.log(2.3), 0.3)) * np.exp(rng.normal(0, 0.25, 3))
    if voxel is None:
        return
    near = tuple(slice(v - 7, v + 8) for v in voxel)
    near = tuple(slice(max(0, n.start), min(size, n.stop)) for n, size in zip(near, image.shape, strict=True))
    axes = [(np.arange(n.start, n.stop) - v) / r for n, v, r in zip(near, voxel, radii, strict=True)]
    distance = np.sqrt(sum(g.astype(np.float32) ** 2 for g in np.meshgrid(*axes, indexing="ij")))
    loss = (1 - kept) * (1 - step_up(distance, 0.75, 1.35))
    image[near] += loss * (fluid - image[near])
    labels[near][(distance < 1) & (labels[near] == 0)] = LACUNE


def _space_lines(subject, count, rng):
    """Perivascular spaces as points in voxels, (points, 3) each: upright in the basal ganglia, radial above."""
    lines = []
    for _ in range(count):
        low = rng.random() < 0.4
        centre, spread = ((22, -2, -2), (4, 6, 3)) if low else ((27, -12, 35), (7, 22, 8))
        voxel = _place_near(subject, centre, spread, rng)
        length = rng.uniform(4, 11)
        tilt = rng.normal(0, 0.25, 3)
        if voxel is None:
            continue
        away = np.sign(voxel[0] - (98 - subject.box[0].start))
        along = np.array([0.2 * away, 0, 1.0]) if low else np.array([0.75 * away, 0, 0.7])
        along = (along + tilt) / np.linalg.norm(along + tilt)
        lines.append(voxel + np.linspace(0, length, 24)[:, None] * along)
    return lines


def _vessel_lines(subject, count, rng):
    """Dark vessels as points in voxels: winding, through the Sylvian fissure or from the cortex inwards."""
    lines = []
    for _ in range(count):
        centre, spread = ((40, 5, 2), (5, 12, 6)) if rng.random() < 0.5 else ((38, -25, 38), (10, 25, 12))
        voxel = _place_near(subject, centre, spread, rng)
        bends = np.cumsum(rng.normal(0, 0.25, (60, 3)), axis=0) + rng.normal(0, 1, 3)
        if voxel is not None:
            steps = bends / np.linalg.norm(bends, axis=1, keepdims=True)
            lines.append(voxel + 0.5 * np.cumsum(steps, axis=0))
    return lines


def _paint_tubes(image, subject, lines, loss, fluid, thick=False):
    """Darken an image along lines, in brain tissue: about one voxel wide, or two, shared out among neighbours."""
    if not lines:
        return
    points = np.concatenate(lines)
    if thick:
        points = np.concatenate([points + step for step in ((0, 0, 0), (0.8, 0, 0), (0, 0.8, 0), (0, 0, 0.8))])
    low, share = np.floor(points).astype(int), np.zeros(image.shape, np.float32)
    for corner in np.ndindex(2, 2, 2):
        voxels, weight = low + corner, np.prod(1 - np.abs(points - low - corner), axis=1)
        inside = ((voxels >= 0) & (voxels < image.shape)).all(axis=1)
        np.maximum.at(share, tuple(voxels[inside].T), weight[inside].astype(np.float32))
    at = np.nonzero((share > 0.05) & subject.brain)
    image[at] += np.minimum(1, 1.5 * share[at]) * np.float32(loss) * (fluid - image[at])
