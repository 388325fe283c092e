"""What `predict` reads and writes: no file is lost by it, and nothing is begun that can't be finished."""

import os

import numpy as np
import pytest
from atlas_tree import AFFINE, save

import atlas_lab as lab
from atlas_lab import files
from atlas_lab.data.overlap import is_same_place
from atlas_lab.experiment import own_files
from atlas_lab.experiment.own_files import Job, plan_jobs, run_jobs, write_outputs
from atlas_lab.experiment.own_scan import Prediction


@pytest.fixture
def scan(tmp_path):
    return save(tmp_path / "T1.nii.gz", np.ones((20, 20, 20), np.float32))


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"network")
    return path


def link(kind, target, path):
    os.link(target, path) if kind == "hard" else path.symlink_to(target)
    return path


def everything(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("spelling", ["same", "dots", "link", "hard link", "link to the folder", "relative", "case"])
def test_the_scan_is_never_an_output(scan, tmp_path, spelling, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    out = {
        "same": scan, "dots": tmp_path / "in" / ".." / scan.name, "relative": type(scan)(scan.name),
        "case": tmp_path / "t1.nii.gz",  # one file on macOS and Windows
    }.get(spelling)
    if spelling in ("link", "hard link"):
        out = link(spelling.split()[0], scan, tmp_path / "mask.nii.gz")
    if spelling == "link to the folder":
        out = link("soft", tmp_path, tmp_path / "way") / scan.name
    before = everything(tmp_path)
    for job in ({"out": out}, {"out": tmp_path / "m.nii.gz", "probability": out}):
        with pytest.raises(lab.DataError, match="it would be overwritten"):
            plan_jobs(scan, **job)
    assert everything(tmp_path) == before


def test_the_network_is_no_output_and_outputs_are_several_files(scan, tmp_path, model_file):
    out = link("soft", model_file, tmp_path / "mask.nii.gz")
    with pytest.raises(lab.DataError, match=r"is the file that is read .*model\.pt"):
        plan_jobs(scan, out, model=model_file)
    with pytest.raises(lab.DataError, match="are one file; name two"):
        plan_jobs(scan, tmp_path / "a.nii.gz", tmp_path / "." / "a.nii.gz")
    other = link("soft", tmp_path / "a.nii.gz", tmp_path / "b.nii.gz")  # leads to a file that is still to come
    with pytest.raises(lab.DataError, match="are one file; name two"):
        plan_jobs(scan, tmp_path / "a.nii.gz", other)


@pytest.mark.parametrize("out, picture, said", [
    ("mask.txt", None, r"must end in \.nii or \.nii\.gz"), ("mask", None, "must end in"),
    ("mask.nii", "p.picture", r"must end in \.png"), ("T1.nii.gz/mask.nii", None, "a part of the path is a file"),
    ("folder.nii", None, "is a folder; give the name of a file"), ("a" * 300 + ".nii", None, "the name is too long"),
])
def test_outputs_that_cannot_be_written_are_known_before(scan, tmp_path, out, picture, said):
    (tmp_path / "folder.nii").mkdir()
    before = everything(tmp_path)
    with pytest.raises(lab.DataError, match=said) as raised:
        plan_jobs(scan, tmp_path / out, picture=picture and tmp_path / picture)
    assert "\n" not in str(raised.value) and everything(tmp_path) == before


def test_inputs_that_cannot_be_read_are_known_before(tmp_path):
    (tmp_path / "dicom").mkdir()
    with pytest.raises(lab.DataError, match=r"dicom: a folder; expected a NIfTI file.* or a folder of them"):
        plan_jobs(tmp_path / "dicom", tmp_path / "out.nii.gz")
    (tmp_path / "dicom" / "IM0001").write_bytes(bytes(128) + b"DICM" + bytes(4000))
    with pytest.raises(lab.DataError, match=r"dicom: a folder of DICOM files; convert the series: dcm2niix"):
        plan_jobs(tmp_path / "dicom", tmp_path / "out.nii.gz")
    with pytest.raises(lab.DataError, match=r"IM0001: a DICOM file; convert its series: dcm2niix"):
        plan_jobs(tmp_path / "dicom" / "IM0001", tmp_path / "out.nii.gz")
    with pytest.raises(lab.DataError, match="no such file"):
        plan_jobs(tmp_path / "none.nii.gz", tmp_path / "out.nii.gz")


def test_a_folder_of_scans_becomes_folders_of_outputs(tmp_path):
    for name in ("a_T1w.nii.gz", "b_t1w.nii", "b_mask.nii.gz", ".hidden_T1w.nii.gz"):
        save(tmp_path / "in" / name, np.ones((4, 4, 4), np.float32))
    jobs = plan_jobs(tmp_path / "in", tmp_path / "out", tmp_path / "p", tmp_path / "pictures")
    assert [[path.relative_to(tmp_path).as_posix() for path in (job.t1w, *job.outputs)] for job in jobs] == [
        ["in/a_T1w.nii.gz", "out/a_T1w_mask.nii.gz", "p/a_T1w_probability.nii.gz", "pictures/a_T1w.png"],
        ["in/b_t1w.nii", "out/b_t1w_mask.nii.gz", "p/b_t1w_probability.nii.gz", "pictures/b_t1w.png"],
    ]
    with pytest.raises(lab.DataError, match="this must be a folder too"):
        plan_jobs(tmp_path / "in", tmp_path / "out.nii.gz")


def test_two_scans_of_one_stem_would_overwrite_one_another(tmp_path):
    for name in ("a_T1w.nii.gz", "a_T1w.nii"):
        save(tmp_path / "in" / name, np.ones((4, 4, 4), np.float32))
    with pytest.raises(lab.DataError, match="are one file"):
        plan_jobs(tmp_path / "in", tmp_path / "out")


def test_same_places():
    here = type(files.REPOSITORY)
    assert is_same_place(here("/a/b"), here("/a/./c/../b"))
    assert is_same_place(here("/a/caf\u00e9"), here("/a/cafe\u0301"))  # macOS takes these two spellings for one
    assert not is_same_place(here("/a/b"), here("/a/c"))


def test_all_outputs_are_written_or_none(scan, tmp_path):
    found = Prediction(np.ones((4, 4, 4)), np.full((4, 4, 4), 0.7, np.float32), np.ones((4, 4, 4), bool), AFFINE)
    job = Job(scan, tmp_path / "m.nii.gz", tmp_path / "p.nii.gz", tmp_path / "x.png")

    class NoPicture:
        def savefig(self, *_, **__):
            raise OSError(28, "No space left on device")

    before = everything(tmp_path)
    with pytest.raises(lab.DataError, match=r"x\.png: can't be written: the disk is full"):
        write_outputs(job, found, lambda found, title: NoPicture())
    assert everything(tmp_path) == before


def test_masks_in_a_folder_are_no_scans(tmp_path, capsys):
    for name in ("a_T1w", "a_T1w_mask", "a_T1w_probability", "a_label-L_desc-T1lesion_mask"):
        save(tmp_path / f"{name}.nii.gz", np.ones((20, 20, 20), np.float32))
    (job,) = plan_jobs(tmp_path, tmp_path / "out")
    assert job.t1w.name == "a_T1w.nii.gz" and "3 files are named as masks" in capsys.readouterr().err


@pytest.mark.parametrize("names, taken, said", [
    (["patient1", "patient2"], ["patient1", "patient2"], ""),
    (["a_T1w", "b"], ["a_T1w"], "1 files have no T1 in their names, as others have and were left out: b.nii.gz"),
    (["T1", "pat1_flair"], ["T1"], "left out: pat1_flair.nii.gz"),
])
def test_t1_is_looked_for_as_a_word_and_what_is_left_out_is_said(names, taken, said, tmp_path, capsys):
    for name in names:
        save(tmp_path / f"{name}.nii.gz", np.ones((20, 20, 20), np.float32))
    jobs = plan_jobs(tmp_path, tmp_path / "out")
    assert [job.t1w.name for job in jobs] == [f"{name}.nii.gz" for name in sorted(taken)]
    err = capsys.readouterr().err
    assert said in err and (said or not err)


def test_volumes_of_other_formats_are_left_out_with_a_word(scan, tmp_path, capsys):
    (tmp_path / "b_T1.mgz").write_bytes(b"x")
    plan_jobs(tmp_path, tmp_path / "out")
    assert "1 files are volumes of other formats than NIfTI, or packed and were left out: b_T1.mgz" in (
        capsys.readouterr().err)


def test_scans_in_folders_below_are_left_out_with_a_word(scan, tmp_path, capsys):
    for name in ("x/b.nii", "x/y/c.nii.gz", "x/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    plan_jobs(tmp_path, tmp_path / "out")
    err = capsys.readouterr().err
    assert "2 volumes lie in folders below" in err and "x/b.nii, x/y/c.nii.gz; name each folder by itself" in err


def test_what_was_replaced_is_said_and_what_is_write_protected_stays(scan, tmp_path, capsys, monkeypatch):
    mask = save(tmp_path / "mask.nii.gz", np.ones((20, 20, 20), np.uint8))
    jobs = plan_jobs(scan, mask)

    def fails(*_, **__):
        raise lab.DataError("no such scan")

    monkeypatch.setattr(own_files, "predict_scan", fails)
    with pytest.raises(lab.DataError, match="no such scan"):
        run_jobs(jobs, None, False, False, None)
    assert "replaced" not in capsys.readouterr().err
    none = np.zeros((20, 20, 20), bool)
    monkeypatch.setattr(own_files, "predict_scan", lambda *_, **__: Prediction(none, none, none, np.eye(4)))
    assert run_jobs(jobs, None, False, False, None) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"replaced: {mask}"
    mask.chmod(0o444)
    with pytest.raises(lab.DataError, match=r"mask\.nii\.gz: write-protected, so it isn't replaced"):
        plan_jobs(scan, mask)


@pytest.mark.parametrize("out, picture", [(".nii.gz", None), (".nii", None), ("a.nii", ".png")])
def test_an_ending_alone_is_no_name(scan, tmp_path, out, picture):
    with pytest.raises(lab.DataError, match="must end in"):
        plan_jobs(scan, tmp_path / out, picture=picture and tmp_path / picture)
