"""Slices on a GPU: tested on the processor, whose tensors are as those of a GPU."""

import numpy as np
import pytest
import torch

from atlas_lab.dataset import SliceDataset, SliceStore
from atlas_lab.fast import resident as room
from atlas_lab.fast.resident import ResidentDataset, resident

CPU = torch.device("cpu")


def store_of(masks):
    """A store of ten slices with all grey values."""
    images = np.random.default_rng(0).integers(0, 256, (10, 16, 20), np.uint8)
    return SliceStore(None, images, masks, None, {})


def placed(dataset):
    """A dataset as `resident` makes it where there is a GPU."""
    images, masks = (torch.from_numpy(array) for array in (dataset.store.images, dataset.store.masks))
    return ResidentDataset(SliceStore(None, images, masks, None, {}), dataset.rows)


@pytest.mark.parametrize("masks", [
    np.arange(3200).reshape(10, 16, 20) % 7 == 0,
    (np.arange(3200).reshape(10, 16, 20) % 256).astype(np.uint8),  # as out of JPEG files
])
def test_batches_are_those_of_a_slice_dataset(masks):
    plain = SliceDataset(store_of(masks), np.array([7, 2, 9, 4, 0]))
    for index in (torch.tensor([3, 0, 4]), [1], 2, np.arange(5)):
        for ours, theirs in zip(placed(plain)[index], plain[index], strict=True):
            assert ours.dtype == torch.float32 and torch.equal(ours, theirs)
    sampled = placed(plain).sample(3, seed=1)
    assert sampled.rows.tolist() == plain.sample(3, seed=1).rows.tolist()
    assert torch.equal(sampled[[0, 1]][0], plain.sample(3, seed=1)[[0, 1]][0])


def test_on_a_processor_datasets_stay_as_they_are():
    train = SliceDataset(store_of(np.zeros((10, 16, 20), bool)))
    assert resident(train, train, device=CPU) == (train, train)


def test_slices_that_do_not_fit_or_vary_stay_where_they_are(monkeypatch):
    class Varied(SliceDataset):
        pass

    train = SliceDataset(store_of(np.zeros((10, 16, 20), bool)))
    monkeypatch.setattr(room.torch.cuda, "mem_get_info", lambda device: (2 * 2 * 3200 - 1, 80 * 2**30))
    assert resident(train, device=torch.device("cuda")) == (train,)
    varied = Varied(train.store)
    assert resident(varied, device=torch.device("cuda")) == (varied,)
