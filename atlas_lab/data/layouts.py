"""How each ATLAS release names its folders and files, for finding scans and for writing the embedded cohort."""

import re
from dataclasses import dataclass

__all__ = ["LAYOUTS", "Layout", "match_path", "scan_names"]

SPACE = "space-MNI152NLin2009aSym"


@dataclass(frozen=True)
class Layout:
    """One release's names. Templates give paths below the release's own folder.

    `pattern` is searched in a T1's whole path, so that the folder named by the user may lie above the release's own
    folder, be it, or lie below it. `masks` are matched, less their ending, in the T1's folder.
    """

    release: str
    folder: str
    t1w: str
    mask: str
    pattern: re.Pattern
    masks: tuple[str, ...]
    sites: tuple[str, ...]     # the names that the embedded cohort's three sites get
    subject: str               # template of a subject's name
    session: str               # template of a session's name
    owner: str                 # template of how each file's name begins
    one_mask: bool = True      # all lesions of a scan in one file
    raw: bool = False          # before registration: orientations and grids are mixed


# A release is found packed or unpacked, and also with each file in a folder of its own name (x.nii/x.nii).
END = r"(?i:\.nii(?:\.gz)?(?:/[^/]+\.nii)?)$"
OWNER = "sub-{subject}_{session}"
BIDS = r"/sub-(?P<subject>(?P<site>r\d+)s\d+)/(?P<session>ses-\d+)/anat/sub-[^/]*"
LAYOUTS = {
    "R1.1": Layout(
        release="R1.1", folder="ATLAS_R1.1",
        t1w="{site}/{subject}/{session}/{subject}_t1w_deface_stx.nii.gz",
        mask="{site}/{subject}/{session}/{subject}_LesionSmooth_{number}stx.nii.gz",
        pattern=re.compile(
            r"(?P<site>Site\d+)/(?P<subject>\d{6})/(?P<session>t\d\d)/\d{6}_t1w_deface_stx" + END
        ),
        # 104 of the 229 scans have more than one mask file; the first alone drops 177 of 406 lesions.
        masks=("*_LesionSmooth*stx",),
        sites=("Site1", "Site2", "Site3"), subject="{number:06d}", session="t{session:02d}",
        owner="{subject}", one_mask=False,
    ),
    "R1.2": Layout(
        release="R1.2", folder="ATLAS_R1.2",
        t1w="{site}/{subject}{session}/{subject}{session}_t1w_stx.nii.gz",
        mask="{site}/{subject}{session}/{subject}{session}_LesionSmooth_{number}stx.nii.gz",
        pattern=re.compile(
            r"(?P<site>c\d{4})/(?P<subject>c\d{4}s\d{4})(?P<session>t\d\d)/c\d{4}s\d{4}t\d\d_t1w_stx" + END
        ),
        masks=("*_LesionSmooth*stx",),
        sites=("c0003", "c0005", "c0010"), subject="{site}s{index:04d}", session="t{session:02d}",
        owner="{subject}{session}", one_mask=False,
    ),
    "R2.0": Layout(
        release="R2.0", folder="ATLAS_2",
        t1w="Training/{site}/sub-{subject}/{session}/anat/sub-{subject}_{session}_" + SPACE + "_T1w.nii.gz",
        mask="Training/{site}/sub-{subject}/{session}/anat/sub-{subject}_{session}_" + SPACE
        + "_label-L_desc-T1lesion_mask.nii.gz",  # label-L is "lesion", not "left"
        pattern=re.compile(r"(?:(?P<part>Training|Testing)/)?R\d+" + BIDS + f"_{SPACE}_T1w" + END),
        masks=(f"*_{SPACE}_label-L_desc-T1lesion_mask",),
        sites=("R001", "R002", "R003"), subject="r{site_number:03d}s{index:03d}", session="ses-{session}",
        owner=OWNER,
    ),
    "R2.1": Layout(
        release="R2.1", folder="ATLAS_2.1",
        t1w="Training_Preprocessed/{site}/sub-{subject}/{session}/anat/sub-{subject}_{session}_" + SPACE
        + "_desc-preproc_T1w.nii.gz",
        mask="Training_Preprocessed/{site}/sub-{subject}/{session}/anat/sub-{subject}_{session}_" + SPACE
        + "_label-lesion_desc-T1lesion_mask.nii.gz",
        pattern=re.compile(
            r"(?P<part>(?:Training|Testing)_Preprocessed)/(?:[^/]+/)*?R\d+" + BIDS + r"_T1w" + END
        ),
        masks=(f"*_{SPACE}_label-*_desc-T1lesion_mask",),
        sites=("R001", "R002", "R003"), subject="r{site_number:03d}s{index:03d}", session="ses-{session}",
        owner=OWNER,
    ),
    "R2.1 raw": Layout(
        release="R2.1 raw", folder="ATLAS_2.1",
        t1w="Training_Raw/{site}/sub-{subject}/{session}/anat/sub-{subject}_{session}_space-orig_desc-brain_T1w.nii.gz",
        mask="Training_Raw/{site}/sub-{subject}/{session}/anat/sub-{subject}_{session}_space-orig_label-lesion"
        "_desc-T1lesion_mask.nii.gz",
        pattern=re.compile(
            r"(?:(?P<part>(?:Training|Testing)_Raw)/(?:[^/]+/)*?)?R\d+" + BIDS
            + r"_space-orig(?:_desc-[^/_]+)?_T1w" + END
        ),
        masks=("*_space-orig_label-*_desc-T1lesion_mask",),
        sites=("R001", "R002", "R003"), subject="r{site_number:03d}s{index:03d}", session="ses-{session}",
        owner=OWNER, raw=True,
    ),
}


def scan_names(layout, site_index, number, index, session):
    """What a layout calls a scan: {"site", "subject", "session"}, to fill its templates with.

    Parameters
    ----------
    site_index : int
        0 to 2, of the embedded cohort's sites.
    number, index : int
        The subject's number as R1.1 counts them, and its index in the cohort.
    session : int
        1 or 2.
    """
    site = layout.sites[site_index]
    subject = layout.subject.format(site=site, site_number=site_index + 1, number=number, index=index)
    return {"site": site, "subject": subject, "session": layout.session.format(session=session)}


def match_path(path):
    """The layout of a T1 volume's path and the match of its pattern, or (None, None) if no release has such names."""
    for layout in LAYOUTS.values():
        match = layout.pattern.search(path.as_posix())
        if match:
            return layout, match
    return None, None
