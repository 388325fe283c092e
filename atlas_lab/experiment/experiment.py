"""One experiment: settings and slices in, the record of a trained network out."""

import time
from dataclasses import replace

import numpy as np
import torch

from atlas_lab.cohorts import cohort
from atlas_lab.config import check_config
from atlas_lab.data.slicing import prepare_slices
from atlas_lab.dataset import SliceDataset, scan_name
from atlas_lab.experiment.artifacts import as_filed
from atlas_lab.experiment.build import build_loss, build_model
from atlas_lab.experiment.checkpoint import restore_checkpoint, run_folder, save_checkpoint
from atlas_lab.experiment.permuted_masks import swap_masks
from atlas_lab.experiment.run import Run, pack_masks
from atlas_lab.fast.layout import place
from atlas_lab.metrics import sums_by_subject
from atlas_lab.provenance import RunStream, code_version, environment
from atlas_lab.splits import neighbour_exposure, seen_in_train, split_slices
from atlas_lab.statistics import bootstrap_scores
from atlas_lab.train import evaluate, learning_rate, predict, train_epoch


def run_experiment(config, store=None, report=print, fresh=False, device=None):
    """Train a network and return the record of the run.

    The same config, data, machine and number of threads give the same numbers, bit for bit on a processor. A
    checkpoint is kept after every epoch; a later call with the same config, data and code goes on from it, and
    gives what an unbroken run gives.

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

    Returns
    -------
    Run

    Raises
    ------
    DataError
        If a setting is impossible, or the data can't be used.
    """
    check_config(config)
    if store is None:
        store = prepare_slices(cohort(), config.scale, config.z_step)
    if config.labels == "swapped":
        store = swap_masks(store, config.seed)
    masks_as_drawn = store.masks
    store = as_filed(store, config)
    split = split_slices(store, config.split_by, config.dev_fraction, config.seed)
    train_set, dev_set = SliceDataset(store, split.train), SliceDataset(store, split.dev)
    train_sample = sample_rows(train_set, len(dev_set), config.seed)

    torch.manual_seed(config.seed)  # initial weights
    model = place(build_model(config, store.shape), device)
    loss_function = build_loss(config)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    folder = run_folder(config, store)
    history = [] if fresh else restore_checkpoint(folder, model, optimizer)

    for epoch in range(len(history) + 1, config.epochs + 1):
        started = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, epoch)
        step_loss = train_epoch(model, train_set, loss_function, optimizer, config, epoch)
        on_train = evaluate(model, train_sample, loss_function)
        on_dev = evaluate(model, dev_set, loss_function)
        history.append({
            "epoch": epoch, "learning_rate": learning_rate(config, epoch), "step_loss": step_loss,
            "seconds": round(time.perf_counter() - started, 3),
            "train": on_train.scores(config), "dev": on_dev.scores(config),
        })
        save_checkpoint(folder, model, optimizer, history, finished=epoch == config.epochs)
        report(progress_line(history[-1], config.epochs))

    as_drawn = SliceDataset(replace(store, masks=masks_as_drawn), split.dev)
    return Run(
        config, history,
        final={"train": final_scores(model, train_sample), "dev": final_scores(model, dev_set)}
        | seen_and_unseen(model, store, split)
        | ({"dev_exact": final_scores(model, as_drawn)} if config.mask_files == "jpeg" else {}),
        split=describe_split(store, split), data=describe_data(store),
        code=code_version(), environment=environment(device),
        seconds=round(sum(entry["seconds"] for entry in history), 1),
        examples=predict_examples(model, store, split.dev),
    )


def final_scores(model, dataset):
    """Scores with bootstrap intervals over subjects; see `bootstrap_scores`."""
    counts = evaluate(model, dataset)
    table = dataset.table
    scans = scan_name(table["subject"], table["session"])
    sums = sums_by_subject(counts.tp, counts.fp, counts.fn, table["subject"], scans, counts.place)
    return bootstrap_scores(sums)


def seen_and_unseen(model, store, split):
    """Final scores on dev's slices of subjects that train has and of those it has not; empty unless dev has both."""
    seen = seen_in_train(store.table["subject"], split)
    if seen.all() or not seen.any():
        return {}
    parts = {"dev_seen": split.dev[seen], "dev_unseen": split.dev[~seen]}
    return {name: final_scores(model, SliceDataset(store, rows)) for name, rows in parts.items()}


def predict_examples(model, store, rows, count=12):
    """Predicted masks of a few slices with lesion, evenly spaced by the lesion's area, for the record."""
    area = store.table["lesion_pixels"].to_numpy()[rows]
    ranked = rows[np.argsort(area, kind="stable")][np.count_nonzero(area == 0):]
    middles = ((np.arange(count) + 0.5) / count * len(ranked)).astype(int)  # of the count parts of the ranking
    shown = ranked[np.unique(middles)] if len(ranked) else ranked
    return {"rows": shown.tolist(), "masks": pack_masks(predict(model, store.images[shown]) > 0.5)}


def sample_rows(dataset, size, seed):
    """A fixed random part of a dataset, `size` slices at most, in the store's order."""
    chosen = np.random.default_rng([seed, RunStream.SCORED_TRAIN]).permutation(len(dataset))[:size]
    return SliceDataset(dataset.store, dataset.rows[np.sort(chosen)])


def describe_split(store, split):
    """Sizes of the split, and how many subjects it puts on both sides."""
    sides = [set(store.table["subject"].iloc[rows]) for rows in split]
    return {
        "n_train": len(split.train), "n_dev": len(split.dev),
        "dev_subjects": len(sides[1]), "shared_subjects": len(sides[0] & sides[1]),
        "neighbour_exposure": round(neighbour_exposure(store, split), 4),
    }


def describe_data(store):
    """What a record says of its data."""
    return {
        "source": store.about["source"], "n_scans": store.about["n_scans"], "n_slices": len(store),
        "lesion_slices": int((store.table["lesion_pixels"] > 0).sum()), "hash": store.about["data_hash"],
    }


def progress_line(entry, epochs):
    """One line on an epoch for people to read."""
    dev = entry["dev"]
    return (
        f"epoch {entry['epoch']:3d}/{epochs}  loss {entry['step_loss']:.4f}  "
        f"Dice train {entry['train']['mean_dice']:.3f}  dev {dev['mean_dice']:.3f}  "
        f"area predicted/true {dev['area_ratio']:.2f}"
    )
