"""Affine registration of a scan to the MNI152 template, by SimpleITK."""

from functools import lru_cache

import numpy as np

from atlas_lab.data.placement import Placement, measure_placement, quick_fit
from atlas_lab.files import DataError
from atlas_lab.grid import AFFINE, GRID

__all__ = ["NEEDS_EXTRA", "register"]

NEEDS_EXTRA = '{what} needs {package}, which is not installed: pip install "atlas-lab[scan]"'
STEP_MM = 2.0      # of the grid on which images are compared
MARGIN_MM = 30.0   # around the template's grid: a scan that still has to move must not be cut
CENTRE = (0.0, -18.0, 5.0)  # of the MNI brain, in mm: the affine turns and stretches about it


def register(volume: np.ndarray, affine: np.ndarray, path: object) -> tuple[np.ndarray, Placement]:
    """The affine that brings a scan to MNI space, by mutual information with the MNI152 template.

    It starts from `quick_fit`, which finds the way from afar; what remains are a few mm.

    Parameters
    ----------
    volume : array (X, Y, Z)
        A T1 volume, head or brain, with its air near 0.
    affine : float array (4, 4), voxel to the scan's own mm
    path : where it comes from, for messages

    Returns
    -------
    moved : float64 (4, 4)
        Voxel to MNI mm: the affine that the scan has once it is registered.
    placement : Placement
        Of the registered scan.

    Raises
    ------
    DataError
        If SimpleITK is missing, or scan and template can't be brought to look alike.

    The same scan gives the same result, bit for bit: one thread, and regular samples. Source of the measure: Mattes et
    al., IEEE Transactions on Medical Imaging 2003.
    """
    try:
        import SimpleITK  # noqa: F401  # said here, before any work
    except ImportError:
        raise DataError(NEEDS_EXTRA.format(what="--register", package="SimpleITK")) from None
    start, _ = quick_fit(volume, affine, _starts(volume, affine))
    matrix = start @ _refine(volume, np.linalg.inv(start) @ affine)
    moved = np.linalg.inv(matrix) @ affine
    placement = measure_placement(volume, moved)
    if not (placement.in_mni and placement.is_fitted):
        raise DataError(
            f"{path}: could not be registered to the MNI152 template ({placement.describe()}); is it a T1-weighted "
            "head or brain, whole, and does its header say how its voxels lie?"
        )
    return moved, placement


def _starts(volume: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, ...]:
    """Where to look for the brain besides where the affine puts it: at the head's centre, nodding by 25 degrees too."""
    at = np.argwhere(volume[::4, ::4, ::4] > 0.15 * np.percentile(volume[volume > 0][::7], 99.5)) * 4
    centre = affine[:3, :3] @ at.mean(axis=0) + affine[:3, 3]
    starts = []
    for degrees in (0, 25, -25):
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        start = np.eye(4)
        start[1:3, 1:3] = [[cos, -sin], [sin, cos]]
        start[:3, 3] = centre - start[:3, :3] @ CENTRE
        starts.append(start)
    return tuple(starts)


def _refine(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The affine (4, 4), a point of the template to the scan's, in mm, that remains once the quick fit is applied."""
    import SimpleITK as itk

    fixed, mask = _template()
    method = itk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricFixedMask(mask)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.25, 1)
    method.SetInterpolator(itk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 0.02, 100, relaxationFactor=0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([2, 0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    transform = itk.AffineTransform(3)
    transform.SetCenter(CENTRE)
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(fixed, _resampled(volume, affine))
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    matrix[:3, 3] = CENTRE + np.array(transform.GetTranslation()) - matrix[:3, :3] @ CENTRE
    return matrix


@lru_cache(maxsize=1)
def _template():
    """The template and, as a mask, its brain with 4 mm around: SimpleITK images whose axes are those of RAS mm."""
    from nilearn import datasets
    from scipy import ndimage

    image, mask = datasets.load_mni152_template(resolution=1), datasets.load_mni152_brain_mask(resolution=1)
    around = ndimage.binary_dilation(np.asarray(mask.dataobj) > 0, iterations=4)
    return (
        _resampled(image.get_fdata(dtype=np.float32), image.affine),
        _as_itk(_on_grid(around.astype(np.float32), mask.affine) > 0.5),
    )


def _resampled(volume: np.ndarray, affine: np.ndarray):
    """A volume on a plain grid of 2 mm, as a SimpleITK image in mm: so that a sheared affine is no obstacle."""
    return _as_itk(_on_grid(volume, affine))


def _on_grid(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """A volume resampled to 2 mm on the template's field of view and a margin, float32."""
    from scipy import ndimage

    size = np.linalg.norm(affine[:3, :3], axis=0)
    blur = np.where(size < STEP_MM, 0.4 * STEP_MM / size, 0)
    grid = np.diag([STEP_MM] * 3 + [1.0])
    grid[:3, 3] = _corner()
    shape = np.ceil((np.array(GRID) + 2 * MARGIN_MM) / STEP_MM).astype(int)
    to_voxel = np.linalg.inv(affine) @ grid
    return ndimage.affine_transform(
        ndimage.gaussian_filter(volume.astype(np.float32), blur), to_voxel[:3, :3], to_voxel[:3, 3],
        output_shape=tuple(shape), order=1,
    )


def _corner() -> np.ndarray:
    return AFFINE[:3, 3] - MARGIN_MM


def _as_itk(volume: np.ndarray):
    """An array on the grid of 2 mm as a SimpleITK image; ITK's first index is the array's last."""
    import SimpleITK as itk

    image = itk.GetImageFromArray(np.ascontiguousarray(volume.transpose(2, 1, 0)).astype(
        np.uint8 if volume.dtype == bool else np.float32))
    image.SetSpacing([STEP_MM] * 3)
    image.SetOrigin(_corner().tolist())
    return image
