"""One scan of one's own: the mask comes back on the grid of the input, whatever that is."""

import nibabel
import numpy as np
import pytest
import torch
from conftest import AFFINE, head, save

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.data.slicing import axial_slices, downsample, upsample
from atlas_lab.experiment.inference import open_model, save_model
from atlas_lab.experiment.own_scan import predict_scan

CONFIG = lab.RunConfig()


@pytest.fixture(scope="module")
def model():
    """A network that calls bright pixels lesion here and there: random weights, output centred."""
    torch.manual_seed(1)
    network = lab.BaselineNet((56, 48)).eval()
    images = torch.from_numpy(downsample(axial_slices(head(5))[60:100], 4)[:, None] / 90)
    with torch.no_grad():
        network.deconv2.bias -= network(images).median()
    return network


@pytest.fixture(scope="module")
def model_file(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.pt"
    save_model(path, model, CONFIG)
    return path


def oriented(image, axes):
    """A nibabel image with its axes pointing another way, voxels at their places."""
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(axes))
    return image.as_reoriented(turn)


def test_a_saved_network_is_the_same_network(model, model_file):
    again, config = open_model(model_file)
    assert config == CONFIG and again.input_shape == (56, 48) and not again.training
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("contents", [b"", b"no network", b"PK\x03\x04"])
def test_a_file_that_is_no_network_says_so(tmp_path, contents):
    (tmp_path / "m.pt").write_bytes(contents)
    with pytest.raises(lab.DataError, match=r"m\.pt: not a network"):
        open_model(tmp_path / "m.pt")
    with pytest.raises(lab.DataError, match="no such file"):
        open_model(tmp_path / "missing.pt")
    torch.save({"config": {"net": "baseline"}}, tmp_path / "half.pt")
    with pytest.raises(lab.DataError, match=r"half\.pt: not a network"):
        open_model(tmp_path / "half.pt")


def test_growing_undoes_cutting_and_shrinking():
    z, y, x = np.mgrid[:189, :233, :197].astype(np.float32)
    volume = np.ascontiguousarray((x + 2 * y + 3 * z).transpose(2, 1, 0))
    back = upsample(downsample(axial_slices(volume), 4), 4)
    assert back.shape == volume.shape and back.dtype == np.float32
    inner = (slice(10, 180), slice(15, 215), slice(None))
    np.testing.assert_allclose(back[inner], volume[inner], atol=0.01)  # bilinear interpolation is exact on a plane


@pytest.mark.parametrize("axes", ["RAS", "LPI", "PIR"])
def test_a_turned_input_gives_the_turned_mask(model, tmp_path, axes):
    image = nibabel.Nifti1Image(head(5), AFFINE)
    straight = predict_scan(model, CONFIG, save(tmp_path / "straight.nii.gz", head(5)))
    assert 0.01 < straight.mask.mean() < 0.9
    nibabel.save(oriented(image, axes), tmp_path / "turned.nii.gz")
    turned = predict_scan(model, CONFIG, tmp_path / "turned.nii.gz")
    assert turned.mask.shape == nibabel.load(tmp_path / "turned.nii.gz").shape
    np.testing.assert_array_equal(turned.affine, nibabel.load(tmp_path / "turned.nii.gz").affine)
    expected = oriented(nibabel.Nifti1Image(straight.mask.astype(np.uint8), AFFINE), axes).get_fdata() > 0
    assert (turned.mask & expected).sum() / (turned.mask | expected).sum() == 1
    assert turned.volume_ml == pytest.approx(straight.volume_ml)


@pytest.mark.filterwarnings("ignore::atlas_lab.data.nifti.GridWarning")
def test_other_grids_come_back_as_they_were(model, tmp_path):
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]]
    grids = {"2 mm": (head(5)[::2, ::2, ::2], AFFINE @ np.diag([2.0, 2, 2, 1])), "oblique": (head(5), tilt @ AFFINE)}
    straight = predict_scan(model, CONFIG, save(tmp_path / "straight.nii.gz", head(5)))
    for name, (volume, affine) in grids.items():
        found = predict_scan(model, CONFIG, save(tmp_path / f"{name}.nii.gz", volume, affine))
        assert found.mask.shape == volume.shape == found.probability.shape
        np.testing.assert_allclose(found.affine, affine, atol=1e-5)
        if name == "2 mm":
            coarse = straight.mask[::2, ::2, ::2]
            assert (found.mask & coarse).sum() / (found.mask | coarse).sum() > 0.6


def test_the_command_writes_mask_probability_and_picture(model_file, tmp_path, capsys):
    t1w = save(tmp_path / "me.nii.gz", head(5))
    mask, probability, picture = tmp_path / "mask.nii.gz", tmp_path / "p.nii.gz", tmp_path / "me.png"
    command = ["predict", str(t1w), "-o", str(mask), "--model", str(model_file)]
    assert main([*command, "--probability", str(probability), "--picture", str(picture)]) == 0
    assert "not for clinical use" in capsys.readouterr().out
    found, p = nibabel.load(mask), nibabel.load(probability).get_fdata()
    assert found.shape == (197, 233, 189) and found.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(found.get_fdata() > 0, p > 0.5)
    np.testing.assert_array_equal(found.affine, AFFINE)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["predict", str(t1w), "-o", str(tmp_path / "mask.txt"), "--model", str(model_file)]) == 2
    assert main(["predict", str(tmp_path / "no.nii"), "-o", str(mask), "--model", str(model_file)]) == 2
    assert "no.nii: no such file" in capsys.readouterr().err


def test_a_mask_of_a_person_does_not_go_into_the_repository(model_file, tmp_path, capsys):
    from atlas_lab.files import REPOSITORY

    out = REPOSITORY / "figures" / "mask.nii.gz"
    t1w = save(tmp_path / "me.nii.gz", head(5))
    assert main(["predict", str(t1w), "-o", str(out), "--model", str(model_file)]) == 2
    assert "data use agreement" in capsys.readouterr().err and not out.exists()
