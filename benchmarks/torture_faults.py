"""Commands on machines that lack something: by real mounts and limits, since root passes any permission."""

import os
import shlex
import shutil
from pathlib import Path

from torture import Trial
from torture_stage import PREPARE, SETTINGS, Stage, module, start

__all__ = ["MACHINES", "faults", "one_fault"]

WELL, REFUSED = {0}, {2}
ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LONG = "d" * 100


def faults(stage: Stage, few: bool):
    """Trials, one a command on a machine; few are those that need no mounts, and so no root."""
    for name in ("no HOME", "ASCII and other letters") if few else MACHINES:
        for what in ("prepare", "train") if not few else ("prepare",):
            yield Trial("faults", name, one_fault(stage, what, MACHINES[name]))


def in_mounts(script):
    """A prefix that runs a command in a namespace of its own after a script of mounts; without them it fails."""
    return ["unshare", "--mount", "sh", "-ec", f'{script}\nexec "$0" "$@"']


def full_disk(work):
    """A home on a disk of 2 MB."""
    home = shlex.quote(str(work / "home"))
    return in_mounts(f"mkdir -p {home}; mount -t tmpfs -o size=2m none {home}"), {}, REFUSED


def read_only(work):
    """A home on a read-only disk."""
    home = shlex.quote(str(work / "home"))
    return in_mounts(f"mkdir -p {home}; mount --bind {home} {home}; mount -o remount,ro,bind {home}"), {}, REFUSED


def small_shm(work):
    """64 KiB of shared memory, as in a container."""
    return in_mounts("mount -t tmpfs -o size=64k none /dev/shm"), {}, WELL


def no_tmp(work):
    """A temporary folder that can't be written to."""
    tmp = shlex.quote(str(work / "tmp"))
    return in_mounts(f"mkdir -p {tmp}; mount -t tmpfs -o ro none {tmp}"), {"TMPDIR": str(work / "tmp")}, WELL


def clock_back(work):
    """Files that are younger than the clock says."""
    for path in [work, *(work.rglob("*"))]:
        os.utime(path, (4e9, 4e9))
    return [], {}, WELL


def long_place(work, name):
    """A home at a path that has spaces, letters of other scripts, or nearly the greatest length."""
    return [], {"ATLAS_LAB_HOME": str(work / name)}, WELL


MACHINES = {
    "disk of 2 MB": full_disk,
    "read-only disk": read_only,
    "shared memory of 64 KiB": small_shm,
    "read-only temporary folder": no_tmp,
    "no HOME": lambda work: ([], {"HOME": None, "USER": None, "LOGNAME": None}, WELL),
    "ASCII": lambda work: ([], ASCII, WELL),
    "cp1252": lambda work: ([], {**ASCII, "PYTHONIOENCODING": "cp1252"}, WELL),
    "spaces and other letters": lambda work: long_place(work, "mé homë 脳 😀"),
    "ASCII and other letters": lambda work: ([], {**ASCII, "ATLAS_LAB_HOME": str(work / "mé homë 脳")}, WELL),
    "path of 240 characters": lambda work: long_place(work, f"{LONG}/{'e' * (240 - len(LONG) - 2 - len(str(work)))}"),
    "umask 077": lambda work: (["sh", "-c", 'umask 077; exec "$0" "$@"'], {}, WELL),
    "umask 777": lambda work: (["sh", "-c", 'umask 777; exec "$0" "$@"'], {}, WELL),
    "clock set back": clock_back,
    "one core": lambda work: (["taskset", "--cpu-list", "0"], {}, WELL),
    "2 GB of memory": lambda work: (["sh", "-c", 'ulimit -d 2000000; exec "$0" "$@"'], {}, WELL),
    "40 open files": lambda work: (["sh", "-c", 'ulimit -n 40; exec "$0" "$@"'], {}, WELL),
}


def one_fault(stage: Stage, what: str, make) -> str:
    """Run a command on a machine; what is wrong, or ""."""
    work = stage.work()
    before, environment, expected = make(work)
    code = f"import sys\nfrom atlas_lab.cli import main\nsys.exit(main({['check', str(stage.atlas)]!r}))"
    arguments = {"prepare": ["-c", f"{wrapped(PREPARE)}"], "check": ["-c", code],
                 "train": module("train", *SETTINGS, "--out", work / "runs")}[what]
    process = start(arguments, stage.environment(work, **environment), before)
    code = process.wait()
    lines = (work / "log.txt").read_text(errors="replace").strip().splitlines()
    last = lines[-1] if lines else ""
    if any("Traceback" in line for line in lines):
        wrong = f"{what}: a traceback: {last}"
    elif code not in expected:
        wrong = f"{what}: exit code {code}: {last}"
    else:
        rest = [path.name for path in Path(work).rglob(".writing-*")]
        wrong = f"{what}: left {rest}" if rest else ""
    shutil.rmtree(work, ignore_errors=True)
    return wrong


def wrapped(code):
    """Python that ends, as the command line does, with exit code 2 and one line on bad input."""
    return f"import sys\nfrom atlas_lab.files import DataError\ntry:\n    {code}\n" \
           "except DataError as error:\n    print(error, file=sys.stderr)\n    sys.exit(2)\n"
