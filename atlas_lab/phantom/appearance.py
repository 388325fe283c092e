"""What a T1w image shows of a subject's brain: tissues, and a chronic lesion in them."""

from dataclasses import asdict, dataclass

import numpy as np

from atlas_lab.grid import bounding_box
from atlas_lab.phantom.fields import smooth_noise, step_up

__all__ = [
    "CAVITY_DEPTH", "CORE_ML", "PALE_CORE", "CavityLook", "Contrast", "core_aim", "draw_contrast", "draw_look",
    "paint_lesion", "paint_tissue",
]

LEVELS = (0, 0.28, 0.655, 0.87, 1)  # in the template: nothing, fluid, grey and white matter, its brightest
PALE_CORE = 0.31  # version 1's, at any size

# (core - fluid) / (white matter - fluid) of the core, by the component's volume in ml: how often a lesion has turned
# into a cavity, and how dark cavities and scars then are. Of small subcortical infarcts 61 % become cavities (2015, doi
# 10.3389/fneur.2015.00118), and over 90 % show some cavity in fine T1w images (Gattringer et al. 2019, doi
# 10.1007/s12975-019-00741-8). That larger ones nearly all do, and the depths, are assumptions.
CORE_ML = (0.5, 2, 10, 50, 200)
CAVITY_SHARE = (0.61, 0.7, 0.8, 0.9, 0.96)
CAVITY_DEPTH = (0.28, 0.25, 0.17, 0.10, 0.06)
SCAR_DEPTH = (0.62, 0.55, 0.45, 0.38, 0.32)


@dataclass(frozen=True)
class Contrast:
    """Intensities of fluid, grey and white matter in one subject at one scanner."""

    csf: float
    grey: float
    white: float


def draw_contrast(scanner, rng):
    """A subject's own intensities: within 3 % (SD) of the scanner's."""
    return Contrast(*(float(v) for v in np.array([scanner.csf, scanner.grey, scanner.white]) * rng.normal(1, 0.03, 3)))


def paint_tissue(subject, contrast):
    """The brain before any lesion: float32, shape of the subject's box, fluid outside of the brain."""
    values = [contrast.csf, contrast.csf, contrast.grey, contrast.white, 1.06 * contrast.white]
    table = np.interp(np.linspace(0, 1, 4096), LEVELS, values).astype(np.float32)
    image = table[np.clip(subject.t1w * 4095, 0, 4095).astype(np.int16)]
    image += subject.added * (np.float32(contrast.csf) - image)
    return image


@dataclass(frozen=True)
class CavityLook:
    """How one lesion component looks, years after the stroke."""

    core: float  # aimed (core - fluid) / (white matter - fluid)
    edge: float  # the same at its edge
    rim_mm: float  # over which edge turns to core
    strands: float  # how much tissue the strands through the core hold
    islands: float  # level of a random field above which tissue is left
    bright: float  # brightness of a rim of laminar necrosis, 0 for most
    ribbon: float  # how much of the cortex's outer layer is left, 0 for most
    gliosis: float  # darkening of the white matter around
    gliosis_mm: float


def core_aim(ml):
    """Share of cavities, and the core depth of cavities and of scars, that are aimed at for a volume in ml."""
    x = np.log(np.clip(ml, CORE_ML[0], CORE_ML[-1]))
    return tuple(float(np.interp(x, np.log(CORE_ML), row)) for row in (CAVITY_SHARE, CAVITY_DEPTH, SCAR_DEPTH))


def draw_look(ml, fate, rng, dark_cores=True):
    """Draw how a component of a volume looks. Without `dark_cores` its core is as pale as version 1's at any size.

    `fate` in [0, 1) is the subject's: small makes cavities. Six in ten components share it.
    """
    share, cavity, scar = core_aim(ml)
    shared, own = rng.random(2)
    is_cavity = (fate if shared < 0.6 else own) < share
    spread = float(np.exp(0.22 * rng.normal()))
    core = float(np.clip((cavity if is_cavity else scar) * spread, 0.02, 0.75))
    small = ml < 1.5
    look = CavityLook(
        core=core,
        edge=float(rng.uniform(0.62, 0.85)),
        rim_mm=float(rng.uniform(0.6, 1.1) if small else rng.uniform(1.0, 2.6)),
        strands=float(rng.uniform(0.1, 0.5)) * (ml > 3),
        islands=float(rng.uniform(1.1, 2.2)),
        bright=float(rng.uniform(0.3, 1.0)) * (rng.random() < 0.18),
        ribbon=float(rng.uniform(0.4, 0.9)) * (rng.random() < 0.45),
        gliosis=float(rng.uniform(0.04, 0.22)),
        gliosis_mm=float(rng.uniform(1.5, 4.5)),
    )
    return look if dark_cores else CavityLook(**asdict(look) | {"core": PALE_CORE})


def paint_lesion(image, component, subject, look, contrast, rng):
    """Darken one component in place: cavity or scar, its rim, strands and islands, and gliosis around it.

    `image` and `component` (bool) have the shape of the subject's box.
    """
    from scipy import ndimage

    near = bounding_box(component, margin=12)
    lesion, tissue = component[near], image[near]
    fluid, span = np.float32(contrast.csf), np.float32(contrast.white - contrast.csf)
    depth = ndimage.distance_transform_edt(lesion).astype(np.float32)
    outside = ndimage.distance_transform_edt(~lesion).astype(np.float32)
    kept = _kept_inside(depth, look, rng)
    white = step_up(subject.t1w[near], 0.74, 0.82)
    kept = np.where(lesion, kept, 1 - look.gliosis * np.exp(-outside / look.gliosis_mm) * white * (outside < 10))
    kept = ndimage.gaussian_filter(kept.astype(np.float32), 0.55)
    # In the lesion what is left is a share of white matter's signal; it never brightens what was darker.
    share = ndimage.gaussian_filter(lesion.astype(np.float32), 0.7)
    inside = np.minimum(tissue, fluid + kept * span)
    around = fluid + kept * (tissue - fluid)
    painted = share * inside + (1 - share) * around
    cortex = subject.t1w[near]
    cortex = step_up(cortex, 0.5, 0.6) * (1 - step_up(cortex, 0.7, 0.78))
    edge = np.exp(-((depth - outside - 0.5) ** 2) / 4.5)
    if look.ribbon:
        outer = cortex * step_up(subject.csf[near], 0.12, 0.3) * lesion * look.ribbon
        painted += ndimage.gaussian_filter(outer, 0.6) * np.maximum(0, 0.95 * tissue - painted)
    if look.bright:
        patches = step_up(smooth_noise(rng, lesion.shape, 4), 0.1, 0.8)
        painted += look.bright * edge * patches * (0.35 + 0.65 * cortex) * np.maximum(0, fluid + 1.04 * span - painted)
    image[near] = painted


def _kept_inside(depth, look, rng):
    """Share of white matter's signal that is left at each depth (mm) inside a component."""
    rim = min(look.rim_mm, 0.35 * float(depth.max()))
    wavy = depth * np.exp(0.35 * smooth_noise(rng, depth.shape, 4))
    kept = look.core + max(0.0, look.edge - look.core) * np.exp(-np.maximum(0, wavy - 0.7) / rim)
    if look.strands:
        sheets = np.exp(-((smooth_noise(rng, depth.shape, 3) / 0.16) ** 2))
        kept += look.strands * sheets * step_up(smooth_noise(rng, depth.shape, 7), -0.3, 0.8)
    left = step_up(smooth_noise(rng, depth.shape, 5), look.islands, look.islands + 0.7)
    kept += 0.55 * left * (1 - kept)
    return np.clip(kept, 0, 1.0)
