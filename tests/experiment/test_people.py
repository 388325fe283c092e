"""Networks on people: scores of masks, ensembles, the cascade's stages, false alarms."""

import numpy as np
import pytest
import torch
from boxes import Z_STEP, store_of

import atlas_lab as lab
from atlas_lab.experiment.datasets import scan_rows
from atlas_lab.experiment.people import cascade_scores, ensemble_probability, false_alarms, scores_of_masks
from atlas_lab.experiment.prediction import predict_rows
from atlas_lab.scoring.lesions import without_small

UNET = lab.RunConfig(net="unet", width=2, z_step=Z_STEP)


def everywhere(store):
    return np.arange(len(store))


def test_perfect_masks_score_one_and_their_volume_is_in_millilitres():
    store = store_of()
    scans = scores_of_masks(store.masks, store, everywhere(store), about={"000003/t01": {"territory": "pons"}})
    assert [scan["subject"] for scan in scans] == sorted(set(store.table["subject"]))
    assert all(scan["dice"] == scan["lesion_f1"] == scan["panoptic"] == scan["surface_dice"] == 1 for scan in scans)
    assert all(scan["true_ml"] == pytest.approx(75 * 4 * 4 * 21 / 1000) for scan in scans)
    assert [scan.get("territory") for scan in scans].count("pons") == 1 and scans[5]["site"] == "Site3"


def test_small_components_are_left_out_by_their_volume():
    mask = np.zeros((5, 9, 9), bool)
    mask[0, 0, :3] = mask[2:4, 5:8, 5:8] = mask[1, 1, 3] = True  # 4 that hang together by a corner, and 18
    assert without_small(mask, 0.005, 0.001).sum() == 18 and without_small(mask, 0.004, 0.001).sum() == 22
    store = store_of()
    noisy = store.masks.copy()
    noisy[:, 15, 15] = True
    plain, cleaned = (scores_of_masks(noisy, store, everywhere(store), ml) for ml in (0.0, 3.1))
    assert all(scan["lesion_f1"] == pytest.approx(2 / 3) for scan in plain)
    assert all(scan["dice"] == 1 for scan in cleaned)


def test_an_ensemble_is_the_mean_of_its_networks():
    store, rows = store_of(), np.arange(12)
    nets = [lab.experiment.build_model(UNET, (16, 16)) for _ in range(3)]
    found = ensemble_probability(nets, UNET, store, rows)
    np.testing.assert_allclose(found, np.mean([predict_rows(net, UNET, store, rows) for net in nets], 0), rtol=1e-5)
    with pytest.raises(lab.DataError, match="at least one"):
        ensemble_probability([], UNET, store, rows)


class Answer(torch.nn.Module):
    """A network that says lesion wherever a pixel is darker than a bound."""

    def __init__(self, bound):
        super().__init__()
        self.bound = torch.nn.Parameter(torch.tensor(bound))

    def forward(self, images):
        return (self.bound - images) * 100


def test_each_stage_of_the_cascade_is_scored_alone_and_behind_perfect_ones():
    store = store_of()
    rows = np.concatenate(list(scan_rows(store).values()))
    models = {"presence": Answer(2.0), "place": Answer(2.0), "mask": Answer(0.2)}  # the first two always say yes
    found = cascade_scores(models, UNET, store, rows)
    dice = {name: np.mean([scan["dice"] for scan in scans]) for name, scans in found.items()}
    assert dice["perfect start"] == 1 and dice["presence alone"] == dice["place alone"] == 1
    assert dice["cascade"] == dice["mask alone"] < dice["perfect presence"] < 1  # corner pixels are dark, and no lesion
    blind = cascade_scores(models | {"presence": Answer(-1.0)}, UNET, store, rows)
    assert all(scan["pred_ml"] == 0 for scan in blind["cascade"]) and blind["mask alone"] == found["mask alone"]


def test_false_alarms_are_counted_on_the_healthy():
    store = store_of()
    with pytest.raises(lab.DataError, match="of 6 scans 6 have a lesion"):
        false_alarms(scores_of_masks(store.masks, store, everywhere(store)))
    healthy = [{"subject": name, "true_ml": 0.0, "pred_ml": ml} for name, ml in
               [("a", 0.0), ("b", 1.0), ("b", 3.0), ("c", 5.0)]]
    assert false_alarms(healthy) == {"people": 3, "median_ml": 2, "largest_ml": 5, "share_with_any": 2 / 3}
