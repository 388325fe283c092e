"""The network that `predict` uses unless told otherwise, and its model card, both from the runs on new people."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from atlas_lab.architecture import count_parameters
from atlas_lab.config import RunConfig, changed_settings, config_from_plain, run_name
from atlas_lab.experiment.checkpoint import load_model
from atlas_lab.experiment.folds import choose_split
from atlas_lab.experiment.inference import save_model
from atlas_lab.experiment.people import false_alarms
from atlas_lab.experiment.run import load_run
from atlas_lab.files import DataError, write_text
from atlas_lab.paper.many_people import MANY, groups_of, scores_of
from atlas_lab.paper.other_people import healthy_slices
from atlas_lab.paper.people_records import load_people, people_folder, study_slices, whole_scores
from atlas_lab.paper.people_scores import reliability
from atlas_lab.scoring.bootstrap import people_interval
from atlas_lab.system.disk import expand
from atlas_lab.system.shipped import IN_A_CLONE, SHIPPED_NETWORK

__all__ = ["card_text", "chosen_record", "ship_network"]

ROWS = (MANY, "final: best", "final: U-Net", "U-Net")  # the first that is recorded is shipped
CARD = """# The network that `predict` uses

{what}, trained by `atlas-lab people` on one synthetic cohort and written by `atlas-lab people --ship`. **Not for
clinical use**: it has never seen a patient.

| | |
|---|---|
| network | {net}, {parameters:,} parameters, float32, {mb:.1f} MB |
| row | {row}, seed {seed}, cohort {cohort} |
| learnt from | {source}: {people} people, {slices:,} axial slices of {scale} mm pixels, lesions grown by the phantom |
| trained | {updates:,} updates in batches of {batch}; settings: {settings} |
| code | commit {commit:.7} |

## What it scored

{scored_on}. Mean over people with its 95 % interval; it covers other people of one generator, and no patients.

| score | |
|---|---|
| subject Dice | {dice} |
| lesion-wise F1, as the ATLAS challenge has it | {f1} |
| Hausdorff distance, 95th percentile, median over people with both masks, mm | {hd95} |
| false alarm in people without lesion ({without} of them): median | {median_ml:.2f} ml |
| the same: largest, share with any | {largest_ml:.1f} ml, {share_with_any:.0%} |

{groups}
## What it can't do

- It learnt from whole heads, their faces removed, in MNI space. For a scan in its own space: `predict --register`. A
  brain whose skull is gone looks to it like nothing that it has seen.
- It sees {seen}, at {scale} mm: lesions of a few pixels are lost, see the table above.
- Synthetic lesions are dark and grown along vessels' territories. Real ones have older and younger parts, distort what
  lies around them, and stand beside changes of the white matter that no phantom here has.
- Its probabilities are no chances: of the pixels that the row's networks give 0.9 or more, {certain:.0%} are lesion on
  the people above (the loss counts lesion {pos_weight:g} times). Nothing was calibrated on patients.
"""


def chosen_record(people: Sequence[Mapping]) -> Mapping:
    """The scores of the run whose network is shipped: seed 0 of the first of ROWS that is recorded with all its seeds.

    Raises DataError if none is.
    """
    for row in ROWS:
        mine = [record for record in people if record["row"] == row]
        try:
            scores_of(people, row)
        except DataError:
            continue
        return min(mine, key=lambda record: record["config"]["seed"])
    raise DataError(f"none of {', '.join(ROWS)} is recorded with all its seeds; make them with: atlas-lab people")


def ship_network(folder: str | Path | None = None, out: Path = SHIPPED_NETWORK) -> Path:
    """Write the chosen network and, beside it, its card; returns the network's path.

    Parameters
    ----------
    folder : path, optional
        With the records and scores of `record_people`, whose checkpoints must still be there.
    out : path
        Of the network, .pt; the card gets the same name with .md.

    Raises DataError if nothing can be chosen, or there is no clone to write into.
    """
    if out == SHIPPED_NETWORK and not IN_A_CLONE:
        raise DataError(f"{out}: the network comes with the package; work in a clone to make another")
    folder = expand(folder or people_folder())
    people = load_people(folder)
    record = chosen_record(people)
    config = config_from_plain(record["config"])
    run, store = load_run(folder / f"{run_name(config)}.json"), study_slices(config)
    model = load_model(run, store)
    save_model(out, model, config, store)
    alarms = record["scores"].get("false alarms") or false_alarms(whole_scores(model, config, healthy_slices(config)))
    table = store.table.iloc[choose_split(config, store).train]
    about = {"source": store.about["source"], "slices": len(table), "people": table["subject"].nunique(),
             "parameters": count_parameters(model), "mb": out.stat().st_size / 1e6, "updates": run.point["updates"],
             "commit": run.code["commit"] or "unknown"}
    alarms = {"without": alarms["people"]} | {name: ml for name, ml in alarms.items() if name != "people"}
    write_text(out.with_suffix(".md"), card_text(people, record, config, about, alarms))
    return out


def card_text(people: Sequence[Mapping], record: Mapping, config: RunConfig, about: Mapping, alarms: Mapping) -> str:
    """The model card as Markdown.

    Parameters
    ----------
    people : list of dict
        All scores, of which those of the row of `record` are summed up: those of all its seeds.
    about : dict
        source, slices, people: of what it learnt from; parameters, mb: of the network; updates, commit: of
        its training.
    alarms : dict
        As `false_alarms` gives them, its "people" as "without".
    """
    row = record["row"]
    dice, f1 = (people_interval(scores_of(people, row, score)) for score in ("dice", "lesion_f1"))
    hd95 = people_interval(scores_of(people, row, "hd95"), np.median)
    where = "cohorts 100 and up, of which nothing was chosen" if row.startswith("final") else "people of dev"
    return CARD.format(
        what="A U-Net" if config.net == "unet" else "A volumetric U-Net", net=config.net, row=row, seed=config.seed,
        cohort=config.cohort, batch=config.batch_size, scale=config.scale, dice=dice, f1=f1, hd95=f"{hd95:.1f}",
        settings=", ".join(f"{name} {value}" for name, value in changed_settings(config).items()),
        certain=reliability(people, row).found[-1], pos_weight=config.pos_weight,
        scored_on=f"The row's networks, on {where}", groups=groups_of(people, row),
        seen=f"{2 * config.context + 1} slices at a time" if config.context else "one slice at a time",
        **about, **alarms)
