"""Whole subjects of version 2: its switches, the truth beside the drawing, and the layouts."""

import json

import nibabel
import numpy as np
import pytest
from scipy import ndimage

import atlas_lab as lab
from atlas_lab.data.account import coarse_brain
from atlas_lab.data.intensity import white_point
from atlas_lab.data.layouts import LAYOUTS
from atlas_lab.data.lesion_maps import lesion_table
from atlas_lab.data.metadata import join_metadata
from atlas_lab.data.scans import load_with_account
from atlas_lab.phantom.anatomy import load_anatomy
from atlas_lab.phantom.cohort import make_cohort
from atlas_lab.phantom.mimics import HYPERINTENSITY


def records_of(root):
    return json.loads(next(root.glob("*/synthetic.json")).read_text())["subjects"]


def truth_of(root, scan):
    return np.asarray(nibabel.load(next(root.glob(f"*/truth/{scan.subject}_truth.nii.gz"))).dataobj)


@pytest.fixture(scope="module")
def brain_only(tmp_path_factory):
    return make_cohort(tmp_path_factory.mktemp("brain"), 1, jobs=1, progress=False, heads=False)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    return make_cohort(tmp_path_factory.mktemp("healthy"), 2, jobs=1, progress=False, n_lesions=0)


def test_a_brain_alone_is_the_brain_of_the_head(brain_only, pair):
    alone, head = (lab.find_scans(root)[0] for root in (brain_only, pair))
    a, b = lab.load_scan(alone), lab.load_scan(head)
    np.testing.assert_array_equal(a.mask, b.mask)
    deep = ndimage.binary_erosion(a.image > 0, iterations=8)  # where the skull can't blur in
    deep &= a.image < 100
    assert deep.sum() > 5e5
    np.testing.assert_array_equal(a.image[deep], b.image[deep])
    assert 1.8 < (b.image > 0).sum() / (a.image > 0).sum() < 2.8
    # Fat is brighter than any brain, so that a head's brain comes out darker; both keep grey below white.
    assert white_point(a.image) < white_point(b.image)


def test_the_vault_is_layered_and_the_face_is_gone(pair):
    scan = lab.find_scans(pair)[0]
    image = lab.load_scan(scan).image
    brain = load_anatomy().brain
    distance = ndimage.distance_transform_edt(~brain)
    top = np.zeros(image.shape, bool)
    top[:, :, 120:] = True
    bone, scalp = top & (distance > 3.5) & (distance < 6), top & (distance > 13) & (distance < 16) & (image > 5)
    white = np.median(image[load_anatomy().t1w > 0.85])
    assert np.percentile(image[bone], 25) < 0.35 * white < white < np.percentile(image[scalp], 90)
    assert (image[:, 205:, :30] > 1).sum() == 0


def test_the_truth_is_kept_beside_the_drawing(cohort, scans):
    by_subject = {record["subject"]: record for record in records_of(cohort)}
    dices = []
    for scan in scans:
        assert not any("truth" in path.name for path in scan.masks)
        true, drawn = truth_of(cohort, scan) == 1, lab.load_scan(scan).mask
        measured = by_subject[scan.subject]["measured"]
        assert true.sum() / 1000 == pytest.approx(measured["true_ml"], abs=1e-3)
        dices.append(2 * (true & drawn).sum() / (true.sum() + drawn.sum()))
        assert dices[-1] == pytest.approx(measured["true_dice"], abs=1e-3)
    assert min(dices) > 0.4 and 0.65 < np.mean(dices) < 0.95


def test_large_lesions_are_cavities_and_hyperintensities_are_not(cohort, scans):
    """The subject with 58 ml: its core against its own ventricles and white matter."""
    record = max(records_of(cohort), key=lambda r: r["aimed"]["volume_ml"])
    scan = next(s for s in scans if s.subject == record["subject"])
    image, labels, anatomy = lab.load_scan(scan).image, truth_of(cohort, scan), load_anatomy()
    core = ndimage.distance_transform_edt(labels == 1) > 5
    fluid = np.median(image[ndimage.binary_erosion(anatomy.ventricles, iterations=2)])
    white = np.median(image[(anatomy.t1w > 0.85) & (labels == 0)])
    assert (np.median(image[core]) - fluid) / (white - fluid) < 0.3
    graded = [r for r in records_of(cohort) if r["wmh_ml"] > 5]
    assert graded
    for record in graded:
        scan = next(s for s in scans if s.subject == record["subject"])
        image, labels = lab.load_scan(scan).image, truth_of(cohort, scan)
        assert (labels == HYPERINTENSITY).sum() / 1000 == pytest.approx(record["wmh_ml"], rel=0.1)
        fluid = np.median(image[ndimage.binary_erosion(anatomy.ventricles, iterations=2)])
        white = np.median(image[(anatomy.t1w > 0.85) & (labels == 0)])
        assert 0.35 < (np.median(image[labels == HYPERINTENSITY]) - fluid) / (white - fluid) < 0.95


def test_darker_cores_change_nothing_but_the_lesion(pair, tmp_path):
    pale = make_cohort(tmp_path, 1, jobs=1, progress=False, dark_cores=False)
    one, other = lab.find_scans(pair)[0], lab.find_scans(pale)[0]
    a, b = lab.load_scan(one), lab.load_scan(other)
    np.testing.assert_array_equal(a.mask, b.mask)
    changed = (a.image != b.image) & (a.image < 100) & (b.image < 100)
    near = ndimage.binary_dilation(truth_of(pair, one) == 1, iterations=16)
    assert changed[near].any() and not changed[~near].any()


def test_a_healthy_cohort_has_no_masks_and_loads(healthy):
    scans = lab.find_scans(healthy)
    assert all(scan.healthy and not scan.masks for scan in scans)
    assert not any(lab.load_scan(scan).mask.any() for scan in scans)
    assert lab.check_scans(scans, jobs=1, progress=False).empty
    store = lab.prepare_slices(scans, progress=False)
    assert store.table["lesion_pixels"].sum() == 0 and len(store) == 2 * 95
    assert not any((truth_of(healthy, scan) == 1).any() for scan in scans)
    table = lesion_table(scans, jobs=1, progress=False)
    assert set(table["side"]) == {"none"} and table["components"].sum() == table["volume_ml"].sum() == 0
    accounts = (store.folder / "accounts.json").read_text()
    assert json.loads(accounts)[0]["grid_side_mm"] is None and "NaN" not in accounts
    account = load_with_account(scans[0], coarse_brain())[1]
    assert account.text() == "lesion 0 ml in 0 files, 0 ml joined, 0 ml on ATLAS's grid"
    assert set(join_metadata(scans, healthy)["Stroke type"].fillna("None")) == {"None"}


def test_a_lost_mask_of_an_embedded_cohort_is_still_an_error(pair, tmp_path):
    import shutil

    root = shutil.copytree(pair, tmp_path / "copy")
    scan = lab.find_scans(root)[0]
    for path in scan.masks:
        path.unlink()
    with pytest.raises(lab.DataError, match="no lesion mask"):
        lab.load_scan(lab.find_scans(root)[0])


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "R1.1"])
def test_all_layouts_hold_the_same_voxels(pair, tmp_path, layout):
    other = make_cohort(tmp_path, 1, layout=layout, jobs=1, progress=False)
    one, again = lab.find_scans(pair)[0], lab.find_scans(other)[0]
    assert again.release == layout and len(lab.find_scans(other)) == 1
    for a, b in zip(lab.load_scan(one), lab.load_scan(again), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"version": 3}, "version is 3"), ({"n_lesions": 2}, "n_lesions is 2"),
        ({"n_lesions": 0, "lesions": "."}, "one of them"),
    ],
)
def test_unusable_switches_are_refused(tmp_path, arguments, message):
    with pytest.raises(lab.DataError, match=message):
        make_cohort(tmp_path / "out", 1, **arguments)
    assert not (tmp_path / "out").exists()
