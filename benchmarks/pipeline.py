"""Evaluation, preparation of slices, the overlap map, batches and the phantom, beside peers and the machine's limit.

Run: python benchmarks/pipeline.py SIDE [ARGUMENTS], in a process of its own, so that its peak of memory is its own; the
functions ending in `_rows` do so in turn. Files are those of a synthetic cohort of 12 subjects.
"""

import atexit
import gzip
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scoring import SHAPE, evaluation_rows, lesion_rows, random_masks
from sides import ask, ask_in_turn, memory_mb, row, summary

N_SUBJECTS = 12


def scans():
    """The scans of the benchmark's cohort, made on first use in ATLAS_LAB_HOME."""
    import atlas_lab as lab
    from atlas_lab.files import lab_home

    folder = lab_home() / "cohorts" / f"benchmark-{N_SUBJECTS}"
    return lab.find_scans(lab.make_cohort(folder, N_SUBJECTS, progress=False))


def files_of(some):
    """The T1 volumes and masks of scans."""
    return [path for scan in some for path in (scan.t1w, *scan.masks)]


# --------------------------------------------------------------------------------------------------- preparation

def prepare_ours(some):
    """prepare_slices in one process, into an empty home."""
    import atlas_lab as lab

    with tempfile.TemporaryDirectory() as home:
        os.environ["ATLAS_LAB_HOME"] = home
        return len(lab.prepare_slices(some, scale=4, z_step=2, jobs=1, progress=False))


def prepare_nibabel(some):
    """The loop of a tutorial: get_fdata, scale, average blocks, stack."""
    import nibabel

    slices = []
    for scan in some:
        image = nibabel.load(scan.t1w).get_fdata()
        mask = sum(nibabel.load(path).get_fdata() for path in scan.masks) > 0
        image = np.clip(image / np.percentile(image[image > 0], 99.5), 0, 1)
        for volume in (image, mask):
            volume = volume[:196, :232, ::2].reshape(49, 4, 58, 4, -1).mean(axis=(1, 3))
            slices.append(volume.transpose(2, 1, 0))
    return sum(len(part) for part in slices[::2])


def prepare_monai(some):
    """MONAI's CacheDataset with its dictionary transforms."""
    from monai.data import CacheDataset
    from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, Resized, ScaleIntensityRangePercentilesd

    items = [{"image": str(scan.t1w), **{f"mask{i}": str(p) for i, p in enumerate(scan.masks)}} for scan in some]
    total = 0
    for item in items:  # scans have one mask or several, so each has its own keys
        keys = list(item)
        transforms = Compose([
            LoadImaged(keys), EnsureChannelFirstd(keys),
            ScaleIntensityRangePercentilesd(["image"], 0, 99.5, 0, 1, clip=True),
            Resized(keys, (49, 58, 95), mode="area"),
        ])
        total += CacheDataset([item], transforms, progress=False)[0]["image"].shape[-1]
    return total


def prepare_torchio(some):
    """TorchIO's SubjectsDataset with its transforms."""
    import torchio

    total = 0
    for scan in some:
        masks = {f"mask{i}": torchio.LabelMap(path) for i, path in enumerate(scan.masks)}
        subject = torchio.Subject(image=torchio.ScalarImage(scan.t1w), **masks)
        made = torchio.Compose([torchio.RescaleIntensity((0, 1), (0, 99.5)), torchio.Resize((49, 58, 95))])(subject)
        total += made["image"].data.shape[-1]
    return total


def contents_size(path):
    """Bytes of a file, unpacked."""
    from atlas_lab.data.stream import blocks

    with open(path, "rb") as file:
        return sum(len(block) for block in blocks(file))


def decompress(some):
    """The limit: unpack all files and do nothing with them, by the fastest library that is installed."""
    return sum(contents_size(path) for path in files_of(some))


def decompress_python(some):
    """The same by Python's gzip."""
    return sum(len(gzip.decompress(path.read_bytes())) for path in files_of(some))


# --------------------------------------------------------------------------------------------------- overlap map

def overlap_ours(some):
    """The lab's overlap map."""
    import atlas_lab as lab

    return float(lab.data.cohort_overlap(some, progress=False).sum())


def overlap_stack(some):
    """Load all masks as nibabel gives them, stack, average."""
    import nibabel

    masks = [sum(nibabel.load(p).get_fdata() for p in scan.masks) > 0 for scan in first_scans(some)]
    return float(np.stack(masks).mean(axis=0).sum())


def overlap_nilearn(some):
    """nilearn's mean_img of masks that were joined before (nilearn knows one file a subject)."""
    import nibabel
    from nilearn.image import mean_img

    images = []
    for scan in first_scans(some):
        loaded = [nibabel.load(path) for path in scan.masks]
        joined = sum(image.get_fdata() for image in loaded) > 0
        images.append(nibabel.Nifti1Image(joined.astype(np.float32), loaded[0].affine))
    return float(mean_img(images, copy_header=True).get_fdata().sum())


def decompress_masks(some):
    """The limit of the overlap map: unpack the masks that it reads."""
    return sum(contents_size(path) for scan in first_scans(some) for path in scan.masks)


def first_scans(some):
    """The first scan of each subject."""
    return list({scan.subject: scan for scan in reversed(some)}.values())


# -------------------------------------------------------------------------------------------------------- batches

def store_of(n, shape=SHAPE):
    """A store of n random slices on disk."""
    import pandas

    from atlas_lab.dataset import open_store


    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    rng = np.random.default_rng(0)
    some = rng.integers(0, 256, (500, *shape), np.uint8)
    for name, values in (("images", some), ("masks", some > 252)):
        array = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", values.dtype, (n, *shape))
        for start in range(0, n, 500):
            array[start : start + 500] = values[: n - start]
    pandas.DataFrame({"subject": "1", "session": "1", "site": "1", "z": range(n)}).to_csv(folder / "table.csv")
    (folder / "about.json").write_text("{}")
    return open_store(folder)


def batches(store):
    """All slices once, in a random order, in batches of 100, as training takes them."""
    import torch

    import atlas_lab as lab
    from atlas_lab.fast.memory import keep_freed_memory

    keep_freed_memory()
    dataset = lab.SliceDataset(store)
    for batch in torch.randperm(len(store)).split(100):
        dataset[batch]


def batches_loader(store):
    """The same slices through torch's DataLoader, one by one and joined; two workers take four times as long."""
    import torch

    import atlas_lab as lab

    for _ in torch.utils.data.DataLoader(lab.SliceDataset(store), batch_size=100, shuffle=True):
        pass


def copy_tensors(store):
    """The limit: write as many numbers, batch by batch, and do nothing else."""
    import torch

    source, batch = torch.rand(100, 2, *store.shape), torch.empty(100, 2, *store.shape)
    for _ in range(len(store) // 100):
        batch.copy_(source)


def evaluate(work):
    """Dice, precision and recall of the same masks so many times."""
    import atlas_lab as lab
    from atlas_lab.metrics import dice_from_counts

    times, (pred, target) = work
    for _ in range(times):
        counts = lab.confusion_counts(pred, target)[:3]
        dice_from_counts(*counts), lab.precision_recall_area(*counts)


# -------------------------------------------------------------------------------------------------------- phantom

def phantom(n_subjects):
    """Make a cohort on all cores."""
    import atlas_lab as lab

    with tempfile.TemporaryDirectory() as out:
        lab.make_cohort(out, n_subjects, progress=False)
        return n_subjects


def write_gzip(n_subjects):
    """The limit of the phantom: compress the T1 volumes and masks that it makes, one process a core."""
    import nibabel
    from joblib import Parallel, delayed

    some = scans()[:n_subjects]

    def again(path, out):
        nibabel.save(nibabel.Nifti1Image.from_bytes(gzip.decompress(path.read_bytes())), Path(out) / path.name)

    with tempfile.TemporaryDirectory() as out:
        Parallel(n_jobs=os.cpu_count())(delayed(again)(path, out) for path in files_of(some))
    return n_subjects


SIDES = {
    "prepare": {
        "ours": prepare_ours, "nibabel loop": prepare_nibabel, "MONAI": prepare_monai, "TorchIO": prepare_torchio,
        "decompression alone": decompress, "decompression by Python's gzip": decompress_python,
    },
    "overlap": {
        "ours": overlap_ours, "stack and sum": overlap_stack, "nilearn mean_img": overlap_nilearn,
        "decompression alone": decompress_masks,
    },
    "phantom": {"ours": phantom, "writing gzip": write_gzip},
    "evaluation": {"ours": evaluate},
    "batches": {"ours": batches, "DataLoader": batches_loader, "memory copy of the tensors": copy_tensors},
}
SIDES["course batches"] = SIDES["batches"]
# How much once the work is; else all scans.
UNITS = {"phantom": N_SUBJECTS, "evaluation": 3000, "batches": 1000, "course batches": 16_000}
SHAPES = {"batches": SHAPE, "course batches": (56, 48)}


def work_of(job, times):
    """What a job works on when it is to do so many times its work; made before the clock starts."""
    if job == "phantom":
        return UNITS[job] * times
    if job in SHAPES:
        return store_of(UNITS[job] * times, SHAPES[job])
    if job == "evaluation":
        return 3 * times, random_masks(UNITS[job] // 3)
    found = scans()  # the same files under other names are the same work again
    return found + [replace(scan, subject=f"{scan.subject}-{i}") for i in range(1, times) for scan in found]


def file_rows(job, what, rounds=3, times=1):
    """One row of a job on files, its sides in processes of their own; `times` repeats the cohort's scans."""
    answers = ask_in_turn("pipeline.py", list(SIDES[job]), rounds, job, times)
    sides = {side: summary([answer["seconds"] for answer in found]) for side, found in answers.items()}
    for side, found in answers.items():
        sides[side]["peak_mb"] = max(answer["peak_mb"] for answer in found)
    return [row(what, "s", sides)]


def rows():
    """The part of the table that is about data."""
    ask("pipeline.py", "make")
    return [
        *evaluation_rows(),
        *lesion_rows(scans()),
        *file_rows("prepare", f"files to slices, {N_SUBJECTS} subjects, one process"),
        *file_rows("overlap", f"overlap map, {N_SUBJECTS} subjects"),
        *file_rows("batches", f"batches of 100 from {4 * UNITS['batches']:,} slices of 232 x 196", 5, 4),
        *file_rows("course batches", f"batches of 100 from {UNITS['course batches']:,} slices of 56 x 48", 5),
        *file_rows("phantom", f"phantom, {N_SUBJECTS} subjects, all cores", 1),
    ]


if __name__ == "__main__":
    side, *arguments = sys.argv[1:]
    if side == "make":
        scans()
        print("{}")
    else:
        job, times = arguments[0], int(arguments[1])
        work = work_of(job, times)
        import atlas_lab  # noqa: F401, torch alone takes 250 MB

        base_mb = memory_mb("VmRSS")
        SIDES[job][side](1 if job == "phantom" else work[:1] if isinstance(work, list) else work)  # imports don't count
        started = time.perf_counter()
        answer = SIDES[job][side](work)
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "peak_mb": memory_mb("VmHWM") - base_mb, "answer": answer}))
