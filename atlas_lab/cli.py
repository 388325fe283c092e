"""The command line: `python -m atlas_lab COMMAND`, also installed as `atlas-lab`."""

import argparse
import itertools
import sys
from pathlib import Path

from atlas_lab.config import PROFILES, config_from_strings
from atlas_lab.files import DataError, lab_home, refuse_patients_in_repository

SETTINGS_HELP = "settings of RunConfig to change, as FIELD=VALUE: epochs=40 split_by=subject"


def main(arguments=None):
    """Run one command; returns the exit code: 0, or 2 with one line on stderr if the input can't be used."""
    options = parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except DataError as error:
        print(f"atlas-lab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("atlas-lab: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def parser():
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="atlas-lab", description="ATLAS Lab: from scans to the paper's figures.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name, run, text):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    sub = command("cohort", run_cohort, "Make a synthetic cohort as files in the layout of an ATLAS release.")
    sub.add_argument("--out", type=Path, required=True, help="folder to make it in")
    sub.add_argument("--subjects", type=int, default=60, help="number of subjects (default 60)")
    sub.add_argument("--seed", type=int, default=0, help="same seed, same files (default 0)")
    sub.add_argument("--layout", default="R1.1", help='release whose names it gets: R1.1, R1.2, R2.0, R2.1, "R2.1 raw"')
    sub.add_argument("--lesions", type=Path, help="folder of real lesion masks in MNI space, in place of grown ones")

    text = "Load every scan below ROOT and report what is wrong or odd; exit code 1 if a scan is unusable."
    sub = command("check", run_check, text)
    sub.add_argument("root", type=Path, help="folder of the unpacked release")
    sub.add_argument("--out", type=Path, help="folder for the report's files (default: check/ in ATLAS_LAB_HOME)")
    sub.add_argument("--jobs", type=int, default=-1, help="processes (default: one per core)")
    sub.add_argument("--exclude", nargs="*", default=[], metavar="SCAN", help="scans to leave out, as in 031768/t01")

    sub = command("train", run_train, "Train one network and save its record.")
    add_run_options(sub)
    sub.add_argument("--fresh", action="store_true", help="start anew even if there is a checkpoint")
    sub.add_argument("--save-model", type=Path, metavar="FILE", help="also write the trained network, for predict")
    sub.add_argument("settings", nargs="*", metavar="FIELD=VALUE", help=SETTINGS_HELP)

    text = "Train a named sweep of the paper's ablations, or every combination of settings, with several seeds."
    sub = command("sweep", run_sweep, text)
    add_run_options(sub)
    sub.add_argument("--seeds", type=int, default=5, help="seeds 0 to N-1 of each (default 5)")
    sub.add_argument("--jobs", type=int, default=2, help="single-threaded runs at a time (default 2)")
    sub.add_argument(
        "settings", nargs="*", metavar="NAME | FIELD=V1,V2,...",
        help="names of sweeps (weights, pooling, ..., or all), or each setting's values: epochs=10,40",
    )

    sub = command("predict", run_predict, "Segment one T1-weighted volume in MNI space. Not for clinical use.")
    sub.add_argument("t1w", type=Path, help="the volume, .nii or .nii.gz, of any orientation and voxel size")
    sub.add_argument("-o", "--out", type=Path, required=True, help="the mask to write, .nii or .nii.gz")
    sub.add_argument("--model", type=Path, required=True, help="a network that train --save-model wrote")
    sub.add_argument("--probability", type=Path, metavar="FILE", help="also write the lesion probability of each voxel")
    sub.add_argument("--picture", type=Path, metavar="FILE", help="also draw the slice with most lesion, .png")

    sub = command("unlock", run_unlock, "Decrypt and unpack an archive of ATLAS; asks for the key.")
    sub.add_argument("archive", type=Path, help="the encrypted archive")
    sub.add_argument("--out", type=Path, help="folder to unpack to (default: the archive's name, beside it)")

    sub = command("figures", run_figures, "Train the baseline live, check it against its record, draw every figure.")
    sub.add_argument("--out", type=Path, help="folder for the figures (default: figures/; for real ATLAS, outside)")
    return top


def add_run_options(sub):
    """Options that train and sweep share."""
    sub.add_argument("--profile", choices=PROFILES, default="course", help="base settings (default course)")
    sub.add_argument("--out", type=Path, help="folder for the record (default: runs/ in ATLAS_LAB_HOME)")
    sub.add_argument("--exclude", nargs="*", default=[], metavar="SCAN", help="scans to leave out, as in 031768/t01")


def run_cohort(options):
    """The command `cohort`."""
    from atlas_lab.phantom.cohort import make_cohort

    out = make_cohort(options.out, options.subjects, options.seed, options.layout, options.lesions)
    print(f"{options.subjects} synthetic subjects in {out}; use them with ATLAS_DATA={out}")


def run_check(options):
    """The command `check`; 1 if a scan is unusable."""
    from atlas_lab.check import count_notes, findings_table, inspect_scans, metadata_notes, slice_notes, write_report
    from atlas_lab.data.scans import find_scans

    scans = find_scans(options.root, options.exclude)
    inspections = inspect_scans(scans, thumbnails=True, jobs=options.jobs)
    notes = count_notes(scans) + metadata_notes(scans, options.root) + slice_notes(inspections)
    for line in [*notes, *(f"{row.scan}: {row.problem}" for row in findings_table(inspections).itertuples())]:
        print(line)
    out = options.out or lab_home() / "check"
    if not all(scan.synthetic for scan in scans):
        refuse_patients_in_repository(out, "thumbnails of ATLAS")
        print(f"The report shows patient images, and ATLAS is under a data use agreement: keep {out} to yourself.")
    print(f"report: {write_report(scans, inspections, notes, out)}")
    unusable = sum(bool(found.unusable) for found in inspections)
    print(f"{len(scans)} scans found, {unusable} of them unusable")
    return 1 if unusable else 0


def run_train(options):
    """The command `train`."""
    from atlas_lab.experiment.checkpoint import load_model
    from atlas_lab.experiment.experiment import run_experiment
    from atlas_lab.experiment.inference import save_model
    from atlas_lab.experiment.run import save_run, score_text

    config = config_from_strings(options.settings, PROFILES[options.profile].config)
    store = prepare(config, options)
    run = run_experiment(config, store, fresh=options.fresh)
    if options.save_model:
        save_model(options.save_model, load_model(run, store), config)
    print(f"{score_text(run)} (95 % interval over subjects); record {save_run(run, options.out)}")


def run_predict(options):
    """The command `predict`."""
    import numpy as np

    from atlas_lab.data.nifti import write_volume
    from atlas_lab.experiment.inference import NOTICE, open_model, predict_scan

    for path in (options.out, options.probability):
        if path and not path.name.endswith((".nii", ".nii.gz")):
            raise DataError(f"{path}: the name must end in .nii or .nii.gz")
    for path in (options.out, options.probability, options.picture):
        if path:
            refuse_patients_in_repository(path, str(options.t1w))
    found = predict_scan(*open_model(options.model), options.t1w)
    write_volume(options.out, found.mask.astype(np.uint8), found.affine)
    if options.probability:
        write_volume(options.probability, found.probability, found.affine)
    if options.picture:
        from atlas_lab.plots.slices import save_prediction

        save_prediction(found, options.picture, f"{options.t1w.name}: {found.volume_ml:.1f} ml called lesion")
    print(f"{found.volume_ml:.1f} ml called lesion, in {options.out}\n{NOTICE}")


def run_unlock(options):
    """The command `unlock`; the key is asked for, or read from a pipe, and never shown."""
    from getpass import getpass

    from atlas_lab.data.unlock import unlock

    out = options.out or options.archive.with_name(options.archive.name.split(".")[0])
    key = getpass("key of the archive: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    scheme = unlock(options.archive, out, key)
    print(f"unpacked to {out}; it was made with: openssl enc -aes-256-cbc {scheme}")


def run_sweep(options):
    """The command `sweep`."""
    from atlas_lab.experiment.sweep import sweep, with_seeds
    from atlas_lab.paper.ablations import SWEEPS, sweep_configs

    base = PROFILES[options.profile].config
    names = [setting for setting in options.settings if "=" not in setting]
    if names:
        if len(names) < len(options.settings):
            raise DataError("give either names of sweeps or FIELD=V1,V2, not both")
        names = list(SWEEPS) if names == ["all"] else names
        configs = [config for name in names for config in sweep_configs(name, base)]
    else:
        choices = [[f"{name}={value}" for value in values.split(",")] for name, _, values in
                   (setting.partition("=") for setting in options.settings)]
        configs = [config_from_strings(pairs, base) for pairs in itertools.product(*choices)]
    if len({(config.scale, config.z_step) for config in configs}) > 1:
        raise DataError("one sweep runs on one set of slices; vary scale and z_step in sweeps of their own")
    sweep(with_seeds(configs, range(options.seeds)), prepare(configs[0], options), options.out, options.jobs)


def prepare(config, options):
    """The slices a command works on."""
    from atlas_lab.cohorts import cohort
    from atlas_lab.data.slicing import prepare_slices

    scans = cohort(PROFILES[options.profile].n_subjects, exclude=options.exclude)
    return prepare_slices(scans, config.scale, config.z_step)


def run_figures(options):
    """The command `figures`."""
    from atlas_lab.paper.figures import draw_figures

    draw_figures(options.out)

