"""A subject of the cohort's first version, brains on black, which the shipped records were made from."""

import numpy as np

from atlas_lab.data.layouts import LAYOUTS, scan_names
from atlas_lab.grid import GRID
from atlas_lab.phantom.anatomy import SITES, load_anatomy, make_head, scan_head
from atlas_lab.phantom.lesions import grow_lesion, plan_lesion
from atlas_lab.phantom.real_masks import place_mask
from atlas_lab.phantom.streams import SubjectStream
from atlas_lab.phantom.writing import RAW_AXES, mask_files_of, measure, turned, write_nifti

__all__ = ["make_subject"]

SITE_OF_INDEX = "1213121123"  # site of subject index modulo 10: half of all at Site1, a fifth at Site3
REPEAT_EVERY, REPEAT_AT = 20, 3  # subject indices 3, 23, 43, ... (all at Site3) were scanned twice


def make_subject(index, settings, release, real_mask=None):
    """Make subject `index` and write its volumes; the record says which files there are."""
    seed, layout = settings["seed"], LAYOUTS[settings["layout"]]
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
    return {
        "index": index,
        "subject": names["subject"],
        "site": names["site"],
        "aimed": aim,
        "measured": measure(head.components, head.box),
        "files": files,
    }
