"""Stroke lesions for the embedded cohort: where they lie, how large they are, and how they grow.

Places, sides, volumes and counts follow 1,449 manual masks of acute stroke (SOOP, OpenNeuro ds004889) warped
to MNI152 at 1 mm; volumes are scaled down, because chronic lesions, as in ATLAS, are smaller than acute ones.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from atlas_lab.grid import bounding_box
from atlas_lab.metrics import SMALLEST_LESION_ML
from atlas_lab.phantom.anatomy import load_anatomy, random_field
from atlas_lab.phantom.streams import SubjectStream

__all__ = ["TERRITORIES", "LesionPlan", "Territory", "grow_lesion", "left_share", "plan_lesion", "radius_mm"]

# Total lesion volume per person in acute stroke, ml, by percentile; the two ends are rounded.
PERCENTILES = (0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100)
ACUTE_ML = (0.05, 0.05, 0.3, 0.55, 2.0, 12.7, 52, 123, 197, 370, 420)
CHRONIC_SHARE = 0.55  # chronic against acute volume: brings the median to 7 ml, in ATLAS's range
SMALLEST = 0.07  # ml, of the whole lesion
# Shares of lesions with one to four components; the rest have more. Fewer single ones than the 40 % in the statistics,
# because small lesions have no room for the number drawn; and of lesions that a rater traces fewer still, because the
# smallest of many are missed. Nor does a rater draw all of a small one: it's made this many times the size that counts.
COUNTS, TRUE_COUNTS = (0.36, 0.22, 0.13, 0.09), (0.31, 0.19, 0.13, 0.10)
SMALLEST_TRACED = 2.0


class Territory(NamedTuple):
    """An arterial territory, left and right merged. Lengths in mm (MNI), `x` stands for |x|."""

    name: str
    share: float  # of all lesions
    centroid: tuple[float, float, float]
    sd: tuple[float, float, float]
    median_ml: float  # of the largest component
    log_sd: float  # of ln(ml)
    left: float  # share in the left hemisphere
    place: str  # cortical, subcortical, brainstem or cerebellum


# SOOP, OpenNeuro ds004889: the territory that holds most of the largest component.
TERRITORIES = [
    Territory("anterior cerebral", 0.078, (16, -7, 45), (8, 28, 17), 4.8, 2.44, 0.41, "cortical"),
    Territory("lateral lenticulostriate", 0.150, (24, -4, 10), (4, 8, 7), 2.6, 1.47, 0.49, "subcortical"),
    Territory("MCA frontal", 0.265, (39, 3, 26), (8, 14, 15), 26, 2.23, 0.54, "cortical"),
    Territory("MCA parietal", 0.127, (42, -36, 34), (8, 15, 11), 24, 1.99, 0.47, "cortical"),
    Territory("MCA temporal", 0.071, (48, -27, 3), (7, 17, 12), 43, 1.89, 0.54, "cortical"),
    Territory("MCA occipital", 0.018, (36, -75, 19), (6, 9, 8), 20, 1.42, 0.69, "cortical"),
    Territory("MCA insular", 0.019, (37, -2, 2), (3, 8, 8), 3.1, 1.55, 0.64, "cortical"),
    Territory("PCA temporal", 0.004, (32, -40, -14), (3, 10, 3), 15, 0.91, 1.00, "cortical"),
    Territory("PCA occipital", 0.088, (19, -71, 5), (8, 14, 12), 28, 1.50, 0.47, "cortical"),
    Territory("posterior choroidal, thalamic", 0.042, (12, -17, 1), (7, 5, 7), 1.0, 1.22, 0.44, "subcortical"),
    Territory("anterior choroidal", 0.003, (30, -31, -8), (2, 3, 4), 4.0, 1.25, 0.60, "subcortical"),
    Territory("basilar", 0.039, (6, -27, -33), (4, 7, 7), 0.85, 1.19, 0.47, "brainstem"),
    Territory("superior cerebellar", 0.028, (19, -56, -25), (9, 8, 5), 9.3, 1.81, 0.41, "cerebellum"),
    Territory("inferior cerebellar", 0.064, (22, -69, -38), (10, 9, 5), 9.2, 2.08, 0.43, "cerebellum"),
]


@dataclass(frozen=True)
class LesionPlan:
    """What one subject's lesion is aimed at: `volumes_ml` per component, the first in `territory`."""

    territory: Territory
    side: str  # "left" or "right"
    volumes_ml: tuple[float, ...]

    @property
    def total_ml(self):
        return float(sum(self.volumes_ml))

    def describe(self):
        """The plan as plain values."""
        return {
            "territory": self.territory.name,
            "side": self.side,
            "volume_ml": round(self.total_ml, 3),
            "components": len(self.volumes_ml),
            "place": self.territory.place,
        }


def plan_lesion(seed, index, traced=False):
    """Draw territory, side, total volume and number of components of subject `index`.

    The volume comes first, from the percentiles above, then the territory given the volume. The draws of
    successive subjects are a low-discrepancy sequence (irrational steps modulo 1, from a start set by the
    seed): a cohort of any size covers volumes, territories, sides and counts evenly, and still no subject
    depends on how many others there are. A lesion that is to be `traced` has more and larger components than the
    statistics, which count what raters drew.

    Returns
    -------
    LesionPlan
    """
    from scipy.special import ndtri

    start = np.random.default_rng([seed, SubjectStream.EVEN_COVER]).random(4)
    step = np.array([(1 + 5**0.5) / 2, 3**0.5, 2**0.5, 19**0.5])  # far from simple fractions: no short cycles
    u = (start + index * step) % 1
    rng = np.random.default_rng([seed, index, SubjectStream.LESION_PLAN])

    acute = float(np.exp(np.interp(100 * u[0], PERCENTILES, np.log(ACUTE_ML))))
    total = max(SMALLEST, CHRONIC_SHARE * acute)
    territory = _pick_territory(u[1], acute)
    side = "left" if u[2] < territory.left else "right"
    z = ndtri(np.clip(u[3], 1e-4, 1 - 1e-4))
    smallest = (SMALLEST_TRACED if traced else 1.3) * SMALLEST_LESION_ML
    count = _draw_count(rng, z, total, TRUE_COUNTS if traced else COUNTS)
    return LesionPlan(territory, side, _split_volume(rng, total, count, smallest))


def _pick_territory(u, acute_ml):
    """The territory at place `u` in [0, 1) among lesions of a volume: share times density of volume."""
    distance = [np.log(acute_ml / t.median_ml) / t.log_sd for t in TERRITORIES]
    weights = [t.share / t.log_sd * np.exp(-0.5 * d * d) for t, d in zip(TERRITORIES, distance, strict=True)]
    edges = np.cumsum(weights)
    return TERRITORIES[int(np.searchsorted(edges, u * edges[-1], side="right"))]


def _draw_count(rng, z, total_ml, shares):
    """Number of components of at least 0.1 ml; larger lesions have more of them (rank correlation about 0.3).

    `z` is a standard normal draw: the subject's place among lesions of the same volume.
    """
    from scipy.special import ndtr

    z_volume = (np.log(total_ml) - 1.7) / 2.0
    place = ndtr(0.35 * z_volume + 0.94 * z)
    count = 1 + int(np.searchsorted(np.cumsum(shares), place))
    if count == 5:
        count += min(7, int(rng.geometric(0.3)) - 1)
    return max(1, min(count, int(total_ml / (1.4 * SMALLEST_LESION_ML))))


def _split_volume(rng, total_ml, count, smallest_ml):
    """Share a volume among `count` components, the largest first, none below `smallest_ml` if there is enough.

    The largest takes more of a large lesion (in the median, 90 % above 20 ml) than of a small one (55 %).
    """
    shares = np.sort(np.exp((0.9 + 0.45 * np.log1p(total_ml)) * rng.normal(size=count)))[::-1]
    smallest = min(smallest_ml, total_ml / count)
    volumes = smallest + (total_ml - count * smallest) * shares / shares.sum()
    return tuple(float(v) for v in volumes)


def grow_lesion(plan, seed, index, anatomy=None):
    """Grow the planned components one after the other through the template's tissue.

    Returns
    -------
    list of bool (197, 233, 189)
        One mask per component, in the template's space, the largest first. Components don't touch.
    """
    from scipy import ndimage

    anatomy = anatomy or load_anatomy()
    rng = np.random.default_rng([seed, index, SubjectStream.LESION_GROWTH])
    free, taken = anatomy.open.copy(), np.zeros(anatomy.open.shape, bool)
    components, first = [], None
    for number, volume in enumerate(plan.volumes_ml):
        start = _choose_start(rng, plan, number, first, free, taken, anatomy)
        first = start if first is None else first
        mask = _grow_component(rng, plan, start, volume, free, anatomy)
        components.append(mask)
        box = bounding_box(mask, margin=6)
        taken[box] |= mask[box]
        free[box] &= ~ndimage.binary_dilation(mask[box], iterations=4)
    return components


def _choose_start(rng, plan, number, first, free, taken, anatomy):
    """A voxel where a component starts: the first in its territory, later ones near it or on the same side.

    Of later components, one in six lies in the other hemisphere, and their median distance from the first
    one's rim is about 20 mm, as in the masks of the statistics.
    """
    territory = plan.territory
    sign = -1 if plan.side == "left" else 1
    centre, spread = np.array(territory.centroid, float), 0.8 * np.array(territory.sd)
    where = rng.random()
    if first is not None and where < 0.5:
        centre = anatomy.affine[:3, 3] + first
        centre[0] *= sign
        spread = np.full(3, 14 + radius_mm(plan.volumes_ml[0]) / 3)
    elif first is not None:
        spread = 2.5 * spread
        sign = -sign if where > 0.83 else sign
    radius = radius_mm(plan.volumes_ml[number])
    for attempt in range(500):
        mm = rng.normal(centre, spread)
        voxel = anatomy.voxel(mm * (sign, 1, 1))
        inside = (voxel >= 0).all() and (voxel < free.shape).all()
        if inside and mm[0] > -3 and free[tuple(voxel)]:
            # Room for the whole component at first, for less of it after many attempts.
            room = int((radius + 4) * (1 - attempt / 500))
            if not taken[tuple(slice(max(0, v - room), v + room + 1) for v in voxel)].any():
                return voxel
    candidates = np.argwhere(free)
    return candidates[((candidates - anatomy.voxel(centre * (sign, 1, 1))) ** 2).sum(axis=1).argmin()]


def radius_mm(volume_ml):
    """Radius of the sphere of a volume."""
    return (3000 * volume_ml / (4 * np.pi)) ** (1 / 3)


def _grow_component(rng, plan, start, volume_ml, free, anatomy):
    """One component: the voxels that a slow, uneven front reaches first from `start`.

    The front's speed varies from place to place (a random field), it is anisotropic, it is slow in sulci and
    far from the territory, and it stops at ventricles and falx.

    Returns
    -------
    bool (197, 233, 189)
    """
    from scipy import ndimage

    target, radius = max(1, round(volume_ml * 1000)), radius_mm(volume_ml)
    stride = 1 if radius < 8 else 2
    box, shape = _growth_box(start, 2.3 * radius + 8, stride, free.shape)
    origin = np.array([b.start for b in box])
    free_here = free[box]
    speed = random_field(rng, shape, 2.5 + radius / 6)
    cost = anatomy.cost[box] * np.exp(0.7 * speed) * _territory_cost(plan, radius, box, anatomy)
    coarse = tuple(slice(None, None, stride) for _ in range(3))
    stretch = np.exp(rng.normal(0, 0.2, 3))
    time = _arrival_time(cost[coarse], free_here[coarse], (start - origin) / stride, stride * stretch)
    time = ndimage.zoom(time, np.array(shape) / time.shape, order=1) if stride > 1 else time
    # Fine unevenness of the rim; the front needs rim / radius per mm.
    last = min(target, int(free_here.sum())) - 1
    rim = np.partition(time[free_here], last)[last]
    roughness = 0.65 + 0.07 * min(radius, 20)  # mm; larger lesions are more ragged
    time = time + roughness * rim / radius * random_field(rng, shape, 1.3)
    mask = np.zeros(free.shape, bool)
    mask[box] = _first_reached(time, free_here, tuple(start - origin), target)
    return mask


def _growth_box(start, half, stride, shape):
    """Slices of a box around `start`, with even starts, so that stride 2 meets the falx."""
    low = np.maximum(0, (start - half).astype(int) // 2 * 2)
    high = np.minimum(np.array(shape) - 1, (start + half).astype(int))
    high = low + (high - low) // stride * stride
    box = tuple(slice(a, b + 1) for a, b in zip(low.tolist(), high.tolist(), strict=True))
    return box, tuple((high - low + 1).tolist())


def _territory_cost(plan, radius, box, anatomy):
    """How much slower the front is away from the territory's centroid: 1 inside, growing with distance."""
    sign = -1 if plan.side == "left" else 1
    cost = np.ones((1, 1, 1), np.float32)
    for axis in range(3):
        mm = np.arange(box[axis].start, box[axis].stop) + anatomy.affine[axis, 3]
        centre = plan.territory.centroid[axis] * (sign if axis == 0 else 1)
        reach = 1.5 * plan.territory.sd[axis] + radius
        cost = cost + ((mm - centre) / reach).reshape([-1 if a == axis else 1 for a in range(3)]) ** 2
    return cost


def _arrival_time(cost, free, start, spacing):
    """Time at which a front from voxel `start` reaches each voxel of a box (Dijkstra, 26 neighbours).

    Closed voxels get the time of the nearest open one, so that times can be interpolated.
    """
    from scipy import ndimage, sparse

    start = tuple(np.clip(np.rint(start).astype(int), 0, np.array(free.shape) - 1))
    free = free.copy()
    free[start] = True
    node = np.full(free.shape, -1, np.int32)
    node[free] = np.arange(free.sum())
    rows, columns, weights = [], [], []
    for step in np.ndindex(3, 3, 3):
        step = np.array(step) - 1
        if tuple(step) <= (0, 0, 0):
            continue  # each pair of neighbours once
        here = tuple(slice(max(0, -s), min(n, n - s)) for s, n in zip(step, free.shape, strict=True))
        there = tuple(slice(max(0, s), min(n, n + s)) for s, n in zip(step, free.shape, strict=True))
        both = free[here] & free[there]
        rows.append(node[here][both])
        columns.append(node[there][both])
        weights.append(np.linalg.norm(step * spacing) * 0.5 * (cost[here][both] + cost[there][both]))
    size = int(free.sum())
    edges = np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))
    graph = sparse.coo_array(edges, shape=(size, size))
    found = sparse.csgraph.dijkstra(graph.tocsr(), directed=False, indices=int(node[start]))
    time = np.full(free.shape, np.inf)
    time[free] = found
    nearest = ndimage.distance_transform_edt(~np.isfinite(time), return_distances=False, return_indices=True)
    return time[tuple(nearest)]


def _first_reached(time, free, start, target):
    """The `target` voxels reached first, all connected to `start`: bool, shape of `time`."""
    from scipy import ndimage

    time = np.where(free, time, np.inf)
    time[start] = -np.inf
    ordered = np.sort(time[free])
    rank = min(target, ordered.size) - 1
    for _ in range(6):
        pieces, _ = ndimage.label(time <= ordered[rank])
        mask = pieces == pieces[start]
        short = target - int(mask.sum())
        if short <= 0.02 * target:
            break
        # Islands ahead of the front don't count, so the front has to go further by as many voxels.
        rank = min(rank + short, ordered.size - 1)
    return mask


def left_share(components, middle):
    """Share of a lesion's voxels that lies left of the x index `middle`."""
    by_x = np.sum([mask.sum(axis=(1, 2)) for mask in components], axis=0)
    return float(by_x[:middle].sum() / by_x.sum())
