"""From scans to a store of axial slices, and from slices back to a volume."""

import hashlib
import math
import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch

from atlas_lab.data.account import coarse_brain, seen_lesions
from atlas_lab.data.identify import refuse_path
from atlas_lab.data.intensity import to_uint8, white_point
from atlas_lab.data.scans import Scan, load_with_account, source_of
from atlas_lab.data.state import read_json
from atlas_lab.dataset import SliceStore, open_store
from atlas_lab.fast.workers import share_out
from atlas_lab.files import DataError, atomic_path, digest, lab_home, working_on, write_json
from atlas_lab.grid import AFFINE, GRID
from atlas_lab.system.disk import take_room
from atlas_lab.system.progress import bar, first_few

__all__ = [
    "account_slices", "axial_slices", "build_store", "downsample", "mask_to_slices", "prepare_slices",
    "scan_to_slices", "stack_affine", "typical_scan", "upsample",
]

HASHED = ("images.npy", "masks.npy", "table.csv")
STORE_VERSION = 1  # part of every store's key: raise it when the same files would give other slices
CROPPED = (232, 196)  # the baseline cuts the last row and column of the 233 x 197 axial slice


def axial_slices(volume: np.ndarray, z_step: int = 1) -> np.ndarray:
    """Axial slices of a volume as one sees them: (X, Y, Z) -> (Z', Y, X), front at the top, left at the left."""
    return volume[:, ::-1, ::z_step].transpose(2, 1, 0)


def downsample(slices: np.ndarray, scale: int) -> np.ndarray:
    """Crop as the baseline does, average blocks of scale x scale pixels, trim to multiples of 4.

    Shape: (Z, 233, 197) -> float32 (Z, H, W): 232 x 196 at scale 1, 56 x 48 at scale 4.
    """
    height, width = (size // scale for size in CROPPED)
    blocks = slices[:, : height * scale, : width * scale].reshape(-1, height, scale, width, scale)
    total = blocks[..., 0].astype(np.float32)
    for column in range(1, scale):  # one by one: in half the time of a mean over both axes
        total += blocks[..., column]
    rows, columns = _trim(scale)
    return (total.sum(axis=2) / np.float32(scale**2))[:, rows, columns]


def _trim(scale):
    """The rows and columns of blocks that are kept: multiples of 4, cut evenly on both sides. Two slices."""
    height, width = (size // scale for size in CROPPED)
    top, left = height % 4 // 2, width % 4 // 2
    return slice(top, top + height // 4 * 4), slice(left, left + width // 4 * 4)


def scan_to_slices(scan, scale, z_step, brain=None):
    """Load a scan and cut it: uint8 images (Z', H, W), bool masks (Z', H, W), and the Account of what it lost.

    Intensities are scaled once per volume (see `white_point`). With a brain, as from `coarse_brain`, the account says
    how much of it the head fills.
    """
    (image, mask, _), account = load_with_account(scan, brain)
    images = to_uint8(downsample(axial_slices(image, z_step), scale), white_point(image))
    masks = mask_to_slices(mask, scale, z_step)
    return images, masks, account_slices(account, mask, masks, scale, z_step)


def mask_to_slices(mask, scale, z_step):
    """A mask's axial slices, bool (Z', H, W): a pixel is lesion where at least half of its block is."""
    lesion = axial_slices(mask, z_step)
    rows, columns = _trim(scale)
    masks = np.zeros((len(lesion), rows.stop - rows.start, columns.stop - columns.start), bool)
    has_lesion = lesion.any(axis=(1, 2))
    masks[has_lesion] = downsample(lesion[has_lesion], scale) >= 0.5  # most slices have none
    return masks


def account_slices(account, mask, masks, scale, z_step):
    """Enter into an account what cutting a mask on ATLAS's grid to slices made of it; returns the account."""
    rows, columns = _trim(scale)

    def find_pixel(x, y, z):
        at = z // z_step, (GRID[1] - 1 - y) // scale - rows.start, x // scale - columns.start
        inside = z % z_step == 0
        for place, size in zip(at[1:], masks.shape[1:], strict=True):
            inside &= (place >= 0) & (place < size)
        return inside & masks[tuple(np.where(inside, place, 0) for place in at)]

    account.slices_ml = float(np.count_nonzero(masks) * scale**2 * z_step / 1000)
    account.lesions, account.lesions_cut = seen_lesions(mask, find_pixel)
    return account


def prepare_slices(scans, scale=4, z_step=2, jobs=-1, progress=True):
    """Cut all scans into axial slices and keep them in a memory-mapped store; an existing store is reused.

    The store lies in `lab_home()/slices`, named by a digest of the input files (name, size, time of change, checksum)
    and the settings. Scans are read in parallel, each written to its own part of the store. A store appears
    under its name only when complete; an interrupted call resumes with the scans that are missing.

    Parameters
    ----------
    scans : list of Scan
    scale : int
        Millimetres per pixel; blocks of scale x scale pixels are averaged.
    z_step : int
        Keep every z_step-th axial slice.
    jobs : int
        Processes; -1 is one per core.

    Returns
    -------
    SliceStore

    Raises
    ------
    DataError
        If there are no scans or two of one name, a setting is impossible, or a scan can't be used (see `load_scan`).
    """
    scans = list(scans)
    if not scans:
        raise DataError("there are no scans to prepare slices from")
    name, count = Counter(scan.name for scan in scans).most_common(1)[0]
    if count > 1:  # they would be taken for one person, in train and in dev
        raise DataError(f"{name}: {count} of the scans have this name; pass each scan once, and one release at a time")
    if scale < 1 or min(CROPPED) // scale < 4 or z_step < 1:
        raise DataError(f"scale is {scale}, z_step {z_step}; scale must be 1 to {min(CROPPED) // 4}, z_step over 0")
    key = digest([STORE_VERSION, scale, z_step, source_of(scans), [_describe_files(scan) for scan in scans]])
    folder = lab_home() / "slices" / key
    if not _is_sound(folder):
        with working_on(folder, "preparing these slices"):
            if not _is_sound(folder):
                _remove_damaged(folder)
                build_store(folder, scans, scale, z_step, jobs, progress)
    return open_store(folder)


def _is_sound(folder):
    """True if a store is complete and its contents are those that were written."""
    try:
        stats = [(folder / name).stat() for name in ("about.json", *HASHED)]
        return _fits_hash(folder, tuple((stat.st_size, stat.st_mtime_ns, stat.st_ino) for stat in stats))
    except OSError:
        return False


@lru_cache(maxsize=16)
def _fits_hash(folder, stats):
    """True if a store's arrays and table have the hash that it states; asked again when one of the files changed."""
    try:
        about = read_json(folder / "about.json", "")
    except DataError:
        return False
    return about.get("data_hash") == _hash_files(*(folder / name for name in HASHED))


def _remove_damaged(folder):
    """Remove a store that is not what was written, to be made anew, and say so."""
    if folder.exists():
        print(f"{folder}: these slices are damaged, and are made anew", file=sys.stderr)
        shutil.rmtree(folder)


def _describe_files(scan):
    """What makes a scan's files the same as before: name, size, time of change and checksum of each."""
    for path in (scan.t1w, *scan.masks):
        refuse_path(path)
    stats = [(path, path.stat()) for path in (scan.t1w, *scan.masks)]
    files = [[path.name, stat.st_size, stat.st_mtime_ns, _checksum(path)] for path, stat in stats]
    return [scan.site, scan.name, files] + ([] if scan.label is None else [scan.label])


def _checksum(path):
    """A checksum of a file's contents, which may change while size and time stay; a gzip file ends with its own.

    None where it can't be read: what reads it next says why.
    """
    try:
        if path.suffix.lower() != ".gz":
            return _hash_files(path)
        with path.open("rb") as file:
            file.seek(-8, os.SEEK_END)
            return file.read().hex()
    except OSError:
        return None


def build_store(folder, scans, scale, z_step, jobs, progress):
    """Fill a store under a temporary name and rename it; what an earlier call left there is kept."""
    import pandas

    partial = folder.with_name(f"{folder.name}.partial")
    depth = len(range(0, GRID[2], z_step))
    height, width = (size // scale // 4 * 4 for size in CROPPED)
    shape = (depth * len(scans), height, width)
    _create_arrays(partial, shape, source_of(scans))
    brain = coarse_brain()
    parts = share_out(_fill_part, ((partial, i, scan, scale, z_step, brain) for i, scan in enumerate(scans)), jobs)
    list(bar(parts, "preparing slices", len(scans), progress))

    masks = np.load(partial / "masks.npy")  # whole: Windows renames no folder of which a file is still mapped
    table = pandas.DataFrame(
        [(s.subject, s.session, s.site, z) for s in scans for z in range(0, GRID[2], z_step)],
        columns=["subject", "session", "site", "z"],
    )
    table["lesion_pixels"] = masks.sum(axis=(1, 2))
    source = source_of(scans)
    with atomic_path(partial / "table.csv", source) as temporary:
        table.to_csv(temporary, index=False)
    write_json(partial / "about.json", {
        "source": source, "n_scans": len(scans), "scale": scale, "z_step": z_step,
        "scaling": "per volume: 0 -> 0, 99.5th percentile of voxels above 0 -> 255, clipped",
        "data_hash": _hash_files(*(partial / name for name in HASHED)),
    }, source)
    write_json(partial / "accounts.json", _gather_accounts(partial, len(scans)), source)
    os.replace(partial, folder)


def _create_arrays(partial, shape, source):
    """Make the store's two empty arrays on disk, unless an interrupted call has left them.

    Raises DataError if the disk has no room for them, or if patients' slices would land in the repository.
    """
    wanted = {"images": np.uint8, "masks": bool}
    if partial.exists() and not all(_is_array(partial / f"{name}.npy", dtype, shape) for name, dtype in wanted.items()):
        shutil.rmtree(partial)  # cut off in its first moment, or damaged
    for name, dtype in wanted.items():
        if not (partial / f"{name}.npy").exists():
            with atomic_path(partial / f"{name}.npy", source, math.prod(shape)) as temporary:
                np.lib.format.open_memmap(temporary, "w+", dtype, shape).flush()
                take_room(temporary)


def _is_array(path, dtype, shape):
    """True if a file holds a whole array of that type and shape."""
    try:
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return False
    return array.dtype == dtype and array.shape == shape


def _gather_accounts(partial, n_scans):
    """The scans' accounts, in their order, out of the markers, which are removed; what is lost is said on stderr."""
    accounts = []
    for position in range(n_scans):
        marker = partial / f"done-{position}"
        accounts.append(read_json(marker, f"delete {partial} to make the slices anew"))
        marker.unlink()
    changed = [account for account in accounts if account.get("changes")]
    if changed:
        some = first_few([account["scan"] for account in changed], 5)
        print(f"{len(changed)} of {n_scans} scans lost or changed more than a tenth of something on the way to slices: "
              f"{some}. The first: {changed[0]['changes'][0]}. All of them are in accounts.json beside the slices, and "
              "what is left is used", file=sys.stderr)
    return accounts


def _fill_part(partial, position, scan, scale, z_step, brain):
    """Write the slices of scan number `position` into its rows, then a marker, with its account, that it is done."""
    marker = partial / f"done-{position}"
    if marker.exists():
        return
    images, masks, account = scan_to_slices(scan, scale, z_step, brain)
    rows = slice(position * len(images), (position + 1) * len(images))
    for name, values in (("images", images), ("masks", masks)):
        array = np.load(partial / f"{name}.npy", mmap_mode="r+")
        array[rows] = values
        array.flush()
    write_json(marker, account.as_dict() | {"changes": account.changes()}, source_of([scan]))


def _hash_files(*paths):
    """SHA-256 of the contents of files, one after the other, as 16 hexadecimal digits."""
    total = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while block := file.read(1 << 22):
                total.update(block)
    return total.hexdigest()[:16]


def stack_affine(store: SliceStore) -> np.ndarray:
    """The affine, voxel to MNI mm, of a scan's slices stacked to a RAS volume (W, H, Z): the inverse of the cutting."""
    scale, step = store.about["scale"], store.about["z_step"]
    rows, columns = _trim(scale)
    middle = (scale - 1) / 2
    x = AFFINE[0, 3] + columns.start * scale + middle
    y = AFFINE[1, 3] + GRID[1] - 1 - (rows.stop - 1) * scale - middle
    affine = np.diag([scale, scale, step, 1.0])
    affine[:3, 3] = x, y, AFFINE[2, 3]
    return affine


def typical_scan(scans: Sequence[Scan], store: SliceStore) -> Scan:
    """The scan that surpasses four fifths of the others in the lesion area of its fullest slice: one to look at."""
    pixels = store.table.groupby(store.scan_names)["lesion_pixels"].max().sort_values(kind="stable")
    name = pixels.index[len(pixels) * 4 // 5]
    return next(scan for scan in scans if scan.name == name)


def upsample(slices: np.ndarray, scale: int) -> np.ndarray:
    """Back from `axial_slices` and `downsample`: (Z, H, W) -> volume (197, 233, Z), float32, bilinear in between."""
    height, width = CROPPED
    rows, columns = _trim(scale)
    large = torch.nn.functional.interpolate(torch.from_numpy(slices)[:, None], scale_factor=scale, mode="bilinear")
    whole = np.zeros((len(slices), height + 1, width + 1), np.float32)
    top, left = rows.start * scale, columns.start * scale
    whole[:, top : top + large.shape[2], left : left + large.shape[3]] = large[:, 0].numpy()
    return np.ascontiguousarray(whole.transpose(2, 1, 0)[:, ::-1])
