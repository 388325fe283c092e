"""The embedded cohort: synthetic T1w scans with stroke lesions, written to disk in the layout of an ATLAS release.

Each subject is the MNI152 template under its own smooth deformation, with its own tissue intensities, bias
field, noise and degree of atrophy, and with a lesion grown by `lesions.py` or, on demand, brought in by
`real_masks.py`. No scan is a patient's. Unlike ATLAS, the scans show the brain without skull.
"""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np

from atlas_lab.data.layouts import LAYOUTS, scan_names
from atlas_lab.fast.memory import keep_freed_memory
from atlas_lab.files import SYNTHETIC_MARKER, DataError, atomic_path, digest, write_json
from atlas_lab.grid import GRID, bounding_box
from atlas_lab.metrics import SMALLEST_LESION_ML
from atlas_lab.phantom.anatomy import SITES, load_anatomy, make_head, scan_head
from atlas_lab.phantom.lesions import grow_lesion, left_share, plan_lesion
from atlas_lab.phantom.real_masks import mask_files, masks_of_subjects, place_mask
from atlas_lab.provenance import SubjectStream

PHANTOM_VERSION = 1  # raise it whenever the same seed gives other files
METADATA = "ATLAS_Meta-Data_Release_1.1_standard_mni.csv"
MAKING = ".making"  # folder with the settings and finished subjects of a cohort that isn't complete yet
SITE_OF_INDEX = "1213121123"  # site of subject index modulo 10: half of all at Site1, a fifth at Site3
MAX_MASKS = 4  # mask files per scan
RAW_AXES = ("RAS", "LPI", "PIR", "LAS")  # where the axes of raw volumes point to, in turn
REPEAT_EVERY, REPEAT_AT = 20, 3  # subject indices 3, 23, 43, ... (all at Site3) were scanned twice


def make_cohort(out, n_subjects=60, seed=0, layout="R1.1", lesions=None, jobs=None, progress=True):
    """Make synthetic subjects and write them as an ATLAS release.

    The same arguments give the same bytes, whatever `jobs` is; a subject doesn't depend on how many others
    there are. A call that was interrupted goes on where it stopped; a complete cohort is left as it is.

    Parameters
    ----------
    out : path
        Folder for the cohort; the release lies in a folder of its own name below, as in out/ATLAS_R1.1.
    n_subjects : int
        Subjects, of whom one in twenty has a repeat scan.
    seed : int
    layout : a key of LAYOUTS, "R1.1", "R1.2", "R2.0", "R2.1" or "R2.1 raw"
        All hold the same voxels: R2's scans have one mask file each, and the raw ones' axes point anywhere.
    lesions : path, optional
        Folder of real lesion masks in MNI space (NIfTI, any grid) to use instead of grown lesions.
    jobs : int, optional
        Processes; by default one per core.
    progress : bool

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    DataError
        If an argument is unusable, or `out` holds something else than this cohort.
    """
    out = Path(out).expanduser()
    settings = check_settings(n_subjects, seed, layout, lesions)
    release = out / LAYOUTS[layout].folder
    missing = missing_subjects(release, settings)
    masks = masks_of_subjects(missing, seed, lesions)
    if missing:
        write_json(release / MAKING / "settings.json", settings)
    run_subjects(missing, masks, release, settings, jobs, progress)
    if not (release / SYNTHETIC_MARKER).exists():
        finish(release, settings)
    shutil.rmtree(release / MAKING, ignore_errors=True)
    return out


def check_settings(n_subjects, seed, layout, lesions):
    """The settings that tell one cohort from another, as written to its marker file."""
    if layout not in LAYOUTS:
        raise DataError(f"layout {layout!r} is not known; choose one of {', '.join(LAYOUTS)}")
    if n_subjects < 1:
        raise DataError(f"n_subjects is {n_subjects}; expected at least 1")
    source = None
    if lesions is not None:
        names = [path.name for path in mask_files(lesions)]
        source = f"real masks: {Path(lesions).resolve().name} ({len(names)} files, {digest(names)})"
    return {
        "n_subjects": int(n_subjects),
        "seed": int(seed),
        "layout": layout,
        "lesions": source,
        "phantom_version": PHANTOM_VERSION,
    }


def missing_subjects(release, settings):
    """Indices of the subjects that are still to be made. Raises DataError if something else lies there."""
    for folder in (release.parent, release):
        if folder.exists() and not folder.is_dir():
            raise DataError(f"{folder} is a file; expected a folder to write a cohort to: choose another one")
    marker, making = release / SYNTHETIC_MARKER, release / MAKING / "settings.json"
    if marker.exists() or making.exists():
        found = read_json(marker if marker.exists() else making)
        different = {key: found.get(key) for key in settings if found.get(key) != settings[key]}
        if different:
            expected = {key: settings[key] for key in different}
            raise DataError(
                f"{release} holds a cohort with {different}, not {expected}; choose another folder"
            )
        records = found.get("subjects") or finished_records(release, settings)
    elif release.exists() and any(release.iterdir()):
        raise DataError(f"{release} holds files that aren't a synthetic cohort's; choose another folder")
    else:
        records = []
    done = {r["index"] for r in records if all((release / name).exists() for name in r["files"])}
    return [index for index in range(settings["n_subjects"]) if index not in done]


def read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(
            f"{path} is damaged ({error}); delete the folder {path.parent} to make it anew"
        ) from None


def finished_records(release, settings):
    """The records of the subjects that an earlier, unfinished call has written."""
    paths = (record_path(release, index) for index in range(settings["n_subjects"]))
    return [read_json(path) for path in paths if path.exists()]


def record_path(release, index):
    return release / MAKING / f"{index:05d}.json"


def run_subjects(indices, masks, release, settings, jobs, progress):
    """Make the subjects in parallel, one single-threaded process each."""
    from joblib import Parallel, cpu_count, delayed
    from tqdm import tqdm

    if not indices:
        return
    jobs = min(jobs or cpu_count(), len(indices))
    seed, layout = settings["seed"], settings["layout"]
    tasks = (delayed(make_subject)(index, seed, release, layout, masks.get(index)) for index in indices)
    done = Parallel(n_jobs=jobs, return_as="generator_unordered")(tasks)
    for _ in tqdm(done, "making subjects", total=len(indices), disable=not progress):
        pass


def make_subject(index, seed, release, layout="R1.1", real_mask=None):
    """Make and write subject `index`; its record is written last and says which files there are."""
    keep_freed_memory()  # the next volume needs as much
    layout = LAYOUTS[layout]
    site_index = int(SITE_OF_INDEX[index % len(SITE_OF_INDEX)]) - 1
    site = SITES[site_index]
    anatomy = load_anatomy()
    if real_mask is None:
        plan = plan_lesion(seed, index)
        components, aim = grow_lesion(plan, seed, index, anatomy), plan.describe()
    else:
        components, aim = place_mask(real_mask, seed, index, anatomy)
    head = make_head(components, np.random.default_rng([seed, index, SubjectStream.HEAD]), anatomy)
    axes = RAW_AXES[index % len(RAW_AXES)] if layout.raw else "RAS"
    files = []
    for session in (1, 2) if index % REPEAT_EVERY == REPEAT_AT else (1,):
        rng = np.random.default_rng([seed, index, SubjectStream.SCAN, session])
        names = scan_names(layout, site_index, site.first_id + index, index, session)
        # The masks first: a T1 volume without masks would look like a scan whose lesion is lost.
        habits = np.random.default_rng([seed, index, SubjectStream.MASK_FILES])
        for number, mask in mask_files_of(head.components, habits, layout.one_mask):
            files.append(layout.mask.format(**names, number=number))
            volume = np.zeros(GRID)
            volume[head.box] = mask
            write_nifti(release / files[-1], *turned(volume, anatomy.affine, axes))
        files.append(layout.t1w.format(**names))
        write_nifti(release / files[-1], *turned(scan_head(head, site, rng), anatomy.affine, axes))
    record = {
        "index": index,
        "subject": names["subject"],
        "site": names["site"],
        "aimed": aim,
        "measured": measure(head),
        "files": files,
    }
    write_json(record_path(release, index), record)
    return record


def turned(volume, affine, axes):
    """The same voxels at the same places with the array's axes pointing as `axes` says, and the affine for that."""
    from nibabel import orientations

    turn = orientations.ornt_transform(orientations.axcodes2ornt("RAS"), orientations.axcodes2ornt(axes))
    moved = orientations.apply_orientation(volume, turn)
    return moved, affine @ orientations.inv_ornt_aff(turn, volume.shape)


def mask_files_of(components, rng, one_mask=False):
    """Share a lesion out among files as ATLAS R1 does: yields (number in the file's name, float64 volume).

    About 45 % of scans have several masks, and a lesion voxel is 1 in some files and 255 in others. With `one_mask`,
    as in R2, there is one file, and a lesion voxel is 1.
    """
    if one_mask:
        yield "", np.any(components, axis=0) * 1.0
        return
    masks = components
    if len(masks) == 1 and rng.random() < 0.1:
        masks = split_mask(masks[0])
    elif rng.random() < 0.3:
        masks = [np.any(masks, axis=0)]
    if len(masks) > MAX_MASKS:
        masks = [*masks[: MAX_MASKS - 1], np.any(masks[MAX_MASKS - 1 :], axis=0)]
    habit = rng.choice(["one", "full", "mixed"], p=[0.55, 0.3, 0.15])
    for i, mask in enumerate(masks):
        value = {"one": 1.0, "full": 255.0, "mixed": (255.0, 1.0)[i % 2]}[habit]
        yield f"{i}_" if i else "", mask * value


def split_mask(mask):
    """Cut a mask in two at the middle of its longest axis."""
    box = bounding_box(mask)
    axis = int(np.argmax([b.stop - b.start for b in box]))
    middle = (box[axis].start + box[axis].stop) // 2
    lower = np.arange(mask.shape[axis]).reshape([-1 if a == axis else 1 for a in range(3)]) < middle
    pieces = [mask & lower, mask & ~lower]
    return pieces if all(piece.any() for piece in pieces) else [mask]


def write_nifti(path, array, affine):
    """Write one .nii.gz; the same array gives the same bytes (no time stamp)."""
    import nibabel

    volume = nibabel.Nifti1Image(array, affine)
    volume.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(volume.to_bytes(), compresslevel=3, mtime=0))


def measure(head):
    """What became of the aim: volume in ml, number of components of at least 0.1 ml, share left."""
    ml = [float(mask.sum()) / 1000 for mask in head.components]
    left = left_share(head.components, GRID[0] // 2 - head.box[0].start)
    count = sum(v >= SMALLEST_LESION_ML for v in ml)
    return {"volume_ml": round(sum(ml), 3), "components": count, "left": round(left, 3)}


def finish(release, settings):
    """Write the metadata table, where the release has one, and, last, the marker: complete, and synthetic."""
    from atlas_lab import __version__

    records = finished_records(release, settings)
    if settings["layout"] == "R1.1":
        with atomic_path(release / METADATA) as temporary:
            metadata(records).to_csv(temporary, index=False)
    about = {"synthetic": True, "note": "synthetic cohort, not patient data", **settings}
    write_json(release / SYNTHETIC_MARKER, {**about, "package_version": __version__, "subjects": records})


def metadata(records):
    """The table that ATLAS R1.1 brings along, one row per scan, with its column names and habits."""
    import pandas

    rows = []
    for record in sorted(records, key=lambda r: r["subject"]):
        sessions = sorted({name.split("/")[2] for name in record["files"]})
        rows += [metadata_row(record, session) for session in sessions]
    return pandas.DataFrame(rows)


def metadata_row(record, session):
    """One scan's row: the id has lost its leading zero and the session has gained a space, as in ATLAS."""
    aimed, measured = record["aimed"], record["measured"]
    place, left = aimed.get("place", "unknown"), measured["left"]
    hemisphere = "Left" if left > 0.8 else "Right" if left < 0.2 else "Bilateral"
    hemisphere = "Brainstem" if place == "brainstem" else hemisphere
    count = max(1, measured["components"])
    on_left = round(count * left)
    strokes = {
        ("LH", "Cortical"): 0,
        ("LH", "subcortical"): 0,
        ("RH", "Cortical"): 0,
        ("RH", "subcortical"): 0,
    }
    if place in ("cortical", "subcortical"):
        kind = "Cortical" if place == "cortical" else "subcortical"
        strokes[("LH", kind)], strokes[("RH", kind)] = on_left, count - on_left
    return {
        "INDI Site ID": record["site"],
        "INDI Subject ID": int(record["subject"]),
        "Session": f" {session}",
        **{f"# Strokes {side} {kind}": n for (side, kind), n in strokes.items()},
        "Other Location": count if place in ("brainstem", "cerebellum") else 0,
        "Stroke type": "Embolic",
        "Primary Stroke Location": place.capitalize(),
        "Primary Stroke Location Hemisphere": hemisphere,
        "Vascular territory": aimed.get("territory", "unknown"),
        "PVH": 0,  # the phantom has no white matter hyperintensities
        "DWMH": 0,
        "Notes": "synthetic, not patient data",
    }
