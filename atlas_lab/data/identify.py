"""What a path is, before anything is read from it: a NIfTI file, or something else with a remedy of its own."""

import os
import re
import stat
from itertools import islice
from pathlib import Path

from atlas_lab.files import DataError

__all__ = ["HEAD", "MAGIC", "name_contents", "name_folder", "note_other_contrast", "refuse_path"]

HEAD = 1024                     # bytes that tell a file's kind: a NIfTI-2 header has 540
MAGIC = {b"n+1\0", b"n+2\0"}    # a header and its voxels in one file
PAIRS = {b"ni1\0", b"ni2\0"}    # a header whose voxels lie in another file
LOOKED_AT = 100                 # files of a folder
SPECIAL = [
    (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
]
SPACES = str.maketrans("", "", "\n\r\t")  # which a text may have
WANTED = "expected a NIfTI file, .nii or .nii.gz"
ANNEX = ("a pointer of git-annex to a file that is not here", "fetch it: datalad get or git annex get")
# How other formats begin, what they are called, and what makes NIfTI of them.
STARTS = [
    (b"/annex/objects/", *ANNEX),
    (b"version https://git-lfs", "a pointer of git-lfs to a file that is not here", "fetch it: git lfs pull"),
    (b"PK\3\4", "a zip archive", "unpack it: unzip"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it: 7z x"),
    (b"Rar!", "a rar archive", "unpack it: unrar x"),
    (b"BZh", "packed with bzip2", "unpack it: bunzip2"),
    (b"\xfd7zXZ", "packed with xz", "unpack it: unxz"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "unpack it: unzstd"),
    (b"Salted__", "encrypted by openssl", "decrypt it: atlas-lab unlock"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as MINC 2 is", "convert it: mnc2nii"),
    (b"CDF\x01", "a MINC file", "convert it: mnc2nii"),
    (b"CDF\x02", "a MINC file", "convert it: mnc2nii"),
    (b"NRRD", "an NRRD file", "convert it: 3D Slicer, or SimpleITK's ReadImage and WriteImage"),
    (b"ObjectType", "a MetaImage file", "convert it: 3D Slicer, or SimpleITK's ReadImage and WriteImage"),
    (b"\x93NUMPY", "a numpy array", "pass it with numpy.load, or write it with nibabel.Nifti1Image"),
    (b"MATLAB", "a MATLAB file", "write its volume as NIfTI: niftiwrite"),
    (b"\x89PNG", "a picture", "name the volume that it was drawn from"),
    (b"\xff\xd8\xff", "a picture", "name the volume that it was drawn from"),
    (b"GIF8", "a picture", "name the volume that it was drawn from"),
    (b"II*\0", "a TIFF picture", "name the volume that it was drawn from"),
    (b"MM\0*", "a TIFF picture", "name the volume that it was drawn from"),
    (b"%PDF", "a PDF document", "name a volume"),
    (b"\x08\0\x05\0", "a DICOM file", "convert its series: dcm2niix -z y FOLDER"),
]
# As BIDS, and most others, call images of another contrast than T1: the last such word of a file's name.
CONTRAST = re.compile(r"(?<![a-z0-9-])(t1w?|flair|t2w?|t2starw?|pdw?|pdt2|swi|dwi|adc|bold|asl|angio|ct)(?![a-z0-9])",
                      re.IGNORECASE)
ANALYZE = "convert it: fslchfiletype NIFTI_GZ, or nibabel.save of nibabel.load"


def refuse_path(path, wanted=WANTED):
    """Raise DataError, with the remedy, if a path is no regular file that holds something; nothing is opened. `wanted`
    says what was expected there.
    """
    path = Path(path)
    try:
        mode, size = path.stat().st_mode, path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{path}: {_name_absence(path)}") from None
    except (OSError, ValueError) as error:  # no permission, too long, a link to itself, a zero byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path}: can't be reached ({reason}); {wanted}") from None
    if stat.S_ISDIR(mode):
        raise DataError(f"{path}: {name_folder(path) if wanted == WANTED else f'a folder; {wanted}'}")
    for is_kind, name in SPECIAL:
        if is_kind(mode):
            raise DataError(f"{path}: {name}, not a file; {wanted}")
    if not os.access(path, os.R_OK):
        raise DataError(f"{path}: no permission to read it; ask its owner, or: chmod u+r")
    if not size:
        raise DataError(f"{path}: an empty file; copy or fetch it again")


def _name_absence(path):
    """What is to be said of a path behind which there is no file."""
    if not path.is_symlink():
        return "no such file"
    target = os.readlink(path)
    if "annex/objects" in target or ".datalad" in target:
        return "a link to a file that is not here; fetch it: datalad get, or git annex get"
    return f"a link to a file that is not here ({target}); restore that file or name another"


def name_folder(folder):
    """What is to be said of a folder where a file was expected, after a look at some of the files in it."""
    walk = islice(os.walk(folder), LOOKED_AT)
    some = list(islice((Path(where, name) for where, _, names in walk for name in names), LOOKED_AT))
    if any(path.suffix.lower() in (".dcm", ".ima") or _is_dicom(path) for path in some):
        return "a folder of DICOM files; convert the series: dcm2niix -z y FOLDER"
    volumes = [path.name for path in some if path.name.lower().endswith((".nii", ".nii.gz"))]
    return f"a folder; name a file in it, such as {volumes[0]}" if volumes else f"a folder; {WANTED}"


def _is_dicom(path):
    """True if a path is a file with DICOM's mark."""
    try:
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def name_contents(head, path):
    """What the first bytes of a file, unpacked, say it is, with the remedy; empty if it is NIfTI in one file.

    Parameters
    ----------
    head : bytes
        The first `HEAD` bytes, or all if there are fewer.
    path : path
        Its ending tells formats apart that have no mark of their own.
    """
    name = Path(path).name.lower()
    size = int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")
    marks = {head[344:348], head[4:8]}
    if 348 in size or 540 in size:
        if marks & MAGIC:
            return ""
        kind = "the header of a NIfTI pair (.hdr and .img)" if marks & PAIRS else "a header of Analyze 7.5"
        return f"{kind}, not NIfTI in one file; {ANALYZE}"
    if head[128:132] == b"DICM":
        return "a DICOM file; convert its series: dcm2niix -z y FOLDER"
    for start, kind, remedy in STARTS:
        if head.startswith(start):
            return f"{kind}; {remedy}"
    if size[1] == 1 and name.endswith((".mgz", ".mgh", ".gz", ".nii")) and not any(head[4:5]):
        return "an MGH file of FreeSurfer; convert it: mri_convert"
    if marks & (MAGIC | PAIRS):
        return "its header does not begin as NIfTI's does; the file is damaged: copy or unpack it again"
    return _name_text(head) or _name_by_ending(name) or (
        "no NIfTI header; the file is damaged, or of another kind: copy or unpack it again, or convert it"
    )


def _name_text(head):
    """What a text is, or empty if the bytes are none."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return "an HTML page, as a server sends in place of a file (log in?); download it again"
    if not text or not head.isascii() or not text.decode().translate(SPACES).isprintable():
        return ""
    if re.match(rb"(\.\.[/\\])*\.git[/\\]annex[/\\]objects", text):  # a link, as it is written where a disk knows none
        return "; ".join(ANNEX)
    if b"dataset_rank" in text or b"template_space" in text:
        return "a header of AFNI; convert it: 3dAFNItoNIFTI"
    return f"a text, not an image; {WANTED}"


def _name_by_ending(name):
    """What an ending says of a file without a mark of its own."""
    if name.endswith((".img", ".hdr", ".img.gz", ".hdr.gz")):
        return f"one half of an Analyze or NIfTI pair (.hdr and .img); {ANALYZE}"
    if name.endswith((".brik", ".brik.gz", ".head")):
        return "a file of AFNI; convert it: 3dAFNItoNIFTI"
    if name.endswith((".dcm", ".ima")):
        return "a DICOM file; convert its series: dcm2niix -z y FOLDER"
    if name.endswith((".mnc", ".mnc.gz")):
        return "a MINC file; convert it: mnc2nii"
    return ""


def note_other_contrast(path: object) -> str:
    """A line if a scan's name says that it shows another contrast than T1, or nothing.

    A FLAIR looks enough like a T1 to pass every check of its voxels.
    """
    named = CONTRAST.findall(Path(str(path)).name)
    return "" if not named or "1" in named[-1] else (
        f"its name says {named[-1]}, and the networks have only seen T1-weighted scans: what they say of another "
        "contrast means nothing")
