"""One subject's anatomy in version 2: the template under the subject's own shape, age and loss of tissue."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from atlas_lab.grid import AFFINE, GRID, bounding_box
from atlas_lab.phantom.anatomy import load_anatomy, sample_lesion
from atlas_lab.phantom.fields import nodes_of, random_nodes, refine, sample_at, signed_distance, step_up
from atlas_lab.phantom.heads import STEP, Shell, sample_shell

__all__ = ["Subject", "Traits", "draw_traits", "make_subject_anatomy"]

COARSE = 4  # mm, spacing of the nodes of a subject's own shape
REACH = 12.0  # mm over which the shift of a widened ventricle's wall fades
LATERAL_Z = -22  # mm (MNI): ventricles below are not the lateral ones, nor the third


@dataclass(frozen=True)
class Traits:
    """What a subject's brain has lost, by age and chance, before any lesion."""

    years: float
    ventricles_mm: tuple[float, float]  # how far the walls have moved, left and right
    sulci: float  # 0 as in the template, 1 wide, below 0 narrow
    patchiness: float  # how unevenly the sulci have widened
    focus: float  # widening at one place of its own, 0 for most
    gap_mm: float  # fluid between brain and skull


@dataclass(frozen=True, eq=False)
class Subject:
    """Arrays have the shape of `box`, a part of the grid around the brain."""

    traits: Traits
    box: tuple[slice, slice, slice]
    t1w: np.ndarray  # float32, the template's intensity, 0 outside the brain
    csf: np.ndarray  # float32, share of fluid, as the template has it
    added: np.ndarray  # float32, share of what isn't fluid in the template that wider sulci have made fluid
    brain: np.ndarray  # bool
    ventricle: np.ndarray  # float32, mm to the wall of the lateral ventricles, negative inside
    components: list  # bool, one true lesion component each
    shell: Shell


@dataclass(frozen=True, eq=False)
class _Ventricles:
    """On nodes of 2 mm: distance to the ventricles of the template (mm, negative inside), unit vectors to them."""

    distance: np.ndarray  # float32 (99, 117, 95)
    towards: np.ndarray  # float32 (3, 99, 117, 95)


def draw_traits(rng, place, mimics=True):
    """A subject's age, atrophy and asymmetry. Ages spread around 61 years (SD 14), as in studies of chronic stroke.

    `place` in [0, 1) is the subject's among all by age. Without `mimics` the sulci are those of the subject's age and
    nothing is lopsided.
    """
    from scipy.special import betaincinv

    years = 25 + 67 * float(betaincinv(2.6, 2.2, place))
    age = (years - 25) / 67
    wide = 4.2 * age**1.4 * float(np.exp(0.45 * rng.normal())) - 0.4
    lopsided, patchiness, focus = 0.35 * rng.normal(), float(rng.uniform(0.15, 0.5)), float(rng.uniform(1.2, 2.4))
    sulci = float(np.clip(1.3 * age - 0.35 + 0.22 * rng.normal(), -0.35, 1.4))
    has_focus, unaffected = rng.random() < 0.22, rng.random() < 0.2
    if not mimics or unaffected:
        lopsided, patchiness, has_focus = 0.0, 0.1, False
    sides = tuple(float(np.clip(wide * (1 + sign * lopsided), -0.4, 7)) for sign in (1, -1))
    return Traits(years, sides, sulci, patchiness, focus * has_focus, float(1 + 3 * max(0, age - 0.3) * rng.random()))


@lru_cache(maxsize=1)
def _load_ventricles():
    """Signed distance to the lateral and third ventricle, and its direction, a little smoothed."""
    from scipy import ndimage

    mask = load_anatomy().ventricles.copy()
    mask[:, :, : int(LATERAL_Z - AFFINE[2, 3])] = False
    distance = ndimage.gaussian_filter(signed_distance(mask), 1.0)
    slope = ndimage.gaussian_filter(distance, 1.0)
    distance = distance[::STEP, ::STEP, ::STEP]
    towards = -np.stack(np.gradient(slope[::STEP, ::STEP, ::STEP], STEP)).astype(np.float32)
    length = np.sqrt((towards**2).sum(axis=0))
    return _Ventricles(distance, towards / np.maximum(length, 0.3))


@lru_cache(maxsize=1)
def _brain_box():
    """The part of the grid that holds every brain, symmetric about the midline, starting on coarse nodes."""
    found = bounding_box(load_anatomy().brain, margin=8)
    starts = [b.start // COARSE * COARSE for b in found]
    stops = [min(n, b.stop) for n, b in zip(GRID, found, strict=True)]
    stops[0] = max(stops[0], GRID[0] - starts[0])
    return tuple(slice(a, b) for a, b in zip(starts, stops, strict=True))


def _crop(nodes, step, box):
    """The nodes of the whole grid that span a box which starts on a node, and the box's shape."""
    shape = tuple(b.stop - b.start for b in box)
    take = tuple(slice(b.start // step, b.start // step + n) for b, n in zip(box, nodes_of(shape, step), strict=True))
    return nodes[(..., *take)], shape


def _own_shape(rng):
    """Smooth random displacements in mm at three scales, on the coarse nodes of the whole grid: (3, nodes)."""
    total = 0
    for sigma_mm, amplitude in ((30, 2.6), (12, 0.9), (6, 0.45)):
        total = total + np.stack([amplitude * random_nodes(rng, GRID, COARSE, sigma_mm) for _ in range(3)])
    return total


def _widening(traits, density, ml):
    """How far the ventricle's wall moves at each coarse node, mm: by age and side, and ex vacuo near the lesion."""
    nodes = nodes_of(GRID, COARSE)
    x = (COARSE * np.arange(nodes[0]) + AFFINE[0, 3])[:, None, None]
    right = 1 / (1 + np.exp(-x / 4))
    amount = traits.ventricles_mm[0] * (1 - right) + traits.ventricles_mm[1] * right
    widening = np.broadcast_to(amount, nodes).astype(np.float32) + _ex_vacuo(density, ml)
    return widening * (1 - np.float32(0.65) * np.exp(-((x / 7) ** 2)).astype(np.float32))  # the third ventricle's less


def _ex_vacuo(density, ml):
    """The part of the widening that a lost piece of brain leaves to its neighbours, on coarse nodes.

    Near a lesion of 50 ml the wall moves by 4 mm, near the largest by up to 10. That chronic infarcts widen the
    ventricle beside them is well described; how far is an assumption.
    """
    return float(min(10.0, 4.2 * (ml / 50) ** 0.6)) * _near(density, 26)


def _density(lesion, box):
    """Share of lesion around each of the grid's coarse nodes: float32."""
    from scipy import ndimage

    density = np.zeros(nodes_of(GRID, COARSE), np.float32)
    means = ndimage.uniform_filter(lesion.astype(np.float32), COARSE)[::COARSE, ::COARSE, ::COARSE]
    nodes = tuple(slice(b.start // COARSE, b.start // COARSE + n) for b, n in zip(box, means.shape, strict=True))
    density[nodes] = means
    return density


def _near(density, sigma_mm):
    """1 at the densest part of a lesion, fading around it over some `sigma_mm`; 0 without a lesion."""
    from scipy import ndimage

    if not density.any():
        return density
    near = ndimage.gaussian_filter(density, sigma_mm / COARSE)
    return near / near.max()


def _shift(distance, widening):
    """How much nearer to the ventricles a point is looked up, mm, for a wall that moved by `widening`.

    Fluid fills up to the new wall; beyond it tissue is pushed together over REACH. A negative widening narrows.
    """
    outward = np.maximum(distance - np.maximum(widening, 0), 0)
    looked_up = distance - widening * np.exp(-outward / REACH)
    return np.where(widening > 0, distance - np.maximum(looked_up, np.minimum(distance, -1.5)), distance - looked_up)


def _towards_lesion(density, ml):
    """How the tissue around a lesion is drawn into it, mm on the grid's coarse nodes: (3, nodes)."""
    slope = np.stack(np.gradient(_near(density, 10)))
    longest = max(float(np.sqrt((slope**2).sum(axis=0)).max()), 1e-9)
    return -min(3.5, 0.15 * (238.7 * ml) ** (1 / 3)) / longest * slope


def _sulci(rng, traits, density, ml, box):
    """How wide the sulci are, at every voxel of the box: uneven, at a focus of its own, and around the lesion."""
    nodes = nodes_of(GRID, COARSE)
    wide = traits.sulci + traits.patchiness * random_nodes(rng, GRID, COARSE, 26)
    centre = rng.uniform((-55, -80, -5), (55, 45, 60)) - AFFINE[:3, 3]
    squared = sum(
        ((COARSE * np.arange(n) - c).reshape([-1 if a == axis else 1 for a in range(3)])) ** 2
        for axis, (n, c) in enumerate(zip(nodes, centre, strict=True))
    )
    wide = wide + traits.focus * np.exp(-squared / (2 * 17.0**2))
    wide = wide + float(min(1.6, 0.5 * (ml / 50) ** 0.6)) * _near(density, 20)
    return refine(*_with_shape(np.clip(wide, -0.45, 2.6), COARSE, box))


def _with_shape(nodes, step, box):
    part, shape = _crop(nodes, step, box)
    return part, step, shape


def make_subject_anatomy(components, traits, rng):
    """Deform the template, a lesion on it and the head around it into one subject.

    Parameters
    ----------
    components : list of bool (197, 233, 189)
        The lesion on the template; none in a healthy subject.
    traits : Traits
    rng : numpy.random.Generator

    Returns
    -------
    Subject
    """
    anatomy, box = load_anatomy(), _brain_box()
    own = _own_shape(rng)
    fine = refine(*_with_shape(own, COARSE, box))
    moved = [sample_lesion(mask, fine, box) for mask in components]
    lesion = np.any(moved, axis=0) if moved else np.zeros(fine.shape[1:], bool)
    density, ml = _density(lesion, box), lesion.sum() / 1000

    # On nodes of 2 mm: where each lies on the template, and how the ventricles' walls move it.
    shape = nodes_of(GRID, STEP)
    corner = np.stack(np.meshgrid(*(STEP * np.arange(n, dtype=np.float32) for n in shape), indexing="ij"))
    at = corner + _at_nodes(own, shape)
    ventricles = _load_ventricles()
    distance = sample_at(ventricles.distance, at / np.float32(STEP))
    shift = _shift(distance, _at_nodes(_widening(traits, density, ml), shape))
    near = np.abs(shift) > 0.02
    extra = np.zeros((3, *shape), np.float32)
    for axis in range(3):
        extra[axis][near] = shift[near] * sample_at(ventricles.towards[axis], at[:, near] / np.float32(STEP))
    extra += _at_nodes(_towards_lesion(density, ml), shape)

    shell = sample_shell(at)
    brain = refine(*_with_shape(shell.above, STEP, box)) < 0.3
    for axis in range(3):
        fine[axis] += refine(*_with_shape(extra[axis], STEP, box))
    t1w, csf = _look_up((anatomy.t1w, anatomy.csf), fine, box, brain)
    added = _added_fluid(csf, _sulci(rng, traits, density, ml, box))
    wall = refine(*_with_shape(distance - shift, STEP, box))
    moved = [mask & brain & (csf < 0.9) for mask in moved]
    return Subject(traits, box, t1w, csf, added, brain, wall, [mask for mask in moved if mask.any()], shell)


def _look_up(volumes, displacement, box, where):
    """Template volumes at displaced voxels of the box, 0 where not `where`: float32 each."""
    at = np.empty((3, np.count_nonzero(where)), np.float32)
    for axis, (grid, part) in enumerate(zip(np.nonzero(where), box, strict=True)):
        at[axis] = (grid + displacement[axis][where]) + np.float32(part.start)
    found = np.zeros((len(volumes), *where.shape), np.float32)
    for values, volume in zip(found, volumes, strict=True):
        values[where] = sample_at(volume, at)
    return found


def _at_nodes(coarse, shape):
    """Fields on coarse nodes of the whole grid at its nodes of 2 mm, by linear interpolation."""
    return refine(_padded(coarse), COARSE // STEP, shape)


def _padded(coarse):
    """One more node at the far end of each of the last three axes, equal to the last."""
    return np.pad(coarse, [(0, 0)] * (coarse.ndim - 3) + [(0, 1)] * 3, "edge")


def _added_fluid(csf, sulci):
    """What wider (sulci > 0) or narrower sulci add to shares of fluid, relative to the tissue there was."""
    added = np.zeros_like(csf)
    some = (csf > 0.02) & (csf < 0.98)
    before, wide = csf[some], sulci[some]
    after = before ** np.where(wide > 0, 1 / (1 + wide), 1 - wide)
    added[some] = (after - before) * step_up(before, 0, 0.12) / (1 - before)
    return added
