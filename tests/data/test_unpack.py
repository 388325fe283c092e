"""Archives that nobody should unpack, and unpacking that is killed half way."""

import gzip
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from contextlib import contextmanager

import pytest

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.data.unlock import Decrypted, unlock
from atlas_lab.data.unpack import INCOMPLETE, noted_folders

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not on this machine")
KEY = "correct horse battery"
MOST = 64 << 20  # bytes that a member is really given


def member(name, size=0, **about):
    found = tarfile.TarInfo(name)
    found.size = size
    for key, value in about.items():
        setattr(found, key, value)
    return found


def archive_of(path, members):
    """An encrypted archive of TarInfo objects, each with zeros for contents, of which a large one has too few."""
    plain = b"".join(
        one.tobuf(tarfile.GNU_FORMAT) + bytes(min(one.size, MOST) + -min(one.size, MOST) % 512) for one in members)
    data = gzip.compress(plain + bytes(1024), 1)
    return subprocess.run(["openssl", "enc", "-aes-256-cbc", "-md", "sha256", "-out", path, "-pass", f"pass:{KEY}"],
                          input=data, check=True, capture_output=True) and path


@pytest.mark.parametrize("bad, said", [
    (member("a/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "is a link, a device or a file with holes"),
    (member("a/link", type=tarfile.SYMTYPE, linkname="../.."), "is a link"),
    (member("a/hard", type=tarfile.LNKTYPE, linkname="a/good.txt"), "is a link"),
    (member("pipe", type=tarfile.FIFOTYPE), "is a link, a device"),
    (member("zero", type=tarfile.CHRTYPE, devmajor=1, devminor=5), "is a link, a device"),
    (member("a/../../evil.txt", 3), "outside of the folder"),
    (member("ATLAS_R1.1/synthetic.json", 3), "has a name by which the lab or git would be misled"),
    (member("ATLAS_R1.1/.GIT/config", 3), "has a name by which"),
    (member(INCOMPLETE, 3), "has a name by which"),
    (member("a/good.txt", 5), "holds 'good.txt' twice"),
    (member("a/good.txt/below", 5), "can't be unpacked there"),
    (member("huge.nii", 10**12), "no release is so large"),
    (member("x" * 300, 3), "can't be unpacked there: File name too long"),
], ids=lambda value: value.name[:24] if isinstance(value, tarfile.TarInfo) else "")
def test_what_no_release_holds_is_refused_and_nothing_stays(tmp_path, bad, said):
    path = archive_of(tmp_path / "a.enc", [member("a", type=tarfile.DIRTYPE), member("a/good.txt", 5), bad])
    (tmp_path / "empty").mkdir()
    for out in (tmp_path / "out", tmp_path / "empty"):
        with pytest.raises(lab.DataError, match=said) as raised:
            unlock(path, out, KEY, progress=False)
        assert "\n" not in str(raised.value)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.enc", "empty"]


def test_a_description_as_long_as_it_claims_is_not_read(tmp_path):
    name = member("././@LongLink", 64 << 20, type=tarfile.GNUTYPE_LONGNAME)
    path = archive_of(tmp_path / "a.enc", [name])
    with pytest.raises(lab.DataError, match="description is longer than any release"):
        unlock(path, tmp_path / "out", KEY, progress=False)
    assert not (tmp_path / "out").exists()


def test_a_disk_without_room_is_found_out_before_the_member_is_written(tmp_path, monkeypatch):
    path = archive_of(tmp_path / "a.enc", [member("a.nii", 5_000_000)])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 4_000_000))
    with pytest.raises(lab.DataError, match="5 MB are needed"):
        unlock(path, tmp_path / "out", KEY, progress=False)
    assert not (tmp_path / "out").exists()


def test_the_unpacked_is_its_owner_s_alone_and_nothing_goes_through_the_temporary_folder(tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o500)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    path = archive_of(tmp_path / "a.enc", [member("a/b/c.nii", 9, mode=0o4777)])
    before = os.stat(tmp_path / "tmp").st_mtime_ns
    unlock(path, tmp_path / "out", KEY, progress=False)
    modes = {p.name: p.stat().st_mode & 0o7777 for p in [tmp_path / "out", *(tmp_path / "out").rglob("*")]}
    assert modes["out"] == 0o700 and modes["c.nii"] == 0o600
    assert os.stat(tmp_path / "tmp").st_mtime_ns == before


@contextmanager
def killed_half_way(tmp_path):
    """An archive whose unlocking was killed while it was waiting for room; the folder is incomplete."""
    path = archive_of(tmp_path / "a.enc", [member("ATLAS_R1.1/a.nii", 900_000), member("b.nii", 10)])
    code = (
        "import shutil, sys, os, signal\n"
        "from atlas_lab.data import unpack\n"
        "write = unpack._write\n"
        "def half(source, size, target, archive):\n"
        "    write(source, size, target, archive)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "unpack._write = half\n"
        "from atlas_lab.data.unlock import unlock\n"
        f"unlock({str(path)!r}, {str(tmp_path / 'out')!r}, {KEY!r}, progress=False)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert (tmp_path / "out/ATLAS_R1.1/a.nii").exists()
    yield path


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
def test_what_a_kill_leaves_is_refused_and_finished_by_the_same_command(tmp_path):
    with killed_half_way(tmp_path) as path:
        assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
        for root in (tmp_path / "out", tmp_path / "out/ATLAS_R1.1"):
            with pytest.raises(lab.DataError, match="was not unpacked to the end"):
                lab.find_scans(root)
        unlock(path, tmp_path / "out", KEY, progress=False)
        assert sorted(p.name for p in (tmp_path / "out").rglob("*")) == ["ATLAS_R1.1", "a.nii", "b.nii"]
        assert noted_folders() == []


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
def test_or_removed_by_clean(tmp_path, capsys):
    with killed_half_way(tmp_path):
        assert noted_folders() == [tmp_path / "out"]
        assert main(["clean", "--yes"]) == 0
        assert not (tmp_path / "out").exists() and str(tmp_path / "out") in capsys.readouterr().out


def test_work_grows_with_the_archive_and_memory_does_not(tmp_path):
    path = archive_of(tmp_path / "a.enc", [member(f"{i}.nii", 9_000_000) for i in range(3)])
    import tracemalloc

    from atlas_lab.data.unlock import _find_scheme, _read_head

    salt, is_base64 = _read_head(path)
    _, cipher_of = _find_scheme(path, salt, is_base64, KEY)
    stream = Decrypted(path, is_base64, cipher_of(), lambda size: None)
    tracemalloc.start()
    length = sum(len(piece) for piece in iter(lambda: stream.read(10_240), b""))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert length > 27_000_000 and peak < 3_000_000  # all of it, packed 200 times, was never in memory
