"""About a hundred paths that no one should pass: claims, bombs, devices, links, other formats, odd names."""

import gzip
import os
import socket
import struct
import tarfile
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from hostile_trials import in_child

from atlas_lab.data.account import coarse_brain

MIB = 2**20


def header(shape=(197, 233, 189), datatype=16, bitpix=32, offset=352.0, version=1, mm=1.0, slope=1.0):
    """A sound NIfTI header of a volume on ATLAS's grid, or one of other voxels, of version 1 or 2."""
    import nibabel

    kind = nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header
    fields = kind()
    fields["datatype"], fields["bitpix"], fields["sform_code"] = datatype, bitpix, 4
    fields["dim"] = [len(shape), *shape, *[1] * (7 - len(shape))]
    fields["srow_x"], fields["srow_y"], fields["srow_z"] = [mm, 0, 0, -98], [0, mm, 0, -134], [0, 0, mm, -72]
    fields["pixdim"][1:4], fields["vox_offset"], fields["scl_slope"] = mm, offset, slope
    fields["magic"] = b"n+1" if version == 1 else b"n+2\0\r\n\x1a\n"
    return fields.binaryblock + b"\0" * 4


def sparse(path, head, size):
    """A file of that size that begins with `head`; the rest takes no room on the disk."""
    path.write_bytes(head)
    os.truncate(path, size)


def zeros(n_mib):
    """A gzip member of so many MiB of zeros."""
    packer, block = zlib.compressobj(9, zlib.DEFLATED, 31), bytes(MIB)
    return b"".join([packer.compress(block) for _ in range(n_mib)]) + packer.flush()


def claims(put):
    """Headers that claim more than there is."""
    for n in (32767, 20000, 5000, 700):
        for name, pack in (("nii", bytes), ("nii.gz", gzip.compress)):
            put(f"claim_{n}.{name}", pack(header((n, n, n)) + bytes(1000)))
    for n in (2**40, 2**62, 2**63 - 1, 600):
        put(f"claim2_{n}.nii.gz", gzip.compress(header((n, 2, n if n < 1000 else 2), offset=544.0, version=2)))
    put("claim_float128.nii.gz", gzip.compress(header((400, 400, 400), 1536, 128)))
    put("claim_offset.nii.gz", gzip.compress(header(offset=2.0**31)))
    put("claim_offset_far.nii", header(offset=1e30))
    put("claim_isize.nii.gz", gzip.compress(header())[:-4] + struct.pack("<I", 2**32 - 1))
    put("claim_small_isize.nii.gz", gzip.compress(header() + bytes(MIB))[:-4] + struct.pack("<I", 10))


def bombs(put):
    """Packed files that grow without end."""
    member = zeros(64)
    put("bomb_zeros.nii.gz", member * 160)
    put("bomb_headed.nii.gz", gzip.compress(header()) + member * 160)
    put("bomb_in_one.nii.gz", gzip.compress(header() + bytes(512 * MIB), 1))
    put("bomb_half.nii.gz", gzip.compress(header() + bytes(17 * MIB), 1) + member)
    put("bomb_nested.nii.gz", gzip.compress(member * 16))
    put("bomb_empty_members.nii.gz", gzip.compress(header()) + gzip.compress(b"") * 2_000_000)
    put("bomb_only_empty_members.nii.gz", gzip.compress(b"") * 2_000_000)
    stored = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\0\0\0\xff\xff" * (20 * MIB)
    put("bomb_empty_blocks.nii.gz", stored)
    put("bomb_name.nii.gz", b"\x1f\x8b\x08\x08\0\0\0\0\0\xff" + b"a" * (100 * MIB))
    put("bomb_extra.nii.gz", b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\xff\xff" + b"a" * 65535)
    put("bomb_tail.nii.gz", gzip.compress(header() + bytes(197 * 233 * 189 * 4), 1) + bytes(50 * MIB))
    put("largest_allowed.nii.gz", gzip.compress(header((400, 400, 400)) + bytes(4 * 400**3), 1))
    put("too_large.nii.gz", gzip.compress(header((512, 512, 511), 2, 8) + bytes(512 * 512 * 511), 1))
    noise = np.random.default_rng(0).integers(0, 255, (400, 400, 400), np.uint8)
    put("largest_1_mm.nii", header((400, 400, 400)) + noise.astype(np.float32).tobytes())
    put("largest_half_mm.nii.gz", gzip.compress(header((400, 400, 400), 2, 8, mm=0.5) + noise.tobytes(), 1))
    put("largest_half_mm_float64.nii", header((400, 400, 400), 64, 64, mm=0.5) + noise.astype(float).tobytes())
    put("scaled_half_mm.nii", header((400, 400, 400), 2, 8, mm=0.5, slope=0.37) + noise.tobytes())


def devices(folder, put_path):
    """Pipes, sockets, devices, and files of /proc, themselves and behind links."""
    os.mkfifo(folder / "pipe.nii.gz")
    with socket.socket(socket.AF_UNIX) as listening:
        old = os.getcwd()
        os.chdir(folder)  # a socket's path may have about a hundred characters
        listening.bind("socket.nii.gz")
        os.chdir(old)
    put_path(folder / "pipe.nii.gz")
    put_path(folder / "socket.nii.gz")
    for target in ("/dev/zero", "/dev/random", "/dev/null", "/dev/full", "/dev/tty", "/dev/stdin", "/proc/self/mem",
                   "/proc/self/maps", "/proc/kcore", "/proc/self/environ", "/sys/power/state", "/", "/dev", "/proc"):
        link = folder / f"link_{target.strip('/').replace('/', '_') or 'root'}.nii.gz"
        link.symlink_to(target)
        put_path(link)
        put_path(target)


def links(folder, put_path):
    """Links that lead nowhere, to themselves, or a long way."""
    (folder / "dangling.nii.gz").symlink_to("gone.nii.gz")
    (folder / "annex.nii.gz").symlink_to("../.git/annex/objects/aa/bb/MD5E-s1--0.nii.gz/MD5E-s1--0.nii.gz")
    (folder / "itself.nii.gz").symlink_to("itself.nii.gz")
    for i in range(60):
        (folder / f"chain_{i}.nii.gz").symlink_to(f"chain_{i + 1}.nii.gz")
    crowd = folder / "crowd"
    crowd.mkdir()
    for i in range(5000):
        (crowd / f"IM{i:05d}").touch()
    for name in ("dangling.nii.gz", "annex.nii.gz", "itself.nii.gz", "chain_0.nii.gz", "crowd", "none.nii.gz",
                 "dangling.nii.gz/below.nii", "x" * 300 + ".nii", "zero\0byte.nii", "d" * 5000):
        put_path(folder / name)


def other_kinds(put, folder):
    """Files of other formats and fragments of files, some under names with odd characters."""
    whole = gzip.compress(header() + bytes(197 * 233 * 189 * 4), 1)
    fragments = {"empty": b"", "one_byte": b"\x1f", "two_bytes": b"\x1f\x8b", "ten_bytes": whole[:10],
                 "half": whole[: len(whole) // 2], "no_end": whole[:-8], "no_checksum": whole[:-1],
                 "wrong_checksum": whole[:-8] + b"abcd" + whole[-4:], "tail": whole + b"garbage",
                 "header_only": gzip.compress(header()), "half_header": gzip.compress(header()[:200]),
                 "sparse_like": bytes(MIB), "random": np.random.default_rng(1).bytes(MIB), "twice": whole + whole,
                 "page": b"<!DOCTYPE html><html>Log in</html>", "json": b'{"message": "Not found"}',
                 "pickle": b"\x80\x04\x95\x10\0\0\0\0\0\0\0cos\nsystem\n.", "png": b"\x89PNG\r\n\x1a\n" * 9,
                 "pointer": b"/annex/objects/MD5E-s1--0.nii.gz\n", "dicom": bytes(128) + b"DICM" + bytes(9000),
                 "mgz": gzip.compress(struct.pack(">7i", 1, 256, 256, 256, 1, 3, 0) + bytes(9000)),
                 "bz2": b"BZh91AY&SY" * 9, "xz": b"\xfd7zXZ\0" * 9, "all_zero_T1": whole, "nan": gzip.compress(
                     header() + np.full(197 * 233 * 189, np.nan, np.float32).tobytes(), 1)}
    for name, data in fragments.items():
        put(f"{name}.nii.gz", data)
    put("line\nbreak.nii.gz", b"no volume")
    put("escape\x1b[31m.nii.gz", b"no volume")
    put(os.fsdecode(b"latin_\xe9.nii.gz"), b"no volume")
    with zipfile.ZipFile(folder / "archive.nii.gz", "w") as archive:
        archive.writestr("a.nii", whole)
    with tarfile.open(folder / "tar.nii.gz", "w:gz") as archive:
        archive.add(folder / "half.nii.gz", "a.nii.gz")


def hostile_paths(scan, folder, with_large=True):
    """Arguments of `run_trial` for each path, as the T1 and, where it is a file of a mask's size, as the mask."""
    folder.mkdir()
    paths, brain = [], in_child(coarse_brain)

    def put(name, data):
        (folder / name).write_bytes(data)
        paths.append(folder / name)

    claims(put)
    other_kinds(put, folder)
    paths += [folder / "archive.nii.gz", folder / "tar.nii.gz"]
    devices(folder, paths.append)
    links(folder, paths.append)
    for name, head, size in (
        ("sparse.nii", header(), 2**40), ("sparse_zeros.nii", b"", 2**40),
        ("sparse.nii.gz", gzip.compress(header()), 2**40),
        ("sparse_stream.nii.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\xff", 2**40),
        ("sparse_right.nii", header(), 352 + 197 * 233 * 189 * 4),
    ):
        sparse(folder / name, head, size)
        paths.append(folder / name)
    if with_large:
        bombs(put)
    for path in paths:
        yield f"T1 {str(path)[-60:]!a}", replace(scan, t1w=Path(path), masks=()), None, brain
    for path in (folder / "page.nii.gz", folder / "pipe.nii.gz", folder / "pointer.nii.gz", folder / "nan.nii.gz"):
        yield f"mask {path.name}", replace(scan, masks=(*scan.masks, path)), None, brain
