"""The slices that a study record's examples show, from the few people whom they are of: the others needn't be made."""

from dataclasses import replace

import numpy as np

from atlas_lab.config import PROFILES
from atlas_lab.data.layouts import LAYOUTS, scan_names
from atlas_lab.data.scans import find_scans
from atlas_lab.data.slicing import scan_to_slices
from atlas_lab.experiment.run import Run
from atlas_lab.files import lab_home
from atlas_lab.grid import GRID
from atlas_lab.phantom.cohort import make_cohort
from atlas_lab.phantom.sites import SITE_NAMES, is_repeated, site_of
from atlas_lab.phantom.version2 import FIRST_NUMBER

__all__ = ["example_slices", "scans_in_order"]

STUDY = PROFILES["study"]


def scans_in_order(n_subjects: int) -> list[tuple[tuple[str, str, str], int]]:
    """The scans of a cohort as a store has them: ((site, subject, session), the subject's index)."""
    layout, found = replace(LAYOUTS["R1.1"], sites=SITE_NAMES["R1.1"]), []
    for index in range(n_subjects):
        for session in (1, 2) if is_repeated(index) else (1,):
            names = scan_names(layout, site_of(index), FIRST_NUMBER + index, index, session)
            found.append(((names["site"], names["subject"], names["session"]), index))
    return sorted(found)


def example_slices(run: Run, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 (N, H, W), and masks, bool, of some rows of a study run's slices."""
    scale, z_step = run.config.scale, run.config.z_step
    depth, order = len(range(0, GRID[2], z_step)), scans_in_order(STUDY.n_subjects)
    people = sorted({order[row // depth][1] for row in rows})
    name = f"examples-of-{STUDY.n_subjects}-seed{run.config.cohort}-{'-'.join(map(str, people))}"
    folder = make_cohort(lab_home() / "cohorts" / name, STUDY.n_subjects, run.config.cohort, progress=False,
                         version=STUDY.version, only=people)
    scans = {(scan.site, scan.subject, scan.session): scan for scan in find_scans(folder)}
    cut = {key: scan_to_slices(scans[key], scale, z_step)[:2] for key in {order[row // depth][0] for row in rows}}
    images, masks = ([cut[order[row // depth][0]][part][row % depth] for row in rows] for part in (0, 1))
    return np.stack(images), np.stack(masks)
