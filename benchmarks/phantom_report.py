"""What the phantom aims at and what it gives: `python benchmarks/phantom_report.py COHORT [--out benchmarks/phantom]`.

COHORT is the folder of a cohort of version 2 with at least 100 subjects, as `atlas-lab cohort` makes it. Writes
report.json and report.md: volumes, components, raggedness and side of the masks against 1,449 manual ones (SOOP), the
depth of lesions' cores and the widening beside them, hyperintensities by age, raters' agreement, and brains' variety.
"""

import argparse
import json
from functools import lru_cache
from pathlib import Path

import numpy as np

BINS_ML = ((0, 1), (1, 5), (5, 20), (20, 100), (100, 999))
RAGGED = {(0.1, 1): 0.85, (1, 5): 1.04, (5, 20): 1.28, (20, 100): 1.42, (100, 999): 1.56}  # SOOP's medians
COMPONENTS = {0: 0.02, 1: 0.40, 2: 0.20, 3: 0.12, 4: 0.08, 5: 0.18}  # SOOP's shares; 5 stands for more, too
ACUTE_ML = {10: 0.55, 25: 2.0, 50: 12.7, 75: 52, 90: 123}  # SOOP's percentiles
MEDIAN_ML = 7.0  # aimed at: chronic lesions, as in ATLAS, are smaller than acute ones
AGES = ((25, 50), (50, 65), (65, 80), (80, 93))
CORRELATED = 40  # subjects whose brains are compared pair by pair


def surface_ratio(mask):
    """Voxels lost by a 6-neighbour erosion, over the surface of the sphere of the same volume."""
    from scipy import ndimage

    mask = np.pad(mask, 1)
    volume = mask.sum()
    return (volume - ndimage.binary_erosion(mask).sum()) / (4 * np.pi * (3 * volume / (4 * np.pi)) ** (2 / 3))


def components_of(mask):
    """Connected pieces (26 neighbours) of a mask, the largest first: list of bool arrays."""
    from scipy import ndimage

    pieces, count = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    return [pieces == 1 + label for label in np.argsort(-sizes, kind="stable")]


@lru_cache(maxsize=1)
def plain_tissues():
    """Where the template has ventricles for certain, and white matter: flat indices."""
    from scipy import ndimage

    from atlas_lab.phantom.anatomy import load_anatomy

    anatomy = load_anatomy()
    ventricles = ndimage.binary_erosion(anatomy.ventricles, iterations=2)
    return np.flatnonzero(ventricles), np.flatnonzero(anatomy.t1w > 0.85)


def core_of(image, truth):
    """(core - fluid) / (white matter - fluid) of the largest piece of the true lesion; fluid and white matter are the
    subject's own, where the template has them, away from the lesion."""
    from scipy import ndimage

    from atlas_lab.grid import bounding_box

    box = bounding_box(truth == 1, margin=2)
    depth = ndimage.distance_transform_edt(components_of(truth[box] == 1)[0])
    core = image[box][depth > 0.6 * depth.max()]
    fluid, white = (np.median(image.ravel()[at[truth.ravel()[at] == 0]]) for at in plain_tissues())
    return float((np.median(core) - fluid) / (white - fluid))


def second_tracing(truth, index):
    """Another rater's drawing, twice, of the true lesion."""
    from scipy import ndimage

    from atlas_lab.grid import bounding_box
    from atlas_lab.phantom.anatomy import load_anatomy
    from atlas_lab.phantom.tracing import trace_lesion

    box = bounding_box(truth == 1, margin=12)
    allowed = ndimage.binary_dilation(load_anatomy().brain[box], iterations=2)
    pieces = components_of(truth[box] == 1)
    drawn = np.zeros((2, *truth.shape), bool)
    for sitting in range(2):
        streams = (np.random.default_rng([index, 1000]), np.random.default_rng([index, 1001 + sitting]))
        drawn[sitting][box] = np.any(trace_lesion(pieces, allowed, *streams), axis=0)
    return drawn


def dice(a, b):
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def measure_scan(scan, record, truth_path):
    """All that is measured on one scan, as plain values, and its brain at 2 mm."""
    import nibabel

    from atlas_lab.data.scans import load_scan
    from atlas_lab.grid import bounding_box
    from atlas_lab.phantom.anatomy import load_anatomy

    image, mask, _ = load_scan(scan)
    image, truth = np.ascontiguousarray(image), np.ascontiguousarray(nibabel.load(truth_path).dataobj)
    pieces = components_of(mask[bounding_box(mask)])
    sizes = np.array([piece.sum() for piece in pieces]) / 1000
    again = second_tracing(truth, record["index"])
    brain = load_anatomy().brain
    row = {
        "ml": float(mask.sum() / 1000), "true_ml": float((truth == 1).sum() / 1000),
        "components": int((sizes >= 0.1).sum()), "largest_ml": float(sizes[0]), "ragged": surface_ratio(pieces[0]),
        "left": float(mask[:98].sum() / mask.sum()), "core": core_of(image, truth), "aimed_core": record["cores"][0],
        "years": record["years"], "wmh_ml": record["wmh_ml"], "pvh": record["pvh"], "dwmh": record["dwmh"],
        "plain": record["perivascular_spaces"] == 0,
        "between": dice(mask, again[0]), "within": dice(again[0], again[1]),
        "true_dice": record["measured"]["true_dice"],
        "brain_share": float(brain.sum() / (image > 5).sum()), "mb": scan.t1w.stat().st_size / 1e6,
        "site": scan.site, "auc": auc_of(image, mask, brain),
    }
    small = np.where(brain, image, 0)[:196, :232, :188].reshape(98, 2, 116, 2, 94, 2).mean(axis=(1, 3, 5))
    return row, small.astype(np.float32)


def auc_of(image, mask, brain):
    """AUC of darkness inside the brain as a sign of lesion, on some of the voxels."""
    from sklearn.metrics import roc_auc_score

    inside, outside = image[mask & brain], image[brain & ~mask]
    if not inside.size:
        return float("nan")
    inside, outside = (v if v.size < 100_000 else v[:: v.size // 50_000] for v in (inside, outside))
    labels = np.repeat([1, 0], [inside.size, outside.size])
    return float(roc_auc_score(labels, -np.concatenate([inside, outside])))


def correlations(brains):
    """Correlation of each pair of brains, inside the template's brain, at 2 mm."""
    from atlas_lab.phantom.anatomy import load_anatomy

    inside = load_anatomy().brain[:196:2, :232:2, :188:2]
    values = np.corrcoef(np.stack([brain[inside] for brain in brains]))
    return values[np.triu_indices(len(brains), 1)]


def summary(table, pairs):
    """Rows of the report: what, aimed, measured; all text."""
    return [*_shape_rows(table), *_core_rows(table), *_mimic_rows(table), *_other_rows(table, pairs)]


def _shape_rows(table):
    """Of the masks: volume, number, raggedness, side."""
    rows = []
    for percent, ml in ACUTE_ML.items():
        aim, got = ml * MEDIAN_ML / ACUTE_ML[50], table["ml"].quantile(percent / 100)
        rows.append((f"volume, ml, percentile {percent}", f"{aim:.2f}", f"{got:.2f}"))
    shares = table["components"].clip(upper=5).value_counts(normalize=True)
    for count, share in COMPONENTS.items():
        name = "5 or more" if count == 5 else str(count)
        rows.append((f"share with {name} components of 0.1 ml", f"{share:.2f}", f"{shares.get(count, 0):.2f}"))
    for (low, high), ratio in RAGGED.items():
        part = table[(table["largest_ml"] >= low) & (table["largest_ml"] < high)]
        name = f"raggedness, {low} to {high} ml (n = {len(part)})"
        rows.append((name, f"{ratio:.2f}", f"{part['ragged'].median():.2f}"))
    rows.append(("share with more on the left", "0.49", f"{(table['left'] > 0.5).mean():.2f}"))
    return rows


def _core_rows(table):
    from atlas_lab.phantom.appearance import core_aim

    rows = []
    for low, high in BINS_ML:
        part = table[(table["true_ml"] >= low) & (table["true_ml"] < high)]
        share, cavity, scar = core_aim(float(part["true_ml"].median()))
        quartiles = part["core"].quantile([0.25, 0.5, 0.75]).round(2).tolist()
        aim = f"{share:.0%} at {cavity:.2f}, else {scar:.2f}"
        rows.append((f"core depth, {low} to {high} ml (n = {len(part)})", aim, "{1} ({0} to {2})".format(*quartiles)))
    return rows


def _mimic_rows(table):
    from atlas_lab.phantom.mimics import median_wmh_ml

    rows, affected = [], table[~table["plain"]]
    for low, high in AGES:
        part = affected[(affected["years"] >= low) & (affected["years"] < high)]
        aim, got = median_wmh_ml(part["years"].median()), part["wmh_ml"].median()
        rows.append((f"hyperintensities, ml, ages {low} to {high} (n = {len(part)})", f"{aim:.1f}", f"{got:.1f}"))
    rows.append(("share with nothing that looks like a lesion", "0.20", f"{table['plain'].mean():.2f}"))
    return rows


def _other_rows(table, pairs):
    from atlas_lab.phantom.sites import SHARES

    sites = "/".join(str(int((table["site"] == f"Site{n}").sum())) for n in range(1, 10))
    auc = table["auc"].quantile([0.05, 0.5, 0.95]).round(2).tolist()
    spread = f"{np.median(pairs):.2f} ({pairs.min():.2f} to {pairs.max():.2f})"
    return [
        ("Dice between two raters", "0.727", f"{table['between'].mean():.3f}"),
        ("Dice within a rater", "0.839", f"{table['within'].mean():.3f}"),
        ("Dice of a drawing with the truth", "-", f"{table['true_dice'].mean():.3f}"),
        ("share of the head that is brain", "0.4 to 0.5", f"{table['brain_share'].median():.2f}"),
        ("correlation of two brains, 2 mm", "0.45 to 0.75", spread),
        ("scans at Site1 to Site9", "/".join(map(str, SHARES)) + ", 9 more at Site8", sites),
        ("AUC of darkness in the brain", "-", "{1} ({0} to {2})".format(*auc)),
        ("MB a scan", "at most 8", f"{table['mb'].median():.1f}, at most {table['mb'].max():.1f}"),
    ]


def main():
    from joblib import Parallel, delayed

    from atlas_lab.data.scans import find_scans
    from atlas_lab.files import SYNTHETIC_MARKER

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "phantom")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    release = next(options.cohort.glob(f"*/{SYNTHETIC_MARKER}")).parent
    about = json.loads((release / SYNTHETIC_MARKER).read_text())
    records = {record["subject"]: record for record in about.pop("subjects")}
    scans = find_scans(options.cohort)
    truths = [release / "truth" / f"{scan.subject}_truth.nii.gz" for scan in scans]
    tasks = (delayed(measure_scan)(s, records[s.subject], t) for s, t in zip(scans, truths, strict=True))
    measured = Parallel(n_jobs=options.jobs)(tasks)
    write_report(options.out, about, scans, measured)


def write_report(out, about, scans, measured):
    """Write report.json and report.md from what `measure_scan` gave for each scan."""
    import pandas

    from atlas_lab.files import write_json

    table = pandas.DataFrame([row for row, _ in measured])
    first = [i for i, scan in enumerate(scans) if scan.session == "t01"]
    rows = summary(table, correlations([measured[i][1] for i in first[:: max(1, len(first) // CORRELATED)]]))
    text = "| | aimed | measured |\n|---|---|---|\n" + "".join(f"| {a} | {b} | {c} |\n" for a, b, c in rows)
    counts = f"{len(first)} subjects, {len(scans)} scans, seed {about['seed']}"
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.md").write_text(f"Synthetic cohort, not patient data: {counts}.\n\n{text}", encoding="utf-8")
    write_json(out / "report.json", {"cohort": about, "rows": rows, "scans": table.round(4).to_dict("records")})
    print(text)


if __name__ == "__main__":
    from phantom_report import main as of_module  # worker processes find what has a module's name, not __main__'s

    of_module()
