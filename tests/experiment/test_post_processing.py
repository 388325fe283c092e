"""From probabilities to a mask: mirrored answers, thresholds and small pieces against plain sums, and the commands."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from atlas_tree import save
from boxes import store_of
from brains import Found, brain
from scipy import ndimage

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.experiment.datasets import scan_rows
from atlas_lab.experiment.inference import SavedModel, open_model, save_model
from atlas_lab.experiment.own_scan import predict_scan
from atlas_lab.experiment.post_processing import PLAIN, PostProcessing, post_processed
from atlas_lab.experiment.prediction import predict_rows, predict_stack
from atlas_lab.grid import GRID

CONFIG = lab.RunConfig()
VOXEL_ML = 0.016


def answers(rng):
    """A plain and a mirrored answer."""
    return {False: rng.random((9, 12, 10), dtype=np.float32), True: rng.random((9, 12, 10), dtype=np.float32)}


def test_by_default_nothing_is_done():
    said = answers(np.random.default_rng(0))
    found, small = post_processed(said.__getitem__, PLAIN, VOXEL_ML)
    np.testing.assert_array_equal(found, said[False])
    assert small == 0 and PLAIN.describe() == ""


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_lesion_is_what_the_mean_answer_holds_for_likelier_than_the_threshold(mirrored, threshold):
    said = answers(np.random.default_rng(1))
    found, _ = post_processed(said.__getitem__, PostProcessing(mirrored, threshold), VOXEL_ML)
    mean = (said[False].astype(float) + said[True]) / 2 if mirrored else said[False]
    np.testing.assert_array_equal(found > 0.5, mean > threshold)
    order = np.argsort(mean, axis=None)
    assert (np.diff(found.ravel()[order]) >= 0).all()  # likelier stays likelier
    assert found.dtype == np.float32 and found.min() >= 0 and found.max() <= 1


def test_what_is_certain_stays_so_and_what_is_no_number_is_none():
    certain = np.array([0, 1, np.nan], np.float32).reshape(1, 1, 3)
    found, _ = post_processed(lambda _: certain, PostProcessing(threshold=0.9, smallest_ml=0.0), VOXEL_ML)
    np.testing.assert_array_equal(found, certain)


def test_small_pieces_are_no_lesion_and_their_volume_is_told():
    probability = np.full((9, 12, 10), 0.1, np.float32)
    probability[2:5, 2:5, 2:5] = 0.9      # 27 voxels
    probability[5, 5, 5] = 0.8            # hangs on by a corner
    probability[7, 9:11, 8] = 0.7         # two voxels by themselves
    found, small = post_processed(lambda _: probability, PostProcessing(smallest_ml=3 * VOXEL_ML), VOXEL_ML)
    assert small == pytest.approx(2 * VOXEL_ML)
    assert ndimage.label(found > 0.5, np.ones((3, 3, 3)))[1] == 1 and (found > 0.5).sum() == 28
    assert (found[7, 9:11, 8] == 0.5).all() and found[0, 0, 0] == np.float32(0.1)
    found, small = post_processed(lambda _: probability, PostProcessing(smallest_ml=2 * VOXEL_ML), VOXEL_ML)
    assert small == 0 and (found > 0.5).sum() == 30


@pytest.mark.parametrize("settings", [{}, {"context": 1}, {"net": "volume_unet"}])
def test_the_mirror_image_of_a_scan_is_answered_as_its_slices_of_the_store_are(settings):
    torch.manual_seed(0)
    config = replace(CONFIG, **{"net": "unet", "width": 2, "z_step": 21} | settings)
    store, model = store_of(1), lab.experiment.build_model(config, (16, 16)).eval()
    rows = scan_rows(store)["000000/t01"]
    slices, of_scan = store.images[rows], replace(config, z_step=1)
    mirrored = predict_stack(model, of_scan, slices, mirrored=True)
    np.testing.assert_allclose(mirrored, predict_rows(model, config, store, rows, mirrored=True), atol=1e-6)
    by_hand = predict_stack(model, of_scan, np.ascontiguousarray(slices[..., ::-1]))
    np.testing.assert_allclose(mirrored, by_hand[..., ::-1], atol=1e-6)
    assert not np.allclose(mirrored, predict_rows(model, config, store, rows), atol=1e-6)


def test_it_stands_in_the_network_s_file(tmp_path, scans):
    path, way = tmp_path / "m.pt", PostProcessing(True, 0.75, 0.5)
    model = lab.BaselineNet((56, 48))
    save_model(path, model, CONFIG, lab.prepare_slices(scans, 4, 20), way)
    assert open_model(path).processing == way
    contents = torch.load(path, weights_only=True)
    for odd in ({"threshold": 1.5}, {"smallest_ml": -1.0}, {"mirrored": "yes"}, {"unknown": 1}, {"threshold": "a"}):
        torch.save(contents | {"processing": odd}, path)
        with pytest.raises(lab.DataError, match=r"m\.pt: not a network that this lab has saved"):
            open_model(path)
    del contents["processing"]  # as files of older versions
    torch.save(contents, path)
    assert open_model(path).processing == PLAIN


@pytest.fixture(scope="module")
def two_lesions():
    """A large box left of the middle and, apart from it, one of 0.512 ml; bool on ATLAS's grid."""
    lesion = np.zeros(GRID, bool)
    lesion[48:72, 92:116, 80:104] = True
    lesion[48:56, 140:148, 80:88] = True
    return lesion


@pytest.mark.parametrize("smallest, kept", [(0.0, 2), (0.5, 2), (0.6, 1)])
def test_a_scan_s_small_pieces_are_left_out_and_told(two_lesions, tmp_path, smallest, kept):
    saved = SavedModel(Found(two_lesions), CONFIG, {}, PostProcessing(smallest_ml=smallest))
    found = predict_scan(saved, save(tmp_path / "T1.nii.gz", brain(1)[0]))
    assert ndimage.label(found.mask)[1] == kept
    told = [line for line in found.account if "left out" in line]
    ml = {0.0: [], 0.5: ["pieces of less than 0.5 ml left out: 0.00 ml together"],
          0.6: ["pieces of less than 0.6 ml left out: 0.51 ml together"]}
    assert told == ml[smallest]


def test_a_scan_s_mirror_image_is_asked_too(two_lesions, tmp_path):
    """The network always names the same place, so the mirrored answer names the place across the middle."""
    path = save(tmp_path / "T1.nii.gz", brain(1)[0])
    ways = PLAIN, PostProcessing(True, 0.3), PostProcessing(True, 0.7)
    plain, both, neither = (predict_scan(SavedModel(Found(two_lesions), CONFIG, {}, way), path) for way in ways)
    assert "the mirrored scan asked too, lesion from probability 0.3 on" in both.account
    assert 1.5 * plain.mask.sum() < both.mask.sum() < 2.1 * plain.mask.sum() and not neither.mask.any()
    across = both.mask & ~plain.mask
    assert (np.argwhere(across)[:, 0] > 98).all()  # right of the middle column of 197


def test_options_stand_in_for_what_the_file_says(tmp_path, scans, capsys):
    torch.manual_seed(0)
    path, config = tmp_path / "m.pt", replace(CONFIG, split_by="subject", z_step=20, start_probability=0.6)
    model = lab.experiment.build_model(config, (56, 48))
    save_model(path, model, config, lab.prepare_slices(scans, 4, 20), PostProcessing(threshold=0.9))
    scan, mask = save(tmp_path / "T1.nii.gz", brain(1)[0]), tmp_path / "mask.nii.gz"
    command = ["predict", str(scan), "-o", str(mask), "--model", str(path)]
    ml = {}
    for options in ("", "--threshold 0.5", "--threshold 0.5 --mirrored --smallest-ml 5000"):
        assert main([*command, *options.split()]) == 0
        said = capsys.readouterr().out
        ml[options] = float(said.split(" ml called lesion")[0])
        assert ("lesion from probability 0.9 on" in said) == (options == "")
        assert ("the mirrored scan asked too, pieces of less than 5000 ml left out" in said) == ("5000" in options)
    assert ml["--threshold 0.5"] > 100 and set(ml.values()) == {0.0, ml["--threshold 0.5"]}
    mask.unlink()
    for wrong, what in (("--threshold 1", "threshold 1.0"), ("--smallest-ml -1", "smallest_ml is -1.0")):
        assert main([*command, *wrong.split()]) == 2 and not mask.exists()
        assert what in capsys.readouterr().err
