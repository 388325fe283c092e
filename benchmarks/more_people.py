"""Do more people bring what more updates do not? The U-Net, taught by five times as many in as many updates.

    python benchmarks/more_people.py    half an hour a network, on one processor thread

The plan's U-Net of seed k learnt from 154 people of cohort k in ten epochs. Here it learns from those and from 154 of
each other cohort, in two epochs, and is scored on the same people of cohort k, whom neither has seen. Writes
more_people.json after each network, and the table of all in docs/results.md; a call that was stopped goes on after the
last network that was written.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas

from atlas_lab.config import PROFILES, run_name
from atlas_lab.experiment.datasets import build_dataset
from atlas_lab.experiment.folds import choose_split
from atlas_lab.experiment.people import scores_of_masks
from atlas_lab.experiment.prediction import predict_rows
from atlas_lab.experiment.run import load_run
from atlas_lab.experiment.start import start_training
from atlas_lab.files import REPOSITORY
from atlas_lab.paper.people_claims import named_scans
from atlas_lab.paper.people_plan import row_config, row_runs
from atlas_lab.paper.people_records import SHIPPED_PEOPLE, load_people, study_slices
from atlas_lab.paper.tables import write_block
from atlas_lab.provenance import code_version, environment
from atlas_lab.scoring.bootstrap import paired_difference, people_interval
from atlas_lab.scoring.scans import by_subject
from atlas_lab.train import fit

OUT = Path(__file__).with_suffix(".json")
ROW, COHORTS = "U-Net", 5
EPOCHS = row_config(ROW).epochs // COHORTS


def joined(stores):
    """Some stores as one, whose people stay apart: the same name is another person in each."""
    tables = [store.table.assign(subject=f"{number}/" + store.table["subject"]) for number, store in enumerate(stores)]
    return replace(
        stores[0], images=np.concatenate([store.images for store in stores]),
        masks=np.concatenate([store.masks for store in stores]), table=pandas.concat(tables, ignore_index=True))


def part(store, rows):
    """Some slices of a store, as a store of their own."""
    return replace(store, images=store.images[rows], masks=store.masks[rows],
                   table=store.table.iloc[rows].reset_index(drop=True))


def learn(config):
    """What the U-Net of a seed comes to that learnt from the people of all cohorts: see OUT."""
    own = study_slices(config)
    split = choose_split(config, own)
    settings = [replace(config, seed=number, cohort=number) for number in range(COHORTS)]
    stores = {one.cohort: study_slices(one) for one in settings}
    people = joined([part(stores[one.cohort], choose_split(one, stores[one.cohort]).train) for one in settings])
    start = start_training(config, own)
    history = fit(
        start.model, start.loss, start.optimizer, build_dataset(config, people, np.arange(len(people)), training=True),
        build_dataset(config, own, split.dev), EPOCHS, batch_size=config.batch_size,
        max_grad_norm=config.max_grad_norm, seed=config.seed, batches=start.batches, train_scored_every=EPOCHS)
    masks = predict_rows(start.model, config, own, split.dev) > 0.5
    return {
        "people": int(people.table["subject"].nunique()), "updates": EPOCHS * -(-len(people) // config.batch_size),
        "train": history[-1]["train"]["mean_dice"], "dev": history[-1]["dev"]["mean_dice"],
        "seconds": sum(epoch["seconds"] for epoch in history), "code": code_version(), "environment": environment(),
        "dice": by_subject([{**scan, "subject": f"{config.cohort}/{scan['subject']}"}
                            for scan in scores_of_masks(masks, own, split.dev)], "dice"),
    }


def recorded(config):
    """The same of the network of the plan, from its records."""
    run = load_run(SHIPPED_PEOPLE / f"{run_name(config)}.json")
    scores = [one for one in load_people() if one["row"] == ROW and one["config"]["cohort"] == config.cohort]
    return {
        "people": PROFILES["study"].n_subjects - run.split["dev_subjects"], "updates": run.point["updates"],
        "train": run.history[-1]["train"]["mean_dice"], "dev": run.history[-1]["dev"]["mean_dice"],
        "dice": by_subject(named_scans(scores, "dice"), "dice"),
    }


def page_table(many, few):
    """Both ways to learn, a dict a network, on the same people, as Markdown."""
    heads = "learnt from", "epochs", "updates", "Dice on train", "on dev", "subject Dice", "on the same people"
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    before = None
    for networks, epochs in ((few, row_config(ROW).epochs), (many, EPOCHS)):
        people, updates, train, dev = (np.mean([one[key] for one in networks])
                                       for key in ("people", "updates", "train", "dev"))
        dice = {name: value for one in networks for name, value in one["dice"].items()}
        more = "" if before is None else f"{paired_difference(dice, before):+.3f}"
        lines.append(f"| {people:.0f} people | {epochs} | {updates:,.0f} | {train:.2f} | {dev:.2f} | "
                     f"{people_interval(dice):.3f} | {more} |")
        before = dice
    return "\n".join(lines) + "\n"


def main():
    """Train what isn't written yet, and write the table."""
    found = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    for config in row_runs(ROW):
        if str(config.seed) not in found:
            found[str(config.seed)] = learn(config)
            OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    table = page_table(found.values(), [recorded(config) for config in row_runs(ROW)])
    write_block(REPOSITORY / "docs" / "results.md", "more-people", table)


if __name__ == "__main__":
    main()
