"""Draws docs/own_scan.png: a synthetic scan that lies elsewhere, and what its registration to MNI space does.

Run: python docs/own_scan.py. A scan of the embedded cohort is turned by 22 degrees, shifted by 27 mm, made smaller by a
tenth and stored with voxels of 2 mm whose first axis runs from right to left (LAS).
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from nibabel import Nifti1Image
from nilearn.datasets import load_mni152_brain_mask
from nilearn.image import resample_img
from scipy.spatial.transform import Rotation

from atlas_lab.cohorts import cohort
from atlas_lab.data.intensity import to_uint8, white_point
from atlas_lab.data.placement import measure_placement
from atlas_lab.data.registration import register
from atlas_lab.data.scans import load_scan, source_of
from atlas_lab.data.slicing import axial_slices
from atlas_lab.data.turning import back_to
from atlas_lab.grid import AFFINE, GRID, height_mm, to_ras
from atlas_lab.plots.saving import save_figure
from atlas_lab.plots.slices import show_slice

SHAPE, MIDDLE = (120, 130, 110), (18, -30, 22)  # of the new grid: voxels, and its middle in mm


def moved(image):
    """The scan in its new place and on its new grid: volume, affine."""
    move = np.eye(4)
    move[:3, :3] = 0.9 * Rotation.from_rotvec(np.deg2rad([14, 8, 15])).as_matrix()
    move[:3, 3] = 18, -16, 12
    affine = np.diag([-2.0, 2, 2, 1])
    affine[:3, 3] = MIDDLE - affine[:3, :3] @ (np.array(SHAPE) / 2)
    new = resample_img(Nifti1Image(image, move @ AFFINE), affine, SHAPE, copy_header=True, force_resample=True)
    return np.maximum(new.get_fdata(dtype=np.float32), 0), affine


def axial(volume, affine, z):
    """Axial slice z of a volume with its axes turned to RAS."""
    return axial_slices(to_ras(volume, affine)[0])[z]


def draw(scan):
    """The figure: the scan by its header, registered, and on its own grid again, each with the template's brain."""
    image, affine = moved(load_scan(scan).image)
    before = measure_placement(image, affine)
    registered, after = register(image, affine, scan.name)
    brain = np.asarray(load_mni152_brain_mask(resolution=1).dataobj, np.float32)
    by_header, back = (axial(back_to(SHAPE, place, brain) > 0.5, affine, 52) for place in (affine, registered))
    grey = to_uint8(image, white_point(image))
    there = resample_img(Nifti1Image(image, registered), AFFINE, GRID, copy_header=True, force_resample=True)
    there = to_uint8(there.get_fdata(dtype=np.float32), white_point(image))
    figure, axes = plt.subplots(1, 3, figsize=(7.6, 3.5), layout="constrained")
    show_slice(axial(grey, affine, 52), by_header, ax=axes[0], title=f"by its header: {before.moved_mm:.0f} mm off")
    show_slice(axial(there, AFFINE, 90), axial(brain > 0, AFFINE, 90), ax=axes[1],
               title=f"registered, z = {height_mm(90, AFFINE):.0f} mm")
    show_slice(axial(grey, affine, 52), back, ax=axes[2], title="back on its own grid")
    figure.suptitle("Outline: the brain of the MNI152 template. The scan's correlation with it: "
                    f"{before.correlation:.2f} before, {after.correlation:.2f} after", fontsize=9)
    return figure


if __name__ == "__main__":
    scans = cohort(6)
    kind = "synthetic" if all(scan.synthetic for scan in scans) else "patients"
    save_figure(draw(scans[1]), Path(__file__).with_name("own_scan.png"), {"cohort": kind, "source": source_of(scans)})
