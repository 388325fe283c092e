"""Whether scans in MNI space are let in, scans elsewhere are refused, and how near to its place a registered one comes.

Run: python benchmarks/registration.py COHORT [--moved 20] [--lying 40], on a synthetic cohort in layout R1.1 (atlas-lab
cohort --out DIR --subjects 80). Prints a table.

Moved: scans are turned by 10 to 30 degrees, shifted by 15 to 40 mm, stretched by 0.9 to 1.1 and stored at 1 and 2 mm,
LAS and oblique; the error is the distance between where the registration and where the truth takes points of the
brain. What is the truth? The move is known, but not all of it: each subject has a shape of its own, which no affine
undoes, but whose affine part a registration takes for a shift, a turn and a stretch, rightly. In version 1 of the
phantom that part is computed from the displacements that made the subject; for other cohorts it is what registration
finds on the scan that was not moved, so that the error tells how well the move alone is undone.

Lying: scans from the two largest sites as they are, in MNI space, and with a lesion of 200 ml.
"""

import argparse
import json
import sys
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from atlas_lab.data.placement import displacement, measure_placement
from atlas_lab.data.registration import register
from atlas_lab.data.scans import find_scans, load_scan
from atlas_lab.grid import AFFINE
from atlas_lab.phantom.fields import refine

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from brains import moved  # the tests' own way of moving a scan

STORED = [(1, "LAS"), (2, "oblique"), (2, "LAS"), (1, "oblique")]
LARGE_ML = 200


def template_to_scan(registered, affine):
    """The affine that takes a point of the template to the scan's own mm, from the one that registration gives."""
    return np.linalg.inv(registered @ np.linalg.inv(affine))


@lru_cache(maxsize=1)
def marker(root):
    """What the cohort says of itself."""
    return json.loads(next(Path(root).rglob("synthetic.json")).read_text())


def own_shape(scan, root):
    """The affine part of a version 1 subject's own shape, template to scan, (4, 4); None for other cohorts."""
    about = marker(root)
    if about["phantom_version"] != 1 or about["lesions"]:
        return None
    from atlas_lab.grid import bounding_box
    from atlas_lab.phantom import anatomy
    from atlas_lab.phantom.lesions import grow_lesion, plan_lesion

    index = next(record["index"] for record in about["subjects"] if record["subject"] == scan.subject)
    template = anatomy.load_anatomy()
    components = grow_lesion(plan_lesion(about["seed"], index), about["seed"], index, template)
    rng = np.random.default_rng([about["seed"], index, 3])  # as `make_head` draws
    age, box = float(rng.beta(2, 2.5)), bounding_box(template.brain, margin=8)
    coarse = anatomy.random_displacement(rng, box) + anatomy.ventricle_displacement(age, template)
    coarse += anatomy.ex_vacuo_displacement(components, box, template)
    shift = refine(coarse, anatomy.COARSE, anatomy.size_of(box))
    at = np.argwhere(template.brain[box])[::97]
    there = at + [b.start for b in box] + AFFINE[:3, 3]
    source = np.c_[there + shift[:, at[:, 0], at[:, 1], at[:, 2]].T, np.ones(len(at))]
    matrix = np.eye(4)
    matrix[:3] = np.linalg.lstsq(source, there, rcond=None)[0].T
    return matrix


def with_large_lesion(image, seed):
    """A scan with 200 ml of one hemisphere at a quarter of their brightness: a ball, cut to what is in the head."""
    rng = np.random.default_rng([8, seed])
    at = np.stack(np.meshgrid(*[np.arange(n) for n in image.shape], indexing="ij"), -1) + AFFINE[:3, 3]
    centre = np.array([rng.choice([-1, 1]) * 32, -20, 18]) + rng.normal(0, 8, 3)
    distance = np.where(image > 0, np.linalg.norm(at - centre, axis=-1), np.inf)
    radius = np.partition(distance.ravel(), LARGE_ML * 1000)[LARGE_ML * 1000]
    return np.where(distance < radius, 0.25 * image, image).astype(np.float32)


def measure_moved(scans, root):
    """A row for each moved scan: how it is stored, what it is refused by, and its errors in mm once registered."""
    rows = []
    for i, scan in enumerate(tqdm(scans, "moved")):
        image = load_scan(scan).image
        mm, axes = STORED[i % len(STORED)]
        volume, affine, move = moved(i, mm, axes, image, AFFINE)
        lies = measure_placement(volume, affine)
        found = template_to_scan(register(volume, affine, scan.name)[0], affine)
        shape = own_shape(scan, root)
        if shape is None:
            shape = template_to_scan(register(image, AFFINE, scan.name)[0], AFFINE)
        error = displacement(found, move @ shape)
        rows.append((scan.name, mm, axes, not lies.in_mni, lies.moved_mm, np.median(error), np.max(error),
                     np.median(displacement(found, move))))
    return rows


def measure_lying(scans):
    """A row for each scan in MNI space, as it is and with a large lesion: its placement, and whether it is let in."""
    rows = []
    for i, scan in enumerate(tqdm(scans, "lying")):
        image = load_scan(scan).image
        for name, volume in (("as it is", image), (f"{LARGE_ML} ml", with_large_lesion(image, i))):
            rows.append((scan.site, name, measure_placement(volume, AFFINE)))
    return rows


def report(moved_rows, lying_rows):
    """Print what was measured."""
    print("moved scan | stored | refused | moved by the quick fit, mm | error once registered: median and largest over "
          "the brain, mm | distance from where the file lay before the move, median, mm")
    for name, mm, axes, refused, fit, median, largest, place in moved_rows:
        print(f"{name} | {mm} mm {axes} | {'yes' if refused else 'NO'} | {fit:.1f} | {median:.2f}, {largest:.2f} | "
              f"{place:.2f}")
    medians = np.array([row[5] for row in moved_rows])
    print(f"{len(moved_rows)} moved scans: {sum(row[3] for row in moved_rows)} refused without --register; with it the "
          f"median error is {np.median(medians):.2f} mm, the worst scan's {medians.max():.2f} mm, and no point of a "
          f"brain is further off than {max(row[6] for row in moved_rows):.2f} mm")
    for name in dict.fromkeys(row[1] for row in lying_rows):
        places = [place for _, kind, place in lying_rows if kind == name]
        sites = ", ".join(f"{site} {n}" for site, n in Counter(r[0] for r in lying_rows if r[1] == name).items())
        print(f"lying in MNI space, {name} ({sites}): {sum(not place.in_mni for place in places)} of {len(places)} "
              f"refused; moved by at most {max(p.moved_mm for p in places):.1f} mm (median "
              f"{np.median([p.moved_mm for p in places]):.1f}), correlation at least "
              f"{min(p.correlation for p in places):.2f}, covered at least {min(p.covered for p in places):.0%}, "
              f"fitted at least {min(p.fitted for p in places):.2f}, skull {min(p.skull for p in places):.2f} to "
              f"{max(p.skull for p in places):.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--moved", type=int, default=20)
    parser.add_argument("--lying", type=int, default=40)
    options = parser.parse_args()
    all_scans = [scan for scan in find_scans(options.cohort) if scan.session == "t01"]
    largest = [site for site, _ in Counter(scan.site for scan in all_scans).most_common(2)]
    by_site = [[scan for scan in all_scans if scan.site == site] for site in largest]
    few = min(options.lying // 2, *map(len, by_site))
    lying = by_site[1][:few] + by_site[0][: options.lying - few]
    report(measure_moved(all_scans[:: max(1, len(all_scans) // options.moved)][: options.moved], options.cohort),
           measure_lying(lying))
