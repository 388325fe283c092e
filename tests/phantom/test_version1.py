"""Version 1 stays as it was, voxel by voxel: the shipped records were made from it."""

import gzip
import hashlib
import json

import pytest

import atlas_lab as lab
from atlas_lab.phantom.cohort import make_cohort

# SHA-256 of the unpacked volumes, taken before there was a version 2.
VOLUMES = {
    "Site1/031700/t01/031700_LesionSmooth_stx.nii.gz":
        "59f47d249b3fb9636b4f11ff91f7ee1737b5d3e86c0f08191645b15715250ec3",
    "Site1/031700/t01/031700_t1w_deface_stx.nii.gz":
        "83736e5e8ed1244a40b63dedd19294a1b9991bc4c6483a285c96715d4478e560",
    "Site2/032401/t01/032401_LesionSmooth_1_stx.nii.gz":
        "2bcfc7f687304e8fa09e12fc8ec745f58b7eeefda2ec56a795a6729e51d5063c",
    "Site2/032401/t01/032401_LesionSmooth_2_stx.nii.gz":
        "aaf076418481d2a847889d0d25286c4287acc99a5a7fc43fe70f3c73645b1cad",
    "Site2/032401/t01/032401_LesionSmooth_3_stx.nii.gz":
        "87c5e10273127b33907b2d33e3ce255034f3b17522016417af8326488a678bcf",
    "Site2/032401/t01/032401_LesionSmooth_stx.nii.gz":
        "261a9a41fe968342b5088779fa6a880f709e5b4605ea23e890d64d7305a254d4",
    "Site2/032401/t01/032401_t1w_deface_stx.nii.gz":
        "7f86b52ce3694048b02cc7fc7433158f574042445f75ea302f600c4e1d3134ad",
}


def test_version_1_gives_the_voxels_it_always_gave(tmp_path):
    release = make_cohort(tmp_path, 2, seed=0, jobs=1, progress=False, version=1) / "ATLAS_R1.1"
    found = {
        path.relative_to(release).as_posix(): hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest()
        for path in release.rglob("*.nii.gz")
    }
    assert found == VOLUMES
    marker = json.loads((release / "synthetic.json").read_text())
    # A cohort that an earlier release of the lab has made is the same cohort.
    assert set(marker) == {
        "synthetic", "note", "n_subjects", "seed", "layout", "lesions", "phantom_version", "package_version",
        "subjects",
    }
    assert marker["phantom_version"] == 1


def test_the_records_cohort_asks_for_its_version_by_name(monkeypatch):
    asked = {}

    def make(out, *args, **kwargs):
        asked.update(kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr("atlas_lab.cohorts.make_cohort", make)
    with pytest.raises(KeyboardInterrupt):
        lab.cohort()
    assert asked["version"] == 1


@pytest.mark.parametrize("switch", [{"heads": False}, {"mimics": False}, {"dark_cores": False}, {"n_lesions": 0}])
def test_version_1_has_nothing_to_switch(tmp_path, switch):
    with pytest.raises(lab.DataError, match="version 1 has no"):
        make_cohort(tmp_path / "out", 1, version=1, **switch)
    assert not (tmp_path / "out").exists()
