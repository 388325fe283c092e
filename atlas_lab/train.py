"""Training on one page: a plain PyTorch loop that takes objects, its evaluation, and prediction."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from atlas_lab.dataset import SliceDataset
from atlas_lab.files import DataError
from atlas_lab.metrics import centroid_distances, confusion_counts, dice_from_counts, nan_mean, precision_recall_area

__all__ = ["SCORED", "Evaluation", "evaluate", "fit", "predict", "random_batches", "seed_epoch", "train_epoch",
           "train_step"]

SCORED = 250  # slices that are scored or predicted at a time


def random_batches(n_slices: int, batch_size: int) -> list[torch.Tensor]:
    """All slices once, in a random order, in batches of row numbers; the last is smaller."""
    return list(torch.randperm(n_slices).split(batch_size))


def train_step(model, loss, optimizer, images, target, max_grad_norm=5.0) -> torch.Tensor:
    """One update of the weights from one batch on the model's device; returns the batch's loss before it."""
    step_loss = loss(model(images), target)
    optimizer.zero_grad()
    step_loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
    optimizer.step()
    return step_loss.detach()


def fit(
    model: nn.Module, loss: Callable, optimizer: torch.optim.Optimizer, train: SliceDataset, dev: SliceDataset,
    epochs: int, *, batch_size: int = 100, max_grad_norm: float = 5.0, learning_rate: Callable | None = None,
    seed: int = 0, batches: Callable = random_batches, scores: Callable | None = None, history: list | tuple = (),
    after_epoch: Callable | None = None, train_scored_every: int = 1, step: Callable = train_step,
) -> list[dict]:
    """Train any network with any loss; after each epoch score it on train and dev.

    Seeds torch's global generator at the start of each epoch, from `seed` and the epoch's number: so the order of the
    slices and the dropout of epoch 7 are the same in a resumed and an unbroken training.

    Parameters
    ----------
    model : nn.Module
        From images (B, 1, H, W) to logits of the same shape, on the device where it is to train.
    loss : callable
        From logits and target (B, 1, H, W), target 0 or 1, to one number.
    optimizer : torch.optim.Optimizer
        Of the model's parameters.
    train, dev : SliceDataset
        What to learn from, and what only to be scored on.
    epochs : int
        Passes over train, those in `history` included.
    batch_size, max_grad_norm : int, float
        Slices in a step; longer gradients are shortened to this norm.
    learning_rate : callable, optional
        From the number of an epoch, counted from 1, to its learning rate; by default the optimizer's stays.
    seed : int
        Of each epoch's order and dropout, and of the part of train that is scored.
    batches : callable
        From number of slices and batch size to the batches of an epoch, lists of row numbers.
    scores : callable, optional
        From an Evaluation to the scores that are kept; by default `Evaluation.scores`.
    history : list of dict
        Of epochs trained before, to go on from; model and optimizer must be as they were then.
    after_epoch : callable, optional
        Called with the history after every epoch: to print it, draw it, or save a checkpoint.
    train_scored_every : int
        Train is scored after every so many-th epoch alone.
    step : callable
        One step of training, see `train_step`.

    Returns
    -------
    list of dict, one per epoch
        epoch, learning_rate, step_loss (mean over the epoch's steps, dropout on), seconds, and under train and dev the
        scores, dropout off. Train is scored on as many slices as dev has, chosen once at random.

    Raises
    ------
    DataError
        If the loss is no longer a finite number; the epoch and the likely cause are named.
    """
    history, scores = list(history), scores or Evaluation.scores
    some_train = train.sample(len(dev), seed)
    for epoch in range(len(history) + 1, epochs + 1):
        started = time.perf_counter()
        seed_epoch(seed, epoch)
        if learning_rate is not None:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(epoch)
        step_loss = train_epoch(model, train, loss, optimizer, batches(len(train), batch_size), max_grad_norm, step)
        rate = optimizer.param_groups[0]["lr"]
        if not math.isfinite(step_loss):
            raise DataError(
                f"the loss of epoch {epoch} is {step_loss}, so training ended: a learning rate of {rate:g} may be too "
                "large, or the loss is undefined on a batch (equation 3 without smoothing is 0 / 0 without lesion)")
        scored = {"train": some_train, "dev": dev} if epoch % train_scored_every == 0 else {"dev": dev}
        found = {part: scores(evaluate(model, dataset, loss)) for part, dataset in scored.items()}
        seconds = round(time.perf_counter() - started, 3)
        history.append({"epoch": epoch, "learning_rate": rate, "step_loss": step_loss, "seconds": seconds, **found})
        if after_epoch is not None:
            after_epoch(history)
    return history


def seed_epoch(seed: int, epoch: int) -> None:
    """Seed torch's global generator for an epoch, counted from 1."""
    torch.manual_seed(seed * 100_003 + epoch)


def train_epoch(model, train, loss, optimizer, batches, max_grad_norm=5.0, step=train_step) -> float:
    """One step for each batch of row numbers; returns the mean loss of the steps."""
    device = next(model.parameters()).device
    model.train()
    losses = []
    for batch in batches:
        images, target = (tensor.to(device) for tensor in train[batch])
        losses.append(step(model, loss, optimizer, images, target, max_grad_norm))
    return float(np.mean(torch.stack(losses).tolist()))


@dataclass
class Evaluation:
    """Counts of each slice of a dataset, int64 arrays (N,), its `centroid_distances`, and the mean loss."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    tn: np.ndarray
    centroid_distance: np.ndarray
    loss: float

    def dice(self) -> np.ndarray:
        """Dice of each slice, NaN where target and prediction are empty ("skip", the paper's convention)."""
        return dice_from_counts(self.tp, self.fp, self.fn, empty="skip")

    def scores(self) -> dict:
        """loss, mean_dice (over the slices that are not skipped), and of all pixels: precision, recall, area_ratio."""
        precision, recall, area_ratio = precision_recall_area(self.tp, self.fp, self.fn)
        of_all_pixels = {"precision": precision, "recall": recall, "area_ratio": area_ratio}
        return {"loss": self.loss, "mean_dice": nan_mean(self.dice()), **of_all_pixels}


@torch.no_grad()
def evaluate(model: nn.Module, dataset: SliceDataset, loss: Callable | None = None) -> Evaluation:
    """Predict every slice, dropout off, and count where sigmoid(logits) > 0.5. DataError if the output is no number."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    counts, distances, total_loss = [], [], 0.0
    for batch in torch.arange(len(dataset)).split(SCORED):
        images, target = (tensor.to(device) for tensor in dataset[batch])
        logits = model(images)
        if not torch.isfinite(logits).all():
            raise DataError("the network's output is NaN or infinite; train it again, with a smaller learning rate")
        if loss is not None:
            total_loss += loss(logits, target).item() * len(batch)
        pred = (logits > 0).cpu().numpy()  # sigmoid(x) > 0.5 where x > 0
        target = target.bool().cpu().numpy()
        counts.append(np.stack(confusion_counts(pred, target))[..., 0])
        distances.append(centroid_distances(pred[:, 0], target[:, 0]))
    model.train(was_training)
    mean_loss = total_loss / len(dataset) if loss is not None else math.nan
    return Evaluation(*np.concatenate(counts, axis=1), np.concatenate(distances), mean_loss)


@torch.no_grad()
def predict(model: nn.Module, images: np.ndarray) -> np.ndarray:
    """Lesion probability: images (N, H, W) or (N, C, H, W), uint8 or in [0, 1], else DataError -> float32 (N, H, W)."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    images = torch.from_numpy(np.ascontiguousarray(images))
    largest = 255 if images.dtype == torch.uint8 else 1
    if len(images) and images.max() > largest:
        raise DataError(f"images are {images.dtype} up to {images.max()}; expected uint8, or values from 0 to 1")
    images = images.unsqueeze(1) if images.dim() == 3 else images
    output = [torch.sigmoid(model(batch.to(device).float() / largest)).cpu() for batch in images.split(SCORED)]
    model.train(was_training)
    return torch.cat(output).reshape(len(images), *images.shape[-2:]).numpy()
