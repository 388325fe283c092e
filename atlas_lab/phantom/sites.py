"""The nine scanners of the cohort: their share of the subjects, and what each does to an image."""

from functools import lru_cache
from typing import NamedTuple

__all__ = ["SCANNERS", "SHARES", "SITE_NAMES", "Scanner", "is_repeated", "site_of"]

# Patients per site in ATLAS R1.1 (Liew et al. 2018): 220, of whom nine, all at Site8, were scanned twice.
SHARES = (55, 34, 27, 12, 27, 14, 11, 26, 14)
REPEATING, REPEAT_EVERY = 7, 3  # every third subject of Site8 has a second scan

SITE_NAMES = {
    "R1.1": tuple(f"Site{n}" for n in range(1, 10)),
    "R1.2": tuple(f"c{n:04d}" for n in range(3, 12)),
    **{layout: tuple(f"R{n:03d}" for n in range(1, 10)) for layout in ("R2.0", "R2.1", "R2.1 raw")},
}


class Scanner(NamedTuple):
    """Intensities of tissues on a scale to 100, and the image's faults. The values are assumptions: they span what
    3 T and 1.5 T scanners, magnetisation-prepared and plain gradient echo, thin and thick slices give."""

    csf: float
    grey: float
    white: float
    fat: float
    muscle: float
    marrow: float
    noise: float  # standard deviation before smoothing
    blur: tuple[float, float, float]  # Gaussian sigma in mm along x, y, z
    bias: float  # standard deviation of the log of the coil's random unevenness
    shade: float  # log of the coil's fixed unevenness, from the middle to the surface
    floor: float  # mm (MNI), mean height below which nothing was scanned
    face: str  # how faces are removed: "planes" or "curved"


SCANNERS = (
    Scanner(13, 43, 62, 84, 38, 46, 4.0, (0.45, 0.45, 0.45), 0.04, 0.04, -90, "curved"),  # 3 T, sharp
    Scanner(19, 45, 60, 95, 40, 60, 6.5, (0.5, 0.5, 1.1), 0.07, 0.00, -70, "planes"),  # thick axial slices
    Scanner(22, 50, 62, 88, 46, 42, 11.0, (0.7, 0.7, 0.7), 0.10, 0.05, -90, "curved"),  # 1.5 T, noisy, flat contrast
    Scanner(10, 38, 60, 70, 30, 30, 5.0, (0.5, 0.5, 0.5), 0.06, 0.14, -90, "planes"),  # 3 T, strong contrast
    Scanner(17, 46, 64, 96, 42, 66, 6.0, (0.9, 0.5, 0.5), 0.05, 0.02, -80, "curved"),  # thick sagittal slices
    Scanner(26, 49, 58, 90, 48, 55, 8.0, (0.6, 1.1, 0.6), 0.12, -0.06, -66, "planes"),  # thick coronal slices
    Scanner(14, 41, 66, 76, 34, 36, 9.0, (0.4, 0.4, 0.4), 0.05, 0.18, -90, "curved"),  # noisy middle, bright surface
    Scanner(16, 44, 61, 92, 40, 50, 5.0, (0.6, 0.6, 0.6), 0.06, 0.03, -78, "planes"),
    Scanner(21, 52, 70, 82, 50, 44, 12.0, (0.8, 0.8, 1.3), 0.15, 0.00, -90, "curved"),  # old, noisy, uneven
)


@lru_cache(maxsize=1)
def _order():
    """Sites of 220 subjects, each the one that is furthest behind its share: every start of it is balanced."""
    order, total = [], sum(SHARES)
    for n in range(1, total + 1):
        behind = [share * n / total - order.count(site) for site, share in enumerate(SHARES)]
        order.append(behind.index(max(behind)))
    return tuple(order)


def site_of(index):
    """The site, 0 to 8, of subject `index`; it depends on nothing else."""
    return _order()[index % sum(SHARES)]


def is_repeated(index):
    """True if subject `index` was scanned twice: every third one of Site8."""
    order, place = _order(), index % sum(SHARES)
    return order[place] == REPEATING and order[:place].count(REPEATING) % REPEAT_EVERY == 0
