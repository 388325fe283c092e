"""The main job: from the cohort's files and the run records to the paper's figures, with a live check."""

import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed

from atlas_lab.cohorts import cohort
from atlas_lab.config import PROFILES
from atlas_lab.data.intensity import to_uint8, white_point
from atlas_lab.data.lesion_maps import cohort_overlap, lesion_volume_ml, median_diameter
from atlas_lab.data.scans import load_lesion, load_scan
from atlas_lab.data.slicing import axial_slices, prepare_slices, typical_scan
from atlas_lab.dataset import SliceDataset, open_store
from atlas_lab.experiment.checkpoint import load_model
from atlas_lab.experiment.experiment import run_experiment
from atlas_lab.experiment.replay import agreement_text, config_until, device_like
from atlas_lab.experiment.run import load_runs
from atlas_lab.files import REPOSITORY, lab_home, write_json
from atlas_lab.grid import height_mm
from atlas_lab.metrics import precision_recall_area
from atlas_lab.model import BaselineNet
from atlas_lab.paper.ablation_figures import draw_ablations
from atlas_lab.paper.ablations import SWEEPS, sweep_configs
from atlas_lab.paper.card import write_card
from atlas_lab.paper.evidence import NotRecorded, Records
from atlas_lab.paper.ledger import write_ledger
from atlas_lab.paper.tables import group_by_config, write_measured
from atlas_lab.plots.architecture import plot_architecture
from atlas_lab.plots.brain import plot_overlap_map
from atlas_lab.plots.curves import plot_split_curves
from atlas_lab.plots.saving import save_figure
from atlas_lab.plots.slices import plot_grid, show_pair
from atlas_lab.plots.style import mask_legend
from atlas_lab.splits import split_slices
from atlas_lab.train import evaluate, predict

LIVE = PROFILES["course"].config  # the paper's baseline: ten epochs, split by slice, seed 0


def draw_figures(out=None, report=print):
    """Make or find the cohort, train the baseline live, hold it against its record, redraw every figure.

    Parameters
    ----------
    out : path, optional
        Folder for the figures. By default figures/ in the repository, or, where the cohort is the real
        ATLAS, `lab_home()/figures`: patient images stay out of the repository.
    report : callable
        Called with each line of progress.

    Raises
    ------
    DataError
        If data can't be used, or the live run disagrees with its record.
    """
    started = time.perf_counter()

    def step(text):
        report(f"[{time.perf_counter() - started:4.0f} s] {text}")

    step("the cohort and its slices")
    scans = cohort()
    store = prepare_slices(scans, LIVE.scale, LIVE.z_step)
    synthetic = all(scan.synthetic for scan in scans)
    out = Path(out or (REPOSITORY / "figures" if synthetic else lab_home() / "figures"))
    report(f"{store.about['source']}: {len(scans)} scans, {len(store):,} slices; figures go to {out}")
    if not synthetic:
        report("The figures show patient images. ATLAS is under a data use agreement: keep them to yourself.")
    cohort_kind = "synthetic" if synthetic else "patients"
    about = {"cohort": cohort_kind, "source": store.about["source"], "data_hash": store.about["data_hash"]}

    step("figure 1a, the overlap map; 1b, a slice and its mask; 2, the architecture")
    figure_1a(scans, out, about)
    figure_1b(scans, store, out, about)
    figure_2(out)

    step(f"the baseline, live: {LIVE.epochs} epochs")
    live, recorded = train_beside_record(store, report)

    step("figure 3, where the baseline overestimates; the curves and scores of the records")
    figure_3(live, store, out, about)
    if recorded:
        figure_curves(recorded, out, about)
        readme = REPOSITORY / "README.md" if out == REPOSITORY / "figures" else None
        report(write_measured(recorded, out, readme))
        ablations(store, out, about, readme, step)
    step(f"done: {', '.join(path.name for path in sorted(out.glob('*.png')))} in {out}")


def ablations(store, out, about, readme, step):
    """Replay a run of every recorded sweep, draw the figures of the ablations, and write the ledger."""
    runs = [run for run in load_runs() if run.data["hash"] == store.about["data_hash"]]
    step("a replay of the first epoch of a run of each sweep")
    replay(runs, store, step)
    step("the ablations and the ledger")
    cohort_facts = {"source": store.about["source"], "data_hash": store.about["data_hash"],
                    "diameter_mm": median_diameter(store)}
    write_json(out / "cohort.json", cohort_facts)
    records = Records(runs, cohort_facts)
    draw_ablations(records, store, out, about, step)
    write_ledger(records, out, readme)
    try:
        write_card(records, out)
    except NotRecorded as error:
        step(f"the reproducibility card is not written: {error}")


def replay(runs, store, report):
    """Train one epoch of one recorded run of each sweep and hold it against the record.

    Raises DataError where one disagrees. The replays run side by side in processes of one thread, as the records were
    made, and on the same kind of device.
    """
    recorded = {run.config: run for run in runs}
    found = {name: [recorded[c] for c in sweep_configs(name, LIVE) if c in recorded] for name in SWEEPS}
    chosen = {name: of_sweep[-1] for name, of_sweep in found.items() if of_sweep}
    live = Parallel(n_jobs=2)(delayed(first_epoch)(run, store.folder) for run in chosen.values())
    for (name, run), again in zip(chosen.items(), live, strict=True):
        report(f"{name}, {run.name}: {agreement_text(again, run)}")


def first_epoch(run, store_folder):
    """The first epoch of a recorded run again, live, on one thread."""
    torch.set_num_threads(1)
    config, store = config_until(run.config, 1), open_store(store_folder)
    return run_experiment(config, store, lambda line: None, fresh=True, device=device_like(run))


def figure_1a(scans, out, about):
    """Fig. 1a: the cohort's lesion overlap map."""
    overlap = cohort_overlap(scans)
    n_subjects = len({scan.subject for scan in scans})
    title = f"Lesions of {n_subjects} subjects: at most {overlap.max():.0%} have one at the same place"
    figure = plot_overlap_map(overlap, load_lesion(scans[0])[1], title)
    save_figure(figure, out / "figure_1a.png", {**about, "n_subjects": n_subjects, "peak": float(overlap.max())})


def figure_1b(scans, store, out, about):
    """Fig. 1b: a T1w slice with its mask; a scan with a lesion large enough to see, at its fullest slice."""
    scan = typical_scan(scans, store)
    image, mask, affine = load_scan(scan)
    volume = lesion_volume_ml(mask, affine)
    z = int(mask.sum(axis=(0, 1)).argmax())
    image, mask = axial_slices(to_uint8(image, white_point(image)))[z], axial_slices(mask)[z]
    title = f"subject {scan.subject}, z = {height_mm(z, affine):.0f} mm, lesion {volume:.0f} ml"
    figure = show_pair(image, mask, title)
    save_figure(figure, out / "figure_1b.png", {**about, "scan": scan.name, "z": z})


def figure_2(out):
    """Fig. 2: the baseline's architecture at the paper's slice size, read off the model."""
    figure = plot_architecture(BaselineNet())
    about = {"cohort": None, "source": "the model itself", "model": "BaselineNet((232, 196))"}
    save_figure(figure, out / "figure_2.png", about)


def train_beside_record(store, report):
    """Train the baseline live and hold it against its record, if there is one for these data.

    Returns
    -------
    live : Run
    recorded : list of Run
        All records of the baseline made on these data; empty if there are none.
    """
    same_loss = load_runs(loss=LIVE.loss, pos_weight=LIVE.pos_weight)
    recorded = [run for run in same_loss if run.data["hash"] == store.about["data_hash"]]
    twins = [run for run in recorded if run.config == LIVE]
    threads = torch.get_num_threads()
    torch.set_num_threads(twins[0].environment["threads"] if twins else threads)
    try:
        live = run_experiment(LIVE, store, report, fresh=True, device=device_like(twins[0]) if twins else None)
    finally:
        torch.set_num_threads(threads)
    report(agreement_text(live, twins[0]) if twins else "no record was made on these data; nothing to compare with")
    return live, recorded


def figure_3(live, store, out, about):
    """Fig. 3: lesion slices of dev, evenly spaced from the least to the most overestimated."""
    dev = split_slices(store, LIVE.split_by, LIVE.dev_fraction, LIVE.seed).dev
    with_lesion = dev[store.table["lesion_pixels"].to_numpy()[dev] > 0]
    model = load_model(live, store)
    counts = evaluate(model, SliceDataset(store, with_lesion))
    ratio = (counts.tp + counts.fp) / (counts.tp + counts.fn)
    sixths = np.round((np.arange(6) + 0.5) / 6 * (len(ratio) - 1)).astype(int)  # the middle of each sixth
    shown = np.argsort(ratio)[sixths]
    rows = with_lesion[shown]
    predictions = predict(model, store.images[rows]) > 0.5
    titles = [f"area x {ratio[i]:.1f}" for i in shown]
    figure = plot_grid(store.images[rows], store.masks[rows], titles, predictions, columns=6)
    total = precision_recall_area(counts.tp, counts.fp, counts.fn)[2]
    figure.suptitle(
        f"After {LIVE.epochs} epochs the baseline overestimates {np.mean(ratio > 1):.0%} of dev's lesion slices; "
        f"its masks cover {total:.1f} times the true area", fontsize=9,
    )
    mask_legend(figure)
    save_figure(figure, out / "figure_3.png", {
        **about, "config": asdict(live.config), "rows_of_store": rows.tolist(),
        "overestimated_share": float(np.mean(ratio > 1)), "area_ratio": total,
    })


def figure_curves(recorded, out, about):
    """Dice against epoch of the recorded baseline, split by slice and by subject."""
    longest = max(run.config.epochs for run in recorded)
    groups = [group for group in group_by_config(recorded).values() if group[0].config.epochs == longest]
    figure = plot_split_curves(groups)
    names = [run.name for group in groups for run in group]
    save_figure(figure, out / "baseline_curves.png", {**about, "runs": names})
