"""One scan of one's own: the mask comes back where the scan lies, and each step tells what it did."""

import nibabel
import numpy as np
import pytest
import torch
from atlas_tree import AFFINE, save
from brains import Found, brain, moved, whole_head
from nibabel import orientations

import atlas_lab as lab
from atlas_lab import files
from atlas_lab.cli import main
from atlas_lab.data.identify import note_other_contrast
from atlas_lab.experiment.inference import SavedModel
from atlas_lab.experiment.own_scan import predict_scan
from atlas_lab.grid import GRID

TRAINED_ON = {"source": "synthetic cohort, not patient data (layout R1.1)", "scans": 7, "digests": [], "skull": False}
NEEDS_ITK = "SimpleITK is not installed: pip install 'atlas-lab[scan]'"


@pytest.fixture(scope="module")
def lesion():
    """A ball of 33 ml in the left hemisphere (x < 0) of the MNI brain, bool on ATLAS's grid."""
    at = np.stack(np.meshgrid(*[np.arange(n) for n in GRID], indexing="ij"), -1) + AFFINE[:3, 3]
    return np.linalg.norm(at - (-32, -8, 30), axis=-1) < 20


@pytest.fixture(scope="module")
def patient(lesion):
    """The brain at 1 mm with a dark lesion there."""
    image, _ = brain(1)
    return np.where(lesion, 0.15 * image, image).astype(np.float32)


@pytest.fixture(scope="module")
def saved(lesion):
    return SavedModel(Found(lesion), lab.RunConfig(), TRAINED_ON)


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def test_the_lesion_is_found_where_it_lies(saved, patient, lesion, tmp_path):
    found = predict_scan(saved, save(tmp_path / "T1.nii.gz", patient))
    assert dice(found.mask, lesion) > 0.93 and found.volume_ml == pytest.approx(lesion.sum() / 1000, rel=0.05)
    assert "the lesion's centre lies 32 mm left of the middle, in MNI space" in found.account
    assert found.account[0].startswith("in MNI space") and "7 scans, brains without skull" in found.account[-1]


@pytest.mark.parametrize(("name", "says"), [
    ("sub-01_FLAIR.nii.gz", "FLAIR"), ("sub-01_ses-2_acq-iso_T2w.nii", "T2w"), ("pat3.dwi.nii.gz", "dwi"),
    ("CT.nii", "CT"), ("sub-01_space-T1w_FLAIR.nii", "FLAIR"), ("sub-01_T1w.nii.gz", ""),
    ("flairwell.nii.gz", ""), ("sub-ct2_T1w.nii", ""), ("sub-T2_ses-ct_T1w.nii", ""),
])
def test_a_file_that_its_name_calls_another_contrast_is_told(name, says):
    line = note_other_contrast(f"/data/dwi_and_flair/{name}")
    assert line.split(",")[0] == (f"its name says {says}" if says else "")


def test_another_contrast_is_told_first_and_segmented_all_the_same(saved, patient, tmp_path):
    found = predict_scan(saved, save(tmp_path / "sub-01_FLAIR.nii.gz", patient))
    assert found.account[0].startswith("its name says FLAIR") and found.mask.any()


@pytest.mark.parametrize("axes", ["LAS", "PIR"])
def test_a_turned_scan_gives_the_turned_mask(saved, patient, tmp_path, axes):
    def oriented(volume):
        turn = orientations.ornt_transform(orientations.axcodes2ornt("RAS"), orientations.axcodes2ornt(axes))
        return nibabel.Nifti1Image(volume, AFFINE).as_reoriented(turn)

    nibabel.save(oriented(patient), tmp_path / "turned.nii.gz")
    found = predict_scan(saved, tmp_path / "turned.nii.gz")
    straight = predict_scan(saved, save(tmp_path / "T1.nii.gz", patient))
    np.testing.assert_array_equal(found.mask, oriented(straight.mask.astype(np.uint8)).get_fdata() > 0)
    np.testing.assert_array_equal(found.affine, nibabel.load(tmp_path / "turned.nii.gz").affine)
    assert found.volume_ml == pytest.approx(straight.volume_ml)


@pytest.mark.parametrize("seed, mm, axes", [(1, 2, "oblique"), (0, 1, "LAS")])
def test_a_scan_elsewhere_is_refused_and_with_register_found_on_its_own_grid(
    saved, patient, lesion, tmp_path, seed, mm, axes
):
    image, affine, _ = moved(seed, mm, axes, patient, AFFINE)
    there = moved(seed, mm, axes, lesion.astype(np.float32), AFFINE)[0] > 0.5
    path = save(tmp_path / "T1.nii.gz", image, affine)
    with pytest.raises(lab.DataError, match=r"T1\.nii\.gz: doesn't lie in MNI space.*--register"):
        predict_scan(saved, path)
    pytest.importorskip("SimpleITK", reason=NEEDS_ITK)
    found = predict_scan(saved, path, to_register=True)
    assert found.mask.shape == image.shape and dice(found.mask, there) > 0.9
    np.testing.assert_allclose(found.affine, affine, atol=1e-5)
    assert found.account[0].startswith("registered to the MNI152 template")


def test_a_head_with_skull_is_told_and_stripped(saved, tmp_path):
    head, affine = whole_head()
    path = save(tmp_path / "T1.nii.gz", head, affine)
    assert "skull and scalp" in predict_scan(saved, path).account[-1]
    pytest.importorskip("deepbet", reason="deepbet is not installed: pip install 'atlas-lab[scan]'")
    found = predict_scan(saved, path, to_strip=True)
    assert found.account[0].startswith("skull and scalp taken away: a brain of 2,000 ml")
    assert (found.image > 0).sum() * 8e-3 == pytest.approx(1950, rel=0.05)
    assert not any("--strip" in line for line in found.account)


def test_lesion_outside_of_the_head_is_cut_and_an_implausible_volume_told(patient, lesion, tmp_path):
    everywhere = SavedModel(Found(np.ones(GRID, bool)), lab.RunConfig(), TRAINED_ON)
    found = predict_scan(everywhere, save(tmp_path / "T1.nii.gz", patient))
    # Slices of 4 mm show 224 x 192 mm of each of the 189; the template's brain has 1,883 ml.
    assert 1900 < found.volume_ml < 3000 and found.mask[lesion].all()
    assert any("implausible: the largest lesion of ATLAS R2.0 has 497 ml" in line for line in found.account)
    cut = next(line for line in found.account if "outside of the head were cut away" in line)
    assert found.volume_ml + float(cut.split()[0]) == pytest.approx(224 * 192 * 189 / 1000, rel=1e-3)


def test_a_lesion_at_the_surface_is_not_cut_away(saved, patient, lesion, tmp_path):
    cavity = np.where(np.roll(lesion, -22, axis=0), 0, patient)  # as black as air, and open to it
    surface = SavedModel(Found(np.roll(lesion, -22, axis=0) & (patient > 0)), lab.RunConfig(), TRAINED_ON)
    found = predict_scan(surface, save(tmp_path / "T1.nii.gz", cavity))
    assert found.mask[np.roll(lesion, -22, axis=0) & (patient > 0)].mean() > 0.9


def test_an_output_that_is_no_number_is_refused(lesion, patient, tmp_path):
    network = Found(lesion)
    with torch.no_grad():
        network.logits[0] = float("nan")
    with pytest.raises(lab.DataError, match=r"the network's output is NaN or infinite in 2,688 of 508,032 pixels"):
        predict_scan(SavedModel(network, lab.RunConfig(), TRAINED_ON), save(tmp_path / "T1.nii.gz", patient))


def test_a_network_of_other_slices_is_refused(saved, patient, tmp_path):
    with pytest.raises(lab.DataError, match=r"takes slices of \(56, 48\).*2 mm gives \(116, 96\)"):
        predict_scan(saved._replace(config=lab.RunConfig(scale=2)), save(tmp_path / "T1.nii.gz", patient))


def test_the_networks_own_scaling_is_used(saved, patient, tmp_path):
    path = save(tmp_path / "T1.nii.gz", (patient * np.linspace(0.6, 1, 189)).astype(np.float32))
    brightest = {}
    for scaling in ("volume", "slice"):
        predict_scan(saved._replace(config=lab.RunConfig(scaling=scaling)), path)
        brightest[scaling] = saved.model.images[40:120].amax((1, 2, 3))
    assert (brightest["slice"] == 1).all() and brightest["volume"].min() < 0.9


def test_intensities_that_were_shifted_are_told_and_give_the_same_slices(saved, patient, tmp_path):
    predict_scan(saved, save(tmp_path / "T1.nii.gz", patient))
    plain = saved.model.images
    for i, image in enumerate((patient - 1000, (patient - patient.mean()) / patient.std())):
        found = predict_scan(saved, save(tmp_path / f"{i}.nii.gz", image.astype(np.float32)))
        assert "z-scored or offset" in found.account[0]
        assert (saved.model.images - plain).abs().max() < 1.01 / 255  # rounding may tip a level


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """A network on disk: random weights, its output centred so that it calls some of the brain lesion."""
    torch.manual_seed(1)
    model = lab.BaselineNet((56, 48))
    contents = {"config": {}, "input_shape": [56, 48], "data": TRAINED_ON, "state": model.state_dict()}
    path = tmp_path_factory.mktemp("model") / "model.pt"
    torch.save(contents, path)
    return path


def test_the_command_writes_mask_probability_and_picture(model_file, patient, tmp_path, capsys):
    t1w = save(tmp_path / "me_T1.nii.gz", patient)
    mask, probability, picture = tmp_path / "mask.nii.gz", tmp_path / "p.nii.gz", tmp_path / "me.png"
    command = ["predict", str(t1w), "-o", str(mask), "--model", str(model_file), "--device", "cpu"]
    assert main([*command, "--probability", str(probability), "--picture", str(picture)]) == 0
    said = capsys.readouterr().out
    assert "not for clinical use" in said and "in MNI space" in said and "brains without skull" in said
    found, p = nibabel.load(mask), nibabel.load(probability).get_fdata()
    assert found.shape == (197, 233, 189) and found.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(found.get_fdata() > 0, p > 0.5)
    np.testing.assert_array_equal(found.affine, AFFINE)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_folder_goes_on_after_a_bad_scan_and_says_so(model_file, patient, tmp_path, capsys):
    save(tmp_path / "in" / "a_T1.nii.gz", patient)
    (tmp_path / "in" / "b_T1.nii.gz").write_bytes(b"no scan")
    save(tmp_path / "in" / "c_T1.nii.gz", patient, np.diag([1.0, 1, 1, 1]))
    assert main(["predict", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--model", str(model_file)]) == 1
    said = capsys.readouterr()
    assert "1 of 3 scans segmented" in said.out and "b_T1.nii.gz" in said.err and "c_T1.nii.gz" in said.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_T1_mask.nii.gz"]


def test_a_mask_of_a_person_does_not_go_into_the_repository(model_file, patient, tmp_path, capsys):
    out = files.REPOSITORY / "figures" / "mask.nii.gz"
    command = ["predict", str(save(tmp_path / "me.nii.gz", patient)), "-o", str(out), "--model", str(model_file)]
    assert main(command) == 2
    assert "data use agreement" in capsys.readouterr().err and not out.exists()
