"""Unlocking archives that stock openssl has made, in every way it was used, and everything that isn't one."""

import gzip
import io
import shutil
import subprocess
import tarfile

import pytest

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.data.unlock import unlock

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not on this machine")
KEY = "correct horse battery"
CONTENTS = {"ATLAS_R1.1/Site1/a.txt": b"a" * 5000, "ATLAS_R1.1/Site2/b.bin": bytes(range(256)) * 9000}


def make_tar(path, contents=CONTENTS):
    with tarfile.open(path, "w:gz") as tar:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def encrypt(path, *options):
    out = path.with_name("archive.enc")
    subprocess.run(
        ["openssl", "enc", "-aes-256-cbc", *options, "-in", path, "-out", out, "-pass", f"pass:{KEY}"],
        check=True, capture_output=True,
    )
    return out


def files_below(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@needs_openssl
@pytest.mark.parametrize("base64", [[], ["-a"]])
@pytest.mark.parametrize("options", [["-md", "md5"], ["-md", "sha256"], ["-pbkdf2"], ["-pbkdf2", "-md", "md5"]])
def test_every_way_of_encrypting_is_recognised(tmp_path, options, base64):
    archive = encrypt(make_tar(tmp_path / "plain.tar.gz"), *options, *base64)
    scheme = unlock(archive, tmp_path / "out", KEY, progress=False)
    assert files_below(tmp_path / "out") == CONTENTS
    expected = " ".join([*base64, *options])
    assert scheme == (expected if "-md" in options else f"{expected} -md sha256".strip())


@needs_openssl
def test_the_command_reads_the_key_from_a_pipe_and_shows_it_nowhere(tmp_path, monkeypatch, capfd):
    archive = encrypt(make_tar(tmp_path / "plain.tar.gz"), "-md", "md5")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{KEY}\n"))
    assert main(["unlock", str(archive), "--out", str(tmp_path / "out")]) == 0
    printed = capfd.readouterr()
    assert "-md md5" in printed.out and KEY not in printed.out + printed.err
    assert files_below(tmp_path / "out") == CONTENTS


def refused(archive, tmp_path, message, key=KEY):
    before = set(tmp_path.iterdir())
    with pytest.raises(lab.DataError, match=message) as caught:
        unlock(archive, tmp_path / "out", key, progress=False)
    assert "\n" not in str(caught.value) and key not in str(caught.value)
    assert set(tmp_path.iterdir()) == before, "something was left behind"


@needs_openssl
def test_a_wrong_key(tmp_path):
    archive = encrypt(make_tar(tmp_path / "plain.tar.gz"), "-md", "sha256")
    refused(archive, tmp_path, r"archive\.enc: the key does not fit \(tried -md sha256, -md md5", "another key")


@needs_openssl
@pytest.mark.parametrize("base64", [[], ["-a"]])
def test_a_truncated_archive(tmp_path, base64):
    archive = encrypt(make_tar(tmp_path / "plain.tar.gz"), "-md", "sha256", *base64)
    data = archive.read_bytes()
    for kept in (len(data) // 2, len(data) - 40, 200):
        archive.write_bytes(data[:kept])
        refused(archive, tmp_path, "the key fits, but the file is incomplete or damaged")


@needs_openssl
def test_a_flipped_bit_is_found_by_the_checksum(tmp_path):
    archive = encrypt(make_tar(tmp_path / "plain.tar.gz"), "-md", "sha256")
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    refused(archive, tmp_path, "incomplete or damaged")


@needs_openssl
@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil.txt", "a/../../evil.txt"])
def test_a_member_that_would_leave_the_folder(tmp_path, name):
    archive = encrypt(make_tar(tmp_path / "plain.tar.gz", {"good.txt": b"x", name: b"evil"}), "-md", "sha256")
    if name.startswith("/"):  # tar drops the leading slash, which keeps it inside
        unlock(archive, tmp_path / "out", KEY, progress=False)
        assert (tmp_path / "out/tmp/evil.txt").exists()
    else:
        refused(archive, tmp_path, "written outside of the folder")
    assert not (tmp_path / "evil.txt").exists() and not (tmp_path.parent / "evil.txt").exists()


def test_files_that_are_not_encrypted(tmp_path):
    refused(make_tar(tmp_path / "plain.tar.gz"), tmp_path, "is not encrypted; unpack it with tar")
    plain = tmp_path / "plain.tar"
    plain.write_bytes(gzip.decompress((tmp_path / "plain.tar.gz").read_bytes()))
    refused(plain, tmp_path, "is not encrypted")
    page = tmp_path / "page.html"
    page.write_text("<html>please log in</html>" * 20)
    refused(page, tmp_path, "is not an archive that openssl has encrypted")
    (tmp_path / "empty").touch()
    refused(tmp_path / "empty", tmp_path, "is not an archive")
    refused(tmp_path / "missing", tmp_path, "no such file")


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(lab.DataError, match="is there already"):
        unlock(make_tar(tmp_path / "plain.tar.gz"), tmp_path / "out", KEY)
    assert (tmp_path / "out/mine.txt").read_text() == "mine"
