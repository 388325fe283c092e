"""Steps recorded on a GPU: the numbers of plain ones. Without a GPU, what is recorded and replayed when."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from atlas_lab.config import RunConfig
from atlas_lab.experiment.build import build_loss, build_model, build_optimizer, build_step
from atlas_lab.fast import graphs
from atlas_lab.fast.graphs import WARM_UP, RecordedStep
from atlas_lab.fast.layout import place
from atlas_lab.train import train_step


class Replayed:
    """Stands in for a CUDA graph: replays by doing again what was recorded."""

    recorded = 0

    def replay(self):
        type(self).now(self)


@pytest.fixture
def without_gpu(monkeypatch):
    """CUDA's streams and graphs by stand-ins; gives the list of what happened, "plain" and "replay"."""
    happened, recording = [], []

    def step(model, loss, optimizer, images, target, max_grad_norm):
        if recording:  # nothing is computed while a graph is recorded
            assert all(group["capturable"] for group in optimizer.param_groups)
            recording[0].again = lambda: train_step(model, loss, optimizer, images, target, max_grad_norm)
            recording[0].value = torch.zeros(())
            return recording[0].value
        happened.append("plain")
        return train_step(model, loss, optimizer, images, target, max_grad_norm)

    def replay(graph):
        happened.append("replay")
        graph.value.copy_(graph.again())

    @contextmanager
    def record(graph, stream=None):
        recording.append(graph)
        yield
        recording.clear()

    stream = SimpleNamespace(device="cpu", wait_stream=lambda other: None)
    monkeypatch.setattr(graphs, "train_step", step)
    monkeypatch.setattr(Replayed, "now", replay, raising=False)
    for name, value in {"CUDAGraph": Replayed, "graph": record, "Stream": lambda device: stream,
                        "stream": nullcontext, "current_stream": lambda device: stream}.items():
        monkeypatch.setattr(torch.cuda, name, value)
    return happened


def trained(step, sizes, rates=(1e-2,)):
    """Losses and weights after steps on batches of these sizes, for each learning rate in turn."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 1, 3, padding=1))
    optimizer = torch.optim.Adam(model.parameters(), lr=rates[0])
    draw, losses = torch.Generator().manual_seed(1), []
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        for size in sizes:
            images = torch.rand(size, 1, 8, 8, generator=draw)
            loss = nn.functional.binary_cross_entropy_with_logits
            losses.append(float(step(model, loss, optimizer, images, (images > 0.8).float(), 5.0)))
    assert not any(group.get("capturable") for group in optimizer.param_groups)
    return losses, [parameter.detach().clone() for parameter in model.parameters()]


def test_steps_are_replayed_once_a_shape_has_come_often_enough_and_give_the_same_numbers(without_gpu):
    sizes = [4] * (WARM_UP + 2) + [3] + [4] * 2 + [3]
    losses, weights = trained(RecordedStep(), sizes)
    assert without_gpu == ["plain"] * WARM_UP + ["replay"] * 2 + ["plain"] + ["replay"] * 2 + ["plain"]
    plain_losses, plain_weights = trained(train_step, sizes)
    assert losses == plain_losses and all(map(torch.equal, weights, plain_weights))


def test_another_learning_rate_is_recorded_anew(without_gpu):
    sizes, rates = [4] * (WARM_UP + 2), (1e-2, 1e-4)
    losses, weights = trained(RecordedStep(), sizes, rates)
    assert without_gpu == 2 * (["plain"] * WARM_UP + ["replay"] * 2)
    plain_losses, plain_weights = trained(train_step, sizes, rates)
    assert losses == plain_losses and all(map(torch.equal, weights, plain_weights))


def test_a_loss_stays_that_of_its_own_step_when_later_ones_are_replayed(without_gpu):
    step, kept = RecordedStep(), []

    def keeping(*batch):
        kept.append(step(*batch))
        return kept[-1]

    losses = trained(keeping, [4] * (WARM_UP + 3))[0]
    assert [float(loss) for loss in kept] == losses and len(set(losses)) == len(losses)


@pytest.mark.parametrize(("settings", "is_recorded"), [
    ({}, True), ({"net": "unet", "stage": "presence"}, True), ({"precision": "tf32"}, True),
    ({"scale": 1}, False), ({"net": "volume_unet"}, False), ({"loss": "boundary"}, False),
    ({"net": "unet", "stage": "place"}, False), ({"precision": "bfloat16"}, False)])
def test_only_on_a_gpu_where_it_pays_and_only_what_never_comes_back_to_the_processor(settings, is_recorded):
    config = RunConfig(**settings)
    assert build_step(config, torch.device("cpu")) is train_step
    assert isinstance(build_step(config, torch.device("cuda")), RecordedStep) == is_recorded


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("net", ["baseline", "unet", "volume_unet"])
def test_on_a_gpu_recorded_steps_give_the_numbers_of_plain_ones(net):
    config, found = RunConfig(net=net), []
    for step in (train_step, RecordedStep()):
        torch.manual_seed(0)
        model = place(build_model(config, (56, 48)), "cuda").train()
        loss, optimizer = build_loss(config), build_optimizer(config, model)
        draw = torch.Generator("cuda").manual_seed(1)
        batches = [torch.rand(64, 1, 56, 48, device="cuda", generator=draw) for _ in range(10)]
        found.append([float(step(model, loss, optimizer, images, (images > 0.97).float(), 5.0)) for images in batches])
    assert found[0] == pytest.approx(found[1], rel=1e-2)
