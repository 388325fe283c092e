"""Settings of the machine: what is freed is kept, and training gives the numbers of a plain loop."""

import copy
import platform
import subprocess
import sys

import pytest
import torch
from torch import nn

from atlas_lab import hardware, memory
from atlas_lab.config import RunConfig
from atlas_lab.losses import build_loss
from atlas_lab.model import BaselineNet

FAULTS = """
import resource, torch
from atlas_lab.memory import keep_freed_memory
if {keep}: assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(15): torch.ones(20_000_000)  # until the heap has room enough
before = faults()
for _ in range(15): torch.ones(20_000_000)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is one of glibc")
def test_memory_that_was_freed_needs_no_new_pages():
    kept, given_back = (
        int(subprocess.check_output([sys.executable, "-c", FAULTS.format(keep=keep)])) for keep in (True, False)
    )
    assert kept < given_back / 5


def test_a_system_without_glibc_is_left_alone(monkeypatch):
    def missing(_):
        raise OSError("no such library")

    monkeypatch.setattr(memory.ctypes, "CDLL", missing)
    assert memory.keep_freed_memory.__wrapped__() is False


def twenty_steps(model, optimizer, loss_function):
    """The model after 20 steps on the same slices; dropout is off, as its masks depend on the memory's layout."""
    made = torch.Generator().manual_seed(1)
    for _ in range(20):
        images = torch.rand(10, 1, *model.input_shape, generator=made)
        loss = loss_function(model(images), (torch.rand(images.shape, generator=made) > 0.9).float())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    return model


@pytest.mark.parametrize("shape", [(32, 24), (136, 128)], ids=["small", "large"])
def test_twenty_steps_give_the_numbers_of_a_plain_loop(shape):
    torch.manual_seed(0)
    ours, plain = BaselineNet(shape, dropout=0.0), BaselineNet(shape, dropout=0.0)
    for stage in (plain.encode, plain.decode):
        for i, layer in enumerate(stage):
            if isinstance(layer, nn.Linear):
                stage[i] = nn.Linear(layer.in_features, layer.out_features)
    plain.load_state_dict(ours.state_dict())
    ours = hardware.place(ours)
    twenty_steps(ours, torch.optim.Adam(ours.parameters(), 1e-3, fused=True), build_loss(RunConfig()))
    twenty_steps(plain, torch.optim.Adam(plain.parameters(), 1e-3),
                 nn.BCEWithLogitsLoss(pos_weight=torch.tensor(100.0)))
    images = torch.rand(10, 1, *shape)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), plain(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pool, convs_per_stage", [("max", 1), ("max", 3), ("avg", 1)])
def test_a_placed_model_gives_the_same_logits_and_gradients(pool, convs_per_stage):
    torch.manual_seed(0)
    model = BaselineNet((32, 24), pool=pool, convs_per_stage=convs_per_stage, dropout=0.0)
    placed = hardware.place(copy.deepcopy(model))
    images = torch.rand(5, 1, 32, 24)
    found = []
    for network in (model, placed):
        logits = network(images.to(next(network.parameters()).device))
        logits.square().sum().backward()
        found.append([logits.detach(), *(parameter.grad for parameter in network.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other.cpu(), one, rtol=1e-4, atol=1e-3)
    assert list(placed.state_dict()) == list(model.state_dict())


def test_a_placed_model_rectifies_after_max_pooling_only():
    placed = {pool: hardware.place(BaselineNet((8, 8), pool=pool, convs_per_stage=2)) for pool in ("max", "avg")}
    kinds = {pool: [type(layer).__name__ for layer in model.stage1] for pool, model in placed.items()}
    assert kinds["max"] == ["Conv2d", "ReLU", "Conv2d", "MaxPool2d", "ReLU", "Dropout"]
    assert kinds["avg"] == ["Conv2d", "ReLU", "Conv2d", "ReLU", "AvgPool2d", "Dropout"]


def test_a_model_goes_where_it_is_told_to(monkeypatch):
    monkeypatch.setattr(hardware, "pick_device", lambda: torch.device("meta"))
    assert next(hardware.place(BaselineNet((8, 8))).parameters()).device.type == "meta"
    assert next(hardware.place(BaselineNet((8, 8)), "cpu").parameters()).device.type == "cpu"


def test_maps_in_a_placed_model_have_their_channels_last():
    placed, layouts = hardware.place(BaselineNet((32, 24))), []
    for layer in (placed.deconv1, placed.deconv2):
        layer.register_forward_hook(lambda layer, inputs, output: layouts.append(
            inputs[0].is_contiguous(memory_format=torch.channels_last)))
    placed(torch.rand(3, 1, 32, 24).to(next(placed.parameters()).device))
    assert layouts == [True, True]
