"""The loop: it takes any network and any loss, goes on where it was, and ends when the loss is no number."""

import json
import re

import numpy as np
import pandas
import pytest
import torch
from atlas_tree import box_mask, save
from torch.nn import functional as F

import atlas_lab as lab
from atlas_lab.dataset import SliceStore
from atlas_lab.files import REPOSITORY
from atlas_lab.train import random_batches, train_epoch


@pytest.fixture(scope="module")
def store():
    """Forty noisy slices of four people, with a bright square that is the lesion."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (40, 16, 16)).astype(np.uint8)
    masks = np.zeros(images.shape, bool)
    for i in range(0, 40, 2):
        row, column = rng.integers(2, 10, 2)
        masks[i, row : row + 4, column : column + 4] = True
    images[masks] += 120
    table = pandas.DataFrame({"subject": np.repeat(list("abcd"), 10), "session": "t01", "site": "Site1",
                              "z": np.tile(np.arange(10), 4), "lesion_pixels": masks.sum(axis=(1, 2))})
    about = {"source": "squares", "n_scans": 4, "scale": 4, "z_step": 1, "data_hash": "0"}
    return SliceStore(None, images, masks, table, about)


class TwoConvolutions(torch.nn.Module):
    """A network that the package doesn't know."""

    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.Conv2d(8, 1, 3, padding=1)
        self.dropout = torch.nn.Dropout(0.1)

    def forward(self, images):
        return self.second(self.dropout(torch.relu(self.first(images))))


def regression(logits, target):
    """A loss that the package doesn't know: lesion pixels are to have the logit 4, all others -4."""
    return F.mse_loss(logits, 8 * target - 4)


def parts(store):
    return [lab.SliceDataset(store, rows) for rows in lab.split_slices(store, by="subject")]


def trained(store, epochs, history=(), net=None, optimizer=None, **settings):
    if net is None:
        torch.manual_seed(3)
        net = TwoConvolutions()
        optimizer = torch.optim.Adam(net.parameters(), 0.02)
    history = lab.fit(net, regression, optimizer, *parts(store), epochs, batch_size=10, history=history, **settings)
    return net, optimizer, history


def test_a_network_and_a_loss_that_the_package_does_not_know_learn_the_squares(store):
    net, _, history = trained(store, 40)
    assert [entry["epoch"] for entry in history] == list(range(1, 41))
    assert history[-1]["dev"]["mean_dice"] > 0.8 > history[0]["dev"]["mean_dice"]
    dev = parts(store)[1]
    mask = lab.predict(net, store.images[dev.rows]) > 0.5
    assert lab.mean_dice(mask, store.masks[dev.rows]) == history[-1]["dev"]["mean_dice"]
    assert json.loads(json.dumps(history, allow_nan=True))[-1] == history[-1]


def test_going_on_from_a_history_gives_what_an_unbroken_training_gives(store):
    unbroken = trained(store, 4)
    net, optimizer, history = trained(store, 2)
    resumed = trained(store, 4, history, net, optimizer)
    for one, other in zip(unbroken[0].state_dict().values(), resumed[0].state_dict().values(), strict=True):
        assert torch.equal(one, other)
    without_time = [[{k: v for k, v in entry.items() if k != "seconds"} for entry in found[2]]
                    for found in (unbroken, resumed)]
    assert repr(without_time[0]) == repr(without_time[1]) and len(history) == 2  # repr: NaN is NaN


def test_the_learning_rate_can_follow_the_epoch_and_callers_are_told_after_each(store):
    seen = []
    *_, history = trained(store, 3, learning_rate=lambda epoch: 0.1 / epoch, after_epoch=lambda h: seen.append(len(h)))
    assert [entry["learning_rate"] for entry in history] == [0.1, 0.05, 0.1 / 3] and seen == [1, 2, 3]


def test_scores_are_what_the_caller_wants(store):
    *_, history = trained(store, 1, scores=lambda found: {"slices": len(found.tp)})
    assert (history[0]["train"], history[0]["dev"]) == ({"slices": 10}, {"slices": 10})  # train: as many as dev has


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_training_with_its_epoch(store, number):
    net, done = TwoConvolutions(), []

    def breaks(logits, target):
        return regression(logits, target) * (number if len(done) == 2 else 1.0)

    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    with pytest.raises(lab.DataError, match=r"the loss of epoch 3 is (nan|inf).*rate of 0.02 may be too large"):
        lab.fit(net, breaks, optimizer, *parts(store), 5, after_epoch=lambda history: done.append(len(history)))
    assert done == [1, 2]


def test_an_epoch_is_one_step_for_each_batch(store):
    train, _ = parts(store)
    net = torch.nn.Conv2d(1, 1, 1)
    batches = [[0, 1], [2, 3], [4, 5]]
    loss = train_epoch(net, train, regression, torch.optim.SGD(net.parameters(), 0.0), batches)
    with torch.no_grad():
        each = [regression(net(images), target).item() for images, target in map(train.__getitem__, batches)]
    assert loss == pytest.approx(np.mean(each))
    torch.manual_seed(0)
    assert sorted(torch.cat(random_batches(23, 5)).tolist()) == list(range(23))


def python_blocks(page):
    """The blocks of Python in a page, as texts."""
    return re.findall(r"```python\n(.*?)```", (REPOSITORY / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_readme_s_python_runs_as_it_stands(scans, monkeypatch):
    (block,) = python_blocks("README.md")
    monkeypatch.setattr(lab, "cohort", lambda: scans, raising=False)
    names = {}
    exec(block, names)
    assert names["scan"] is scans[0]


def test_the_page_s_python_runs_as_it_stands(store, monkeypatch, tmp_path):
    """Its blocks, one after the other, on a small store; what they write goes to a folder of the test."""
    blocks = python_blocks("docs/python.md")
    monkeypatch.chdir(tmp_path)
    for name, size in (("true", (12, 14, 10)), ("mine", (12, 7, 10))):
        save(tmp_path / f"{name}.nii.gz", box_mask((60, 80, 60), size))
    monkeypatch.setattr(lab, "cohort", lambda: ["scans"], raising=False)
    monkeypatch.setattr(lab, "prepare_slices", lambda scans: store, raising=False)
    monkeypatch.setattr(lab, "sweep", lambda configs, found: [lab.run_experiment(c, found, print) for c in configs],
                        raising=False)
    names = {}
    for block in blocks:
        exec(block.replace("[40]", "[4]"), names)
    assert len(names["history"]) == 3 and len(names["runs"]) == 2
    (scores,) = names["scores"]
    assert (scores["dice"], scores["lesion_f1"]) == (pytest.approx(2 / 3), 1)
    assert scores["volume_difference_ml"] == pytest.approx(-0.84) and scores["count_difference"] == 0
    assert set(names["by_person"]) == set(names["dev"].table["subject"]) and (tmp_path / "history.png").exists()
    own = blocks[0].split("net = ")[1].split("history = ")[0]
    assert len([line for line in own.splitlines() if line.strip()]) <= 15


def test_rows_may_be_one_bool_a_slice(store):
    has_lesion = store.table["lesion_pixels"] > 0
    for rows in (has_lesion, has_lesion.to_numpy(), has_lesion.tolist(), torch.from_numpy(has_lesion.to_numpy())):
        dataset = lab.SliceDataset(store, rows)
        assert dataset.rows.tolist() == np.flatnonzero(has_lesion).tolist()
        assert dataset[np.arange(len(dataset))][1].sum() == store.masks.sum()
    for rows in (has_lesion[:-1], [len(store)], [0.5]):
        with pytest.raises(lab.DataError, match="pass numbers below"):
            lab.SliceDataset(store, rows)


class Doubled(torch.nn.Conv2d):
    """Logits 4 x - 2 without a channel axis: lesion where the image is above one half."""

    def __init__(self):
        super().__init__(1, 1, 1)
        torch.nn.init.constant_(self.weight, 4.0)
        torch.nn.init.constant_(self.bias, -2.0)

    def forward(self, images):
        return super().forward(images)[:, 0]


def test_images_of_any_kind_are_predicted_alike_or_refused():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 6), dtype=np.uint8)
    expected = images > 127.5
    for kind in (images, torch.from_numpy(images), images / 255, (images / 255).astype("f4")[:, None]):
        found = lab.predict(Doubled(), kind)
        assert found.shape == images.shape and ((found > 0.5) == expected).all()
    for kind in (images.astype(int), images.astype("f4")):
        with pytest.raises(lab.DataError, match="expected uint8, or values from 0 to 1"):
            lab.predict(Doubled(), kind)


def test_a_network_that_gives_no_numbers_is_not_scored(store):
    model = lab.BaselineNet(store.shape)
    torch.nn.init.constant_(model.deconv2.bias, float("nan"))
    with pytest.raises(lab.DataError, match="NaN or infinite"):
        lab.evaluate(model, lab.SliceDataset(store))
