"""Settings of the machine: what is freed is kept, and training gives the numbers of a plain loop."""

import copy
import platform
import subprocess
import sys

import pytest
import torch
from torch import nn

from atlas_lab.config import RunConfig
from atlas_lab.experiment.build import build_loss
from atlas_lab.fast import layout as hardware
from atlas_lab.fast import memory
from atlas_lab.model import BaselineNet

FAULTS = """
import resource, torch
from atlas_lab.fast.memory import keep_freed_memory
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
    made, dtype = torch.Generator().manual_seed(1), next(model.parameters()).dtype
    for _ in range(20):
        images = torch.rand(10, 1, *model.input_shape, generator=made)
        target = (torch.rand(images.shape, generator=made) > 0.9).to(dtype)
        loss = loss_function(model(images.to(dtype)), target)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    return model


def plain_twenty_steps(start, dtype=torch.float32, learning_rate=1e-3):
    """The same steps by torch's own layers and loss, in any precision."""
    model = copy.deepcopy(start).to(dtype)
    loss_function = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(100.0, dtype=dtype))
    return twenty_steps(model, torch.optim.Adam(model.parameters(), learning_rate), loss_function)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(32, 24), (136, 128)], ids=["small", "large"])
def test_twenty_steps_give_the_numbers_of_a_plain_loop(shape, threads):
    """As far as float32 can tell. What it can tell is measured: the same plain loop in float32 and in float64.

    Twenty steps of Adam, which divides each gradient by its own size, carry a rounding error of 6e-8 to anything from
    1e-5 to 2e-2, by the size of the network, the threads and the processor; so no fixed tolerance would do. Errors of
    two roundings of the same numbers are of one size, within a factor of two; a learning rate that is wrong by a
    thousandth is farther off than that.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    start = BaselineNet(shape, dropout=0.0)
    plain_start = copy.deepcopy(start)
    for stage in (plain_start.encode, plain_start.decode):
        for i, layer in enumerate(stage):
            if isinstance(layer, nn.Linear):
                stage[i] = nn.Linear(layer.in_features, layer.out_features)
    plain_start.load_state_dict(start.state_dict())
    placed = hardware.place(copy.deepcopy(start), "cpu")
    ours = twenty_steps(placed, torch.optim.Adam(placed.parameters(), 1e-3, fused=True), build_loss(RunConfig()))
    exact = plain_twenty_steps(plain_start, torch.float64)
    images = torch.rand(10, 1, *shape)

    @torch.no_grad()
    def errors(model):
        dtype = next(model.parameters()).dtype
        error = (model(images.to(dtype)).double() - exact(images.double())).abs()
        return torch.stack([error.square().mean().sqrt(), error.max()])

    rounding = errors(plain_twenty_steps(plain_start))
    assert (errors(ours) <= 2 * rounding).all()
    assert (errors(plain_twenty_steps(plain_start, learning_rate=1.001e-3)) > 2 * rounding).all()


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
