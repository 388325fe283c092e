"""The U-Net, held to MONAI's with the same weights."""

import pytest
import torch

import atlas_lab as lab
from atlas_lab.nets.unet import UNet, unet_channels

monai_nets = pytest.importorskip("monai.networks.nets")


def blocks_of(model):
    """The blocks of MONAI's nested U-Net: the way down, the bottom, the way up from the coarsest level."""
    down, up = [], []
    while len(model) == 3:
        down.append(model[0])
        up.insert(0, model[2])
        model = model[1].submodule if isinstance(model[1].submodule, torch.nn.Sequential) else [model[1].submodule]
    return [*down, model[0], *up]


def twins(dims, in_channels, width):
    """MONAI's U-Net and ours with its weights."""
    leaky = ("leakyrelu", {"negative_slope": 0.1})
    theirs = monai_nets.UNet(
        dims, in_channels, 1, unet_channels(width), (1, 2, 2, 2), num_res_units=2, norm="batch", act=leaky)
    ours = UNet((16, 24), in_channels, width, dims=dims)
    for block, own in zip(blocks_of(theirs.model), [*ours.down, ours.bottom, *ours.up], strict=True):
        values = list(block.state_dict().values())
        own.load_state_dict(dict(zip(own.state_dict(), values, strict=True)))
    return theirs, ours


@pytest.mark.parametrize("dims, in_channels, width", [(2, 1, 4), (2, 5, 3), (3, 1, 2)])
def test_with_the_same_weights_it_is_monai_s(dims, in_channels, width):
    theirs, ours = twins(dims, in_channels, width)
    assert lab.count_parameters(theirs) == lab.count_parameters(ours)
    images = torch.rand(2, in_channels, *(8, 16, 24)[-dims:])
    for _ in range(2):  # in training, where batch norm takes the batch's own moments, and notes them
        torch.testing.assert_close(ours.train()(images), theirs.train()(images))
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))


def test_any_size_of_slice_comes_back_as_it_was():
    assert UNet((17, 22), width=2)(torch.rand(2, 1, 17, 22)).shape == (2, 1, 17, 22)
    assert UNet((17, 22), width=2, dims=3)(torch.rand(2, 1, 5, 17, 22)).shape == (2, 1, 5, 17, 22)


def test_coarser_outputs_are_trained_and_not_used():
    model, images = UNet((16, 16), width=2, deep_supervision=2), torch.rand(3, 1, 16, 16)
    assert [tuple(logits.shape) for logits in model(images)] == [(3, 1, 16, 16)] * 3
    assert model.eval()(images).shape == (3, 1, 16, 16)


def test_an_impossible_network_is_refused():
    with pytest.raises(lab.DataError, match=r"input_shape is \(16,\)"):
        UNet((16,))
    with pytest.raises(lab.DataError, match="in_channels 0"):
        UNet((16, 16), in_channels=0)
