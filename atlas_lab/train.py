"""Training on one page: the loop of the paper's baseline, its evaluation, and prediction."""

import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from atlas_lab.checkpoint import restore_checkpoint, run_folder, save_checkpoint
from atlas_lab.config import check_config
from atlas_lab.departures import as_filed, first_slices_dice
from atlas_lab.hardware import place
from atlas_lab.losses import build_loss
from atlas_lab.metrics import (
    bootstrap_scores,
    confusion_counts,
    dice_from_counts,
    nan_mean,
    place_errors,
    precision_recall_area,
    sums_by_subject,
)
from atlas_lab.model import build_model
from atlas_lab.record import Run, code_version, environment, pack_masks
from atlas_lab.scans import cohort
from atlas_lab.slices import SliceDataset, prepare_slices
from atlas_lab.splits import neighbour_exposure, seen_in_train, split_slices, swap_masks


def train(config, store=None, report=print, fresh=False, device=None):
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


def train_epoch(model, dataset, loss_function, optimizer, config, epoch):
    """One pass over the training slices in a random order; returns the mean loss of its steps."""
    # Seeding by epoch makes the order and the dropout of epoch 7 the same in a resumed and an unbroken run.
    torch.manual_seed(config.seed * 100_003 + epoch)
    device = next(model.parameters()).device
    model.train()
    losses = []
    for batch in random_batches(len(dataset), config):
        images, target = (tensor.to(device) for tensor in dataset[batch])
        loss = loss_function(model(images), target)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
        optimizer.step()
        losses.append(loss.item())
    return float(np.mean(losses))


def random_batches(n_slices, config):
    """All slices once, in a random order, in batches; the last is smaller, or "filled" up with slices drawn again."""
    batches = list(torch.randperm(n_slices).split(config.batch_size))
    missing = config.batch_size - len(batches[-1])
    if config.last_batch == "filled" and missing:
        batches[-1] = torch.cat([batches[-1], torch.randint(n_slices, (missing,))])
    return batches


def learning_rate(config, epoch):
    """The learning rate of an epoch, counted from 1."""
    dropped = config.lr_drop_epoch is not None and epoch > config.lr_drop_epoch
    return config.learning_rate * (config.lr_drop_factor if dropped else 1)


@dataclass
class Evaluation:
    """Counts of each slice of a dataset, int64 arrays (N,), its `place_errors`, and the mean loss."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    tn: np.ndarray
    place: np.ndarray
    loss: float

    def scores(self, config):
        """The scores of the history; "skip" is the paper's convention for slices that are empty in both."""
        precision, recall, area_ratio = precision_recall_area(self.tp, self.fp, self.fn)
        dice = dice_from_counts(self.tp, self.fp, self.fn, empty="skip")
        first_100 = first_slices_dice(dice, seed=config.seed)
        return {
            "loss": self.loss,
            "mean_dice": first_100 if config.scored_slices == "first 100" else nan_mean(dice), "first_100": first_100,
            "precision": precision, "recall": recall, "area_ratio": area_ratio,
        }


@torch.no_grad()
def evaluate(model, dataset, loss_function=None, batch_size=250):
    """Predict every slice of a dataset with dropout off and count; the mask is sigmoid(logits) > 0.5.

    Returns
    -------
    Evaluation
        With the loss NaN if no loss function is given.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    counts, places, total_loss = [], [], 0.0
    for batch in torch.arange(len(dataset)).split(batch_size):
        images, target = (tensor.to(device) for tensor in dataset[batch])
        logits = model(images)
        if loss_function is not None:
            total_loss += loss_function(logits, target).item() * len(batch)
        pred = (logits > 0).cpu().numpy()  # sigmoid(x) > 0.5 where x > 0
        target = target.bool().cpu().numpy()
        counts.append(np.stack(confusion_counts(pred, target))[..., 0])
        places.append(place_errors(pred[:, 0], target[:, 0]))
    model.train(was_training)
    loss = total_loss / len(dataset) if loss_function is not None else float("nan")
    return Evaluation(*np.concatenate(counts, axis=1), place=np.concatenate(places), loss=loss)


@torch.no_grad()
def predict(model, images, batch_size=250):
    """Lesion probability of every pixel: images (N, H, W), uint8 or in [0, 1] -> float32 (N, H, W)."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    images = torch.from_numpy(np.ascontiguousarray(images)).unsqueeze(1)
    images = images.float() / 255 if images.dtype == torch.uint8 else images.float()
    output = [torch.sigmoid(model(batch.to(device))).cpu() for batch in images.split(batch_size)]
    model.train(was_training)
    return torch.cat(output)[:, 0].numpy()


def final_scores(model, dataset):
    """Scores with bootstrap intervals over subjects; see `bootstrap_scores`."""
    counts = evaluate(model, dataset)
    table = dataset.table
    scans = table["subject"] + "/" + table["session"]
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
    chosen = np.random.default_rng([seed, 1]).permutation(len(dataset))[:size]
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
