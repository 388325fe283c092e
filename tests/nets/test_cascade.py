"""The stages of the cascade."""

import numpy as np
import torch

import atlas_lab as lab
from atlas_lab.nets.cascade import StageNet, cascade_masks, stage_target
from atlas_lab.nets.unet import UNet


def test_targets_by_hand():
    target = torch.zeros(2, 1, 10, 8)
    target[0, 0, 9, 3] = target[0, 0, 4, 4] = 1
    assert torch.equal(stage_target(target, "mask"), target)
    assert stage_target(target, "presence").flatten(1).unique(dim=1).tolist() == [[1], [0]]
    place = stage_target(target, "place")
    expected = torch.zeros(10, 8)
    expected[8:, :4] = expected[4:8, 4:] = 1
    assert torch.equal(place[0, 0], expected) and not place[1].any()


def test_a_stage_s_answer_is_its_strongest_pixel():
    net = UNet((18, 16), width=2).eval()
    images = torch.rand(3, 1, 18, 16)
    with torch.no_grad():
        plain, presence, place = (model.eval()(images) for model in (
            net, StageNet(net, "presence"), StageNet(net, "place")))
    assert torch.equal(presence[:, 0, 5, 7], plain.amax((1, 2, 3))) and presence.shape == plain.shape
    assert torch.equal(place[0, 0, 16:, 12:].unique(), plain[0, 0, 16:, 12:].max().reshape(1))


def test_the_cascade_is_where_all_agree():
    rng = np.random.default_rng(0)
    answers = rng.random((3, 4, 6, 5))
    assert np.array_equal(cascade_masks(*answers), (answers > 0.5).all(0))
    target = torch.from_numpy(rng.random((4, 1, 8, 8)) > 0.9).float()
    perfect = [stage_target(target, stage)[:, 0].numpy() for stage in ("presence", "place", "mask")]
    assert np.array_equal(cascade_masks(*perfect), target[:, 0].bool().numpy())


def test_a_setting_that_the_network_does_not_have_is_refused():
    for settings in ({"context": 1}, {"stage": "place"}, {"net": "unet", "skips": 1}, {"net": "unet", "code": "none"},
                     {"net": "unet", "stage": "place", "deep_supervision": 1}, {"net": "unet", "dropout": 0.5},
                     {"net": "unet", "pool": "avg"}, {"net": "volume_unet", "context": 1}, {"width": 4}):
        try:
            lab.experiment.build_model(lab.RunConfig(**settings), (16, 16))
        except lab.DataError as error:
            assert "has no such setting" in str(error)
        else:
            raise AssertionError(settings)
    assert isinstance(lab.experiment.build_model(lab.RunConfig(net="unet", stage="place"), (16, 16)), StageNet)
