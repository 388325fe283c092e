"""How easily a lesion is told from the rest: `python benchmarks/phantom_separability.py NAME=COHORT ... [--n 40]`.

For each cohort two numbers: the AUC of darkness inside the brain, and the Dice on subjects it hasn't seen of the local
classifier that networks are compared with (paper/local_classifier.py): from a slice alone, with the neighbouring
slices, and from a slice where it also knows where a pixel lies. Cohorts of equal seed with one switch turned
(`mimics=False`, `dark_cores=False`) let each effect stand alone.
"""

import argparse
from pathlib import Path

import numpy as np

SCALE, Z_STEP = 4, 2  # the course's slices
SPLITS = 6  # dev sets, drawn anew; a third of the subjects each
SHARE = 0.1  # of the training pixels without lesion that are used


def classifier_dice(by_subject, neighbours, place, seed):
    """Mean Dice over unseen subjects with a lesion, and over slices as the paper's code has it: one split's."""
    from atlas_lab.metrics import dice_coefficient, nan_mean, subject_dice
    from atlas_lab.paper.local_classifier import fit_classifier

    names = np.random.default_rng(seed).permutation(sorted(by_subject))
    dev, train = names[: len(names) // 3], names[len(names) // 3 :]
    every = np.ones(len(by_subject[names[0]][0]), bool)  # scans have equally many slices
    classifier = fit_classifier([(*by_subject[name], every) for name in train], SHARE, neighbours, seed, place)
    found = np.concatenate([classifier.predict(by_subject[name][0], every) for name in dev])
    masks = np.concatenate([by_subject[name][1] for name in dev])
    whole = subject_dice(found, masks, np.repeat(dev, len(every)))
    with_lesion = {name for name in dev if by_subject[name][1].any()}
    return (nan_mean([dice for name, dice in whole.items() if name in with_lesion]),
            nan_mean(dice_coefficient(found, masks)))


def subjects_of(cohort, n):
    """Of the first n subjects' first scans: uint8 images (Z, H, W), and bool masks."""
    from phantom_pictures import scans_by_index

    from atlas_lab.data.slicing import prepare_slices

    by_index = scans_by_index(Path(cohort))
    scans = [by_index[index] for index in range(n)]
    store = prepare_slices(scans, SCALE, Z_STEP, jobs=1, progress=False)
    rows = {name: np.flatnonzero(store.scan_names == name) for name in dict.fromkeys(store.scan_names)}
    return scans, {name: (np.asarray(store.images[r]), np.asarray(store.masks[r])) for name, r in rows.items()}


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
    head = "| cohort | AUC of darkness | in-plane, by subject (by slice) | with neighbours | with place |"
    lines = [head, "|---|" + 4 * "---|"]
    for text in options.cohorts:
        name, cohort = text.split("=", 1)
        scans, by_subject = subjects_of(cohort, options.n)
        middle, low, high = darkness(scans)
        cells = [f"{middle:.2f} ({low:.2f} to {high:.2f})"]
        for neighbours, place in ((False, False), (True, False), (False, True)):
            scores = np.array([classifier_dice(by_subject, neighbours, place, seed) for seed in range(SPLITS)])
            mean, each = scores.mean(axis=0), ", ".join(f"{score:.2f}" for score in scores[:, 0])
            cells.append(f"{mean[0]:.2f} ({mean[1]:.2f}); splits {each}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    note = f"Synthetic cohorts, not patient data: {options.n} subjects each, {SCALE} mm, every {Z_STEP}nd slice.\n\n"
    options.out.write_text(note + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
