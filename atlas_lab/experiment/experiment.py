"""One experiment: settings and slices in, the record of a trained network out."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from atlas_lab.cohorts import cohort
from atlas_lab.config import RunConfig, check_config
from atlas_lab.data.slicing import prepare_slices
from atlas_lab.dataset import SliceDataset, SliceStore, scan_name
from atlas_lab.experiment.artifacts import scores_with_first_slices
from atlas_lab.experiment.build import build_step, learning_rate
from atlas_lab.experiment.checkpoint import keep_state, kept_folder, restore_checkpoint, run_folder, save_checkpoint
from atlas_lab.experiment.copying_machine import copied_masks
from atlas_lab.experiment.datasets import build_dataset
from atlas_lab.experiment.distributed import OneProcess
from atlas_lab.experiment.fine_scores import fine_scores
from atlas_lab.experiment.first_steps import first_losses
from atlas_lab.experiment.operating_point import operating_point
from atlas_lab.experiment.prediction import predict_rows
from atlas_lab.experiment.run import Run, pack_masks
from atlas_lab.experiment.start import even_kernels_unmentioned, start_training
from atlas_lab.fast.resident import resident
from atlas_lab.files import working_on
from atlas_lab.metrics import sums_by_subject
from atlas_lab.provenance import code_version, environment, made_by
from atlas_lab.splits import neighbour_exposure, seen_in_train
from atlas_lab.statistics import bootstrap_scores
from atlas_lab.system.progress import time_left
from atlas_lab.train import evaluate, fit, train_step

__all__ = ["final_scores", "run_experiment"]


def run_experiment(
    config: RunConfig, store: SliceStore | None = None, report: Callable[[str], None] = print, fresh: bool = False,
    device: str | torch.device | None = None, *, keep: Sequence[int] = (), replay_store: SliceStore | None = None,
    fine_store: SliceStore | None = None, times: bool = False, ranks: OneProcess | None = None,
) -> Run:
    """Make the objects that a RunConfig asks for, `fit` the network, and return the record of the run.

    The same config, data, machine and number of threads give the same numbers, bit for bit on a processor: torch's
    global generator is seeded, for the initial weights and in each epoch. A checkpoint is kept after every epoch; a
    later call with the same config, data and training code goes on from it, and gives what an unbroken run gives. So
    does a config that differs only after an epoch whose state was kept. Two calls of one config on the same data do not
    run at once: the second waits, says so, and then finds the first one's network trained.

    Parameters
    ----------
    config : RunConfig
    store : SliceStore, optional
        By default the slices of `cohort()` at the config's scale and z_step.
    report : callable
        Called with one line of text per epoch.
    fresh : bool
        Start anew even if there is a checkpoint.
    device : str or torch.device, optional
        By default a GPU, if there is one. From the same seed it draws other dropout masks than a processor does.
    keep : sequence of int
        Epochs whose whole state is kept, for runs that are longer or whose learning rate drops then.
    replay_store : SliceStore, optional
        The slices that `first_losses` takes; given them, the record has the losses of its variant's first steps.
    fine_store : SliceStore, optional
        The same slices at 1 mm; given them, the record has the scores there, dev_fine.
    times : bool
        Report how long the rest will take, too; without, the lines of the same run are the same.
    ranks : OneProcess or Ranks, optional
        The processes that train together, as `process_group` gives them; by default this one alone.

    Returns
    -------
    Run
        The same in every process.

    Raises
    ------
    DataError
        If a setting is impossible, the data can't be used, or the loss is no longer a finite number.
    """
    check_config(config)
    store = store or prepare_slices(cohort(seed=config.cohort), config.scale, config.z_step)
    first_steps = [] if replay_store is None else first_losses(config, replay_store)
    ranks = ranks or OneProcess()
    device = ranks.device or device
    start = start_training(config, store, device)
    store, split, model, optimizer = start.store, start.split, start.model, start.optimizer
    whole = build_dataset(config, store, split.train, training=True), build_dataset(config, store, split.dev)
    on = next(model.parameters()).device
    if ranks.device is None:
        whole = resident(*whole, device=on)
    some = whole[1].sample(config.dev_sample or len(whole[1]), config.seed)  # of dev, after each epoch
    train, dev = ranks.shared_data(whole[0], some)
    folder, kept, source = run_folder(config, store), kept_folder(config, store), store.about["source"]
    if (together := ranks.agree(config, store)) and ranks.writes:
        report(together)

    def after_epoch(history):
        history[-1]["made_by"] = made_by(device) | ranks.about
        if not ranks.writes:
            return
        if history[-1]["epoch"] in keep:
            keep_state(kept, model, optimizer, history, source)
        save_checkpoint(folder, model, optimizer, history, len(history) == config.epochs, source)
        seconds = sum(entry["seconds"] for entry in history)
        left = time_left(seconds, len(history), config.epochs) if times else ""
        report(_progress_line(history[-1], config.epochs) + (left and f"  {left}"))

    def read():
        return [] if fresh else restore_checkpoint(folder, kept, config, model, optimizer)

    def restore():
        history = read()
        if len(history) < config.epochs and held.enter_context(working_on(folder, "training this network")):
            history = read()  # after a wait: that of the process that was waited for
        return history

    with even_kernels_unmentioned(), ExitStack() as held:
        history = ranks.restored(restore, optimizer)
        history = fit(
            ranks.shared_model(model), ranks.shared_loss(start.loss), optimizer, train, dev, config.epochs,
            batch_size=config.batch_size, max_grad_norm=config.max_grad_norm, seed=config.seed,
            learning_rate=partial(learning_rate, config), batches=start.batches,
            scores=ranks.shared_scores(partial(scores_with_first_slices, config)),
            train_scored_every=config.train_scored_every, history=history, after_epoch=after_epoch,
            step=build_step(config, on) if ranks.device is None else train_step,
        )
        final = _all_final_scores(config, start, whole, partial(final_scores, model, evaluate=ranks.evaluate))
        if fine_store is not None:
            final["dev_fine"] = fine_scores(store, split.dev, partial(predict_rows, model, config, store), fine_store)
        examples = _predict_examples(config, model, store, split.dev)
    return Run(
        config, history, final, split=_describe_split(store, split), data=_describe_data(store), code=code_version(),
        environment=environment(device) | {"threads": _threads_of(history)},
        seconds=round(sum(entry["seconds"] for entry in history), 1), examples=examples,
        point=operating_point(config, store, split, model), first_steps=first_steps,
    )


def _threads_of(history):
    """With how many threads the epochs were made: a number, or a list of them if a run was gone on with otherwise."""
    counts = sorted({entry["made_by"]["threads"] for entry in history if "made_by" in entry})
    return counts[0] if len(counts) == 1 else counts


def _all_final_scores(config, start, datasets, scored):
    """The scores of the trained network on train, dev, parts of dev, and dev under other masks; see `Run.final`.

    `datasets` are train and dev, as they were trained with; `scored` gives the scores on one.
    """
    store, split, (train, dev) = start.store, start.split, datasets
    final = {"train": scored(train.sample(len(dev), config.seed)), "dev": scored(dev)}
    final |= _seen_and_unseen(config, scored, store, split)
    if config.mask_files == "jpeg":
        as_drawn = replace(store, masks=start.masks_as_drawn)
        final["dev_exact"] = scored(build_dataset(config, as_drawn, split.dev))
    copied = np.zeros_like(store.masks)
    copied[split.dev] = copied_masks(store, split)
    final["dev_copied"] = scored(build_dataset(config, replace(store, masks=copied), split.dev))
    return final


def final_scores(model: torch.nn.Module, dataset: SliceDataset, evaluate: Callable = evaluate) -> dict:
    """Scores with bootstrap intervals over subjects; see `bootstrap_scores`."""
    found, table = evaluate(model, dataset), dataset.table
    scans = scan_name(table["subject"], table["session"])
    return bootstrap_scores(
        sums_by_subject(found.tp, found.fp, found.fn, table["subject"], scans, found.centroid_distance))


def _seen_and_unseen(config, scored, store, split):
    """Final scores on dev's slices of subjects that train has and of those it has not; empty unless dev has both."""
    seen = seen_in_train(store.table["subject"], split)
    if seen.all() or not seen.any():
        return {}
    parts = {"dev_seen": split.dev[seen], "dev_unseen": split.dev[~seen]}
    return {name: scored(build_dataset(config, store, rows)) for name, rows in parts.items()}


def _predict_examples(config, model, store, rows, count=12):
    """Predicted masks of a few slices with lesion, evenly spaced by the lesion's area, for the record."""
    area = store.table["lesion_pixels"].to_numpy()[rows]
    ranked = rows[np.argsort(area, kind="stable")][np.count_nonzero(area == 0):]
    middles = ((np.arange(count) + 0.5) / count * len(ranked)).astype(int)  # of the count parts of the ranking
    shown = ranked[np.unique(middles)] if len(ranked) else ranked
    masks = pack_masks(predict_rows(model, config, store, shown) > 0.5)
    return {"rows": store.table.index[shown].tolist(), "masks": masks}


def _describe_split(store, split):
    """Sizes of the split, and how many subjects it puts on both sides."""
    sides = [set(store.table["subject"].iloc[rows]) for rows in split]
    return {
        "n_train": len(split.train), "n_dev": len(split.dev),
        "dev_subjects": len(sides[1]), "shared_subjects": len(sides[0] & sides[1]),
        "neighbour_exposure": round(neighbour_exposure(store, split), 4),
    }


def _describe_data(store):
    """What a record says of its data."""
    return {
        "source": store.about["source"], "n_scans": store.about["n_scans"], "n_slices": len(store),
        "lesion_slices": int((store.table["lesion_pixels"] > 0).sum()), "data_hash": store.about["data_hash"],
    }


def _progress_line(entry, epochs):
    """One line on an epoch for people to read."""
    dev, train = entry["dev"], entry.get("train")
    return (
        f"epoch {entry['epoch']:3d}/{epochs}  loss {entry['step_loss']:.4f}  "
        f"Dice {'train {:.3f}  '.format(train['mean_dice']) if train else ''}dev {dev['mean_dice']:.3f}  "
        f"area predicted/true {dev['area_ratio']:.2f}"
    )
