"""A trained network as a file: the same network again, what it learnt from, and a word on broken ones."""

import hashlib
from dataclasses import replace

import numpy as np
import pandas
import pytest
import torch
from brains import brain, whole_head

import atlas_lab as lab
from atlas_lab.data.slicing import axial_slices, downsample
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.inference import describe_training, open_model, save_model

CONFIG = lab.RunConfig()


def store_of(volume, scans=2):
    """A store of slices at 4 mm, every one, of a volume on ATLAS's grid, the same for each scan."""
    images = np.rint(downsample(axial_slices(volume), 4) * 2.5).clip(0, 255).astype(np.uint8)
    table = pandas.DataFrame([(f"0{i}", "t01", "Site1", z) for i in range(scans) for z in range(len(images))],
                             columns=["subject", "session", "site", "z"])
    about = {"source": "ATLAS R1.1", "n_scans": scans, "scale": 4, "z_step": 1, "data_hash": "abc"}
    stack = np.concatenate([images] * scans)
    return SliceStore(None, stack, np.zeros(stack.shape, bool), table, about)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.pt"
    torch.manual_seed(1)
    save_model(path, lab.BaselineNet((56, 48)), CONFIG, store_of(brain(1)[0]))
    return path


def test_a_saved_network_is_the_same_network(model_file):
    torch.manual_seed(1)
    model = lab.BaselineNet((56, 48))
    again, config, data, _ = open_model(model_file, "cpu")
    assert config == CONFIG and again.input_shape == (56, 48) and not again.training
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    slices = np.ascontiguousarray(store_of(brain(1)[0], 1).images)
    digests = 2 * [hashlib.blake2b(slices, digest_size=8).hexdigest()]
    assert data == {"source": "ATLAS R1.1", "scans": 2, "digests": digests, "skull": False}


def test_skulls_in_the_training_data_are_seen():
    head, _ = whole_head()  # on a grid of 2 mm, 10 voxels wider on each side than the template's
    volume = head[10:-10, 10:-10, 10:-10].repeat(2, 0).repeat(2, 1).repeat(2, 2)[:197, :233, :189]
    assert describe_training(CONFIG, store_of(volume))["skull"]


def test_scans_that_only_score_are_none_that_a_network_learnt_from():
    store, config = store_of(brain(1)[0], 10), replace(CONFIG, split_by="subject")
    assert describe_training(config, store)["scans"] == 7
    assert describe_training(replace(config, people=5), store)["scans"] == 3  # of five, round(0.3 * 5) score


@pytest.mark.parametrize("contents", [b"", b"no network", b"PK\x03\x04"])
def test_a_file_that_is_no_network_says_so(tmp_path, contents):
    (tmp_path / "m.pt").write_bytes(contents)
    with pytest.raises(lab.DataError, match=r"m\.pt: not a network"):
        open_model(tmp_path / "m.pt")
    with pytest.raises(lab.DataError, match="no such file"):
        open_model(tmp_path / "missing.pt")
    with pytest.raises(lab.DataError, match="a folder; give the file of a network"):
        open_model(tmp_path)
    torch.save({"config": {"net": "baseline"}}, tmp_path / "half.pt")
    with pytest.raises(lab.DataError, match=r"half\.pt: not a network"):
        open_model(tmp_path / "half.pt")


def test_a_file_without_a_word_on_its_training_can_be_read(model_file, tmp_path):
    contents = torch.load(model_file, weights_only=True)
    del contents["data"]
    torch.save(contents, tmp_path / "old.pt")
    assert open_model(tmp_path / "old.pt").data == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_network_with_weights_that_are_no_numbers_is_refused(model_file, tmp_path, value):
    contents = torch.load(model_file, weights_only=True)
    contents["state"]["deconv2.bias"][0] = value
    torch.save(contents, tmp_path / "bad.pt")
    with pytest.raises(lab.DataError, match=r"bad\.pt: 1 of the network's [\d,]+ weights are NaN.*broke down"):
        open_model(tmp_path / "bad.pt")


def test_a_file_that_was_damaged_on_its_way_is_refused(model_file, tmp_path):
    data = bytearray(model_file.read_bytes())
    data[len(data) // 2] ^= 1  # amid the weights
    (tmp_path / "copy.pt").write_bytes(data)
    with pytest.raises(lab.DataError, match=r"copy\.pt: not a network .*damaged at .*copy it again"):
        open_model(tmp_path / "copy.pt")


def test_a_file_with_odd_contents_is_one_line(model_file, tmp_path):
    def changed(change):
        contents = torch.load(model_file, weights_only=True)
        change(contents)
        torch.save(contents, tmp_path / "odd.pt")

    for change, said in (
        (lambda c: c.update(data={"scans": 3}), "what it was trained on is incomplete"),
        (lambda c: c["config"].update(scale=0), "RunConfig.scale is 0"),
        (lambda c: c["config"].update(scaling="bogus"), "RunConfig.scaling is 'bogus'"),
        (lambda c: c.update(state={name: w.to(torch.complex64) for name, w in c["state"].items()}), "torch.complex64"),
    ):
        changed(change)
        with pytest.raises(lab.DataError, match=rf"odd\.pt: not a network.*{said}"):
            open_model(tmp_path / "odd.pt")


@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
def test_a_device_that_is_not_there_is_one_line(model_file, device):
    with pytest.raises(lab.DataError, match=f"there is no device '{device}' here"):
        open_model(model_file, device)


def test_a_file_that_would_fill_the_memory_is_refused_before_it_does(model_file, tmp_path):
    import zipfile

    bomb = tmp_path / "bomb.pt"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", bytes(64 << 20))
    with pytest.raises(lab.DataError, match=r"would unpack to 64 MiB"):
        open_model(bomb)
    contents = torch.load(model_file, weights_only=True)
    torch.save(contents | {"input_shape": [200_000, 200_000]}, tmp_path / "large.pt")
    with pytest.raises(lab.DataError, match=r"it claims \d+ MiB of weights"):
        open_model(tmp_path / "large.pt")
