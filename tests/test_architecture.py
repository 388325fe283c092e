"""Receptive fields and the table of layers, against gradients and numbers worked out by hand."""


import numpy as np
import pytest
import torch
from torch import nn

import atlas_lab as lab


def small(seed=0, shape=(16, 24), **settings):
    """A network for small slices in evaluation mode."""
    torch.manual_seed(seed)
    return lab.BaselineNet(shape, **settings).eval()


# ------------------------------------------------------------------------------------------------- receptive field

@pytest.mark.parametrize("convs, side", [(1, 14), (2, 24), (3, 34)])
@pytest.mark.parametrize("pool", ["max", "avg"])
def test_receptive_field_by_hand(convs, pool, side):
    # 3x3 convolutions add 2 each, the pool 1, 5x5 at two pixels a step 8 each, the pool 2.
    assert side == 1 + 2 * convs + 1 + 8 * convs + 2
    assert lab.receptive_field(small(pool=pool, convs_per_stage=convs)) == side


@pytest.mark.parametrize("convs", [1, 3])
def test_receptive_field_is_what_gradients_reach(convs):
    net = small(shape=(64, 72), pool="avg", convs_per_stage=convs)
    for parameter in net.parameters():
        parameter.data.abs_()  # with nothing negative no ReLU is shut, so every pixel that can count does
    image = torch.rand(1, 1, 64, 72, requires_grad=True)
    net.stage2(net.stage1(image))[0, :, 8, 9].sum().backward()
    rows, columns = np.nonzero(image.grad[0, 0].numpy())
    side = lab.receptive_field(net)
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (side, side)
    assert len(rows) == side * side
    # It lies around the 4 x 4 pixels that the feature stands for.
    assert rows.min() + rows.max() == 2 * 4 * 8 + 3 and columns.min() + columns.max() == 2 * 4 * 9 + 3


def test_with_max_pooling_a_pixel_outside_of_the_field_changes_nothing_and_the_border_inside_does():
    net, changed = small(shape=(32, 32)), np.zeros((32, 32), bool)
    with torch.no_grad():
        for seed in range(4):
            image = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(seed))
            probes = image.repeat(1024, 1, 1, 1)  # compared batch with batch: another size may be rounded otherwise
            before = net.stage2(net.stage1(probes))[:, :, 4, 4]
            probes[torch.arange(1024), 0, torch.arange(1024) // 32, torch.arange(1024) % 32] += 3
            after = net.stage2(net.stage1(probes))[:, :, 4, 4]
            changed |= (after != before).any(dim=1).numpy().reshape(32, 32)
    rows, columns = np.nonzero(changed)
    side = lab.receptive_field(net)
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == side == 14


# ------------------------------------------------------------------------------------------------------ layer_table

@pytest.mark.parametrize("training", [True, False])
def test_reading_the_layers_leaves_the_model_as_it_was(training):
    net = small().train(training)
    before = [p.clone() for p in net.parameters()]
    lab.layer_table(net)
    assert net.training is training and all(m.training is training for m in net.modules())
    assert not any(m._forward_hooks for m in net.modules())
    assert all(torch.equal(p, q) for p, q in zip(before, net.parameters(), strict=True))


def test_layers_of_any_chain_can_be_read_at_any_shape():
    chain = nn.Sequential(nn.Conv2d(1, 2, 7, stride=2), nn.MaxPool2d(3, stride=3), nn.Conv2d(2, 4, 3))
    chain.input_shape = (63, 47)
    rows = lab.layer_table(chain)
    # Fields by hand: 7; + 2 x 2 = 11; + 2 x 6 = 23.
    assert [row["receptive_field"] for row in rows] == [7, 11, 23]
    assert [row["output"] for row in rows] == [(2, 29, 21), (2, 9, 7), (4, 7, 5)]
    assert [row["parameters"] for row in rows] == [2 * 49 + 2, 0, 2 * 4 * 9 + 4]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_the_code_s_deep_net_has_other_kernels():
    model = lab.BaselineNet((32, 32), convs_per_stage=3, kernels=(10, 3))
    kernels = [layer.kernel_size[0] for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert kernels == [10] * 3 + [3] * 3
    assert model(torch.zeros(1, 1, 32, 32)).shape == (1, 1, 32, 32)
    assert lab.receptive_field(model) == 1 + 3 * 9 + 1 + 3 * 2 * 2 + 2  # 10s, pooling; 3s and pooling at step 2
    config = lab.RunConfig(kernels=(10, 3), convs_per_stage=3)
    assert lab.count_parameters(lab.experiment.build_model(config, (32, 32))) == lab.count_parameters(model)


def test_a_start_probability_moves_the_last_bias_only():
    torch.manual_seed(0)
    plain = lab.BaselineNet((16, 16)).state_dict()
    torch.manual_seed(0)
    rare = lab.BaselineNet((16, 16), start_probability=0.003).state_dict()
    assert [name for name in plain if not torch.equal(plain[name], rare[name])] == ["deconv2.bias"]
    assert torch.sigmoid(rare["deconv2.bias"]).item() == pytest.approx(0.003)
