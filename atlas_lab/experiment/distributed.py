"""One large run on several processes that torchrun has started, on one machine or many: the numbers of one process.

Every process (rank) has the whole network and its part of each batch. The loss is taken on the whole batch, whose
logits the ranks send one another: so soft counts and means are the batch's, whatever the loss. Dropout masks are drawn
for the whole batch, of which each rank uses its part. Gradients meet in DistributedDataParallel. Scoring is spread by
whole batches of `evaluate`, so the counts are those of one process to the last one.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from atlas_lab.config import SETTINGS
from atlas_lab.dataset import SliceDataset
from atlas_lab.files import DataError
from atlas_lab.provenance import code_version, made_by, pick_device
from atlas_lab.train import SCORED, Evaluation, evaluate

__all__ = ["OneProcess", "Ranks", "process_group", "store_of_this_start"]

ALONE = ("context", "stage", "augment", "deep_supervision")  # settings that one process must train
MEETING = timedelta(minutes=5)   # in which all processes must have found one another
WORKING = timedelta(minutes=30)  # that one may keep the others waiting afterwards, torch's default for Gloo


class OneProcess:
    """A training in one process: everything stays as it is."""

    writes, device, about, restarted = True, None, {}, False

    def agree(self, config, store) -> str | None:
        """Nobody else to agree with."""

    def shared_model(self, model: nn.Module) -> nn.Module:
        """The network that `fit` trains."""
        return model

    def shared_loss(self, loss: Callable) -> Callable:
        """The loss that `fit` takes."""
        return loss

    def shared_scores(self, scores: Callable) -> Callable:
        """What `fit` makes of an Evaluation."""
        return scores

    def shared_data(self, train: SliceDataset, dev: SliceDataset) -> tuple[SliceDataset, SliceDataset]:
        """What `fit` learns from and scores on."""
        return train, dev

    def restored(self, restore: Callable[[], list], optimizer: torch.optim.Optimizer) -> list:
        """The history to go on from."""
        return restore()

    def evaluate(self, model: nn.Module, dataset: SliceDataset) -> Evaluation:
        """The counts of the trained network on a dataset."""
        return evaluate(model, dataset)


class Ranks(OneProcess):
    """This process as one of several that train together; its methods must be called by all of them, in one order.

    Attributes
    ----------
    writes : bool
        True for rank 0 alone, which prints, keeps checkpoints and saves the record.
    about : dict
        For `made_by` of the record: how many processes, and on which hosts (as digests).
    restarted : bool
        Whether torchrun has started the processes anew since one died.
    """

    def __init__(self, device: torch.device):
        self.device, self.rank, self.size = device, dist.get_rank(), dist.get_world_size()
        self.writes = self.rank == 0
        self.restarted = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0
        self.about = {"processes": self.size, "hosts": sorted(set(self._from_all(made_by(device)["host"])))}
        self.in_batch = self.in_dataset = 0  # slices of the batch that is trained on, or the dataset that is scored
        self._losses = []                    # of each batch of the evaluation at hand

    def _from_all(self, value):
        """What each rank has, in their order."""
        found = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def agree(self, config, store) -> str:
        """A line on who trains what together.

        Raises DataError if the ranks have other settings, slices or code, or if a setting needs one process: what is
        drawn for each slice, or is more than a slice, does not come out the same in parts.
        """
        for name in ALONE:
            if getattr(config, name) != SETTINGS[name].default:
                raise DataError(f"{name} is {getattr(config, name)}, which several processes can't train together; "
                                "train it in one process")
        if config.net == "volume_unet":
            raise DataError("the volumetric network can't be trained by several processes; train it in one")
        mine = {"settings": repr(config), "slices": store.about["data_hash"], "code": code_version()["package"]}
        for rank, theirs in enumerate(self._from_all(mine)):
            for what, value in theirs.items():
                if value != mine[what]:
                    raise DataError(f"rank {rank} has other {what} than rank {self.rank} ({value}, {mine[what]}); "
                                    "all ranks must train the same")
        each = sorted({len(range(*self._part_of(config.batch_size, rank))) for rank in range(self.size)})
        return (f"{self.size} processes on {len(self.about['hosts'])} host(s): the batch stays {config.batch_size} "
                f"slices, {' or '.join(map(str, each))} for each process")

    def _part_of(self, total, rank):
        """Start and stop of a rank's part of a batch: sizes differ by one at most, and may be 0."""
        return total * rank // self.size, total * (rank + 1) // self.size

    def own_part(self, total: int) -> slice:
        """This rank's part of a batch of `total` slices; one that has none computes a slice that doesn't count."""
        start, stop = self._part_of(total, self.rank)
        return slice(start, stop) if start < stop else slice(0, 1)

    def shared_data(self, train, dev):
        """Of train each rank's part of every batch, of what is scored each rank's batches."""
        return _TrainPart(train, self, len(dev)), _ScoredPart(dev, self)

    def shared_model(self, model):
        """The network with dropout by place in the whole batch, in DistributedDataParallel, with rank 0's weights."""
        for parent in list(model.modules()):
            for name, layer in list(parent.named_children()):
                if type(layer) is nn.Dropout:
                    setattr(parent, name, _DropoutByPlace(layer.p, self))
                elif isinstance(layer, nn.modules.batchnorm._BatchNorm | nn.modules.dropout._DropoutNd):
                    raise DataError(f"{type(layer).__name__} works on each process's part of a batch by itself, so "
                                    "several processes would train another network; train it in one process")
        gpu = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(model, device_ids=gpu)

    def shared_loss(self, loss):
        """The loss of the whole batch while training; while scoring, that of this rank's batches, which are noted."""
        def shared(logits, target):
            if torch.is_grad_enabled():
                return loss(_Gathered.apply(logits, self), self.gather(target))
            value = loss(logits, target)
            self._losses.append(value.item())
            return value

        return shared

    def gather(self, part: torch.Tensor) -> torch.Tensor:
        """The whole batch of which every rank has a part."""
        sizes = [len(range(*self._part_of(self.in_batch, rank))) for rank in range(self.size)]
        padded = part.new_zeros(max(sizes), *part.shape[1:])
        padded[: sizes[self.rank]] = part[: sizes[self.rank]]
        found = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(found, padded)
        return torch.cat([tensor[:size] for tensor, size in zip(found, sizes, strict=True)])

    def shared_scores(self, scores):
        """The scores of all ranks' slices together."""
        return lambda found: scores(self._merged(found))

    def evaluate(self, model, dataset):
        """The counts of the trained network on a dataset, each rank counting its batches."""
        return self._merged(evaluate(model, _ScoredPart(dataset, self)))

    def _merged(self, found):
        """One Evaluation from all ranks': their batches in the dataset's order, losses summed as `evaluate` does."""
        counts = np.stack([found.tp, found.fp, found.fn, found.tn, found.centroid_distance])
        parts = self._from_all((counts, self._losses))
        self._losses, n_slices = [], self.in_dataset
        batches, total_loss = [], 0.0
        for number, start in enumerate(range(0, n_slices, SCORED)):
            counts, losses = parts[number % self.size]
            turn = number // self.size
            batches.append(counts[:, turn * SCORED : (turn + 1) * SCORED])
            total_loss += losses[turn] * min(SCORED, n_slices - start) if losses else float("nan")
        *counts, distance = np.concatenate(batches, axis=1)
        return Evaluation(*(count.astype(np.int64) for count in counts), distance, total_loss / n_slices)

    def restored(self, restore, optimizer):
        """The history of rank 0's checkpoint, whose optimizer state all get; its weights come with `shared_model`."""
        state = [(restore(), optimizer.state_dict()) if self.writes else None]
        dist.broadcast_object_list(state, src=0)
        history, of_optimizer = state[0]
        if not self.writes:
            optimizer.load_state_dict(of_optimizer)
        return history


class _TrainPart(SliceDataset):
    """Slices of which a rank reads its part of every batch."""

    def __init__(self, whole, ranks, n_scored):
        super().__init__(whole.store, whole.rows)
        self._ranks, self._n_scored = ranks, n_scored

    def __getitem__(self, index):
        self._ranks.in_batch = len(index)
        return super().__getitem__(index[self._ranks.own_part(len(index))])

    def sample(self, size, seed=0):
        """The part of it that is scored, of dev's whole size; each rank gets its batches of that."""
        return _ScoredPart(super().sample(self._n_scored, seed), self._ranks)


class _ScoredPart(SliceDataset):
    """Every so many-th batch of a dataset; a rank for which there is none scores the first, which doesn't count."""

    def __init__(self, whole, ranks):
        batches = [whole.rows[start : start + SCORED] for start in range(0, len(whole), SCORED)]
        super().__init__(whole.store, np.concatenate(batches[ranks.rank :: ranks.size] or batches[:1]))
        self._ranks, self._n_whole = ranks, len(whole)

    def __getitem__(self, index):
        self._ranks.in_dataset = self._n_whole
        return super().__getitem__(index)


class _DropoutByPlace(nn.Dropout):
    """Dropout that draws for the whole batch, as one process does, and uses this rank's part."""

    def __init__(self, p, ranks):
        super().__init__(p)
        self._ranks = ranks

    def forward(self, features):
        if not self.training or self.p == 0:
            return features
        total = self._ranks.in_batch
        last = features.dim() == 4 and features.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if last else torch.contiguous_format  # numbers are drawn in memory's order
        whole = features.new_empty(total, *features.shape[1:]).contiguous(memory_format=layout)
        return features * whole.bernoulli_(1 - self.p).div_(1 - self.p)[self._ranks.own_part(total)]


class _Gathered(torch.autograd.Function):
    """The whole batch's logits. Its gradient comes back times the ranks, whose mean DistributedDataParallel takes."""

    @staticmethod
    def forward(ctx, logits, ranks):
        ctx.ranks, ctx.total = ranks, ranks.in_batch
        return ranks.gather(logits)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        start, stop = ctx.ranks._part_of(ctx.total, ctx.ranks.rank)
        own = grad[start:stop] * ctx.ranks.size
        return (own if start < stop else torch.zeros_like(grad[:1])), None


def store_of_this_start(store: "dist.Store", rank: int, size: int) -> "dist.Store":
    """The part of torchrun's store that the processes of this start have to themselves.

    torchrun keeps one store for all its starts. After a restart a process may find there where a dead one could be
    reached, before the new one has written where it is, and both then wait for one another. So rank 0 answers each
    other rank, by the word that it came with, with a word of its own, which names the part. Raises RuntimeError if
    they have not all met in time.
    """
    own, ends = os.urandom(8).hex(), time.monotonic() + MEETING.total_seconds()
    if rank:
        store.set(f"here {rank}", own)
    while not (name := _hear(store, rank, own) if rank else _answer(store, range(1, size), own)):
        if time.monotonic() > ends:
            raise RuntimeError("some did not answer")
        time.sleep(0.02)
    return dist.PrefixStore(name, store)


def _hear(store, rank, own):
    """The word of rank 0, once its answer is to this rank's own word, and not to that of one that is dead."""
    answer = store.get(f"answer {rank}").decode()
    if not answer.startswith(own):
        return None
    store.set(f"ready {rank}", answer.removeprefix(own))
    return answer.removeprefix(own)


def _answer(store, others, own):
    """Rank 0's own word, once all others have heard it; whoever came in place of a dead one is answered anew."""
    for other in others:
        store.set(f"answer {other}", store.get(f"here {other}").decode() + own)
    have_heard = (store.check([f"ready {other}"]) and store.get(f"ready {other}").decode() == own for other in others)
    return own if all(have_heard) else None


@contextmanager
def process_group() -> Iterator[OneProcess]:
    """This process's place among those that torchrun has started; OneProcess where it has started none, or one.

    They talk through NCCL where there are GPUs, one for each, else through Gloo. Raises DataError if there are more
    processes on this machine than GPUs, or they don't meet.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ or os.environ["WORLD_SIZE"] == "1":
        yield OneProcess()
        return
    from torch.distributed.distributed_c10d import _set_pg_timeout  # no public name does it after the processes met

    device, local = pick_device(), int(os.environ["LOCAL_RANK"])
    if device.type == "cuda":
        if local >= torch.cuda.device_count():
            raise DataError(f"process {local + 1} of this machine finds {torch.cuda.device_count()} GPUs; start one "
                            f"process for each: --nproc-per-node {torch.cuda.device_count()}")
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    try:
        store, rank, size = next(dist.rendezvous("env://", timeout=MEETING))
        store = store_of_this_start(store, rank, size)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", store=store, rank=rank, world_size=size,
                                timeout=MEETING)
    except RuntimeError as error:
        raise DataError(f"the processes did not all meet within {MEETING.total_seconds():.0f} s ({error}); torchrun "
                        "starts them anew while --max-restarts has some left") from error
    _set_pg_timeout(WORKING)
    try:
        yield Ranks(device)
    finally:
        dist.destroy_process_group()
