"""The baseline network, against parameter counts by hand, numpy and scipy, and what pixels really reach a feature."""

import inspect
import math
import re
import textwrap
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import signal
from torch import nn

import atlas_lab as lab

# Layer, kind, kernel, output shape, parameters, receptive field at 232 x 196, all worked out by hand.
BASELINE_ROWS = [
    ("stage1.0", "Conv2d", "3x3", (8, 232, 196), 1 * 8 * 3 * 3 + 8, 3),
    ("stage1.1", "ReLU", "", (8, 232, 196), 0, 3),
    ("stage1.2", "MaxPool2d", "", (8, 116, 98), 0, 4),
    ("stage1.3", "Dropout", "", (8, 116, 98), 0, 4),
    ("stage2.0", "Conv2d", "5x5", (16, 116, 98), 8 * 16 * 5 * 5 + 16, 12),
    ("stage2.1", "ReLU", "", (16, 116, 98), 0, 12),
    ("stage2.2", "MaxPool2d", "", (16, 58, 49), 0, 14),
    ("stage2.3", "Dropout", "", (16, 58, 49), 0, 14),
    ("encode.0", "Flatten", "", (45472,), 0, 14),
    ("encode.1", "Linear", "", (1024,), 45472 * 1024 + 1024, None),
    ("encode.2", "Dropout", "", (1024,), 0, None),
    ("encode.3", "Linear", "", (256,), 1024 * 256 + 256, None),
    ("decode.0", "Linear", "", (1024,), 256 * 1024 + 1024, None),
    ("decode.1", "Dropout", "", (1024,), 0, None),
    ("decode.2", "Linear", "", (45472,), 1024 * 45472 + 45472, None),
    ("decode.3", "Dropout", "", (45472,), 0, None),
    ("decode.4", "Unflatten", "", (16, 58, 49), 0, None),
    ("upsample", "Upsample", "", (16, 116, 98), 0, None),
    ("deconv1", "ConvTranspose2d", "5x5", (8, 116, 98), 16 * 8 * 5 * 5 + 8, None),
    ("upsample", "Upsample", "", (8, 232, 196), 0, None),
    ("deconv2", "ConvTranspose2d", "3x3", (1, 232, 196), 8 * 1 * 3 * 3 + 1, None),
]


@pytest.fixture(scope="module")
def full():
    """The paper's network at full size."""
    torch.manual_seed(0)
    return lab.BaselineNet()


def small(seed=0, shape=(16, 24), **settings):
    """A network for small slices in evaluation mode."""
    torch.manual_seed(seed)
    return lab.BaselineNet(shape, **settings).eval()


# ---------------------------------------------------------------------------------------------- size and shapes

def test_number_of_parameters_is_the_paper_code_s(full):
    assert lab.count_parameters(full) == 93_705_297
    assert sum(p.numel() for p in full.parameters()) == 93_705_297


def test_two_layers_hold_over_99_percent_of_the_parameters(full):
    assert (full.encode[1].weight.numel() + full.decode[2].weight.numel()) / 93_705_297 > 0.99


def test_every_layer_is_as_worked_out_by_hand(full):
    rows = lab.layer_table(full)
    columns = ("layer", "kind", "kernel", "output", "parameters", "receptive_field")
    assert [tuple(row[name] for name in columns) for row in rows] == BASELINE_ROWS
    assert sum(row["parameters"] for row in rows) == 93_705_297


def test_logits_have_the_shape_of_the_slices(full):
    with torch.no_grad():
        assert full(torch.rand(2, 1, 232, 196)).shape == (2, 1, 232, 196)


def test_the_shape_comments_of_forward_hold():
    net, (b, h, w) = small(), (3, 16, 24)
    lines = textwrap.dedent(inspect.getsource(lab.BaselineNet.forward)).splitlines()[1:]
    names = {"self": net, "images": torch.rand(b, 1, h, w)}
    for line in lines:
        statement, comment = re.fullmatch(r"\s+(.*?)\s+# (\(B, .*\))", line).groups()
        target, expression = re.fullmatch(r"(return|\w+ =) (.*)", statement).groups()
        target = target.removesuffix(" =")
        names[target] = eval(expression, names)
        assert tuple(names[target].shape) == eval(comment, {"B": b, "H": h, "W": w}), line
    assert "return" in names


@pytest.mark.parametrize("pool", ["max", "avg"])
def test_three_convolutions_per_stage_add_the_parameters_worked_out_by_hand(pool):
    with torch.device("meta"):  # counts need no numbers
        deep = lab.BaselineNet(pool=pool, convs_per_stage=3)
    added_in_stage1 = 2 * (8 * 8 * 3 * 3 + 8)
    added_in_stage2 = 2 * (16 * 16 * 5 * 5 + 16)
    assert lab.count_parameters(deep) == 93_705_297 + added_in_stage1 + added_in_stage2 == 93_719_297


def test_three_convolutions_are_each_followed_by_a_relu_and_keep_the_size():
    rows = lab.layer_table(small(convs_per_stage=3))
    assert [row["kind"] for row in rows[:8]] == ["Conv2d", "ReLU"] * 3 + ["MaxPool2d", "Dropout"]
    assert {row["output"] for row in rows[:6]} == {(8, 16, 24)}
    assert [row["kernel"] for row in rows if row["kind"] == "Conv2d"] == ["3x3"] * 3 + ["5x5"] * 3


def test_frozen_parameters_are_not_counted():
    net = small()
    net.encode[3].requires_grad_(False)
    assert lab.count_parameters(small()) - lab.count_parameters(net) == 1024 * 256 + 256


# --------------------------------------------------------------------------------------------------- the numbers

def correlate(images, conv):
    """A SAME convolution layer (what deep learning calls so is a correlation), by scipy."""
    weight, bias = conv.weight.detach().numpy(), conv.bias.detach().numpy()
    return np.stack([
        bias[o] + sum(signal.correlate2d(images[i], weight[o, i], "same") for i in range(len(images)))
        for o in range(len(bias))
    ])


def convolve(images, deconv):
    """A SAME transposed convolution of stride 1, by scipy: a true convolution."""
    weight, bias = deconv.weight.detach().numpy(), deconv.bias.detach().numpy()
    return np.stack([
        bias[o] + sum(signal.convolve2d(images[i], weight[i, o], "same") for i in range(len(images)))
        for o in range(len(bias))
    ])


def pooled(images, kind):
    """2 x 2 pooling by taking every second row and column."""
    corners = np.stack([images[:, y::2, x::2] for y in (0, 1) for x in (0, 1)])
    return corners.max(axis=0) if kind == "max" else corners.mean(axis=0)


def doubled(images):
    """Bilinear x2 with pixel centres aligned: each new pixel is 3/4 of its parent and 1/4 of the neighbour."""
    for axis in (1, 2):
        parent = np.repeat(images, 2, axis)
        size = images.shape[axis]
        neighbours = np.clip([j // 2 + (1 if j % 2 else -1) for j in range(2 * size)], 0, size - 1)
        images = 0.75 * parent + 0.25 * np.take(images, neighbours, axis)
    return images


def linear(values, layer):
    return layer.weight.detach().numpy() @ values + layer.bias.detach().numpy()


@pytest.mark.parametrize("pool", ["max", "avg"])
@pytest.mark.parametrize("convs", [1, 2])
def test_forward_is_the_network_written_out_in_numpy(pool, convs):
    net = small(shape=(8, 12), pool=pool, convs_per_stage=convs).double()
    image = torch.rand(1, 1, 8, 12, dtype=torch.float64)
    values = image[0].numpy()
    for stage in (net.stage1, net.stage2):
        for layer in [layer for layer in stage if isinstance(layer, nn.Conv2d)]:
            values = np.maximum(correlate(values, layer), 0)
        values = pooled(values, pool)
    code = linear(linear(values.ravel(), net.encode[1]), net.encode[3])
    values = linear(linear(code, net.decode[0]), net.decode[2]).reshape(16, 2, 3)
    values = convolve(doubled(values), net.deconv1)
    values = convolve(doubled(values), net.deconv2)
    with torch.no_grad():
        np.testing.assert_allclose(net(image)[0].numpy(), values, rtol=1e-9, atol=1e-9)


def test_dropout_stands_after_each_pooling_and_on_the_fully_connected_layers():
    net = small(dropout=0.4)
    dropouts = {name: module.p for name, module in net.named_modules() if isinstance(module, nn.Dropout)}
    assert dropouts == dict.fromkeys(["stage1.3", "stage2.3", "encode.2", "decode.1", "decode.3"], 0.4)


def test_dropout_acts_in_training_only():
    net, images = small(), torch.rand(1, 1, 16, 24)
    assert torch.equal(net(images), net(images))
    net.train()
    assert not torch.equal(net(images), net(images))


def test_default_dropout_is_the_code_s():
    assert {module.p for module in small().modules() if isinstance(module, nn.Dropout)} == {0.15}


# -------------------------------------------------------------------------------------------------- the variants

def test_average_pooling_changes_nothing_but_the_pooling():
    by_max, by_avg = small(pool="max"), small(pool="avg")
    for one, other in zip(by_max.parameters(), by_avg.parameters(), strict=True):
        assert torch.equal(one, other)  # the same seed gives the same weights
    for one, other in zip(lab.layer_table(by_max), lab.layer_table(by_avg), strict=True):
        if one["kind"] == "MaxPool2d":
            assert other == {**one, "kind": "AvgPool2d"}
        else:
            assert other == one
    image = torch.rand(1, 1, 16, 24)
    assert not torch.allclose(by_max(image), by_avg(image))


def test_build_model_passes_every_setting_on():
    config = lab.RunConfig(pool="avg", convs_per_stage=2, dropout=0.3)
    net = lab.experiment.build_model(config, (8, 8))
    assert isinstance(net, lab.BaselineNet) and net.input_shape == (8, 8)
    kinds = [type(layer) for layer in net.stage1]
    assert kinds == [nn.Conv2d, nn.ReLU, nn.Conv2d, nn.ReLU, nn.AvgPool2d, nn.Dropout]
    assert net.stage1[-1].p == 0.3


def test_an_unknown_net_is_refused_with_the_choices():
    with pytest.raises(lab.DataError, match=r"'resnet'.*baseline, unet"):
        lab.experiment.build_model(replace(lab.RunConfig(), net="resnet"), (8, 8))


@pytest.mark.parametrize("settings, message", [
    ({"input_shape": (233, 197)}, r"\(233, 197\).*multiples of 4"),
    ({"input_shape": (232, 198)}, r"\(232, 198\)"),
    ({"input_shape": (230, 196)}, r"\(230, 196\)"),
    ({"input_shape": (0, 8)}, r"\(0, 8\)"),
    ({"input_shape": (-4, 8)}, r"\(-4, 8\)"),
    ({"input_shape": (232,)}, r"\(232,\)"),
    ({"input_shape": (1, 232, 196)}, r"\(1, 232, 196\)"),
    ({"pool": "mean"}, r"'mean'.*max, avg"),
    ({"convs_per_stage": 0}, r"convs_per_stage is 0"),
    ({"start_probability": 1.0}, r"start_probability is 1\.0.*below 1"),
    ({"start_probability": -0.1}, r"start_probability is -0\.1"),
    ({"start_probability": math.nan}, "start_probability is nan"),
    ({"dropout_on": "All"}, r"'All'; expected.*all or pooling"),
])
def test_a_network_that_cannot_be_built_is_refused(settings, message):
    with pytest.raises(lab.DataError, match=message):
        lab.BaselineNet(**settings)


# ------------------------------------------------------------------------------------------------ initial weights

FAN_SUMS = {  # inputs plus outputs of each weight, by hand: channels x kernel area
    "stage1.0": 1 * 9 + 8 * 9, "stage2.0": 8 * 25 + 16 * 25, "encode.1": 45472 + 1024, "encode.3": 1024 + 256,
    "decode.0": 256 + 1024, "decode.2": 1024 + 45472, "deconv1": 16 * 25 + 8 * 25, "deconv2": 8 * 9 + 1 * 9,
}


def assert_normal_with_std(numbers, std):
    """The sample's standard deviation about 0 is `std` within five standard errors."""
    found = float(numbers.double().square().mean().sqrt())
    assert abs(found / std - 1) < 5 / math.sqrt(2 * numbers.numel())


@pytest.mark.parametrize("name", FAN_SUMS)
def test_weights_are_xavier_normal(full, name):
    assert_normal_with_std(full.get_submodule(name).weight.detach(), math.sqrt(2 / FAN_SUMS[name]))


@pytest.mark.parametrize("name", ["encode.1", "encode.3", "decode.0", "decode.2"])
def test_biases_of_the_linear_layers_are_xavier_normal_too(full, name):
    bias = full.get_submodule(name).bias.detach()
    assert_normal_with_std(bias, math.sqrt(1 / bias.numel()))


def test_biases_of_the_convolutions_are_xavier_normal_too():
    nets = [small(seed, shape=(4, 4)) for seed in range(100)]  # one net has too few for statistics
    for name in ("stage1.0", "stage2.0", "deconv1", "deconv2"):
        biases = torch.stack([net.get_submodule(name).bias.detach() for net in nets])
        assert_normal_with_std(biases, math.sqrt(1 / biases.shape[1]))


def test_initial_weights_have_the_tails_of_a_normal_distribution(full):
    weight = full.encode[3].weight.detach()
    beyond_two = float((weight.abs() > 2 * math.sqrt(2 / 1280)).double().mean())
    assert beyond_two == pytest.approx(0.0455, abs=0.002)  # a uniform distribution has none there
