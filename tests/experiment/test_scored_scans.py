"""A saved network on labelled scans: its scores by other libraries, and people whom it has learnt from left out."""

import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest
import torch
from atlas_tree import box_mask, head, save, write_scan
from scipy.spatial.distance import cdist
from sklearn.metrics import f1_score

import atlas_lab as lab
from atlas_lab.data.layouts import LAYOUTS, scan_names
from atlas_lab.data.scans import find_scans
from atlas_lab.experiment.artifacts import as_filed
from atlas_lab.experiment.folds import choose_split
from atlas_lab.experiment.inference import SavedModel, describe_training
from atlas_lab.experiment.people import scores_of_masks
from atlas_lab.experiment.prediction import predict_rows
from atlas_lab.experiment.score_tables import score_lines
from atlas_lab.experiment.scored_scans import check_scores_file, score_scans, write_scores
from atlas_lab.files import write_json
from atlas_lab.scoring.bootstrap import people_interval

CONFIG = lab.RunConfig(z_step=5, split_by="subject", cohort=3)
OTHER = {"source": "ATLAS R1.2", "scans": 9, "digests": ["0" * 16], "skull": True}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def same_slices(own_home, home, monkeypatch):
    """These tests share one home, so that the slices of a tree are cut once."""
    monkeypatch.setenv("ATLAS_LAB_HOME", str(home))


class Fixed(torch.nn.Module):
    """A network that calls the same pixels lesion in every slice."""

    def __init__(self, logit=10.0):
        super().__init__()
        self.input_shape = (56, 48)
        answer = torch.full((1, 56, 48), -10.0)
        answer[:, 25:40, 12:20] = logit
        self.answer = torch.nn.Parameter(answer)

    def forward(self, images):
        return self.answer.expand(len(images), 1, 56, 48)


def saved(data=OTHER, model=None, **settings):
    return SavedModel(model or Fixed(), replace(CONFIG, **settings), data)


def true_mask(scan):
    """A scan's lesion at 4 mm a pixel and every 5th slice, as (38, 56, 48), straight from its files."""
    whole = np.any([np.asarray(nibabel.load(path).dataobj) > 0 for path in scan.masks], axis=0)
    blocks = np.flip(whole, 1)[:196, :232, ::5].reshape(49, 4, 58, 4, 38).mean(axis=(1, 3)) >= 0.5
    return blocks.transpose(2, 1, 0)[:, 1:57, :48]


def surface(mask):
    """Places, in mm, of a mask's voxels that have a neighbour by a face outside of it."""
    around = np.pad(mask, 1)
    inner = np.logical_and.reduce([np.roll(around, step, axis) for axis in range(3) for step in (-1, 1)])
    return np.argwhere(mask & ~inner[1:-1, 1:-1, 1:-1]) * (5, 4, 4)


def test_the_scores_are_those_of_other_libraries(scans):
    found = score_scans(saved(), scans)
    assert [scan["subject"] + "/" + scan["session"] for scan in found.scans] == sorted(scan.name for scan in scans)
    pred = np.zeros((38, 56, 48), bool)
    pred[:, 25:40, 12:20] = True
    for one in found.scans:
        target = true_mask(next(s for s in scans if (s.subject, s.session) == (one["subject"], one["session"])))
        assert target.any() and one["dice"] == pytest.approx(f1_score(target.ravel(), pred.ravel()))
        assert one["volume_difference_ml"] == pytest.approx((pred.sum() - target.sum()) * 0.08)
        apart = cdist(surface(pred), surface(target))
        sides = apart.min(1), apart.min(0)
        assert one["hd95"] == pytest.approx(max(np.percentile(side, 95) for side in sides))
        assert one["assd"] == pytest.approx(np.concatenate(sides).mean())
        assert one["lesion_f1"] == float((pred & target).any())
    assert {scan["dice"] > 0 for scan in found.scans} == {True, False}
    lines = "\n".join(score_lines(found))
    dice = {scan["subject"]: [one["dice"] for one in found.scans if one["subject"] == scan["subject"]]
            for scan in found.scans}
    expected = people_interval({name: np.mean(values) for name, values in dice.items()})
    assert lines.startswith("5 people, 6 scans: ATLAS R1.1\n") and f"| {expected:.3f} " in lines
    assert "| site: Site1 " in lines and "| size: " in lines and "ATLAS's releases share people" in lines


@pytest.mark.parametrize("settings", [{"net": "unet", "width": 2, "context": 1}, {"net": "volume_unet", "width": 2},
                                      {"scaling": "slice"}])
def test_any_network_is_scored_as_on_all_slices_at_once(settings, scans):
    torch.manual_seed(0)
    config = replace(CONFIG, **settings)
    model, store = lab.experiment.build_model(config, (56, 48)).eval(), lab.prepare_slices(scans, 4, 5)
    rows, seen = np.arange(len(store)), as_filed(store, config)
    expected = scores_of_masks(predict_rows(model, config, seen, rows) > 0.5, store, rows)
    found = score_scans(saved(model=model, **settings), scans).scans
    assert len(expected) == 6 and any(one["pred_ml"] for one in expected)
    for one, other in zip(found, expected, strict=True):
        assert (one["subject"], one["session"], one["site"]) == (other["subject"], other["session"], other["site"])
        for name in other.keys() - {"subject", "session", "site"}:
            assert one[name] == pytest.approx(other[name], nan_ok=True), name


def test_people_whom_the_network_learnt_from_are_left_out(scans):
    store = lab.prepare_slices(scans, 4, 5)
    data = describe_training(CONFIG, store)
    found = score_scans(saved(data), scans)
    kept = set(store.table["subject"].iloc[choose_split(CONFIG, store).dev])
    assert {scan["subject"] for scan in found.scans} == kept and len(kept) == 2
    assert "it learnt from 3 of these people, who are left out; the 2 others are scored" in found.notes[1]
    fewer = replace(CONFIG, people=3)  # it was given three, and learnt from two of them
    assert len({scan["subject"] for scan in score_scans(saved(describe_training(fewer, store)), scans).scans}) == 3
    for by in ("slice", "block"):
        settings = replace(CONFIG, split_by=by)
        with pytest.raises(lab.DataError, match=rf"slices of all 5 people here \(split by {by}\)"):
            score_scans(saved(describe_training(settings, store), split_by=by), scans)
    for unnamed in ({}, {"source": "ATLAS R1.1", "scans": 3, "skull": False}):  # as older code wrote it
        lines = score_scans(saved(unnamed), scans).notes
        assert sum("doesn't name the people that it learnt from" in line for line in lines) == 1


def test_people_are_known_among_others_and_by_any_scan_of_theirs(scans):
    twice = "031802"  # scanned twice: t01 and t02
    store = lab.prepare_slices([scan for scan in scans if scan.name != f"{twice}/t02"], 4, 5)
    data = describe_training(CONFIG, store)
    learnt = set(store.table["subject"].iloc[choose_split(CONFIG, store).train])
    for some in (scans[1:], scans[:-1], scans):
        found = score_scans(saved(data), some)
        assert {scan["subject"] for scan in found.scans} == {scan.subject for scan in some} - learnt
    others = [scan for scan in scans if scan.subject not in learnt]
    (line,) = [line for line in score_scans(saved(data), others).notes if "no slice here" in line]
    assert "ATLAS's releases share people" in line


def test_healthy_people_are_told_by_their_false_alarms(tmp_path):
    for subject in ("031768", "031769"):
        write_scan(tmp_path, "Site1", subject, masks=[])
    write_json(tmp_path / "ATLAS_R1.1" / "synthetic.json", {"seed": 3, "n_lesions": 0})
    scans = find_scans(tmp_path)
    found = score_scans(saved(), scans)
    lines = "\n".join(score_lines(found))
    ml = 38 * 15 * 8 * 0.08
    assert f"| median, ml                            |      2 | {ml:.2f} [{ml:.2f}, {ml:.2f}] |" in lines
    assert "| share of people with any              |      2 | 1.00 [1.00, 1.00]" in lines and "Dice" not in lines
    assert not any("settings name cohort" in line for line in found.notes)  # it learnt from patients
    known = OTHER | {"source": "synthetic cohort, not patient data (layout R1.1)"}
    for cohort, text in ((3, "they may be those"), (0, "others, unless")):
        assert any(f"of seed 3: {text}" in line for line in score_scans(saved(known, cohort=cohort), scans).notes)


def test_what_makes_the_numbers_doubtful_is_said(tmp_path):
    write_scan(tmp_path, "Site1", "031768", masks=[box_mask((80, 90, 60), (1, 1, 1))])
    scans = find_scans(tmp_path)
    notes = {skull: score_scans(saved(OTHER | {"skull": skull}), scans).notes for skull in (True, False)}
    assert sum(any("these scans " in line for line in lines) for lines in notes.values()) == 1
    assert all("1 of 1 scans have a lesion that fills no pixel of 4 mm" in lines[-1] for lines in notes.values())
    assert any("other people's masks" in line for line in score_scans(saved(labels="permuted"), scans).notes)
    lines = score_lines(score_scans(saved(), scans))
    assert lines[0].startswith("1 person, 1 scan: ") and any("0.000 (one person)" in line for line in lines)
    assert any(line.startswith("| Hausdorff") and "|      0 |" in line for line in lines)


def test_raw_scans_are_told_from_registered_ones(tmp_path):
    layout, names = LAYOUTS["R2.1 raw"], scan_names(LAYOUTS["R2.1 raw"], 0, 1, 1, 1)
    save(tmp_path / layout.folder / layout.t1w.format(**names), head(1))
    save(tmp_path / layout.folder / layout.mask.format(**names), box_mask((60, 80, 60)))
    for source, told in ((OTHER["source"], True), ("ATLAS R2.1 raw", False)):
        notes = score_scans(saved(OTHER | {"source": source}), find_scans(tmp_path)).notes
        assert any("these scans are raw" in line for line in notes) == told


def test_what_can_not_be_scored_is_refused(scans, tmp_path):
    write_scan(tmp_path / "bare", "Site1", "031768", masks=[])
    with pytest.raises(lab.DataError, match="none of the 1 scans has a lesion mask"):
        score_scans(saved(), find_scans(tmp_path / "bare"))
    with pytest.raises(lab.DataError, match="1 of 7 scans have no lesion mask, such as 031768/t01; add"):
        score_scans(saved(), [*scans, *find_scans(tmp_path / "bare")])
    with pytest.raises(lab.DataError, match="stage of place, which gives no mask"):
        score_scans(saved(stage="place", net="unet"), scans)
    with pytest.raises(lab.DataError, match=r"takes slices of \(56, 48\), and its scale of 8 mm gives \(28, 24\)"):
        score_scans(saved(scale=8), scans)
    with pytest.raises(lab.DataError, match=r"031768/t01: the network's output is NaN or infinite in 4,560 of"):
        score_scans(saved(model=Fixed(float("nan"))), scans)
    with pytest.raises(lab.DataError, match=r"a name that ends in \.json"):
        check_scores_file(tmp_path / "scores.csv", "ATLAS R1.1")


def test_every_scan_s_scores_are_written(scans, tmp_path):
    nothing = saved(model=Fixed(-10.0))
    found = score_scans(nothing, scans)
    write_scores(tmp_path / "scores.json", found, nothing)
    read = json.loads((tmp_path / "scores.json").read_text())
    assert [scan["dice"] for scan in read["scans"]] == [0] * 6 and read["scans"][0]["hd95"] is None
    assert read["source"] == "ATLAS R1.1" and read["network"]["data"] == OTHER and read["z_step"] == 5
    assert (tmp_path / "scores.json").stat().st_mode & 0o77 == 0
