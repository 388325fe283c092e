"""The losses of a variant's first steps: seconds to make again, so that every variant can be replayed bit for bit."""

from dataclasses import replace

from atlas_lab.config import RunConfig
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.datasets import build_dataset
from atlas_lab.experiment.start import even_kernels_unmentioned, start_training
from atlas_lab.fast.workers import processor_threads
from atlas_lab.train import seed_epoch, train_epoch

__all__ = ["FIRST_STEPS", "REPLAY_SUBJECTS", "first_losses", "variant_of"]

FIRST_STEPS = 20
REPLAY_SUBJECTS = 60  # of cohort 0: a subject doesn't depend on how many there are, so a small cohort will do


def variant_of(config: RunConfig) -> RunConfig:
    """What all runs of a variant have in common: the config with seed and cohort 0, and all people."""
    return replace(config, seed=0, cohort=0, people=None)


def first_losses(config: RunConfig, store: SliceStore, steps: int = FIRST_STEPS) -> list[float]:
    """The losses of the first training steps of a config's variant, on one processor thread.

    Parameters
    ----------
    config : RunConfig
        Its seed and cohort are taken to be 0, and all people to be there.
    store : SliceStore
        Slices of the first REPLAY_SUBJECTS subjects of cohort 0, at the config's scale and z_step.
    steps : int
    """
    config, losses = variant_of(config), []
    with processor_threads(1), even_kernels_unmentioned():
        start = start_training(config, store, "cpu")
        train = build_dataset(config, start.store, start.split.train, training=True)
        seed_epoch(config.seed, 1)

        def noted_loss(logits, target):
            loss = start.loss(logits, target)
            losses.append(loss.item())
            return loss

        batches = start.batches(len(train), config.batch_size)[:steps]
        train_epoch(start.model, train, noted_loss, start.optimizer, batches, config.max_grad_norm)
    return losses
