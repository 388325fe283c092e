"""The network that `predict` uses unless told otherwise, and its model card, both from the runs on new people."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from atlas_lab.architecture import count_parameters
from atlas_lab.config import changed_settings, config_from_plain, run_name
from atlas_lab.experiment.checkpoint import load_model
from atlas_lab.experiment.folds import choose_split
from atlas_lab.experiment.inference import save_model
from atlas_lab.experiment.post_processing import PostProcessing
from atlas_lab.experiment.run import load_run
from atlas_lab.files import DataError, write_text
from atlas_lab.paper.many_people import MANY, groups_of, of_seed_0, scores_of
from atlas_lab.paper.people_plan import FINAL_COHORTS
from atlas_lab.paper.people_progress import recorded_so_far
from atlas_lab.paper.people_records import load_people, people_folder, study_slices
from atlas_lab.paper.people_scores import reliability
from atlas_lab.paper.processing_choice import load_processed, processed_row
from atlas_lab.scoring.bootstrap import people_interval
from atlas_lab.system.disk import expand
from atlas_lab.system.shipped import IN_A_CLONE, SHIPPED_NETWORK

__all__ = ["card_text", "chosen_record", "ship_network"]

ROWS = (MANY, "final: best", "final: U-Net")  # the first that is recorded is shipped
CARD = """# The network that `predict` uses

{what}, trained by `atlas-lab people` on one synthetic cohort and written by `atlas-lab people --ship`. **Not for
clinical use**: it has never seen a patient.

| | |
|---|---|
| network | {net}, {parameters:,} parameters, float32, {mb:.1f} MB |
| row | {row}, seed {seed}, cohort {cohort} |
| learnt from | {source}: {people} people, {slices:,} axial slices of {scale} mm pixels, lesions grown by the phantom |
| trained | {updates:,} updates in batches of {batch}; settings: {settings} |
| asked | {asked} |
| code | commit {commit:.7} |

## What it scored

This network, asked so, on the people of cohort {scored_on}, on whom nothing was chosen. Mean over people with its 95 %
interval, which covers other people of one generator, and no patients.

| score | |
|---|---|
| subject Dice | {dice} |
| the same, of its answers as they are | {plain_dice} |
| lesion-wise F1, as the ATLAS challenge has it | {f1} |
| the same, of its answers as they are | {plain_f1} |
| Hausdorff distance, 95th percentile, median over people with both masks, mm | {hd95} |
| false alarm in people without lesion ({without} of them): median | {median_ml:.2f} ml |
| the same: largest, share with any | {largest_ml:.1f} ml, {share_with_any:.0%} |

{groups}
## What it can't do

- It learnt from whole heads, their faces removed, in MNI space. For a scan in its own space: `predict --register`. A
  brain whose skull is gone looks to it like nothing that it has seen.
- It sees {seen}, at {scale} mm: lesions of a few pixels are lost, see the table above{least}.
- Synthetic lesions are grown along vessels' territories, each of one age; how they pull on what lies around them, and
  the changes of the white matter beside them, are simple models. Real ones are more varied.
- Its probabilities are no chances: of the pixels that come out with 0.9 or more, {certain:.0%} are lesion on the people
  above (the loss counts lesion {pos_weight:g} times, and the threshold moves them). Nothing was calibrated on patients.
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
    processed = _processed(record["row"], folder)
    config = config_from_plain(record["config"])
    run, store = load_run(folder / f"{run_name(config)}.json"), study_slices(config)
    model = load_model(run, store)
    save_model(out, model, config, store, PostProcessing(**processed["chosen"]))
    table = store.table.iloc[choose_split(config, store).train]
    about = {"source": store.about["source"], "slices": len(table), "people": table["subject"].nunique(),
             "parameters": count_parameters(model), "mb": out.stat().st_size / 1e6, "updates": run.point["updates"],
             "commit": run.code["commit"] or "unknown"}
    write_text(out.with_suffix(".md"), card_text(record, processed, about))
    return out


def _processed(row, folder):
    """The scores after post-processing of a row's network of seed 0. Raises DataError if they are not recorded."""
    found = of_seed_0(load_processed(folder)).get(processed_row(row))
    if found is None:
        raise DataError(f"what is done to the answers of {row!r} is not recorded; make that with: atlas-lab people "
                        f"{row!r}")
    return found


def card_text(record: Mapping, processed: Mapping, about: Mapping) -> str:
    """The model card as Markdown.

    Parameters
    ----------
    record, processed : dict
        The network's scores as `load_people` gives them, and those after its post-processing, see `load_processed`.
    about : dict
        source, slices, people: of what it learnt from; parameters, mb: of the network; updates, commit: of
        its training.
    """
    row, config, alarms = processed["row"], config_from_plain(record["config"]), processed["scores"]["false alarms"]
    scores = {score: scores_of([processed], row, score) for score in ("dice", "lesion_f1", "hd95")}
    way = PostProcessing(**processed["chosen"])
    plain = {score: people_interval(recorded_so_far([record], record["row"], score)[0])
             for score in ("dice", "lesion_f1")}
    return CARD.format(
        what="A U-Net" if config.net == "unet" else "A volumetric U-Net", net=config.net, row=record["row"],
        seed=config.seed, cohort=config.cohort, batch=config.batch_size, scale=config.scale,
        settings=", ".join(f"{name} {value}" for name, value in changed_settings(config).items()),
        asked=way.describe() or "as it is", scored_on=FINAL_COHORTS + config.cohort,
        dice=people_interval(scores["dice"]), f1=people_interval(scores["lesion_f1"]), plain_dice=plain["dice"],
        plain_f1=plain["lesion_f1"], hd95=f"{people_interval(scores['hd95'], np.median):.1f}",
        certain=reliability([processed], row).found[-1], pos_weight=config.pos_weight,
        least=f"; no piece of less than {way.smallest_ml:g} ml is called" if way.smallest_ml else "",
        groups=groups_of([processed], row), without=alarms["people"],
        seen=f"{2 * config.context + 1} slices at a time" if config.context else "one slice at a time",
        **about, **{name: ml for name, ml in alarms.items() if name != "people"})
