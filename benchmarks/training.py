"""Training steps a second: ours, a plain PyTorch loop, MONAI's SupervisedTrainer, and what the machine could do.

Run: python benchmarks/training.py SIDE SIZE [STEPS [checked | BATCH]], in a process of its own since memory settings
are per process; `rows` does so in turn. All sides train the same network from the same weights on the same slices.
"""

import json
import sys
import time
from functools import partial
from itertools import pairwise

import torch
from sides import ask, ask_in_turn, memory_mb, row, summary
from torch import nn

SIZES = {"full": ((232, 196), 4), "course": ((56, 48), 30)}  # the slice, steps to time
BATCH, WARM = 100, 4  # the first steps are the ones in which a process takes the memory that it keeps


def data(shape, n_batches, batch=BATCH):
    """Noise with a few lesion pixels, the same for all sides: images and targets (N, 1, H, W)."""
    made = torch.Generator().manual_seed(0)
    images = torch.rand(batch * n_batches, 1, *shape, generator=made)
    return images, (torch.rand(images.shape, generator=made) > 0.99).float()


def network(shape, dropout):
    """The baseline."""
    from atlas_lab.model import BaselineNet

    torch.manual_seed(0)
    return BaselineNet(shape, dropout=dropout)


def ours(shape, dropout, steps, batch=BATCH):
    """As train.py has it."""
    from atlas_lab.fast.layout import place
    from atlas_lab.losses import weighted_cross_entropy

    model = place(network(shape, dropout))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    return steps_of(model, optimizer, partial(weighted_cross_entropy, pos_weight=100.0), shape, steps, batch)


def plain(shape, dropout, steps):
    """The loop of a tutorial."""
    model = network(shape, dropout)
    loss = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(100.0))
    return steps_of(model, torch.optim.Adam(model.parameters(), lr=1e-3), loss, shape, steps)


def steps_of(model, optimizer, loss_function, shape, steps, batch=BATCH):
    """Seconds of each step after the warm ones, and the loss of the last."""
    images, targets = data(shape, 2, batch)
    model.train()
    times = []
    for step in range(WARM + steps):
        part = slice(batch * (step % 2), batch * (step % 2 + 1))
        started = time.perf_counter()
        loss = loss_function(model(images[part]), targets[part])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        last = loss.item()
        times.append(time.perf_counter() - started)
    return times[WARM:], last


def monai(shape, dropout, steps):
    """MONAI's SupervisedTrainer with CacheDataset and DataLoader, as its tutorials have them."""
    from ignite.engine import Events
    from monai.data import CacheDataset, DataLoader
    from monai.engines import SupervisedTrainer

    images, targets = data(shape, 2)
    pairs = CacheDataset([{"image": i, "label": t} for i, t in zip(images, targets, strict=True)], progress=False)
    model = network(shape, dropout)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    # The paper's clipping of the gradient, which MONAI leaves to the user.
    optimizer.register_step_pre_hook(lambda *_: nn.utils.clip_grad_norm_(model.parameters(), 5.0) and None)
    trainer = SupervisedTrainer(
        device=torch.device("cpu"), max_epochs=-(-(WARM + steps) // 2), network=model, optimizer=optimizer,
        train_data_loader=DataLoader(pairs, batch_size=BATCH, shuffle=False, num_workers=0),
        loss_function=nn.BCEWithLogitsLoss(pos_weight=torch.tensor(100.0)), decollate=False,
    )
    moments, losses = [], []

    @trainer.on(Events.ITERATION_COMPLETED)
    def note(engine):
        moments.append(time.perf_counter())
        losses.append(float(engine.state.output["loss"]))

    started = time.perf_counter()
    trainer.run()
    times = [b - a for a, b in pairwise([started, *moments])]
    return times[WARM : WARM + steps], losses[WARM + steps - 1]


SIDES = {"ours": ours, "plain PyTorch loop": plain, "MONAI SupervisedTrainer": monai}


def limit(shape):
    """Seconds of a step at this machine's best matrix product and memory copy, without any overhead.

    FLOP are counted by torch over forward and backward; Adam reads and writes seven arrays of the weights' size.
    """
    from torch.utils.flop_counter import FlopCounterMode

    model = network(shape, 0.0)
    images, targets = (part[:BATCH] for part in data(shape, 1))
    with FlopCounterMode(display=False) as counter:
        nn.functional.binary_cross_entropy_with_logits(model(images), targets).backward()
    parameters = sum(p.numel() for p in model.parameters())
    rate, bandwidth = matrix_rate(), copy_rate()
    return {
        "seconds": counter.get_total_flops() / rate + 7 * 4 * parameters / bandwidth,
        "gflop": counter.get_total_flops() / 1e9, "gflop_per_s": rate / 1e9, "gb_per_s": bandwidth / 1e9,
    }


def matrix_rate(n=3000):
    """Floating point operations a second in float32 matrix products: the better of torch's two libraries."""
    from atlas_lab.fast.linear import has_onednn, product

    one, other = torch.rand(n, n), torch.rand(n, n)
    sides = [lambda: one @ other] + ([lambda: product(one, other)] if has_onednn() else [])
    return 2 * n**3 / min(best(side) for side in sides)


def copy_rate(n=100_000_000):
    """Bytes a second that a large copy reads and writes."""
    one, other = torch.rand(n), torch.empty(n)
    return 8 * n / best(lambda: other.copy_(one))


def best(function, rounds=7):
    """Shortest of some calls after one to warm up."""
    function()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return min(times)


def rows(rounds=3):
    """The training part of the table: slices a second, full size and course profile."""
    table = []
    for size, (_, steps) in SIZES.items():
        answers = ask_in_turn("training.py", SIDES, rounds, size, steps)
        losses = [ask("training.py", side, size, 3, "checked")["loss"] for side in SIDES]
        if max(losses) - min(losses) > 1e-3 * max(losses):
            raise SystemExit(f"the sides don't do the same work: losses {losses} after the same steps")
        sides = {
            side: summary([BATCH / seconds for answer in found for seconds in answer["times"]])
            for side, found in answers.items()
        }
        bound = ask("training.py", "limit", size)
        sides["the machine's limit"] = summary([BATCH / bound["seconds"]])
        note = (
            f"limit: {bound['gflop']:.0f} GFLOP a step at {bound['gflop_per_s']:.0f} GFLOP/s, then Adam's bytes at "
            f"{bound['gb_per_s']:.0f} GB/s"
        )
        table.append(row(f"training step, {size}, batch 100", "slices/s", sides, higher_is_better=True, note=note))
    return table


if __name__ == "__main__":
    side, size, *more = sys.argv[1:]
    shape = SIZES[size][0]
    if side == "limit":
        print(json.dumps(limit(shape)))
    else:
        steps, *how = more
        import atlas_lab  # noqa: F401, imports don't count

        base_mb = memory_mb("VmRSS")
        batch = {"batch": int(how[0])} if how and how != ["checked"] else {}
        times, loss = SIDES[side](shape, 0.0 if how == ["checked"] else 0.15, int(steps), **batch)
        print(json.dumps({"times": times, "loss": loss, "peak_mb": memory_mb("VmHWM") - base_mb}))
