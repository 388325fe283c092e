"""One damaged or hostile file at a time, loaded in a process of its own with its time, memory and outcome measured."""

import gzip
import multiprocessing
import shutil
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sides import memory_mb

from atlas_lab.data.account import Account, coarse_brain, look_at_head
from atlas_lab.data.intensity import to_uint8, white_point
from atlas_lab.data.nifti import to_grid
from atlas_lab.data.scans import find_scans, load_with_account, read_t1w
from atlas_lab.files import DataError
from atlas_lab.phantom.cohort import make_cohort

HEADER = 352       # bytes before the voxels of a NIfTI-1 file
PATIENCE = 120     # seconds before a trial is killed: it hangs, whatever else the machine does


@dataclass
class Trial:
    """What became of one file: "refused", "noted", "unchanged", "changed", "hung" or "crashed"."""

    name: str
    outcome: str
    text: str
    seconds: float  # of the processor
    mib: float      # above the start
    only_voxels: bool


def in_child(function, *arguments):
    """What a function returns in a process of its own: memory that this one kept would hide what a trial takes."""
    here, there = multiprocessing.get_context("fork").Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=lambda: there.send(function(*arguments)))
    process.start()
    found = here.recv()
    process.join()
    return found


def sound_scan(folder):
    """A synthetic scan under a real release's names, to be damaged."""
    shutil.copytree(make_cohort(folder / "made", 1, 0, progress=False), folder / "tree")
    for marker in (folder / "tree").rglob("synthetic.json"):
        marker.unlink()
    return find_scans(folder / "tree")[0]


def picture(image):
    """What a network sees of a volume: a factor on the intensities changes nothing."""
    return to_uint8(image[::2, ::2, ::2], white_point(image))


def truth_of(scan):
    """The picture and mask of a sound scan."""
    (image, mask, _), _ = load_with_account(scan)
    return picture(image), mask


def load(scan, brain):
    """Image, mask and account of a scan; of one without masks the T1 alone, as predict reads it."""
    if scan.masks:
        (image, mask, _), account = load_with_account(scan, brain)
        return image, mask, account
    account = Account(scan.name)
    image, _ = to_grid(*read_t1w(scan.t1w), scan.t1w)
    look_at_head(account, image, brain)
    return image, None, account


def look(scan, truth, brain, pipe):
    """Load a scan in this process and send what happened: outcome, text, seconds and MiB above the start."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak that the fork inherited
    before, started = memory_mb("VmHWM"), time.process_time()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            image, mask, account = load(scan, brain)
        notes = [str(warning.message) for warning in caught] + account.changes()
        is_same = truth is not None and np.array_equal(mask, truth[1]) and (
            np.abs(picture(image).astype(int) - truth[0]).max() <= 1)
        outcome, text = ("unchanged", "") if is_same else ("noted", notes[0]) if notes else ("changed", "")
    except DataError as error:
        outcome, text = ("refused", str(error)) if "\n" not in str(error) else ("crashed", "more than one line")
    except BaseException as error:  # whatever else comes would have been a traceback
        outcome, text = "crashed", f"{type(error).__name__}: {error}"
    pipe.send((outcome, text, time.process_time() - started, memory_mb("VmHWM") - before))


def run_trial(name, scan, truth, brain, only_voxels=False):
    """Load a scan in a process of its own, killed when it takes too long; a `Trial`."""
    here, there = multiprocessing.get_context("fork").Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=look, args=(scan, truth, brain, there))
    process.start()
    there.close()
    try:
        outcome, text, elapsed, mib = here.recv() if here.poll(PATIENCE) else ("hung", "", PATIENCE, 0.0)
    except EOFError:
        outcome, text, elapsed, mib = "crashed", "the process died", 0.0, 0.0
    process.kill()
    process.join()
    return Trial(name, outcome, text, elapsed, mib, only_voxels)


def damage(data, rng):
    """One damage to bytes, and whether it kept the length and touched voxels only."""
    data, kind = bytearray(data), rng.integers(6)
    places = np.array([0])
    if kind == 0:
        places = rng.integers(len(data), size=rng.integers(1, 9))
    elif kind == 1:
        places = rng.integers(min(len(data), HEADER), size=rng.integers(1, 3))
    elif kind == 2:
        del data[rng.integers(len(data)) :]
    elif kind == 3:
        start = rng.integers(min(len(data), HEADER))
        data[start : start + 4] = rng.bytes(4)
    elif kind == 4:
        place = rng.integers(len(data))
        data[place:place] = rng.bytes(rng.integers(1, 50))
    else:
        place = 40 + 2 * rng.integers(8)  # the header's dimensions
        data[place : place + 2] = int(rng.integers(-32768, 32767)).to_bytes(2, "little", signed=True)
    if kind < 2:
        for place in places:
            data[place] ^= 1 << rng.integers(8)
    return bytes(data), bool(kind == 0 and (places >= HEADER).all()), f"kind {kind}"


def damage_trials(scan, n_trials, seed=0):
    """Arguments of `run_trial`, one after the other; the damaged file is put in its place meanwhile."""
    rng, truth, brain = np.random.default_rng(seed), in_child(truth_of, scan), in_child(coarse_brain)
    for i in range(n_trials):
        path = [scan.t1w, scan.masks[0]][i % 2]
        packing = ("outside", "inside", "none")[i // 2 % 3]
        sound = path.read_bytes()
        plain = gzip.decompress(sound) if sound.startswith(b"\x1f\x8b") else sound
        data, in_voxels, kind = damage(sound if packing == "outside" else plain, rng)
        path.write_bytes(gzip.compress(data, 1) if packing == "inside" else data)
        yield f"{i}: {path.name}, {packing}, {kind}", scan, truth, brain, in_voxels and packing != "outside"
        path.write_bytes(sound)
