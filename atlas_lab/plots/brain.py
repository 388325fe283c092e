"""Maps on the template brain."""

import matplotlib.pyplot as plt
import numpy as np

__all__ = ["plot_overlap_map"]


def plot_overlap_map(overlap, affine, title="", cut_coords=(-30, -15, 0, 15, 30, 45)):
    """Fig. 1a: the share of subjects with lesion at each voxel, on the MNI152 template. Returns the figure.

    Parameters
    ----------
    overlap : float array (X, Y, Z), 0 to 1
    affine : array (4, 4)
        Takes voxel indices to MNI mm.
    cut_coords : sequence of float
        Heights of the axial cuts, z in mm.
    """
    import nibabel
    from nilearn import plotting
    from nilearn.datasets import load_mni152_template

    figure = plt.figure(figsize=(8.5, 2.4))
    display = plotting.plot_stat_map(
        nibabel.Nifti1Image(np.asarray(overlap, np.float32) * 100, affine), bg_img=load_mni152_template(resolution=1),
        display_mode="z", cut_coords=cut_coords, cmap="inferno", threshold=1e-6, vmin=0, symmetric_cbar=False,
        black_bg=False, figure=figure, draw_cross=False, axes=(0, 0.09, 1, 0.79), cbar_tick_format="%.0f",
        annotate=False,
    )
    display.annotate(positions=False, size=9)
    for height, cut in display.axes.items():  # below the brains, which nilearn would write on
        cut.ax.text(0.5, -0.01, f"z = {float(height):.0f} mm", transform=cut.ax.transAxes, ha="center", va="top",
                    fontsize=9)
    display._cbar.set_label("% of subjects", fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure
