"""A subject of the cohort's second version: a whole head with a traced lesion among things that look like one."""

from dataclasses import replace

import numpy as np

from atlas_lab.data.layouts import LAYOUTS, scan_names
from atlas_lab.files import TRUTH_FOLDER
from atlas_lab.grid import AFFINE, GRID
from atlas_lab.phantom.anatomy import load_anatomy
from atlas_lab.phantom.appearance import draw_contrast, draw_look, paint_lesion, paint_tissue
from atlas_lab.phantom.lesions import grow_lesion, plan_lesion
from atlas_lab.phantom.mimics import paint_mimics, plan_mimics
from atlas_lab.phantom.real_masks import mask_ml, place_mask
from atlas_lab.phantom.scanner import scan
from atlas_lab.phantom.sites import SCANNERS, SITE_NAMES, is_repeated, site_of
from atlas_lab.phantom.streams import SubjectStream
from atlas_lab.phantom.subject import draw_traits, make_subject_anatomy
from atlas_lab.phantom.tracing import trace_lesion
from atlas_lab.phantom.writing import RAW_AXES, mask_files_of, measure, stream_nifti, turned

__all__ = ["TRUTH", "make_subject"]

FIRST_NUMBER = 31700  # of the subjects, as R1.1 counts them
EVEN_STEPS = (0.7548776662466927, 0.5698402909980532)  # x^-1 and x^-2 for x^3 = x + 1: covers the unit square
TRUTH = TRUTH_FOLDER + "/{subject}_truth.nii.gz"  # no layout takes it for a mask


def make_subject(index, settings, release, real_mask=None):
    """Make subject `index` and write its volumes; the record says which files there are.

    Parameters
    ----------
    index : int
    settings : dict
        As `_check_settings` makes them.
    release : Path
    real_mask : Path, optional
        A lesion mask to use instead of a grown lesion.

    Returns
    -------
    dict
    """
    seed, site_index = settings["seed"], site_of(index)
    layout = replace(LAYOUTS[settings["layout"]], sites=SITE_NAMES[settings["layout"]])
    components, aim = _lesion(index, settings, real_mask)
    by_age, by_volume = _even_places(seed, index)
    traits = draw_traits(_stream(seed, index, SubjectStream.TRAITS), by_age, settings["mimics"])
    plan = plan_mimics(traits.years, _stream(seed, index, SubjectStream.MIMIC_PLAN), by_volume, settings["mimics"])
    subject = make_subject_anatomy(components, traits, _stream(seed, index, SubjectStream.SHAPE))
    del components  # each is as large as the grid
    looks = _looks(subject.components, seed, index, settings["dark_cores"])
    allowed = subject.brain & (subject.csf < 0.9)
    hand = (_stream(seed, index, stream) for stream in (SubjectStream.RATER, SubjectStream.SITTING))
    drawn = trace_lesion(subject.components, allowed, *hand)
    axes = RAW_AXES[index % len(RAW_AXES)] if layout.raw else "RAS"
    files = []
    for session in (1, 2) if is_repeated(index) else (1,):
        names = scan_names(layout, site_index, FIRST_NUMBER + index, index, session)
        image, labels = _paint(subject, plan, looks, SCANNERS[site_index], seed, index)
        # The masks first: a T1 volume without masks would look like a scan whose lesion is lost.
        habits = _stream(seed, index, SubjectStream.DRAWN_FILES)
        for number, mask in mask_files_of(drawn, habits, layout.one_mask) if drawn else ():
            files.append(layout.mask.format(**names, number=number))
            _write(release / files[-1], mask, subject.box, axes, np.float64)
        if session == 1:
            files.append(TRUTH.format(**names))
            _write(release / files[-1], labels, subject.box, axes, np.uint8)
        files.append(layout.t1w.format(**names))
        skull = _stream(seed, index, SubjectStream.SKULL)
        session_rng = _stream(seed, index, SubjectStream.SCANNER, session)
        volume = scan(image, subject, SCANNERS[site_index], settings["heads"], skull, session_rng)
        stream_nifti(release / files[-1], *turned(volume, AFFINE, axes), np.float32)
    return {
        "index": index, "subject": names["subject"], "site": names["site"], "years": round(traits.years, 1),
        "aimed": aim, "measured": _measured(drawn, subject),
        "cores": [round(look.core, 3) for look in looks], **plan.describe(), "files": files,
    }


def _stream(*key):
    return np.random.default_rng(key)


def _even_places(seed, index):
    """Places in [0, 1) by age and by hyperintensities: as for the lesions' volumes, a cohort of any size covers both.

    Drawn at random, the median volume of 34 people under 50 would be off by a factor of 1.3 (one SD).
    """
    start = _stream(seed, SubjectStream.EVEN_COVER).random(6)[4:]  # the first four are the lesions'
    return (start + index * np.array(EVEN_STEPS)) % 1


def _lesion(index, settings, real_mask):
    """The lesion on the template: its components, and what it is aimed at."""
    seed = settings["seed"]
    if settings["n_lesions"] == 0:
        return [], {"volume_ml": 0.0, "components": 0, "place": "none", "territory": "none"}
    if real_mask is not None:
        components, aim = place_mask(real_mask, seed, index, load_anatomy())
        return components, aim | {"file_ml": mask_ml(real_mask)}
    plan = plan_lesion(seed, index, traced=True)
    return grow_lesion(plan, seed, index, load_anatomy()), plan.describe()


def _looks(components, seed, index, dark_cores):
    """How each component looks: by its size, and by what became of this subject's lesion as a whole."""
    fate = _stream(seed, index, SubjectStream.LOOK).random()
    return [draw_look(float(mask.sum()) / 1000, fate, _stream(seed, index, SubjectStream.LOOK, number), dark_cores)
            for number, mask in enumerate(components)]


def _paint(subject, plan, looks, scanner, seed, index):
    """The brain as the scanner's contrast shows it, before its faults: image (float32) and truth (uint8) in the box."""
    contrast = draw_contrast(scanner, _stream(seed, index, SubjectStream.SCANNER))
    image = paint_tissue(subject, contrast)
    labels = paint_mimics(image, subject, plan, contrast, _stream(seed, index, SubjectStream.MIMICS))
    for number, (mask, look) in enumerate(zip(subject.components, looks, strict=True)):
        paint_lesion(image, mask, subject, look, contrast, _stream(seed, index, SubjectStream.LESION, number))
        labels[mask] = 1
    return image, labels


def _write(path, values, box, axes, dtype):
    volume = np.zeros(GRID, np.uint8)
    volume[box] = values
    stream_nifti(path, *turned(volume, AFFINE, axes), dtype)


def _measured(drawn, subject):
    """What the drawn mask and the true lesion hold, and how far they agree."""
    if not subject.components:
        return {"volume_ml": 0.0, "components": 0, "left": 0.5, "true_ml": 0.0}
    true, mask = np.any(subject.components, axis=0), np.any(drawn, axis=0)
    dice = 2 * int((true & mask).sum()) / int(true.sum() + mask.sum())
    return {**measure(drawn, subject.box), "true_ml": round(float(true.sum()) / 1000, 3), "true_dice": round(dice, 3)}
