"""The cohort as files: a release's habits, reproducibility, what an interrupted call leaves, and what is refused."""

import hashlib
import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import nibabel
import numpy as np
import pandas
import pytest
from scipy import ndimage

from atlas_lab.check import check_scans
from atlas_lab.config import RunConfig
from atlas_lab.data.scans import find_scans, load_scan
from atlas_lab.data.slicing import prepare_slices
from atlas_lab.files import DataError
from atlas_lab.grid import bounding_box
from atlas_lab.paper import example_slices
from atlas_lab.phantom import cohort as phantom
from atlas_lab.phantom.cohort import make_cohort

N_SUBJECTS = 8


def hashes(root):
    """SHA-256 of every file below a folder."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def volumes_of(root):
    return {name: h for name, h in hashes(root).items() if name.endswith(".nii.gz")}


def test_layout_is_that_of_the_release(cohort, scans):
    assert {s.release for s in scans} == {"R1.1"} and all(s.synthetic for s in scans)
    assert {s.site for s in scans} == {f"Site{n}" for n in (1, 2, 3, 5, 6, 8, 9)}
    assert len({s.subject for s in scans}) == N_SUBJECTS
    repeats = [s for s in scans if s.session == "t02"]
    assert len(repeats) == 1 and repeats[0].site == "Site8"
    assert not any(path.name.startswith(".") for path in cohort.rglob("*"))
    assert check_scans(scans, progress=False).empty


def test_t1w_volumes_have_the_type_range_and_size_of_the_release(scans):
    for scan in scans:
        volume = nibabel.load(scan.t1w)
        assert volume.shape == (197, 233, 189) and volume.get_data_dtype() == np.float32
        np.testing.assert_array_equal(volume.affine[:3, 3], (-98, -134, -72))
        np.testing.assert_array_equal(volume.affine[:3, :3], np.eye(3))
        data = np.asarray(volume.dataobj)
        assert -0.001 < data.min() < 0 and 100 < data.max() < 100.001
        assert 0.35 < np.mean(data == 0) < 0.75
        assert scan.t1w.stat().st_size <= 8e6


def test_masks_have_the_oddities_of_the_release(scans):
    values = set()
    for scan in scans:
        for path in scan.masks:
            volume = nibabel.load(path)
            assert volume.get_data_dtype() == np.float64
            values |= set(np.unique(np.asarray(volume.dataobj)))
    assert values == {0.0, 1.0, 255.0}
    assert min(len(scan.masks) for scan in scans) == 1 < max(len(scan.masks) for scan in scans)


def test_lesions_lie_in_the_brain_and_are_darker_than_their_surroundings(scans):
    ratios = []
    for scan in scans:
        image, mask, _ = load_scan(scan)
        assert mask.sum() >= 50
        assert (image[mask] > 0).mean() >= 0.9
        box = bounding_box(mask, margin=7)
        image, mask = image[box], mask[box]
        around = ndimage.binary_dilation(mask, iterations=6) & ~ndimage.binary_dilation(mask, iterations=2)
        ratios.append(image[mask].mean() / image[around & (image > 0)].mean())
    assert max(ratios) < 1 and np.mean(ratios) < 0.85, ratios


def test_a_repeat_scan_has_the_same_lesion_and_another_noise(scans):
    repeat = next(s for s in scans if s.session == "t02")
    first = next(s for s in scans if s.subject == repeat.subject and s.session == "t01")
    a, b = load_scan(first), load_scan(repeat)
    np.testing.assert_array_equal(a.mask, b.mask)
    brain = (a.image > 0) & (b.image > 0)
    assert 0.5 < np.corrcoef(a.image[brain], b.image[brain])[0, 1] < 0.99


def test_metadata_fits_the_scans(cohort, scans):
    table = pandas.read_csv(cohort / "ATLAS_R1.1" / "ATLAS_Meta-Data_Release_1.1_standard_mni.csv")
    assert len(table) == len(scans)
    assert set(table["Session"]) == {" t01", " t02"}
    for scan in scans:
        row = table[
            (table["INDI Subject ID"] == int(scan.subject)) & (table["Session"] == f" {scan.session}")
        ]
        assert len(row) == 1
        hemisphere = row["Primary Stroke Location Hemisphere"].item()
        left = load_scan(scan).mask[:98].sum() / load_scan(scan).mask.sum()
        assert (left > 0.8) == (hemisphere == "Left") or hemisphere == "Brainstem"
    assert set(table["PVH"]) | set(table["DWMH"]) <= {0, 1, 2, 3} and table["PVH"].nunique() > 1


def test_marker_says_that_the_cohort_is_synthetic(cohort):
    marker = json.loads((cohort / "ATLAS_R1.1" / "synthetic.json").read_text())
    assert marker["synthetic"] is True and marker["note"] == "synthetic cohort, not patient data"
    assert (marker["n_subjects"], marker["seed"], marker["layout"], marker["lesions"]) == (
        N_SUBJECTS,
        0,
        "R1.1",
        None,
    )
    assert [r["index"] for r in marker["subjects"]] == list(range(N_SUBJECTS))
    for record in marker["subjects"]:
        assert record["measured"]["true_ml"] == pytest.approx(record["aimed"]["volume_ml"], rel=0.35, abs=0.05)
        assert record["measured"]["volume_ml"] == pytest.approx(record["measured"]["true_ml"], rel=0.6, abs=0.1)
        if record["aimed"]["components"] == 1 and abs(record["measured"]["left"] - 0.5) > 0.1:
            assert (record["measured"]["left"] > 0.5) == (record["aimed"]["side"] == "left")


def test_same_seed_gives_the_same_bytes_whatever_the_jobs_and_the_cohort_size(cohort, pair):
    large, small = volumes_of(cohort), volumes_of(pair)
    assert small and all(large[name] == digest for name, digest in small.items())


def test_some_subjects_alone_are_those_of_the_cohort_and_another_choice_is_refused(cohort, tmp_path):
    made = make_cohort(tmp_path, N_SUBJECTS, only=[4, 0], jobs=2, progress=False)
    files = {path.relative_to(made) for path in made.rglob("*.nii.gz")}
    wanted = {path.relative_to(cohort) for number in ("031700", "031704") for path in cohort.rglob(f"{number}*.nii.gz")}
    assert files == wanted and all((made / path).read_bytes() == (cohort / path).read_bytes() for path in files)
    for only in (None, [0]):
        with pytest.raises(DataError, match=r"holds a cohort with \{'only': \[0, 4\]\}"):
            make_cohort(tmp_path, N_SUBJECTS, only=only, progress=False)
    for only in ([], [N_SUBJECTS], [-1]):
        with pytest.raises(DataError, match="expected some of the subjects 0 to 7"):
            make_cohort(tmp_path / "none", N_SUBJECTS, only=only, progress=False)


def test_the_slices_of_examples_are_those_of_the_whole_cohort(cohort, scans, monkeypatch):
    monkeypatch.setattr(example_slices, "STUDY", replace(example_slices.STUDY, n_subjects=N_SUBJECTS))
    order = [key for key, _ in example_slices.scans_in_order(N_SUBJECTS)]
    assert order == [(scan.site, scan.subject, scan.session) for scan in scans] and len(order) == N_SUBJECTS + 1
    config = RunConfig(z_step=40, cohort=0)
    store = prepare_slices(scans, config.scale, config.z_step, progress=False)
    repeated = next(number for number, key in enumerate(order) if key[2] == "t02")
    rows = np.array([repeated * 5 + 3, 1, repeated * 5 - 2])  # five slices a scan
    images, masks = example_slices.example_slices(SimpleNamespace(config=config), rows)
    assert (images == store.images[rows]).all() and (masks == store.masks[rows]).all() and len(images) == 3


def test_another_seed_gives_other_scans(pair, tmp_path):
    other = volumes_of(make_cohort(tmp_path, 1, seed=1, jobs=1, progress=False))
    assert not set(other.values()) & set(volumes_of(pair).values())


def test_a_lost_file_is_made_again(pair, tmp_path):
    again = shutil.copytree(pair, tmp_path / "again")
    next(again.rglob("*LesionSmooth*")).unlink()
    assert make_cohort(again, 2, jobs=1, progress=False) == again
    assert hashes(again) == hashes(pair)


def test_an_interrupted_call_goes_on_and_equals_an_unbroken_one(pair, tmp_path, monkeypatch):
    tmp_path = tmp_path / "below"
    real, made = phantom.make_subject, []

    def interrupted(index, *rest):
        made.append(index)
        if len(made) == 2:
            raise KeyboardInterrupt
        return real(index, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(phantom, "make_subject", interrupted)
        make_cohort(tmp_path, 2, jobs=1, progress=False)
    assert not (tmp_path / "ATLAS_R1.1" / "synthetic.json").exists()
    for root in (tmp_path.parent, tmp_path, tmp_path / "ATLAS_R1.1", next((tmp_path / "ATLAS_R1.1").glob("Site*"))):
        with pytest.raises(DataError, match="was not made to the end"):  # its people are no patients
            find_scans(root)

    def counted(index, *rest):
        made.append(index)
        return real(index, *rest)

    monkeypatch.setattr(phantom, "make_subject", counted)
    make_cohort(tmp_path, 2, jobs=1, progress=False)
    assert made == [0, 1, 1]  # the first subject was not made twice
    assert all(scan.synthetic for scan in find_scans(tmp_path))
    assert hashes(tmp_path) == hashes(pair)


def test_a_complete_cohort_is_left_alone(pair, monkeypatch):
    monkeypatch.setattr(phantom, "make_subject", None)
    before = hashes(pair)
    assert make_cohort(pair, 2, progress=False) == pair
    assert hashes(pair) == before


@pytest.mark.parametrize("other", [{"n_subjects": 3}, {"n_subjects": 2, "seed": 5}])
def test_other_settings_are_refused_and_nothing_changes(pair, other):
    before = hashes(pair)
    with pytest.raises(DataError, match="choose another folder"):
        make_cohort(pair, **other, progress=False)
    assert hashes(pair) == before


def test_folders_with_other_contents_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is a file"):
        make_cohort(tmp_path / "file", 1, progress=False)
    (tmp_path / "real" / "ATLAS_R1.1" / "Site1").mkdir(parents=True)
    with pytest.raises(DataError, match="aren't a synthetic cohort's"):
        make_cohort(tmp_path / "real", 1, progress=False)


def test_unusable_arguments_are_refused(tmp_path):
    with pytest.raises(DataError, match="n_subjects is 0"):
        make_cohort(tmp_path, 0)
    with pytest.raises(DataError, match="R9"):
        make_cohort(tmp_path, 1, layout="R9")
    with pytest.raises(DataError, match="nowhere"):
        make_cohort(tmp_path, 1, lesions=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        make_cohort(tmp_path, 1, lesions=tmp_path / "empty")
