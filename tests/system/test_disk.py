"""The lab's own files are read only where a regular file lies: a pipe would be waited on, a device never ends."""

import os

import pytest

from atlas_lab.cli import main
from atlas_lab.course.class_key import read_key
from atlas_lab.course.class_source import read_source
from atlas_lab.data.state import read_json
from atlas_lab.experiment.run import load_run, load_runs
from atlas_lab.files import DataError
from atlas_lab.system.disk import read_plain

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name are of POSIX")


@pytest.fixture(params=["pipe", "device", "folder"])
def odd(request, tmp_path):
    """A folder with a record's name behind which no file lies."""
    path = tmp_path / "records" / "x.json"
    path.parent.mkdir()
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    return path


def test_what_is_no_file_is_refused_unopened_in_one_line(odd):
    for read in (load_run, read_key, lambda path: read_json(path, "delete it"), lambda path: load_runs(path.parent)):
        with pytest.raises(DataError, match=rf"x\.json.*{'folder' if odd.is_dir() else 'pipe or a device'}, not a"):
            read(odd)
    assert "not a notebook" in read_source(odd).problem


def test_the_commands_name_it_with_the_code_of_any_file_that_is_no_record(odd, capsys):
    for command, code in ("runs", 1), ("replay", 2):
        assert main([command, str(odd.parent)]) == code
        err = capsys.readouterr().err.splitlines()
        assert len(err) == 1 and err[0].startswith("atlas-lab: ") and "x.json: not a run record" in err[0]


def test_a_file_is_read_whole_and_none_that_is_too_large(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("é")
    assert read_plain(path, 2) == "é"
    with pytest.raises(OSError, match="too many"):
        read_plain(path, 1)
