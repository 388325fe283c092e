"""Make the head template of the phantom: `python benchmarks/phantom_head.py pydeface-2.1.0-py3-none-any.whl`.

The wheel (MIT licence) carries a mean T1 of whole heads. It is registered to the MNI152 template, by mutual information
well inside the brain, so that its skull comes to lie around the template's brain; its own brain is taken out, since the
phantom brings a sharper one. What is left is kept at 2 mm with 8 bits. Needs SimpleITK.
"""

import argparse
import gzip
import io
import zipfile
from pathlib import Path

import nibabel
import numpy as np

OUT = Path(__file__).parents[1] / "atlas_lab" / "phantom" / "head.nii.gz"
MEMBER = "pydeface/data/mean_reg2mean.nii.gz"
WHITE = 100  # the level that white matter gets
STEP = 2  # mm


def to_sitk(image):
    """A nibabel image as SimpleITK's, whose axes point to the left and the back."""
    import SimpleITK as sitk

    out = sitk.GetImageFromArray(np.ascontiguousarray(image.get_fdata(dtype=np.float32).T))
    size = np.linalg.norm(image.affine[:3, :3], axis=0)
    turn = np.diag([-1.0, -1.0, 1.0])
    out.SetSpacing(size.tolist())
    out.SetOrigin((turn @ image.affine[:3, 3]).tolist())
    out.SetDirection((turn @ image.affine[:3, :3] / size).ravel().tolist())
    return out


def register(fixed, moving, transform, mask, shrink):
    """Optimise a transform in place, by the mutual information inside the mask."""
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(40)
    method.SetMetricFixedMask(mask)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.3, 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel(shrink)
    method.SetSmoothingSigmasPerLevel([s / 2 for s in shrink])
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-4, 300, 0.7)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, True)
    method.Execute(fixed, moving)
    print(f"{type(transform).__name__}: mutual information {-method.GetMetricValue():.3f}")


def registered(mean):
    """pydeface's mean head on the grid of the MNI152 template, and that template and its brain mask."""
    import SimpleITK as sitk
    from nilearn import datasets

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # the order of sums, and so the result, depends on it
    template, brain = datasets.load_mni152_template(resolution=1), datasets.load_mni152_brain_mask(resolution=1)
    fixed, moving = to_sitk(template), to_sitk(mean)
    # The template is black outside the brain: where brain meets skull, mutual information would shrink the head.
    mask = sitk.BinaryErode(sitk.Cast(to_sitk(brain) > 0, sitk.sitkUInt8), [4] * 3)
    transform = sitk.Euler3DTransform()
    transform.SetCenter((0, 18, 8))
    register(fixed, moving, transform, mask, [4, 2])
    for kind, shrink in ((sitk.Similarity3DTransform(), [4, 2]), (sitk.AffineTransform(3), [4, 2, 1])):
        kind.SetCenter(transform.GetCenter())
        kind.SetMatrix(transform.GetMatrix())
        kind.SetTranslation(transform.GetTranslation())
        transform = kind
        register(fixed, moving, transform, mask, shrink)
    moved = sitk.Resample(moving, fixed, transform, sitk.sitkLinear)
    return sitk.GetArrayFromImage(moved).T, template.get_fdata(dtype=np.float32), np.asarray(brain.dataobj) > 0


def head_mask(head, white):
    """The head without the air around it: one piece, holes closed."""
    from scipy import ndimage

    mask = ndimage.gaussian_filter(head, 1.5) > 0.22 * white
    pieces, _ = ndimage.label(ndimage.binary_opening(mask, iterations=2))
    mask = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    mask = ndimage.binary_closing(np.pad(mask, 12, "edge"), iterations=8)[(slice(12, -12),) * 3]
    for z in range(mask.shape[2]):
        mask[..., z] = ndimage.binary_fill_holes(mask[..., z])
    return mask


def main():
    from scipy import ndimage

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="pydeface's wheel: pip download --no-deps pydeface==2.1")
    data = zipfile.ZipFile(parser.parse_args().wheel).read(MEMBER)
    mean = nibabel.Nifti1Image.from_bytes(gzip.GzipFile(fileobj=io.BytesIO(data)).read())
    head, template, brain = registered(mean)
    white = float(np.median(head[(template > 0.85) & brain]))
    mask = head_mask(head, white)
    levels = np.clip(np.rint(ndimage.gaussian_filter(head, 0.7) * WHITE / white), 1, 255)
    levels[ndimage.binary_erosion(brain, iterations=4)] = 1  # never looked at
    levels[~mask] = 0
    affine = np.diag([STEP, STEP, STEP, 1.0])
    affine[:3, 3] = -98, -134, -72
    image = nibabel.Nifti1Image(levels[::STEP, ::STEP, ::STEP].astype(np.uint8), affine)
    image.header["descrip"] = b"mean T1 of pydeface 2.1 (MIT), in MNI space, no brain"
    OUT.write_bytes(gzip.compress(image.to_bytes(), 9, mtime=0))
    print(f"{OUT}: {image.shape}, {OUT.stat().st_size / 1e6:.2f} MB, white matter {white:.0f} in the original")


if __name__ == "__main__":
    main()
