"""The embedded cohort: its files, its reproducibility, and its lesions against the published statistics."""

import hashlib
import json
import shutil

import nibabel
import numpy as np
import pandas
import pytest
from joblib import Parallel, delayed
from scipy import ndimage

from atlas_lab.check import check_scans
from atlas_lab.data.scans import find_scans, load_scan
from atlas_lab.files import DataError
from atlas_lab.grid import bounding_box
from atlas_lab.phantom import cohort as phantom
from atlas_lab.phantom.anatomy import load_anatomy
from atlas_lab.phantom.cohort import make_cohort
from atlas_lab.phantom.lesions import TERRITORIES, grow_lesion, plan_lesion

N_SUBJECTS = 8
N_LESIONS = 140


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A small cohort, not to be changed by tests."""
    return make_cohort(tmp_path_factory.mktemp("cohort"), N_SUBJECTS, seed=0, jobs=2, progress=False)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two subjects made in this very process; tests copy it before they change anything."""
    return make_cohort(tmp_path_factory.mktemp("pair"), 2, seed=0, jobs=1, progress=False)


@pytest.fixture(scope="module")
def scans(cohort):
    return find_scans(cohort)


def hashes(root):
    """SHA-256 of every file below a folder."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def volumes_of(root):
    return {name: h for name, h in hashes(root).items() if name.endswith(".nii.gz")}


def test_layout_is_that_of_the_release(cohort, scans):
    assert {s.release for s in scans} == {"R1.1"} and all(s.synthetic for s in scans)
    assert {s.site for s in scans} == {"Site1", "Site2", "Site3"}
    assert len({s.subject for s in scans}) == N_SUBJECTS
    repeats = [s for s in scans if s.session == "t02"]
    assert len(repeats) == 1 and repeats[0].site == "Site3"
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
        assert np.mean(data == 0) > 0.7
        assert scan.t1w.stat().st_size <= 5e6


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
        assert (image[mask] > 0).mean() >= 0.97
        box = bounding_box(mask, margin=7)
        image, mask = image[box], mask[box]
        around = ndimage.binary_dilation(mask, iterations=6) & ~ndimage.binary_dilation(mask, iterations=2)
        ratios.append(image[mask].mean() / image[around & (image > 0)].mean())
    assert max(ratios) < 0.95 and np.mean(ratios) < 0.85, ratios


def test_a_repeat_scan_has_the_same_lesion_and_another_noise(scans):
    repeat = next(s for s in scans if s.session == "t02")
    first = next(s for s in scans if s.subject == repeat.subject and s.session == "t01")
    a, b = load_scan(first), load_scan(repeat)
    np.testing.assert_array_equal(a.mask, b.mask)
    brain = (a.image > 0) & (b.image > 0)
    assert 0.5 < np.corrcoef(a.image[brain], b.image[brain])[0, 1] < 0.99


def test_sites_differ_in_contrast(scans):
    """White matter over grey matter, by the template's tissues: the three scanners differ."""
    anatomy = load_anatomy()
    white, grey = anatomy.t1w > 0.85, (anatomy.t1w > 0.6) & (anatomy.t1w < 0.68)
    contrast = {s.site: [] for s in scans}
    for scan in scans:
        image = load_scan(scan).image
        contrast[scan.site].append(np.median(image[white]) / np.median(image[grey]))
    assert min(contrast["Site1"]) > max(contrast["Site3"])


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
        assert record["measured"]["volume_ml"] == pytest.approx(
            record["aimed"]["volume_ml"], rel=0.35, abs=0.05
        )
        if record["aimed"]["components"] == 1 and abs(record["measured"]["left"] - 0.5) > 0.1:
            assert (record["measured"]["left"] > 0.5) == (record["aimed"]["side"] == "left")


def test_same_seed_gives_the_same_bytes_whatever_the_jobs_and_the_cohort_size(cohort, pair):
    large, small = volumes_of(cohort), volumes_of(pair)
    assert small and all(large[name] == digest for name, digest in small.items())


def test_another_seed_gives_other_scans(pair, tmp_path):
    other = volumes_of(make_cohort(tmp_path, 1, seed=1, jobs=1, progress=False))
    assert not set(other.values()) & set(volumes_of(pair).values())


def test_a_lost_file_is_made_again(pair, tmp_path):
    again = shutil.copytree(pair, tmp_path / "again")
    next(again.rglob("*LesionSmooth*")).unlink()
    assert make_cohort(again, 2, jobs=1, progress=False) == again
    assert hashes(again) == hashes(pair)


def test_an_interrupted_call_goes_on_and_equals_an_unbroken_one(pair, tmp_path, monkeypatch):
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

    def counted(index, *rest):
        made.append(index)
        return real(index, *rest)

    monkeypatch.setattr(phantom, "make_subject", counted)
    make_cohort(tmp_path, 2, jobs=1, progress=False)
    assert made == [0, 1, 1]  # the first subject was not made twice
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


def write_right_to_left_mask(folder):
    """A ball of 8 mm around (-30, -20, 30) mm, on a grid of 2 mm whose x axis runs from right to left."""
    affine = np.array([[-2.0, 0, 0, 78], [0, 2, 0, -112], [0, 0, 2, -50], [0, 0, 0, 1]])
    index = np.indices((79, 95, 68)).reshape(3, -1)
    mm = affine[:3, :3] @ index + affine[:3, 3:]
    ball = np.linalg.norm(mm - [[-30], [-20], [30]], axis=0).reshape(79, 95, 68) < 8
    folder.mkdir()
    nibabel.save(nibabel.Nifti1Image(ball.astype(np.uint8), affine), folder / "ball.nii.gz")
    return folder


def test_real_masks_go_by_their_affine(tmp_path):
    folder = write_right_to_left_mask(tmp_path / "masks")
    root = make_cohort(tmp_path / "out", 3, lesions=folder, jobs=2, progress=False)
    marker = json.loads((root / "ATLAS_R1.1" / "synthetic.json").read_text())
    assert marker["lesions"].startswith("real masks: masks")
    mirrored = {r["subject"]: r["aimed"]["mirrored"] for r in marker["subjects"]}
    for scan in find_scans(root):
        mask, affine = load_scan(scan)[1:]
        centre = ndimage.center_of_mass(mask) + affine[:3, 3]
        x = 30 if mirrored[scan.subject] else -30
        np.testing.assert_allclose(centre, (x, -20, 30), atol=7)
    with pytest.raises(DataError, match="choose another folder"):
        make_cohort(root, 3, progress=False)


def test_a_truncated_mask_is_named(tmp_path):
    path = write_right_to_left_mask(tmp_path / "masks") / "ball.nii.gz"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"ball\.nii\.gz"):
        make_cohort(tmp_path / "out", 1, lesions=path.parent, progress=False)


def test_real_masks_keep_their_volume(real_lesions, tmp_path):
    root = make_cohort(tmp_path, 4, lesions=real_lesions, jobs=2, progress=False)
    for record in json.loads((root / "ATLAS_R1.1" / "synthetic.json").read_text())["subjects"]:
        original = np.asarray(nibabel.load(real_lesions / record["aimed"]["mask"]).dataobj).sum() / 1000
        assert record["measured"]["volume_ml"] == pytest.approx(original, rel=0.25)


# Lesions on the template, without images: 140 of them against the statistics in lesions.py.


def surface_ratio(mask):
    """Voxels lost by a 6-neighbour erosion, over the surface of the sphere of the same volume (voxels)."""
    mask = np.pad(mask, 1)
    volume = mask.sum()
    surface = volume - ndimage.binary_erosion(mask).sum()
    return surface / (4 * np.pi * (3 * volume / (4 * np.pi)) ** (2 / 3))


def describe_lesion(index):
    anatomy = load_anatomy()
    plan = plan_lesion(0, index)
    components = grow_lesion(plan, 0, index)
    whole = np.any(components, axis=0)
    box = bounding_box(whole)
    pieces, _ = ndimage.label(whole[box], np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel())[1:] / 1000
    return {
        "territory": plan.territory.name,
        "aimed_ml": plan.total_ml,
        "aimed_left": plan.side == "left",
        "ml": whole.sum() / 1000,
        "components": int((sizes >= 0.1).sum()),
        "largest_ml": sizes.max(),
        "ratio": surface_ratio(pieces == sizes.argmax() + 1),
        "centre": ndimage.center_of_mass(components[0]) + anatomy.affine[:3, 3],
        "in_brain": (whole & anatomy.brain).sum() / whole.sum(),
        "in_ventricles": (whole & anatomy.ventricles).sum(),
    }


@pytest.fixture(scope="module")
def lesions():
    return pandas.DataFrame(Parallel(n_jobs=2)(delayed(describe_lesion)(i) for i in range(N_LESIONS)))


def test_volumes_follow_the_plan_and_the_statistics(lesions):
    at = [0.1, 0.25, 0.5, 0.75, 0.9]
    got = lesions["ml"].quantile(at)
    aimed = lesions["aimed_ml"].quantile(at)
    np.testing.assert_allclose(got, aimed, rtol=0.1)
    assert 5 <= got[0.5] <= 10
    # SOOP's total volumes at these percentiles, scaled to a chronic median of 7 ml.
    acute = np.array([0.55, 2.0, 12.7, 52, 123]) * 7 / 12.7
    ratio = got.to_numpy() / acute
    assert ((ratio > 1 / 1.5) & (ratio < 1.5)).all(), ratio


def test_every_lesion_lies_in_tissue(lesions):
    assert lesions["ml"].min() >= 0.05
    assert lesions["in_brain"].min() >= 0.97
    assert lesions["in_ventricles"].max() == 0


def test_sides_follow_the_statistics(lesions):
    expected = sum(t.share * t.left for t in TERRITORIES) / sum(t.share for t in TERRITORIES)
    assert lesions["aimed_left"].mean() == pytest.approx(expected, abs=0.08)
    left = np.array([c[0] < 0 for c in lesions["centre"]])
    assert (left == lesions["aimed_left"]).mean() > 0.97


def test_component_counts_follow_the_statistics(lesions):
    share = lesions["components"].clip(upper=5).value_counts(normalize=True)
    for count, expected in {0: 0.02, 1: 0.40, 2: 0.20, 3: 0.12, 4: 0.08, 5: 0.18}.items():
        assert share.get(count, 0) == pytest.approx(expected, abs=0.08), f"{count} components"


@pytest.mark.parametrize(
    ("low", "high", "p10", "p90"),
    [(0.1, 1, 0.74, 1.0), (1, 5, 0.89, 1.23), (5, 20, 1.06, 1.56), (20, 100, 1.19, 1.81)],
)
def test_raggedness_grows_with_volume_as_in_the_statistics(lesions, low, high, p10, p90):
    in_bin = lesions[(lesions["largest_ml"] >= low) & (lesions["largest_ml"] < high)]
    assert p10 < in_bin["ratio"].median() < p90


@pytest.mark.parametrize("territory", [t for t in TERRITORIES if t.share > 0.06], ids=lambda t: t.name)
def test_territories_lie_where_they_do_in_the_statistics(lesions, territory):
    centres = np.stack(lesions.loc[lesions["territory"] == territory.name, "centre"])
    mean = np.abs(centres[:, 0]).mean(), centres[:, 1].mean(), centres[:, 2].mean()
    # Seven millimetres, and twice the standard error where lesions spread widely.
    allowed = 7 + 2 * np.array(territory.sd) / np.sqrt(len(centres))
    assert (np.abs(np.subtract(mean, territory.centroid)) < allowed).all(), mean


def test_a_plan_depends_on_seed_and_index_alone():
    assert plan_lesion(3, 17) == plan_lesion(3, 17)
    assert plan_lesion(3, 17) != plan_lesion(4, 17) and plan_lesion(3, 17) != plan_lesion(3, 18)


def test_territories_and_sides_have_their_shares():
    plans = [plan_lesion(seed, index) for seed in range(5) for index in range(200)]
    for territory in TERRITORIES:
        share = np.mean([plan.territory is territory for plan in plans])
        assert share == pytest.approx(territory.share, abs=0.015), territory.name
    assert np.mean([plan.side == "left" for plan in plans]) == pytest.approx(0.5, abs=0.02)
