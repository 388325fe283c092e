"""How easily a lesion is told from the rest: `python benchmarks/phantom_separability.py NAME=COHORT ... [--n 40]`.

For each cohort two numbers: the AUC of darkness inside the brain, and the Dice of a local pixel classifier
(scikit-learn's histogram gradient boosting) on subjects it hasn't seen, from features of a slice alone and with the
neighbouring slices. The threshold is chosen on the training subjects. Cohorts of equal seed with one switch turned
(`mimics=False`, `dark_cores=False`) let each effect stand alone.
"""

import argparse
from pathlib import Path

import numpy as np

SCALE, Z_STEP = 4, 2  # the course's slices
SPLITS = 3  # dev sets, drawn anew; a third of the subjects each
SHARE = 0.1  # of the training pixels without lesion that are used


def features_of(images, z, neighbours):
    """Features of each pixel of one scan's slices: uint8 (Z, H, W) -> float32 (Z * H * W, F)."""
    from scipy import ndimage

    volume = images.astype(np.float32)
    blurred = [ndimage.gaussian_filter(volume, (0, s, s)) for s in (1, 2, 4)]
    spread = np.sqrt(np.maximum(ndimage.gaussian_filter(volume**2, (0, 1.5, 1.5)) - blurred[1] ** 2, 0))
    slope = ndimage.gaussian_gradient_magnitude(volume, (1e-3, 1, 1))
    other_side = blurred[0] - blurred[0][:, :, ::-1]
    near = [ndimage.minimum_filter(volume, (1, 3, 3)), ndimage.maximum_filter(volume, (1, 3, 3))]
    maps = [volume, *blurred, spread, slope, other_side, *near]
    if neighbours:
        for step in (-2, -1, 1, 2):
            moved = np.roll(volume, step, axis=0)
            maps.append(moved)
        maps.append(ndimage.gaussian_filter(volume, (1.5, 1.5, 1.5)))
    place = np.broadcast_arrays(z[:, None, None], np.arange(volume.shape[1])[:, None], np.arange(volume.shape[2]))
    return np.stack([*maps, *place], axis=-1).reshape(-1, len(maps) + 3).astype(np.float32)


def best_threshold(probability, target):
    """The threshold of highest Dice."""
    order = np.argsort(-probability)
    hits = np.cumsum(target[order])
    dice = 2 * hits / (np.arange(1, hits.size + 1) + hits[-1])
    return float(probability[order][dice.argmax()])


def classifier_dice(by_subject, neighbours, seed):
    """Mean Dice over unseen subjects, and over their lesion slices: the classifier of one split."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(seed)
    names = rng.permutation(sorted(by_subject))
    dev, train = names[: len(names) // 3], names[len(names) // 3 :]
    rows, targets = [], []
    for name in train:
        images, masks, z = by_subject[name]
        head = images.ravel() > 0
        keep = head & (masks.ravel() | (rng.random(head.size) < SHARE))
        rows.append(features_of(images, z, neighbours)[keep])
        targets.append(masks.ravel()[keep])
    rows, targets = np.concatenate(rows), np.concatenate(targets)
    model = HistGradientBoostingClassifier(max_iter=100, learning_rate=0.1, random_state=0).fit(rows, targets)
    # The pixels left out count as many times as there are of them.
    weight = np.where(targets, 1, 1 / SHARE)
    probability = model.predict_proba(rows)[:, 1]
    repeated = rng.choice(len(targets), 400_000, p=weight / weight.sum())
    threshold = best_threshold(probability[repeated], targets[repeated])
    whole, slices = [], []
    for name in dev:
        images, masks, z = by_subject[name]
        found, head = np.zeros(masks.shape, bool), images > 0
        found[head] = model.predict_proba(features_of(images, z, neighbours)[head.ravel()])[:, 1] >= threshold
        both = (found & masks).sum(axis=(1, 2)), found.sum(axis=(1, 2)) + masks.sum(axis=(1, 2))
        if masks.any():
            whole.append(2 * both[0].sum() / both[1].sum())
        slices += list(2 * both[0][both[1] > 0] / both[1][both[1] > 0])
    return float(np.mean(whole)), float(np.mean(slices))


def subjects_of(cohort, n):
    """Of the first n subjects' first scans: uint8 images (Z, H, W), bool masks, z."""
    from phantom_pictures import scans_by_index

    from atlas_lab.data.slicing import prepare_slices

    by_index = scans_by_index(Path(cohort))
    scans = [by_index[index] for index in range(n)]
    store = prepare_slices(scans, SCALE, Z_STEP, jobs=1, progress=False)
    rows = {name: np.flatnonzero(store.scan_names == name) for name in dict.fromkeys(store.scan_names)}
    z = store.table["z"].to_numpy()
    return scans, {name: (np.asarray(store.images[r]), np.asarray(store.masks[r]), z[r]) for name, r in rows.items()}


def darkness(scans):
    """Median, 5th and 95th percentile over scans of the AUC of darkness inside the template's brain."""
    from phantom_report import auc_of

    from atlas_lab.data.scans import load_scan
    from atlas_lab.phantom.anatomy import load_anatomy

    loaded = (load_scan(scan) for scan in scans)
    aucs = [auc_of(scan.image, scan.mask, load_anatomy().brain & (scan.image > 0)) for scan in loaded]
    return np.nanpercentile(aucs, [50, 5, 95])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohorts", nargs="+", metavar="NAME=COHORT")
    parser.add_argument("--n", type=int, default=40, help="subjects of each cohort")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "phantom" / "separability.md")
    options = parser.parse_args()
    lines = ["| cohort | AUC of darkness | in-plane, by subject (by slice) | with neighbours |", "|---|---|---|---|"]
    for text in options.cohorts:
        name, cohort = text.split("=", 1)
        scans, by_subject = subjects_of(cohort, options.n)
        middle, low, high = darkness(scans)
        cells = [f"{middle:.2f} ({low:.2f} to {high:.2f})"]
        for neighbours in (False, True):
            scores = np.array([classifier_dice(by_subject, neighbours, seed) for seed in range(SPLITS)])
            mean, each = scores.mean(axis=0), ", ".join(f"{score:.2f}" for score in scores[:, 0])
            cells.append(f"{mean[0]:.2f} ({mean[1]:.2f}); splits {each}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    note = f"Synthetic cohorts, not patient data: {options.n} subjects each, {SCALE} mm, every {Z_STEP}nd slice.\n\n"
    options.out.write_text(note + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
