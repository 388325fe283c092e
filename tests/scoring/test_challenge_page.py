"""The page of the open challenge: it loses no scan on the way, and its own code scores what predict writes."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
from atlas_tree import box_mask, head, save

from atlas_lab.data.layouts import LAYOUTS, scan_names
from atlas_lab.files import REPOSITORY

PAGE = (REPOSITORY / "teaching" / "open_challenge.md").read_text(encoding="utf-8")


@pytest.fixture
def challenge(tmp_path, monkeypatch):
    """Two people, one with two sessions, under the names that the page's cohort has; Path.home() is the test's."""
    layout = LAYOUTS[re.search(r"--layout (\S+)", PAGE)[1]]
    for index, session in ((0, 1), (1, 1), (1, 2)):
        names = scan_names(layout, 0, 31768 + index, index, session) | {"number": 1}
        folder = tmp_path / "challenge" / "held_out" / layout.folder
        save(folder / layout.t1w.format(**names), head(index))
        save(folder / layout.mask.format(**names), box_mask((60, 80, 60)))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path / "challenge"


def test_every_scan_gets_a_name_of_its_own_and_the_code_scores_each_person(challenge, capsys):
    pattern = re.search(r'-name "(.*?)" -exec cp', PAGE)[1]
    found = [path for path in challenge.rglob("*.nii.gz") if fnmatchcase(path.name, pattern)]
    assert len({path.name for path in found}) == len(found) == 3
    for path in found:
        name = path.name.replace(".nii.gz", "_mask.nii.gz")
        save(challenge / "heron" / name, box_mask((60, 80, 60)).astype(np.uint8))
        save(challenge / "egret" / name, box_mask((60, 80, 60), (12, 7, 10)).astype(np.uint8))
    names = {}
    exec(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], names)
    assert set(names["heron"].values()) == {1} and list(names["egret"].values()) == pytest.approx([2 / 3] * 2)
    assert "0.333" in capsys.readouterr().out
