"""What a U-Net that learnt from one kind of people finds in others: grown or real lesion shapes, heads or bare brains.

    python benchmarks/transfer.py MASKS     hours; MASKS is a folder of real lesion masks in MNI space

Each network learns from 154 people of seed 0 and is scored on 60 people of a seed that nothing was chosen on. Every
second real mask is for learning, the others are for scoring. Writes transfer.json, and its tables in
docs/real_data.md; a call that was stopped goes on where it was.
"""

import json
import sys
from pathlib import Path

import numpy as np

from atlas_lab.data.scans import find_scans
from atlas_lab.data.slicing import prepare_slices
from atlas_lab.experiment.checkpoint import load_model
from atlas_lab.experiment.experiment import run_experiment
from atlas_lab.experiment.inference import open_model, save_model
from atlas_lab.experiment.scored_scans import score_scans
from atlas_lab.files import REPOSITORY, lab_home
from atlas_lab.paper.people_plan import FINAL_COHORTS, row_config
from atlas_lab.paper.tables import write_block
from atlas_lab.phantom.cohort import make_cohort
from atlas_lab.phantom.real_masks import mask_files
from atlas_lab.provenance import code_version
from atlas_lab.scoring.bootstrap import paired_difference, people_interval
from atlas_lab.scoring.scans import by_subject
from atlas_lab.statistics import Interval

OUT = Path(__file__).with_suffix(".json")
KINDS = ("grown lesions, whole heads", "real shapes, whole heads", "grown lesions, bare brains")
ROW = "U-Net"
LEARN, SCORE = (220, 0), (60, FINAL_COHORTS)  # people and seed


def every_second(masks, first):
    """A folder of links to every second mask, from the first or the second on."""
    folder = lab_home() / "transfer" / ("learn" if first == 0 else "score")
    folder.mkdir(parents=True, exist_ok=True)
    for path in mask_files(masks)[first::2]:
        link = folder / path.name
        if not link.is_symlink():
            link.symlink_to(path.resolve())
    return folder


def file_name(kind):
    """What a kind's files are called."""
    return kind.replace(", ", "-").replace(" ", "_")


def people_of(kind, n_people, seed, masks):
    """The scans of a kind's people."""
    real = every_second(masks, 0 if seed == LEARN[1] else 1) if kind.startswith("real") else None
    folder = lab_home() / "transfer" / f"{file_name(kind)}-{n_people}-seed{seed}"
    return find_scans(make_cohort(folder, n_people, seed, lesions=real, heads=not kind.endswith("brains")))


def network_of(kind, masks):
    """The network that learnt from a kind, trained on first use."""
    path = lab_home() / "transfer" / f"{file_name(kind)}.pt"
    if not path.exists():
        config = row_config(ROW)
        store = prepare_slices(people_of(kind, *LEARN, masks), config.scale, config.z_step)
        run = run_experiment(config, store)
        save_model(path, load_model(run, store), config, store)
    return open_model(path)


def page_tables(found):
    """What was found as Markdown, for docs/real_data.md."""
    heads = "".join(f" | on {kind} ({about['people']}, median {about['median_ml']:.0f} ml)"
                    for kind, about in found["scored_on"].items())
    lines = [f"| learnt from{heads} |", "|---" * (1 + len(KINDS)) + "|"]
    for learnt, row in found["subject_dice"].items():
        cells = [f"{Interval(**row[kind]):.2f}" for kind in KINDS]
        for i, lost in enumerate(found["difference"][learnt].values()):
            cells[i] += f"; {Interval(**lost):+.2f}" if lost else ""
        lines.append(f"| {learnt} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main():
    """Train what isn't there, score every network on every kind, and write the tables."""
    masks = Path(sys.argv[1])
    dice, scored_on = {}, {}
    for kind in KINDS:
        scans = people_of(kind, *SCORE, masks)
        for learnt in KINDS:
            scored = score_scans(network_of(learnt, masks), scans).scans
            dice[learnt, kind] = by_subject(scored, "dice")
            print(f"learnt from {learnt}, on {kind}: {people_interval(dice[learnt, kind]):.3f}", flush=True)
        scored_on[kind] = {"people": len(dice[kind, kind]),
                           "median_ml": float(np.median([scan["true_ml"] for scan in scored]))}
    found = {
        "code": code_version(), "scored_on": scored_on,
        "subject_dice": {learnt: {kind: people_interval(dice[learnt, kind])._asdict() for kind in KINDS}
                         for learnt in KINDS},
        "difference": {learnt: {kind: None if learnt == kind else paired_difference(
            dice[learnt, kind], dice[kind, kind])._asdict() for kind in KINDS} for learnt in KINDS},
    }
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    write_block(REPOSITORY / "docs" / "real_data.md", "transfer", page_tables(found))


if __name__ == "__main__":
    main()
