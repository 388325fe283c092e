"""A head for the embedded cohort: the MNI152 template, deformed into a subject and seen by a scanner."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from atlas_lab.grid import GRID, bounding_box
from atlas_lab.phantom.fields import nodes_of, refine

__all__ = [
    "SITES", "Anatomy", "Head", "Site", "ex_vacuo_displacement", "load_anatomy", "make_head",
    "random_displacement", "random_field", "sample_lesion", "scan_head", "size_of", "ventricle_displacement",
]

COARSE = 4  # mm, spacing of the grid on which deformations and bias fields are drawn
QUANTUM = 1 / 8  # intensity step of the T1 volumes: finer than the noise, and it keeps the files small


class Site(NamedTuple):
    """What a scanner does to an image. Intensities on a scale where white matter is near 75."""

    name: str
    first_id: int
    csf: float
    grey: float
    white: float
    noise: float  # standard deviation before smoothing
    blur: tuple[float, float, float]  # Gaussian sigma in mm along x, y, z
    bias: float  # standard deviation of the log of the bias field


SITES = [
    Site("Site1", 31700, 16, 52, 76, 5, (0.5, 0.5, 0.5), 0.05),  # a 3 T scanner: sharp, good contrast
    Site("Site2", 32400, 24, 52, 70, 9, (0.5, 0.5, 1.2), 0.08),  # thick axial slices
    Site("Site3", 33100, 30, 58, 73, 16, (0.8, 0.8, 0.8), 0.12),  # an old 1.5 T scanner: noisy, uneven coil
]


@dataclass(frozen=True, eq=False)  # compared and hashed by identity
class Anatomy:
    """The MNI152 template at 1 mm, each array of shape (197, 233, 189), the x axis from left to right."""

    t1w: np.ndarray  # float32 in [0, 1], zero outside the brain
    csf: np.ndarray  # float32, share of cerebrospinal fluid
    brain: np.ndarray  # bool
    ventricles: np.ndarray  # bool
    open: np.ndarray  # bool, where a lesion may grow
    cost: np.ndarray  # float32, how slowly a lesion grows, 1 in plain tissue
    affine: np.ndarray  # (4, 4), voxel -> mm

    def voxel(self, mm):
        """Voxel indices (int) nearest to a point in mm."""
        return np.rint(np.asarray(mm) - self.affine[:3, 3]).astype(int)


@lru_cache(maxsize=1)
def load_anatomy():
    """The template's tissues, and the barriers that a lesion meets.

    Source: the ICBM 2009 symmetric MNI152 template that nilearn brings along.
    """
    from nilearn import datasets
    from scipy import ndimage

    load = {
        name: getattr(datasets, f"load_mni152_{name}")(resolution=1)
        for name in ("template", "gm_template", "wm_template", "brain_mask")
    }
    t1w, grey, white = (
        load[n].get_fdata(dtype=np.float32) for n in ("template", "gm_template", "wm_template")
    )
    brain = np.asarray(load["brain_mask"].dataobj) > 0
    affine = load["template"].affine
    csf = np.where(brain, np.clip(1 - grey - white, 0, 1), 0).astype(np.float32)

    inner = ndimage.binary_erosion(brain, iterations=8)
    pieces, count = ndimage.label((csf > 0.5) & inner)
    sizes = ndimage.sum_labels(pieces > 0, pieces, range(1, count + 1))
    ventricles = np.isin(pieces, 1 + np.flatnonzero(sizes > 300))

    x, y, z = (np.arange(n) + affine[i, 3] for i, n in enumerate(t1w.shape))
    x, y, z = np.meshgrid(x, y, z, indexing="ij", sparse=True)
    # Two hemispheres meet at the falx; only the corpus callosum, the thalami and what lies below the
    # tentorium go across. The callosum is crossed slowly, so lesions seldom do.
    midline = (np.abs(x) <= 1) & (z > -12)
    falx = midline & ((white < 0.5) | (y < -50))
    open_ = brain & (csf < 0.6) & ~ventricles & ~falx
    cost = 1 + 6 * csf + 8 * midline
    return Anatomy(t1w, csf, brain, ventricles, open_, cost.astype(np.float32), affine)


@dataclass(frozen=True)
class Head:
    """One subject's anatomy, in a box of the template's grid; the arrays have the shape of the box."""

    box: tuple[slice, slice, slice]
    template: np.ndarray  # float32 in [0, 1], the deformed template, zero outside the brain
    csf: np.ndarray  # float32, share of cerebrospinal fluid
    brain: np.ndarray  # bool
    components: list[np.ndarray]  # bool, one lesion component each
    age: float  # 0 young to 1 old: width of ventricles and sulci


def make_head(components, rng, anatomy):
    """Deform the template, and a lesion on it, into one subject's head.

    The lesion follows the subject's own deformation, but not the pull that it exerts on its surroundings: the
    nearby ventricle and sulci widen towards it (ex vacuo).

    Parameters
    ----------
    components : list of bool (197, 233, 189)
        The lesion on the template.
    rng : numpy.random.Generator
    anatomy : Anatomy

    Returns
    -------
    Head
    """
    age = float(rng.beta(2, 2.5))
    box = bounding_box(anatomy.brain, margin=8)
    own = random_displacement(rng, box) + ventricle_displacement(age, anatomy)
    pulled = own + ex_vacuo_displacement(components, box, anatomy)
    own, pulled = (refine(field, COARSE, size_of(box)) for field in (own, pulled))
    brain = _sample(anatomy.brain, pulled, box, np.ones(pulled.shape[1:], bool), order=0) > 0
    template = _sample(anatomy.t1w, pulled, box, brain)
    csf = _sample(anatomy.csf, pulled, box, brain)
    moved = [sample_lesion(mask, own, box) & brain & (csf < 0.9) for mask in components]
    return Head(box, template, csf, brain, [mask for mask in moved if mask.any()], age)


def size_of(box):
    """Voxels of a box along each axis."""
    return tuple(b.stop - b.start for b in box)


def random_displacement(rng, box):
    """The subject's own shape: smooth random displacements in mm, (3, *coarse shape), at two scales."""
    from scipy import ndimage

    total = 0
    for sigma_mm, amplitude in ((30, 2.6), (12, 0.9)):
        for_axes = []
        for _ in range(3):
            noise = rng.standard_normal(nodes_of(size_of(box), COARSE), dtype=np.float32)
            field = ndimage.gaussian_filter(noise, sigma_mm / COARSE)
            for_axes.append(amplitude * field / field.std())
        total = total + np.stack(for_axes)
    return total


@lru_cache(maxsize=4)
def _towards_ventricles(anatomy, sigma_mm):
    """Vectors towards the ventricles, at most 1 long, from about 2 `sigma_mm` around: (3, *coarse shape)."""
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(anatomy.ventricles.astype(np.float32), sigma_mm)
    return _unit_gradient(_to_coarse(smooth, bounding_box(anatomy.brain, margin=8)))


def ventricle_displacement(age, anatomy):
    """Wider ventricles with age: each point is looked up nearer to them than it lies, by up to 3.5 mm."""
    return 3.5 * age * _towards_ventricles(anatomy, 6)


def ex_vacuo_displacement(components, box, anatomy):
    """What a lost piece of brain does to its surroundings; it grows with the lesion's volume.

    Ventricles near the lesion widen, and the tissue around the lesion is drawn towards it.
    """
    from scipy import ndimage

    lesion = np.any(components, axis=0)
    radius = (3 * lesion.sum() / (4 * np.pi)) ** (1 / 3)
    density = _to_coarse(ndimage.uniform_filter(lesion.astype(np.float32), COARSE), box)
    nearby = ndimage.gaussian_filter(density, 18 / COARSE)
    widening = min(8.0, 0.4 * radius) * nearby / nearby.max() * _towards_ventricles(anatomy, 10)
    pull = min(3.0, 0.15 * radius) * _unit_gradient(ndimage.gaussian_filter(density, 10 / COARSE))
    return widening - pull


def _to_coarse(volume, box):
    """Every fourth voxel of a box, padded to the coarse grid by repeating the edge."""
    low = [b.start for b in box]
    at = [
        np.minimum(start + COARSE * np.arange(n), size - 1)
        for start, n, size in zip(low, nodes_of(size_of(box), COARSE), volume.shape, strict=True)
    ]
    return volume[np.ix_(*at)]


def _unit_gradient(field):
    """Gradient of a coarse field, scaled so that its longest vector has length 1: (3, *coarse shape)."""
    gradient = np.stack(np.gradient(field))
    longest = np.sqrt((gradient**2).sum(axis=0)).max()
    return gradient / max(float(longest), 1e-9)


def _sample(volume, displacement, box, where, order=1):
    """Look a volume up at displaced voxels: value at x = volume at x + displacement(x).

    Parameters
    ----------
    volume : (197, 233, 189)
    displacement : float32 (3, *box shape), voxels
    box : slices
    where : bool, box shape
        Voxels to look up; the others get 0.

    Returns
    -------
    float32, box shape
    """
    from scipy import ndimage

    at = [grid + d[where] for grid, d in zip(np.nonzero(where), displacement, strict=True)]
    at = np.stack([a + np.float32(b.start) for a, b in zip(at, box, strict=True)]).astype(np.float32)
    out = np.zeros(where.shape, np.float32)
    # "nearest": the template is cut at the lowest slice, and must not fade out there.
    out[where] = ndimage.map_coordinates(volume, at, output=np.float32, order=order, mode="nearest")
    return out


def sample_lesion(mask, displacement, box):
    """`_sample` of a mask, only where it can come to lie: bool, box shape."""
    near = bounding_box(mask, margin=20)
    near = tuple(slice(max(n.start, b.start), min(n.stop, b.stop)) for n, b in zip(near, box, strict=True))
    inside = tuple(slice(n.start - b.start, n.stop - b.start) for n, b in zip(near, box, strict=True))
    everywhere = np.ones([n.stop - n.start for n in near], bool)
    out = np.zeros([b.stop - b.start for b in box], bool)
    out[inside] = (
        _sample(mask.astype(np.float32), displacement[(slice(None), *inside)], near, everywhere) > 0.5
    )
    return out


def scan_head(head, site, rng):
    """Take a T1w image of a head: tissue contrast, lesion, bias field, resolution and noise of a site.

    Returns
    -------
    float32 (197, 233, 189)
        In [-0.0003, 100.0001], the range of ATLAS's own files; zero outside the brain but for one voxel.
    """
    from scipy import ndimage

    csf_value, grey, white = np.array([site.csf, site.grey, site.white]) * (1 + 0.03 * rng.normal(size=3))
    # The template's own intensities of the three tissues: 0.28, 0.655 and 0.87.
    image = np.interp(head.template, [0, 0.28, 0.655, 0.87, 1], [0, csf_value, grey, white, 1.06 * white])
    image = image.astype(np.float32)
    # Narrower gyri with age: fluid takes a larger share of each voxel that has some.
    image += np.clip(1.3 * head.age * head.csf, 0, 1 - head.csf) * (csf_value - image)
    _add_lesion(image, head.components, csf_value, grey, rng)
    image *= np.exp(site.bias * _bias_field(rng, head.box))
    image += rng.normal(0, site.noise, image.shape).astype(np.float32) * head.brain
    image = ndimage.gaussian_filter(image, site.blur) * head.brain
    volume = np.zeros(GRID, np.float32)
    volume[head.box] = np.round(np.clip(image, 0, 100) / QUANTUM) * QUANTUM
    volume[np.unravel_index(volume.argmax(), volume.shape)] = 100.0001
    volume[0, 0, 0] = -0.0003
    return volume


def _add_lesion(image, components, csf_value, grey, rng):
    """Darken the lesion in place: a core near cerebrospinal fluid, a rim nearer to tissue."""
    from scipy import ndimage

    lesion = np.any(components, axis=0)
    near = bounding_box(lesion, margin=6)
    lesion = lesion[near]
    depth = ndimage.distance_transform_edt(lesion)
    # Chronic lesions are part cavity, part scarred tissue: patches and strands of it remain in the core.
    patchy = 0.16 * random_field(rng, lesion.shape, 5) + 0.08 * random_field(rng, lesion.shape, 1.5)
    most = rng.uniform(0.8, 1.0)
    loss = most * np.clip(0.3 + 0.65 * (1 - np.exp(-depth / 2.5)) + patchy, 0.2, 1) * lesion
    loss = ndimage.gaussian_filter(loss.astype(np.float32), 0.9)
    core = csf_value + 0.1 * (grey - csf_value)
    image[near] += loss * np.minimum(0, core - image[near])


def _bias_field(rng, box):
    """A very smooth random field of standard deviation 1: the uneven sensitivity of a coil."""
    from scipy import ndimage

    field = ndimage.gaussian_filter(rng.standard_normal(nodes_of(size_of(box), COARSE)), 40 / COARSE)
    return refine((field - field.mean()) / field.std(), COARSE, size_of(box))


def random_field(rng, shape, sigma):
    """Gaussian-filtered white noise of standard deviation 1; `sigma`, in voxels, is at least 1."""
    from scipy import ndimage

    step = int(sigma)  # drawn on a coarser grid, for speed
    coarse = [n // step + 3 for n in shape]
    field = ndimage.gaussian_filter(rng.standard_normal(coarse, dtype=np.float32), sigma / step)
    field /= field.std()
    return ndimage.zoom(field, step, order=1)[tuple(slice(n) for n in shape)]
