"""What the shipped network finds in whole heads that lie anywhere: moved at random, then predicted in each way.

    python benchmarks/moved_heads.py        some minutes; writes moved_heads.json, and its table in docs/real_data.md

People of a cohort that no choice was made on are turned, shifted, resized and stored with voxels of another size, each
with its lesion; Dice is counted on the new grid.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
from nibabel import Nifti1Image, save
from nilearn.image import resample_img
from scipy.spatial.transform import Rotation

from atlas_lab.cohorts import cohort
from atlas_lab.data.scans import load_scan
from atlas_lab.experiment.inference import open_model
from atlas_lab.experiment.own_scan import predict_scan
from atlas_lab.files import REPOSITORY
from atlas_lab.grid import AFFINE
from atlas_lab.metrics import subject_dice
from atlas_lab.paper.people_plan import FINAL_COHORTS
from atlas_lab.paper.tables import write_block
from atlas_lab.provenance import code_version
from atlas_lab.scoring.bootstrap import people_interval
from atlas_lab.statistics import Interval
from atlas_lab.system.shipped import SHIPPED_NETWORK

OUT = Path(__file__).with_suffix(".json")
PEOPLE, LEAST_ML = 12, 1.0               # smaller lesions are a few voxels on the new grid
SHAPE, VOXEL = (150, 150, 130), 1.5      # of the new grid, mm
TURN, SHIFT, SIZE = 20, 25, (0.85, 1.0)  # degrees and mm at most; heads are smaller than the template's
WAYS = {"where the template is": None, "moved, --register": (True, False), "moved, --register --strip": (True, True)}


def random_place(rng):
    """A place in the world for a head: affine that takes mm to mm."""
    place = np.eye(4)
    turn = Rotation.from_rotvec(np.deg2rad(rng.uniform(-TURN, TURN, 3)))
    place[:3, :3] = rng.uniform(*SIZE) * turn.as_matrix()
    place[:3, 3] = rng.uniform(-SHIFT, SHIFT, 3)
    return place


def moved(volume, place, interpolation):
    """A volume in its new place, on a grid around it whose first axis runs from right to left."""
    affine = np.diag([-VOXEL, VOXEL, VOXEL, 1])
    affine[:3, 3] = place[:3, 3] + place[:3, :3] @ (0, -18, 12) - affine[:3, :3] @ (np.array(SHAPE) / 2)
    return resample_img(Nifti1Image(volume.astype(np.float32), place @ AFFINE), affine, SHAPE, copy_header=True,
                        force_resample=True, interpolation=interpolation)


def scores(saved, t1w, loaded, place, folder):
    """Way -> Dice of one person."""
    image, truth = moved(loaded.image, place, "linear"), moved(loaded.mask, place, "nearest")
    path, found = folder / "t1w.nii.gz", {}
    save(image, path)
    for way, steps in WAYS.items():
        source, true = (t1w, loaded.mask) if steps is None else (path, truth.get_fdata() > 0.5)
        pred = predict_scan(saved, source, *(steps or (False, False))).mask
        found[way] = subject_dice(pred, true, len(pred) * ["all"])["all"]
    return found


def page_table(found):
    """What was found as Markdown, for docs/real_data.md."""
    what = f"{len(found['people'])} whole heads with lesions of more than {LEAST_ML:.0f} ml"
    rows = [f"| {way} | {Interval(*values.values()):.2f} |" for way, values in found["subject_dice"].items()]
    return "\n".join([f"| {what} | subject Dice |", "|---|---|", *rows]) + "\n"


def main():
    """Predict everyone in every way, and write the scores."""
    saved, rng, people = open_model(), np.random.default_rng(0), []
    with tempfile.TemporaryDirectory() as folder:
        for scan in cohort(2 * PEOPLE, FINAL_COHORTS, version=2):
            loaded = load_scan(scan)
            ml = float(loaded.mask.sum() / 1000)
            if ml > LEAST_ML and len(people) < PEOPLE:
                found = scores(saved, scan.t1w, loaded, random_place(rng), Path(folder))
                people.append({"scan": scan.name, "ml": ml, **found})
                print(people[-1], flush=True)
    means = {way: people_interval({person["scan"]: person[way] for person in people})._asdict() for way in WAYS}
    found = {"network": SHIPPED_NETWORK.name, "code": code_version(), "people": people, "subject_dice": means}
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    write_block(REPOSITORY / "docs" / "real_data.md", "moved", page_table(found))


if __name__ == "__main__":
    main()
