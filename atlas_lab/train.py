"""Training on one page: the loop of the paper's baseline, its evaluation, and prediction."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from atlas_lab.experiment.artifacts import first_slices_dice
from atlas_lab.metrics import confusion_counts, dice_from_counts, nan_mean, place_errors, precision_recall_area


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
