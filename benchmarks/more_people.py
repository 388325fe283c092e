"""Do more people bring what more updates do not? The U-Net, taught by five times as many in as many updates.

    python benchmarks/more_people.py    half an hour a network, on one processor thread

The plan's U-Net of seed k learnt from 154 people of cohort k in ten epochs. Here it learns from those and from 154 of
each other cohort, in two epochs, and is scored on the same people of cohort k, whom neither has seen. Writes
more_people.json after each network, and in the end its table in docs/results.md; a call that was stopped goes on.
"""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas

from atlas_lab.config import run_name
from atlas_lab.experiment.datasets import build_dataset
from atlas_lab.experiment.folds import choose_split
from atlas_lab.experiment.people import scores_of_masks
from atlas_lab.experiment.prediction import predict_rows
from atlas_lab.experiment.run import finals, load_run
from atlas_lab.experiment.start import start_training
from atlas_lab.files import REPOSITORY
from atlas_lab.paper.people_claims import people_scores
from atlas_lab.paper.people_plan import PEOPLE, row_config, row_runs
from atlas_lab.paper.people_records import SHIPPED_PEOPLE, load_people, study_slices
from atlas_lab.paper.tables import write_block
from atlas_lab.provenance import code_version, environment
from atlas_lab.scoring.bootstrap import paired_difference, people_interval
from atlas_lab.scoring.scans import by_subject
from atlas_lab.train import fit

OUT = Path(__file__).with_suffix(".json")
ROW, HELPS_MOST, COHORTS = "U-Net", "flips", 5
EPOCHS = row_config(ROW).epochs // COHORTS


def everyone(config):
    """The slices that the networks of all cohorts learnt from, as one store: a name is another person in each."""
    images, masks, tables = [], [], []
    for number in range(COHORTS):
        one = replace(config, seed=number, cohort=number)
        store = study_slices(one)
        rows = choose_split(one, store).train
        images.append(store.images[rows])
        masks.append(store.masks[rows])
        table = store.table.iloc[rows]
        tables.append(table.assign(subject=f"{number}/" + table["subject"]))
    return replace(store, images=np.concatenate(images), masks=np.concatenate(masks),
                   table=pandas.concat(tables, ignore_index=True))


def learn(config):
    """What the U-Net of a seed comes to that learnt from the people of all cohorts: see OUT."""
    own, people = study_slices(config), everyone(config)
    start = start_training(config, own)
    history = fit(
        start.model, start.loss, start.optimizer, build_dataset(config, people, np.arange(len(people)), training=True),
        build_dataset(config, own, start.split.dev), EPOCHS, batch_size=config.batch_size,
        max_grad_norm=config.max_grad_norm, seed=config.seed, batches=start.batches, train_scored_every=EPOCHS)
    masks = predict_rows(start.model, config, own, start.split.dev) > 0.5
    return {
        "people": int(people.table["subject"].nunique()), "updates": EPOCHS * -(-len(people) // config.batch_size),
        "train": history[-1]["train"]["mean_dice"], "dev": history[-1]["dev"]["mean_dice"],
        "seconds": sum(epoch["seconds"] for epoch in history), "code": code_version(), "environment": environment(),
        "dice": by_subject([{**scan, "subject": f"{config.cohort}/{scan['subject']}"}
                            for scan in scores_of_masks(masks, own, start.split.dev)], "dice"),
    }


def page_table(found):
    """The U-Net, the change of the plan that helps most, and more people, on the same people, as Markdown."""
    heads = "", "learnt from", "networks", "updates", "Dice on train", "on dev", "subject Dice", "less the U-Net's"
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    records, many = load_people(), list(found.values())
    dice = {row: people_scores(records, row) for row in (ROW, HELPS_MOST)}
    dice["more people"] = {name: value for one in many for name, value in one["dice"].items()}
    for row, scores in dice.items():
        if row in PEOPLE:
            runs = [load_run(SHIPPED_PEOPLE / f"{run_name(config)}.json") for config in row_runs(row)]
            people = [run.point["subjects"] - run.split["dev_subjects"] for run in runs]
            numbers = (people, [run.point["updates"] for run in runs],
                       *(finals(runs, "mean_dice", part) for part in ("train", "dev")))
        else:
            numbers = [[one[key] for one in many] for key in ("people", "updates", "train", "dev")]
        people, updates, train, dev = map(np.mean, numbers)
        more = "" if row == ROW else f"{paired_difference(scores, dice[ROW]):+.3f}"
        lines.append(f"| {row} | {people:.0f} people | {len(many)} | {updates:,.0f} | {train:.2f} | {dev:.2f} | "
                     f"{people_interval(scores):.3f} | {more} |")
    return "\n".join(lines) + "\n"


def main():
    """Train what isn't written yet, and write the table."""
    if os.environ.get("ATLAS_DATA"):  # which stands in for every cohort
        raise SystemExit("ATLAS_DATA is set, and this needs five synthetic cohorts; unset it")
    found = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    for config in row_runs(ROW):
        if str(config.seed) not in found:
            found[str(config.seed)] = learn(config)
            OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    write_block(REPOSITORY / "docs" / "results.md", "more-people", page_table(found))


if __name__ == "__main__":
    main()
