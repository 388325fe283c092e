"""Pictures of the phantom: `python benchmarks/phantom_pictures.py VERSION1 VERSION2`, two folders of cohorts.

Writes ten slices of each, full size, to benchmarks/phantom/, and six subjects of version 2 beside each other, in three
planes, to figures/phantom.png with its provenance.
"""

import argparse
import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SIX = (3, 2, 17, 21, 7, 16)  # subjects whose lesions are small and large, superficial and deep
TEN = (0, 3, 4, 7, 8, 11, 17, 20, 21, 37)


def marker_of(cohort):
    """What a cohort's marker file says."""
    from atlas_lab.files import SYNTHETIC_MARKER

    return json.loads(next(cohort.glob(f"*/{SYNTHETIC_MARKER}")).read_text())


def scans_by_index(cohort):
    """First scans of a cohort by the subjects' index."""
    from atlas_lab.data.scans import find_scans

    index = {record["subject"]: record["index"] for record in marker_of(cohort)["subjects"]}
    return {index[scan.subject]: scan for scan in find_scans(cohort) if scan.session == "t01"}


def fullest(mask, axis):
    """The index of the plane with most lesion."""
    return int(mask.sum(axis=tuple(a for a in range(3) if a != axis)).argmax())


def ten_slices(scans):
    """Ten axial slices, each the one with most lesion of its scan, in two rows of five: uint8."""
    from atlas_lab.data.intensity import to_uint8, white_point
    from atlas_lab.data.scans import load_scan
    from atlas_lab.data.slicing import axial_slices

    slices = []
    for scan in scans:
        image, mask, _ = load_scan(scan)
        slices.append(to_uint8(axial_slices(image)[fullest(mask, 2)], white_point(image)))
    return np.vstack([np.hstack(slices[:5]), np.hstack(slices[5:])])


def save_small(pixels, path):
    """A grey PNG of 32 levels: noise at full depth would make it four times as large."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).quantize(32).save(path, optimize=True)
    print(path, path.stat().st_size // 1000, "kB")


def six_subjects(scans, titles):
    """Six subjects as columns: the axial slice with most lesion and its outline, and a sagittal and a coronal one."""
    import matplotlib.pyplot as plt

    from atlas_lab.data.intensity import to_uint8, white_point
    from atlas_lab.data.scans import load_scan
    from atlas_lab.data.slicing import axial_slices
    from atlas_lab.plots.slices import show_slice, write_sides

    figure, axes = plt.subplots(3, len(scans), figsize=(1.4 * len(scans), 4.8), layout="constrained")
    for column, scan, title in zip(axes.T, scans, titles, strict=True):
        image, mask, _ = load_scan(scan)
        grey = to_uint8(image, white_point(image))
        z = fullest(mask, 2)
        show_slice(axial_slices(grey)[z], axial_slices(mask)[z], title=title, ax=column[0])
        planes = (grey[fullest(mask, 0)], "PAIS"), (grey[:, fullest(mask, 1)], "LRIS")
        for ax, (plane, letters) in zip(column[1:], planes, strict=True):
            ax.imshow(plane.T, origin="lower", cmap="gray", vmin=0, vmax=255)
            ax.set_axis_off()
            write_sides(ax, letters, 7)
    return figure


def main():
    from atlas_lab.data.scans import source_of
    from atlas_lab.files import REPOSITORY
    from atlas_lab.plots.saving import save_figure

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version1", type=Path)
    parser.add_argument("version2", type=Path)
    options = parser.parse_args()
    for name in ("version1", "version2"):
        scans = scans_by_index(getattr(options, name))
        save_small(ten_slices([scans[index] for index in TEN]), HERE / "phantom" / f"{name}.png")
    marker = marker_of(options.version2)
    records = {record["index"]: record for record in marker["subjects"]}
    titles = [f"{records[i]['site']}, {records[i]['years']:.0f} years\n{records[i]['measured']['volume_ml']:.1f} ml"
              for i in SIX]
    chosen = [scans[index] for index in SIX]
    figure = six_subjects(chosen, titles)
    save_figure(figure, REPOSITORY / "figures" / "phantom.png", {
        "cohort": "synthetic", "source": source_of(chosen), "phantom_version": marker["phantom_version"],
        "seed": marker["seed"], "scans": [scan.name for scan in chosen],
    })


if __name__ == "__main__":
    main()
