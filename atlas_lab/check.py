"""The quality report of a release: what is unusable, what is odd, and a picture of every scan."""

import base64
import html
import io
import os
import warnings
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field

import numpy as np

from atlas_lab.data.account import coarse_brain, lesion_voxels
from atlas_lab.data.intensity import to_uint8, white_point
from atlas_lab.data.metadata import match_metadata
from atlas_lab.data.nifti import GridWarning, ScanWarning
from atlas_lab.data.placement import measure_placement, mni_template, note_unlike_template
from atlas_lab.data.scans import load_with_account, source_of
from atlas_lab.data.slicing import account_slices, axial_slices, downsample, mask_to_slices
from atlas_lab.data.stream import unpacker
from atlas_lab.fast.workers import share_out
from atlas_lab.files import DataError, write_json, write_text
from atlas_lab.grid import AFFINE
from atlas_lab.plots.overlay import overlay
from atlas_lab.system.disk import one_line
from atlas_lab.system.progress import bar, first_few

__all__ = [
    "Inspection", "check_scans", "count_notes", "findings_table", "inspect_scans", "metadata_notes",
    "slice_notes", "write_report",
]

# Totals of the releases as published: scans per site (R1.1), or of all (FACTS: Liew et al. 2018 and 2022).
R11_SITES = {"Site1": 55, "Site2": 34, "Site3": 27, "Site4": 12, "Site5": 27, "Site6": 14, "Site7": 11, "Site8": 35,
             "Site9": 14}
TOTALS = {"R1.1": 229, "R1.2": 239, "R2.0": 655, "R2.1": 955, "R2.1 raw": 955}
# Scans that users reported in public.
SUSPECTS = {"r009s003": "its mask is reported not to fit", "r040s043": "its mask is reported to hold microbleeds"}
R11_RANGE = (-0.001, 100.001)  # intensities of R1.1
SCALE, Z_STEP = 4, 2           # of the slices that lesions are followed to: the course profile's
OUTSIDE = 0.2                  # share of a lesion outside of the brain that is told


@dataclass
class Inspection:
    """What was found on one scan. `unusable` is the line that load_scan raises, or empty."""

    scan: str
    site: str
    mask_files: int
    unusable: str = ""
    notes: list = field(default_factory=list)
    volume_ml: float | None = None
    account: dict = field(default_factory=dict)  # see `Account`
    content: str = ""    # checksums of the T1's voxels: equal for copies under other names
    thumbnail: str = ""  # PNG in base64


def inspect_scans(scans, thumbnails=False, jobs=-1, progress=True):
    """Load every scan and look at it; one Inspection per scan, in their order."""
    brains = _brain_mask(), coarse_brain(), mni_template()
    found = share_out(_inspect_scan, ((scan, *brains, thumbnails) for scan in scans), jobs)
    found = list(bar(found, "checking scans", len(scans), progress))
    _note_copies(found)
    return found


def _brain_mask():
    """The MNI152 brain, bool on ATLAS's grid, a few millimetres wide of the template's: lesions reach its border."""
    from nilearn.datasets import load_mni152_brain_mask
    from scipy import ndimage

    return ndimage.binary_dilation(np.asarray(load_mni152_brain_mask(resolution=1).dataobj) > 0, iterations=3)


def _inspect_scan(scan, brain, coarse, template, thumbnail=False):
    """Load one scan, follow its lesion to slices of 4 mm, and note what is unusual."""
    found = Inspection(scan.name, scan.site, len(scan.masks))
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            (image, mask, _), account = load_with_account(scan, coarse)
    except DataError as error:
        found.unusable = str(error)
        return found
    texts = [_note_text(warning, scan) for warning in caught if issubclass(warning.category, ScanWarning)]
    texts = dict.fromkeys(texts)  # a warning of T1 and mask alike is one note
    found.notes += map(one_line, [*texts, *account.changes()])
    account_slices(account, mask, mask_to_slices(mask, SCALE, Z_STEP), SCALE, Z_STEP)
    found.account = account.as_dict() | {"line": account.text(), "slices": account.slice_changes()}
    was_moved = any(issubclass(warning.category, GridWarning) for warning in caught)
    if was_moved and not (place := measure_placement(image, AFFINE)).in_mni:  # by its affine alone it can lie anywhere
        found.notes.append(f"doesn't lie in MNI space: {place.describe()}")
    is_placed = not was_moved and scan.release != "R2.1 raw"
    if is_placed and (note := note_unlike_template(image, AFFINE, template)):
        found.notes.append(note)
    if is_placed and mask.any() and (outside := 1 - brain[lesion_voxels(mask)].mean()) > OUTSIDE:
        found.notes.append(f"{outside:.0%} of the lesion lies outside of the MNI152 brain")
    if scan.release == "R1.1" and not (account.low >= R11_RANGE[0] and account.high <= R11_RANGE[1]):
        found.notes.append(f"intensities from {account.low:.4g} to {account.high:.4g}; R1.1's go from 0 to 100")
    if scan.subject in SUSPECTS:
        found.notes.append(SUSPECTS[scan.subject])
    found.volume_ml = round(account.grid_ml, 3)
    voxels = image.ravel(order="K")
    found.content = f"{unpacker.crc32(voxels):08x}{unpacker.adler32(voxels):08x}"  # a seventh of the time of blake2b
    found.thumbnail = _picture(image, mask) if thumbnail else ""
    return found


def _note_text(warning, scan):
    """What a warning says of a scan's file, its path cut to the file's name."""
    if issubclass(warning.category, GridWarning):
        return "was off ATLAS's grid and was resampled"
    return str(warning.message).replace(f"{scan.t1w.parent}{os.sep}", "")


def slice_notes(inspections):
    """What cutting to slices takes from the lesions, over all scans: a line, or none."""
    names = [found.scan for found in inspections if found.account.get("slices")]
    if not names:
        return []
    some = first_few(names, 5)
    return [f"in slices of {SCALE} mm, every {Z_STEP}nd, {len(names)} of {len(inspections)} scans change their lesion's"
            f" volume by over a tenth or lose whole lesions: {some}; the report says how"]


def _picture(image, mask):
    """The slice with most lesion, or without any the middle one, its mask outlined, at 2 mm, as a PNG in base64."""
    from PIL import Image

    z = int(mask.sum(axis=(0, 1)).argmax()) if mask.any() else mask.shape[2] // 2
    small = downsample(axial_slices(image[..., z : z + 1]), 2)[0]
    lesion = downsample(axial_slices(mask[..., z : z + 1]), 2)[0] >= 0.5
    stream = io.BytesIO()
    Image.fromarray(overlay(to_uint8(small, white_point(image)), lesion)).quantize(64).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def _note_copies(inspections):
    """Note on each scan which others hold the very same T1 voxels."""
    same = defaultdict(list)
    for found in inspections:
        if found.content:
            same[found.content].append(found)
    for group in same.values():
        for found in group:
            if len(group) > 1:
                others = ", ".join(one_line(other.scan) for other in group if other is not found)
                found.notes.append(f"the T1 is the same as that of {others}")


def check_scans(scans, jobs=-1, progress=True):
    """Load every scan and tell what is wrong or odd.

    Returns
    -------
    pandas.DataFrame
        One row per finding: scan, site, problem, unusable (bool: load_scan raises this very line). Empty if all is
        well.
    """
    return findings_table(inspect_scans(scans, jobs=jobs, progress=progress))


def findings_table(inspections):
    """The findings on all scans; see `check_scans`."""
    import pandas

    rows = [
        {"scan": found.scan, "site": found.site, "problem": text, "unusable": bool(found.unusable)}
        for found in inspections
        for text in ([found.unusable] if found.unusable else found.notes)
    ]
    return pandas.DataFrame(rows, columns=["scan", "site", "problem", "unusable"])


def count_notes(scans):
    """What differs between the scans found and the release as published: list of lines, empty for synthetic ones."""
    if all(scan.synthetic for scan in scans):
        return []
    release = scans[0].release
    notes = []
    if len(scans) != TOTALS[release]:
        notes.append(f"found {len(scans)} scans with masks; {release} has {TOTALS[release]}")
    if release == "R1.1":
        counts = Counter(scan.site for scan in scans)
        different = [f"{site} {counts[site]} of {n}" for site, n in R11_SITES.items() if counts[site] != n]
        notes += [f"scans per site: {', '.join(different)}"] if different else []
    return notes


def metadata_notes(scans, root):
    """How the release's own table and the files fit each other, and what is wrong with tables: list of lines."""
    table, notes = match_metadata(scans, root)
    if table is None:
        return [*notes, "no metadata table (.csv, .tsv or .xlsx) of these scans beside them"]
    missing = [scan.name for scan, empty in zip(scans, table.isna().all(axis=1), strict=True) if empty]
    return notes + (
        [f"{len(missing)} scans are not in the metadata table: {', '.join(missing[:5])}"] if missing else [])


def write_report(scans, inspections, notes, out):
    """Write report.json and report.html, with a picture of every scan, into a folder; returns the page's path."""
    rows = [{k: v for k, v in asdict(found).items() if k != "thumbnail"} for found in inspections]
    write_json(out / "report.json", {
        "source": source_of(scans), "scans": len(scans), "unusable": sum(bool(f.unusable) for f in inspections),
        "slices": {"scale": SCALE, "z_step": Z_STEP},
        "notes": notes, "findings": rows,
    }, source_of(scans))
    write_text(out / "report.html", _page(scans, inspections, notes), source_of(scans))
    return out / "report.html"


def _page(scans, inspections, notes):
    """The report as one HTML page that needs no other file. Scans with findings come first."""
    title = f"{source_of(scans)}: {len(scans)} scans"
    first = sorted(inspections, key=lambda found: (not found.unusable, not found.notes))
    cards = "\n".join(_card(found) for found in first)
    lines = "".join(f"<li>{_shown(note)}</li>" for note in notes)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{_shown(title)}</title><style>"
        "body{font:14px sans-serif;margin:2em}main{display:flex;flex-wrap:wrap;gap:12px}"
        "figure{margin:0;width:150px}img{width:150px;background:#000}figcaption{font-size:12px}"
        ".bad{color:#b00020}.odd{color:#8a5a00}</style>"
        f"<h1>{_shown(title)}</h1><p>{sum(bool(f.unusable) for f in inspections)} unusable, "
        f"{sum(bool(f.notes) for f in inspections)} with notes. Each picture is the slice with most lesion.</p>"
        f"<ul>{lines}</ul><main>\n{cards}\n</main></html>\n"
    )


def _shown(text):
    """A text for the page, where names of files may hold anything."""
    return html.escape(one_line(text))


def _card(found):
    """One scan of the page."""
    image = f'<img alt="slice with lesion outlined" src="data:image/png;base64,{found.thumbnail}">'
    volume = "; ".join([found.account["line"], *found.account["slices"]]) if found.account else ""
    bad = f"<br><span class=bad>{_shown(found.unusable)}</span>" if found.unusable else ""
    odd = "".join(f"<br><span class=odd>{_shown(note)}</span>" for note in found.notes)
    return (
        f"<figure>{image if found.thumbnail else ''}<figcaption><b>{_shown(found.scan)}</b> "
        f"{_shown(found.site)}<br>{_shown(volume)}{bad}{odd}</figcaption></figure>"
    )
