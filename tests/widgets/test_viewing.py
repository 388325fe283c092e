"""The command `view`: what is on its page, where it goes, and what is refused in one line."""

import json
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
from brains import brain

import atlas_lab as lab
from atlas_lab import files
from atlas_lab.cli import main
from atlas_lab.experiment.inference import SavedModel
from atlas_lab.widgets import viewing


@pytest.fixture
def scan(tmp_path):
    """A small volume, a mask and a probability map as files."""
    rng = np.random.default_rng(0)
    affine = np.diag([-2.0, 2, 2, 1])
    image, mask = rng.random((20, 24, 18), np.float32) * 90, np.zeros((20, 24, 18), np.uint8)
    mask[4:9, 5:12, 8:11] = 1
    for name, volume in (("t1", image), ("mask", mask), ("net", mask * np.float32(0.7))):
        nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / f"{name}.nii.gz")
    return tmp_path


def sent(page):
    """What a page holds for its viewer."""
    return json.loads(re.search(r"const sent = (\{.*\});", page.read_text())[1])


def test_a_scan_with_masks_becomes_a_page(scan, capsys):
    paths = [str(scan / f"{name}.nii.gz") for name in ("t1", "mask", "net")]
    assert main(["view", *paths, "-o", str(scan / "page.html")]) == 0
    assert capsys.readouterr().out.strip() == str(scan / "page.html")
    page = sent(scan / "page.html")
    assert page["shape"] == [20, 24, 18] and page["has_target"] and page["names"] == ["net"]
    assert "<h1>t1</h1>" in (scan / "page.html").read_text()


def test_without_a_place_it_is_opened_in_the_browser(scan, capsys, monkeypatch):
    opened = []
    monkeypatch.setattr(viewing.webbrowser, "open", lambda address: opened.append(address) or True)
    assert main(["view", str(scan / "t1.nii.gz")]) == 0
    page = files.lab_home() / "views" / "t1.html"
    assert opened == [page.as_uri()] and str(page) in capsys.readouterr().out
    assert not sent(page)["has_target"]


def test_masks_of_one_name_are_told_apart(scan):
    (scan / "other").mkdir()
    (scan / "other" / "net.nii.gz").write_bytes((scan / "mask.nii.gz").read_bytes())
    paths = [scan / "mask.nii.gz", scan / "net.nii.gz", scan / "other" / "net.nii.gz"]
    assert sent(viewing.write_page(scan / "t1.nii.gz", paths, out=scan / "a.html"))["names"] == ["net", "net (2)"]
    assert list(viewing._named([Path("m"), Path("a/m (2)"), Path("b/m")])) == ["m", "m (2)", "m (3)"]
    assert viewing._free("predicted", {"predicted": 1}) == "predicted (2)"


def test_a_network_s_probabilities_are_shown(tmp_path, monkeypatch):
    image, affine = brain(1)
    nibabel.save(nibabel.Nifti1Image(image, affine), tmp_path / "t1.nii.gz")
    saved = SavedModel(lab.BaselineNet((56, 48)).eval(), lab.RunConfig(), {})
    monkeypatch.setattr("atlas_lab.experiment.inference.open_model", lambda path: saved)
    page = viewing.write_page(tmp_path / "t1.nii.gz", model="net.pt", out=tmp_path / "a.html")
    assert sent(page)["names"] == ["predicted"] and sent(page)["probabilities"] == [True]


@pytest.mark.parametrize(("arguments", "line"), [
    (["missing.nii.gz"], "no such file"), (["t1.nii.gz", "-o", "page.txt"], "must end in .html"),
    (["t1.nii.gz", "--model", "no.pt"], "no such file; make one with"),
    (["t1.nii.gz", "t1.nii.gz"], "that is an image"),
])
def test_what_cannot_be_shown_is_refused_in_one_line(scan, capsys, monkeypatch, arguments, line):
    monkeypatch.chdir(scan)
    before = sorted(scan.rglob("*.html"))
    assert main(["view", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("atlas-lab: ") and line in error and error.count("\n") == 1
    assert sorted(scan.rglob("*.html")) == before


def test_a_warning_about_a_file_whose_name_has_a_line_break_is_one_line(scan, capsys):
    odd = nibabel.Nifti1Image(np.asarray(nibabel.load(scan / "t1.nii.gz").dataobj), np.diag([-2.0, 2, 2, 1]))
    odd.header["xyzt_units"] = 3  # micrometres, which its voxels can't have
    nibabel.save(odd, scan / "a\nb.nii.gz")
    assert main(["view", str(scan / "a\nb.nii.gz"), "-o", str(scan / "page.html")]) == 0
    error = capsys.readouterr().err
    assert r"a\nb.nii.gz: its header says micrometres" in error and error.count("\n") == 1


def test_a_patient_s_page_stays_out_of_the_repository(scan, capsys):
    assert main(["view", str(scan / "t1.nii.gz"), "-o", str(files.REPOSITORY / "page.html")]) == 2
    assert "data use agreement" in capsys.readouterr().err and not (files.REPOSITORY / "page.html").exists()


def test_nor_does_a_patient_s_mask_on_a_synthetic_scan_get_there(scan, capsys):
    made = scan / "made"
    made.mkdir()
    (scan / "t1.nii.gz").rename(made / "t1.nii.gz")
    (made / "synthetic.json").write_text("{}")
    assert main(["view", str(made / "t1.nii.gz"), str(scan / "mask.nii.gz"), "-o",
                 str(files.REPOSITORY / "page.html")]) == 2
    assert "mask.nii.gz, a scan of a person" in capsys.readouterr().err
    for shown in ({"target": scan / "mask.nii.gz"}, {"prediction": {"net": scan / "net.nii.gz"}},
                  {"labels": scan / "mask.nii.gz"}):
        with pytest.raises(lab.DataError, match="data use agreement"):
            lab.view_slices(made / "t1.nii.gz", **shown).save(files.REPOSITORY / "page.html")
    assert not (files.REPOSITORY / "page.html").exists()


def test_a_page_takes_the_place_of_no_mask_that_it_shows(scan):
    for name in ("t1", "mask", "net"):
        before = (scan / f"{name}.nii.gz").read_bytes()
        viewer = lab.view_slices(scan / "t1.nii.gz", scan / "mask.nii.gz", {"net": scan / "net.nii.gz"})
        with pytest.raises(lab.DataError, match="it would be overwritten"):
            viewer.save(scan / f"{name}.nii.gz")
        assert (scan / f"{name}.nii.gz").read_bytes() == before


@pytest.mark.parametrize("read", ["t1", "mask"])
def test_a_page_whose_name_is_a_link_to_what_is_read_does_not_take_its_place(scan, capsys, read):
    before = (scan / f"{read}.nii.gz").read_bytes()
    (scan / "page.html").symlink_to(f"{read}.nii.gz")
    assert main(["view", str(scan / "t1.nii.gz"), str(scan / "mask.nii.gz"), "-o", str(scan / "page.html")]) == 2
    error = capsys.readouterr().err
    assert "it would be overwritten: name another" in error and error.count("\n") == 1
    assert (scan / f"{read}.nii.gz").read_bytes() == before


def test_nothing_that_a_viewer_writes_takes_the_place_of_its_scan(scan):
    before = (scan / "t1.nii.gz").read_bytes()
    for name in ("a.html", "a.png"):
        (scan / name).symlink_to("t1.nii.gz")
    for image in (scan / "t1.nii.gz", nibabel.load(scan / "t1.nii.gz")):
        viewer = lab.view_slices(image, scan / "mask.nii.gz")
        for write, name in ((viewer.save, "a.html"), (viewer.save_picture, "a.png"),
                            (viewer.save_drawing, "t1.nii.gz")):
            with pytest.raises(lab.DataError, match="is the file that is read"):
                write(scan / name)
    assert (scan / "t1.nii.gz").read_bytes() == before
