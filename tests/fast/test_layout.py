"""Settings of the machine: what is freed is kept, and training gives the numbers of a plain loop."""

import copy
import mmap
import platform
import subprocess
import sys

import pytest
import torch
from torch import nn

from atlas_lab.architecture import layer_table
from atlas_lab.config import RunConfig
from atlas_lab.experiment.build import build_loss
from atlas_lab.fast import layout, memory
from atlas_lab.model import BaselineNet
from atlas_lab.plots.architecture import architecture_blocks

FAULTS = """
import resource, threading, numpy
from atlas_lab.fast.memory import keep_freed_memory
if {keep}: assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def measure():
    for _ in range(15): [numpy.ones({size}, "u1") for _ in range({count})]  # until the heap has room enough
    before = faults()
    for _ in range(15): [numpy.ones({size}, "u1") for _ in range({count})]
    print(faults() - before)
if {in_thread}:
    thread = threading.Thread(target=measure)
    thread.start(), thread.join()
else:
    measure()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is one of glibc")
@pytest.mark.parametrize("in_thread, size, count", [(False, 80_000_000, 1), (True, 10_000_000, 20)])
def test_memory_that_was_freed_needs_no_new_pages(in_thread, size, count):
    scripts = (FAULTS.format(keep=keep, in_thread=in_thread, size=size, count=count) for keep in (True, False))
    kept, given_back = (int(subprocess.check_output([sys.executable, "-c", script])) for script in scripts)
    assert kept < given_back / 5 and kept < 15 * size * count / mmap.PAGESIZE / 20


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
    placed = layout.place(copy.deepcopy(start), "cpu")
    ours = twenty_steps(placed, torch.optim.Adam(placed.parameters(), 1e-3, fused=True), build_loss(RunConfig()))
    exact = plain_twenty_steps(start, torch.float64)
    images = torch.rand(10, 1, *shape)

    @torch.no_grad()
    def errors(model):
        dtype = next(model.parameters()).dtype
        error = (model(images.to(dtype)).double() - exact(images.double())).abs()
        return torch.stack([error.square().mean().sqrt(), error.max()])

    rounding = errors(plain_twenty_steps(start))
    assert (errors(ours) <= 2 * rounding).all()
    assert (errors(plain_twenty_steps(start, learning_rate=1.001e-3)) > 2 * rounding).all()


@pytest.mark.parametrize("pool, convs_per_stage", [("max", 1), ("max", 3), ("avg", 1)])
def test_a_placed_model_gives_the_same_logits_and_gradients(pool, convs_per_stage):
    torch.manual_seed(0)
    model = BaselineNet((32, 24), pool=pool, convs_per_stage=convs_per_stage, dropout=0.0)
    placed = layout.place(copy.deepcopy(model))
    images = torch.rand(5, 1, 32, 24)
    found = []
    for network in (model, placed):
        logits = network(images.to(next(network.parameters()).device))
        logits.square().sum().backward()
        found.append([logits.detach(), *(parameter.grad for parameter in network.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other.cpu(), one, rtol=1e-4, atol=1e-3)
    assert list(placed.state_dict()) == list(model.state_dict())


@pytest.mark.parametrize("pool, pixels", [("max", 4 * 4), ("avg", 8 * 8)])
def test_a_placed_model_rectifies_after_max_pooling_only(pool, pixels, monkeypatch):
    """The largest of four rectified numbers is the rectified largest; it is not so for averages."""
    net, rectified, relu = layout.place(BaselineNet((8, 8), pool=pool), "cpu"), [], torch.nn.functional.relu

    def noted(features, **_):
        rectified.append(features.shape[2] * features.shape[3])
        return relu(features)

    monkeypatch.setattr(torch.nn.functional, "relu", noted)
    net(torch.rand(2, 1, 8, 8))
    assert rectified == [pixels, pixels // 4]


@pytest.mark.parametrize("pool", ["max", "avg"])
def test_what_is_read_off_a_placed_model_is_fig_2(pool, tmp_path):
    """Layers, their names in the state dict, a drawing and a saved model are those of the model that isn't placed."""
    net = BaselineNet((32, 24), pool=pool)
    placed = layout.place(copy.deepcopy(net), "cpu")
    assert layer_table(placed) == layer_table(net)
    assert list(placed.state_dict()) == list(net.state_dict())
    assert [type(layer) for layer in placed.modules()] == [type(layer) for layer in net.modules()]
    assert architecture_blocks(placed) == architecture_blocks(net)
    opened = BaselineNet((32, 24), pool=pool)
    torch.save(placed.state_dict(), tmp_path / "placed.pt")
    opened.load_state_dict(torch.load(tmp_path / "placed.pt", weights_only=True))
    images = torch.rand(2, 1, 32, 24)
    torch.testing.assert_close(opened.eval()(images), placed.eval()(images))


def test_a_network_that_is_not_the_baseline_keeps_its_own_forward_pass():
    class Doubled(BaselineNet):
        def forward(self, images):
            return 2 * super().forward(images)

    images = torch.rand(2, 1, 8, 8)
    changed = BaselineNet((8, 8)).eval()
    changed.upsample = nn.Upsample(scale_factor=2, mode="nearest")
    for net in (Doubled((8, 8)).eval(), changed, nn.Conv2d(1, 1, 3, padding=1)):
        before = net(images)
        placed = layout.place(net, "cpu")
        assert "forward" not in vars(placed)
        torch.testing.assert_close(placed(images), before)


def test_a_copy_of_a_placed_model_uses_its_own_weights():
    placed = layout.place(BaselineNet((8, 8)).eval(), "cpu")
    other, images = copy.deepcopy(placed), torch.rand(2, 1, 8, 8)
    with torch.no_grad():
        before = placed(images)
        other.deconv2.bias += 1
        assert torch.equal(placed(images), before)
        torch.testing.assert_close(other(images), before + 1)


def test_a_model_goes_where_it_is_told_to(monkeypatch):
    monkeypatch.setattr(layout, "pick_device", lambda: torch.device("meta"))
    assert next(layout.place(BaselineNet((8, 8))).parameters()).device.type == "meta"
    assert next(layout.place(BaselineNet((8, 8)), "cpu").parameters()).device.type == "cpu"


def test_maps_in_a_placed_model_have_their_channels_last(monkeypatch):
    placed, layouts = layout.place(BaselineNet((32, 24)), "cpu"), []
    deconvolve = layout.upsampled_deconvolution

    def noted(features, deconvolution):
        layouts.append(features.is_contiguous(memory_format=torch.channels_last))
        return deconvolve(features, deconvolution)

    monkeypatch.setattr(layout, "upsampled_deconvolution", noted)
    placed(torch.rand(3, 1, 32, 24))
    assert layouts == [True, True]
