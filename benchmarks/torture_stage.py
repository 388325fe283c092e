"""What `torture.py` works with: small inputs, the commands that write, what each should give, and its processes."""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["COMMANDS", "KEY", "Command", "Stage", "alive", "one_line", "start"]

KEY = "the key of the data owners"
SECRET = b"decrypted data of a patient " * 40
PREPARE = "import atlas_lab as lab; lab.prepare_slices(lab.cohort(6), 4, 2, jobs=2, progress=False)"
SETTINGS = ["--profile", "quick", "epochs=4", "batch_size=20"]


class Command(NamedTuple):
    """A writing command: its arguments for a stage and a folder, what it leaves there (comparable), and its home."""

    name: str
    arguments: Callable
    result: Callable
    has_slices: bool = False  # whether the home that it starts with has the slices already


def digests(folder):
    """The contents of all files below a folder, hidden ones included."""
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def stores(work, z_step=None):
    """Hashes of all stores, or of those with this distance of their slices."""
    every = [json.loads(path.read_text()) for path in (work / "home/slices").glob("*/about.json")]
    return sorted(about["data_hash"] for about in every if z_step in (None, about["z_step"]))


def records(work):
    """Histories of all records, less the times."""
    found = {}
    for path in sorted((work / "runs").glob("*.json")):
        history = json.loads(path.read_text())["history"]
        found[path.name] = [{key: entry[key] for key in ("epoch", "step_loss", "train", "dev")} for entry in history]
    return found


def report(work):
    path = work / "report/report.json"
    return json.loads(path.read_text())["findings"] if path.exists() else None


def mask(work):
    import nibabel

    path = work / "mask.nii.gz"
    return hashlib.sha256(np.asarray(nibabel.load(path).dataobj).tobytes()).hexdigest() if path.exists() else None


def module(*arguments):
    return ["-m", "atlas_lab", *map(str, arguments)]


COMMANDS = [
    Command("cohort", lambda s, w: module("cohort", "--out", w / "cohort", "--subjects", 2, "--version", 1),
            lambda w: digests(w / "cohort")),
    Command("prepare", lambda s, w: ["-c", PREPARE], stores),
    Command("train", lambda s, w: module("train", *SETTINGS, "--out", w / "runs", "--save-model", w / "m.pt"),
            records, True),
    Command("sweep", lambda s, w: module("sweep", *SETTINGS, "--seeds", 2, "--out", w / "runs"), records, True),
    Command("check", lambda s, w: module("check", s.atlas, "--out", w / "report", "--jobs", 2), report),
    Command("predict", lambda s, w: module("predict", s.t1w, "-o", w / "mask.nii.gz", "--model", s.model), mask),
    Command("unlock", lambda s, w: module("unlock", s.archive, "--out", w / "unlocked"),
            lambda w: digests(w / "unlocked")),
]


class Stage:
    """Inputs that all parts share, each made when it is first asked for; a release may be given."""

    def __init__(self, folder: Path, atlas: Path | None = None):
        self.folder, self.count = folder, 0
        self.atlas, self.home = atlas or folder / "atlas", folder / "home"
        if atlas is None:
            make = "import sys, atlas_lab as lab; lab.make_cohort(sys.argv[1], 3, version=1, progress=False)"
            self.run(["-c", make, str(self.atlas)])

    @cached_property
    def slices(self) -> Path:
        """The slices that the quick profile trains on, as a home has them."""
        self.run(["-c", PREPARE.replace("4, 2", "4, 4")])
        return self.home / "slices"

    @cached_property
    def t1w(self) -> Path:
        """A scan's image."""
        return next(self.atlas.rglob("*t1w_deface_stx.nii.gz"))

    @cached_property
    def model(self) -> Path:
        """A trained network; its record is in r/ beside it."""
        path = self.folder / "m.pt"
        self.run(module("train", "--profile", "quick", "epochs=1", "--out", self.folder / "r", "--save-model", path))
        return path

    @cached_property
    def archive(self) -> Path:
        """An encrypted archive of 200 files, each with what must not lie in the open."""
        plain, archive, rng = self.folder / "plain.tar", self.folder / "a.enc", np.random.default_rng(0)
        with tarfile.open(plain, "w") as tar:
            for i in range(200):
                path = self.folder / "member"
                path.write_bytes(SECRET + rng.bytes(300_000))
                tar.add(path, f"ATLAS_R1.1/Site1/{i:06d}/t01/{i:06d}.bin")
        packed = gzip.compress(plain.read_bytes(), 1)
        subprocess.run(["openssl", "enc", "-aes-256-cbc", "-md", "sha256", "-out", archive, "-pass", f"pass:{KEY}"],
                       input=packed, check=True, stderr=subprocess.DEVNULL)
        plain.unlink()
        return archive

    def run(self, arguments):
        """Run the interpreter on the stage's own home to its good end."""
        ran = subprocess.run([sys.executable, *arguments], env=self.environment(self.folder), capture_output=True,
                             text=True)
        assert ran.returncode == 0, ran.stderr

    def environment(self, work: Path, **more) -> dict:
        """Variables of a process that works in a folder; its children are known by them."""
        own = {"ATLAS_LAB_HOME": str(work / "home"), "ATLAS_DATA": str(self.atlas), "OMP_NUM_THREADS": "1",
               "TORTURE": str(work), "TMPDIR": str(work)}
        return {name: value for name, value in {**os.environ, **own, **more}.items() if value is not None}

    def work(self, command: Command | None = None) -> Path:
        """A new folder to work in; its home has slices if the command starts with them."""
        self.count += 1
        work = self.folder / f"work{self.count}"
        work.mkdir()
        if command and command.has_slices:
            shutil.copytree(self.slices, work / "home/slices")
        return work


def start(arguments: list[str], environment: dict, before: list[str] | None = None) -> subprocess.Popen:
    """Start the interpreter with the key on its standard input and its output in files of its folder."""
    log = open(Path(environment["TORTURE"]) / "log.txt", "ab")  # noqa: SIM115  # the child keeps it
    process = subprocess.Popen([*(before or []), sys.executable, *arguments], env=environment, stdin=subprocess.PIPE,
                               stdout=log, stderr=log)
    log.close()
    process.stdin.write(f"{KEY}\n".encode())
    process.stdin.close()
    return process


def alive(work: Path, seconds: float = 0) -> list[int]:
    """Ids of the processes that work in a folder, after waiting up to so long for them to end."""
    ends = time.monotonic() + seconds
    while True:
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"TORTURE={work}\0".encode() in path.read_bytes():
                    found.append(int(path.parent.name))
            except OSError:
                continue
        if not found or time.monotonic() > ends:
            return found
        time.sleep(0.1)


def one_line(work: Path) -> str:
    """What is wrong with what a command printed; "" if there is no traceback."""
    text = (work / "log.txt").read_text(errors="replace")
    return f"a traceback: {text.strip().splitlines()[-1]}" if "Traceback" in text else ""
