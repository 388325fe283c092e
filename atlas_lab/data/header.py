"""A NIfTI header, parsed and looked at: shape, type and place of the voxels, and whether it says where they lie."""

from typing import NamedTuple

import numpy as np

from atlas_lab.data.stream import Damage, Unfit

__all__ = ["Header", "parse_header", "read_affine", "refuse_affine"]

FAR = 1e4           # mm; no voxel of a head lies that far from its scanner's origin
HEAD_MM = 100       # a volume of at least so much on two sides holds a head, or a slab of one
APART_MM = 1.0      # places of a voxel by sform and qform that differ by more disagree
VOXEL_MM = (0.05, 25)
MOST_VOXELS = 2**26  # a head of 0.5 mm voxels has 54 million; ATLAS's grid 8.7
SHEAR = 0.5         # cosine between two axes; registration shears by a few hundredths
RESTORE = "take the file that it was made from, or convert the DICOM series anew: dcm2niix"


class Header(NamedTuple):
    """What a header says of its volume.

    `shape` has three numbers, `offset` is the first voxel's byte, `size` that of the whole file in bytes; a stored
    value v means v * slope + inter. `notes` are lines on what is odd and yet usable.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    dtype: np.dtype
    offset: int
    size: int
    slope: float
    inter: float
    notes: tuple[str, ...]


def parse_header(head: bytes) -> Header:
    """The Header in the first bytes of a NIfTI file, of version 1 or 2 and either byte order.

    Raises Damage if the header contradicts itself or NIfTI's rules, Unfit if it is sound but no T1 volume's or mask's.
    """
    from nibabel import Nifti1Header, Nifti2Header

    little = int.from_bytes(head[:4], "little") in (348, 540)
    kind = Nifti1Header if 348 in (int.from_bytes(head[:4], order) for order in ("little", "big")) else Nifti2Header
    length = kind.template_dtype.itemsize
    if len(head) < length:
        raise Damage(f"it ends after {len(head)} bytes, inside of its header")
    # Without nibabel's own check, which mends in silence or writes to the log; what follows is checked instead.
    fields = kind(head[:length], endianness="<" if little else ">", check=False)
    shape, dtype = _read_shape(fields), _read_dtype(fields)
    offset = _read_offset(fields, length + 4)
    slope, inter = _read_scaling(fields)
    affine, notes = read_affine(fields, shape)
    size = offset + int(np.prod(shape, dtype=object)) * dtype.itemsize
    return Header(shape, affine, dtype, offset, size, slope, inter, tuple(notes))


def _read_shape(fields):
    """Three numbers of voxels; axes of one voxel after the third are dropped."""
    n_axes = int(fields["dim"][0])
    if not 1 <= n_axes <= 7 or (fields["dim"][1 : n_axes + 1] < 1).any():
        raise Damage(f"its dimensions are {fields['dim'].tolist()}")
    shape = [int(n) for n in fields["dim"][1 : n_axes + 1]]
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if len(shape) == 4:
        n = shape[-1]
        raise Unfit(f"four dimensions: {n} volumes, one was expected; extract it: fslroi IN OUT 0 1, or "
                    "nilearn.image.index_img(IN, 0)")
    if len(shape) > 4:
        raise Unfit(f"its shape is {tuple(shape)}; expected three dimensions: X, Y, Z; extract one volume, in "
                    f"nibabel: IN.slicer[:, :, :{', 0' * (len(shape) - 3)}]")
    if np.prod(shape, dtype=object) > MOST_VOXELS:
        raise Unfit(f"its header claims {' x '.join(map(str, shape))} voxels and the lab takes {MOST_VOXELS >> 20} "
                    "million in all; resample it to 1 mm, or take the file that it was made from")
    if len(shape) < 3 or min(shape) < 2:
        raise Unfit(f"its shape is {tuple(shape)}, a slice or a line; expected three dimensions: X, Y, Z")
    return tuple(shape)


def _read_dtype(fields):
    """The type of the voxels as numpy has it, in the file's byte order."""
    from nibabel.spatialimages import HeaderDataError

    try:
        dtype = fields.get_data_dtype()
    except (HeaderDataError, KeyError):
        dtype = np.dtype("V")
    if dtype == np.dtype("V"):  # as nibabel has number 0, unknown
        raise Damage(f"it has no type of voxels numbered {int(fields['datatype'])}")
    if dtype.kind not in "iuf":
        kind = "colours" if dtype.kind == "V" else str(dtype)
        raise Unfit(f"its voxels are {kind}; expected numbers, one a voxel: a grey T1 volume or a mask")
    if int(fields["bitpix"]) != 8 * dtype.itemsize:
        raise Damage(f"its voxels are {dtype} of {int(fields['bitpix'])} bits")
    return dtype


def _read_offset(fields, least):
    """The byte of the first voxel."""
    offset = float(fields["vox_offset"])
    if not (np.isfinite(offset) and offset == int(offset) and offset >= least):
        raise Damage(f"its voxels begin at byte {offset:g}, and its header ends at {least}")
    return int(offset)


def _read_scaling(fields):
    """Slope and intercept; a slope of 0, or none, means the values as they are stored."""
    slope, inter = float(fields["scl_slope"]), float(fields["scl_inter"])
    if slope == 0 or np.isnan(slope):
        return 1.0, 0.0
    if not np.isfinite([slope, inter]).all():
        raise Damage(f"its values are scaled by {slope:g} and {inter:g}")
    return slope, inter


def read_affine(fields: object, shape: tuple[int, ...]) -> tuple[np.ndarray, list[str]]:
    """The affine to mm of a NIfTI header of nibabel's, by sform or else qform, and lines on what is odd about it.

    Raises Unfit or Damage if the header doesn't say where a volume of this shape lies.
    """
    codes = {name: int(fields[f"{name}_code"]) for name in ("sform", "qform")}
    if any(not 0 <= code <= 5 for code in codes.values()):
        raise Damage(f"its sform code is {codes['sform']}, its qform code {codes['qform']}; 0 to 5 exist")
    forms = {name: _read_form(fields, name) for name, code in codes.items() if code}
    if not forms:
        raise Unfit("the header holds no orientation (the codes of sform and qform are 0), so left and right can't be "
                    f"told; {RESTORE}")
    affine = next(iter(forms.values()))
    if affine is None:
        raise Damage("its affine is not made of finite numbers, or no rotation")
    scale, notes = _unit_scale(fields, affine)
    to_mm = np.diag([scale, scale, scale, 1.0])
    refuse_affine(to_mm @ affine, shape)
    notes += _note_made_up(to_mm @ affine, shape)
    if "sform" in forms and "qform" not in forms:
        notes += _compare_sizes(fields, affine)
    elif len(forms) == 2 and forms["qform"] is None:
        notes += ["its qform is no rotation; read by its sform"]
    elif len(forms) == 2:
        notes += _disagreement(to_mm @ affine, to_mm @ forms["qform"], shape)
    return to_mm @ affine, notes


def _read_form(fields, name):
    """The affine of sform or qform, or None if it is none."""
    from nibabel.spatialimages import HeaderDataError

    if fields["pixdim"][0] == 0:  # which nifti1.h has read as 1
        fields = fields.copy()
        fields["pixdim"][0] = 1
    try:
        form = fields.get_sform() if name == "sform" else fields.get_qform()
    except (ValueError, HeaderDataError, np.linalg.LinAlgError):
        return None
    return form if np.isfinite(form).all() else None


def _voxel_sizes(affine):
    """Sides of a voxel in mm, three numbers."""
    return np.linalg.norm(affine[:3, :3], axis=0)


def _unit_scale(fields, affine):
    """By what to multiply the affine to get mm, and notes: headers in metres or micrometres are met, true or not."""
    def is_plausible(factor):
        return ((VOXEL_MM[0] <= factor * _voxel_sizes(affine)) & (factor * _voxel_sizes(affine) <= VOXEL_MM[1])).all()

    unit = {1: "metres", 3: "micrometres"}.get(int(fields["xyzt_units"]) & 7)
    if unit is None:
        return 1.0, []
    factor = 1000.0 if unit == "metres" else 0.001
    if is_plausible(factor):
        return factor, [f"its header is in {unit}; turned to mm"]
    return 1.0, [f"its header says {unit}, which its voxels can't have; taken as mm"]


def refuse_affine(affine: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise for an affine that no scan has: sheared, of impossible voxels, far away, or the identity under a head."""
    sizes = _voxel_sizes(affine)
    if not ((VOXEL_MM[0] <= sizes) & (sizes <= VOXEL_MM[1])).all():
        raise Damage(f"its voxels measure {' x '.join(f'{mm:.3g}' for mm in sizes)} mm by its affine")
    axes = affine[:3, :3] / sizes
    cosine = np.abs(axes.T @ axes - np.eye(3)).max()
    if cosine > SHEAR:
        raise Damage(f"its axes stand at {np.degrees(np.arccos(min(cosine, 1))):.0f} degrees by its affine")
    if np.abs(affine[:3, 3]).max() > FAR:
        raise Damage(f"its first voxel lies {np.abs(affine[:3, 3]).max():.3g} mm from the origin by its affine")
    if not affine[:3, 3].any() and _is_bare_head(affine, shape):
        raise Unfit("the header holds no orientation (its affine is the identity, or voxel sizes alone), so left and "
                    f"right and the place of the brain can't be told; {RESTORE}")


def _is_bare_head(affine, shape):
    """True if an affine has voxel sizes alone, no turn, and the volume is large enough on two sides to hold a head."""
    sizes = _voxel_sizes(affine)
    is_bare = np.array_equal(np.abs(affine[:3, :3]), np.diag(sizes))
    return is_bare and np.count_nonzero(np.multiply(shape, sizes) >= HEAD_MM) >= 2


def _note_made_up(affine, shape):
    """A note on an affine that programs (nibabel, SPM) make up for a header without one, and write out as if it were:
    no rotation, and the origin at the very middle of the volume.
    """
    middle = affine[:3, :3] @ ((np.array(shape) - 1) / 2) + affine[:3, 3]
    if not (_is_bare_head(affine, shape) and (np.abs(middle) <= 0.01 * _voxel_sizes(affine)).all()):
        return []
    return ["its origin is the very middle of the volume and its axes are not turned, as programs write it for a header"
            f" that held no orientation: left and right and the place of the brain are in doubt; {RESTORE}"]


def _compare_sizes(fields, affine):
    """A note if the header's voxel sizes and its sform's differ by over a tenth."""
    stated, sizes = np.abs(fields["pixdim"][1:4]).astype(float), _voxel_sizes(affine)
    with np.errstate(all="ignore"):
        agree = (np.abs(stated - sizes) <= 0.1 * sizes).all()
    texts = (" x ".join(f"{mm:.3g}" for mm in three) for three in (stated, sizes))
    return [] if agree else ["its voxels measure {} mm by its header and {} mm by its sform; read by its sform".format(
        *texts)]


def _disagreement(sform, qform, shape):
    """A note if the two affines take a corner of the volume to places more than `APART_MM` from each other."""
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(shape) - 1)
    moved = corners @ (sform - qform)[:3, :3].T + (sform - qform)[:3, 3]
    apart = float(np.linalg.norm(moved, axis=1).max())
    if apart <= APART_MM:
        return []
    is_mirrored = np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0
    mirror = ", one the mirror image of the other: left and right are in doubt" if is_mirrored else ""
    return [f"its sform and qform disagree by up to {apart:.0f} mm{mirror}; read by its sform"]
