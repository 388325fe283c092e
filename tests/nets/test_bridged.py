"""The baseline with bridges, and without its code."""

import pytest
import torch

import atlas_lab as lab
from atlas_lab.architecture import receptive_field
from atlas_lab.nets.bridged import BridgedNet


@pytest.mark.parametrize("skips", [0, 3])
def test_without_its_code_a_deepest_feature_sees_what_the_encoder_s_does(skips):
    assert receptive_field(BridgedNet((16, 16), skips=skips, code="none")) == 14


def test_without_bridges_it_is_the_baseline():
    plain, bridged = lab.BaselineNet((16, 16)).eval(), BridgedNet((16, 16)).eval()
    bridged.load_state_dict(plain.state_dict())
    images = torch.rand(3, 1, 16, 16)
    torch.testing.assert_close(bridged(images), plain(images))


@pytest.mark.parametrize("skips, extra", [(1, 25 * 16 * 8), (2, 25 * 24 * 8), (3, 25 * 24 * 8 + 9 * 8)])
def test_each_bridge_adds_the_weights_of_its_channels_alone(skips, extra):
    more = lab.count_parameters(BridgedNet((16, 16), skips=skips)) - lab.count_parameters(lab.BaselineNet((16, 16)))
    assert more == extra


@pytest.mark.parametrize("skips, code", [(1, "dense"), (2, "dense"), (3, "dense"), (0, "none"), (3, "none")])
def test_what_is_far_away_matters_only_through_the_code(skips, code):
    """With a blocked code, a bridge lets a pixel reach its surroundings; the dense code lets it reach all."""
    torch.manual_seed(0)
    model = BridgedNet((32, 32), skips=skips, code=code).eval()
    images = torch.rand(1, 1, 32, 32)
    moved = images.clone()
    moved[0, 0, 16, 16] += 1
    with torch.no_grad():
        changed = (model(moved) - model(images)).abs()[0, 0]
    assert changed[16, 16] > 0
    assert (changed[0, 0] > 1e-5) == (code == "dense")


def test_a_bridge_lets_the_input_through_where_the_code_lets_nothing():
    model, images = BridgedNet((16, 16), skips=3).eval(), torch.rand(2, 1, 16, 16)
    with torch.no_grad():
        for layer in model.decode:
            for weights in layer.parameters():
                weights.zero_()
        one, other = model(images)
        assert not torch.equal(one, other)


def test_only_the_named_net_is_built():
    assert type(lab.experiment.build_model(lab.RunConfig(), (16, 16))) is lab.BaselineNet
    net = lab.experiment.build_model(lab.RunConfig(skips=2, code="none"), (16, 16))
    assert isinstance(net, BridgedNet) and net.skips == (False, True, False)
