"""The command line: `python -m atlas_lab COMMAND`, also installed as `atlas-lab`."""

import argparse
import itertools
import sys
from pathlib import Path

from atlas_lab.config import PROFILES, config_from_strings
from atlas_lab.files import DataError

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

    sub = command("cohort", run_cohort, "Make a synthetic cohort as files in an ATLAS layout.")
    sub.add_argument("--out", type=Path, required=True, help="folder to make it in")
    sub.add_argument("--subjects", type=int, default=60, help="number of subjects (default 60)")
    sub.add_argument("--seed", type=int, default=0, help="same seed, same files (default 0)")
    sub.add_argument("--lesions", type=Path, help="folder of real lesion masks in MNI space, in place of grown ones")

    sub = command("check", run_check, "Load every scan below ROOT and tell what is wrong (exit code 1).")
    sub.add_argument("root", type=Path, help="folder of the unpacked release")

    sub = command("train", run_train, "Train one network and save its record.")
    add_run_options(sub)
    sub.add_argument("--fresh", action="store_true", help="start anew even if there is a checkpoint")
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
    from atlas_lab.phantom import make_cohort

    out = make_cohort(options.out, options.subjects, options.seed, lesions=options.lesions)
    print(f"{options.subjects} synthetic subjects in {out}; use them with ATLAS_DATA={out}")


def run_check(options):
    """The command `check`; 1 if a scan is unusable."""
    from atlas_lab.scans import check_scans, find_scans

    scans = find_scans(options.root)
    problems = check_scans(scans)
    for problem in problems["problem"]:
        print(problem)
    print(f"{len(scans)} scans found, {len(problems)} of them unusable")
    return 1 if len(problems) else 0


def run_train(options):
    """The command `train`."""
    from atlas_lab.runs import save_run, score_text
    from atlas_lab.train import train

    config = config_from_strings(options.settings, PROFILES[options.profile].config)
    run = train(config, prepare(config, options), fresh=options.fresh)
    print(f"{score_text(run)} (95 % interval over subjects); record {save_run(run, options.out)}")


def run_sweep(options):
    """The command `sweep`."""
    from atlas_lab.runs import sweep, with_seeds
    from atlas_lab.sweeps import SWEEPS, sweep_configs

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
    from atlas_lab.scans import cohort
    from atlas_lab.slices import prepare_slices

    scans = cohort(PROFILES[options.profile].n_subjects, exclude=options.exclude)
    return prepare_slices(scans, config.scale, config.z_step)


def run_figures(options):
    """The command `figures`."""
    from atlas_lab.figures import draw_figures

    draw_figures(options.out)


if __name__ == "__main__":
    sys.exit(main())
