"""`train`, `sweep` and `controls`: what makes records."""

import argparse
import sys
from dataclasses import replace
from functools import cache, partial

from atlas_lab.commands import data
from atlas_lab.commands.numbers import at_least_1, price, processes
from atlas_lab.config import PROFILES, SETTINGS, demand, run_name, setting_text
from atlas_lab.files import DataError, check_target
from atlas_lab.system.asking import says_yes
from atlas_lab.system.disk import expand
from atlas_lab.system.progress import note, result

__all__ = ["AddSetting", "add", "prepare"]


def add(command):
    """Add these commands."""
    _add_train(command)
    _add_sweep(command)
    _add_controls(command)


def _add_train(command):
    """Add the command `train`."""
    sub = command("train", _run_train, "Train one network and save its record.")
    _add_run_options(sub)
    sub.add_argument("--fresh", action="store_true", help="start anew even if there is a checkpoint")
    sub.add_argument("--save-model", type=expand, metavar="FILE", help="also write the trained network, for predict")
    _add_settings(sub, "VALUE")
    sub.add_argument("names", nargs="*", help=argparse.SUPPRESS)  # what is no setting: refused with a line of its own


def _add_sweep(command):
    """Add the command `sweep`."""
    text = "Train a named sweep of the paper's ablations, or every combination of settings, with several seeds."
    sub = command("sweep", _run_sweep, text)
    _add_run_options(sub)
    sub.add_argument("--seeds", type=at_least_1, help="seeds 0 to N-1 of each (default 5, or what a named sweep has)")
    sub.add_argument("--jobs", type=processes, default=2, help="single-threaded runs at a time (default 2)")
    sub.add_argument("--backend", choices=["loky", "dask"], default="loky", help="this machine, or a Dask cluster")
    sub.add_argument("--only", metavar="I/N", help="every N-th run from the I-th on: what one of N jobs trains")
    sub.add_argument("--estimate", action="store_true", help="measure some steps, say what it will cost, train nothing")
    sub.add_argument("--price", type=price, help="estimate: of an hour of one process, in any currency")
    sub.add_argument("--address", help="dask: of the cluster's scheduler, as in tcp://10.0.0.1:8786")
    _add_settings(sub, "V1,V2,...")
    sub.add_argument("names", nargs="*", metavar="NAME", help="sweeps of the paper's ablations (weights, ..., or all)")


def _add_controls(command):
    """Add the command `controls`."""
    text = "Score the controls (copying machine, lesion map, local classifier) on every split, and record each."
    sub = command("controls", _run_controls, text)
    _add_run_options(sub, "controls")
    sub.add_argument("--seeds", type=at_least_1, default=5, help="seeds 0 to N-1 of each (default 5)")
    sub.add_argument("names", nargs="*", metavar="NAME", help='such as "copying machine" (default: all)')


def _add_run_options(sub, folder="runs"):
    """Options that train, sweep and controls share; records go to `folder` unless told otherwise."""
    sub.add_argument("--profile", choices=PROFILES, default="course", help="base settings (default course)")
    sub.add_argument("--out", type=expand, help=f"folder for the record (default: {folder}/ in ATLAS_LAB_HOME)")
    data.add_exclude(sub)


class AddSetting(argparse.Action):
    """Adds "FIELD=VALUE" to the settings given."""

    def __call__(self, parser, namespace, value, option=None):
        namespace.settings = [*namespace.settings, f"{self.const}={value}"]


def _add_settings(sub, value):
    """An option for each setting of RunConfig, with what it may be and its default."""
    sub.set_defaults(settings=[])
    group = sub.add_argument_group("settings", f"as --FIELD {value} or FIELD={value}")
    for name, about in SETTINGS.items():
        group.add_argument(
            f"--{name.replace('_', '-')}", action=AddSetting, const=name, metavar=value,
            help=f"{about.metadata['text']} ({demand(about)}; default {setting_text(name, about.default)})",
        )


def _run_train(options):
    """The command `train`."""
    from atlas_lab.experiment.settings import config_from_strings

    config = config_from_strings([*options.settings, *options.names], PROFILES[options.profile].config)

    from atlas_lab.experiment.checkpoint import load_model
    from atlas_lab.experiment.distributed import process_group
    from atlas_lab.experiment.experiment import run_experiment
    from atlas_lab.experiment.inference import save_model
    from atlas_lab.experiment.run import save_run, score_text

    if options.save_model:
        if options.save_model.suffix != ".pt":  # so that no scan or table is taken for it
            raise DataError(f"{options.save_model}: the name of a saved network must end in .pt")
        check_target(options.save_model)  # before hours of training
    with process_group() as ranks:
        store = prepare(config, options)
        for path in (options.save_model, options.out and options.out / "record.json"):
            if path:
                check_target(path, store.about["source"])  # what was learnt from patients is theirs too
        run = run_experiment(config, store, note, options.fresh and not ranks.restarted, times=True, ranks=ranks)
        if not ranks.writes:
            return
    if options.save_model:
        save_model(options.save_model, load_model(run, store), config, store)
    print(f"{score_text(run)} (95 % interval over subjects); record {save_run(run, options.out)}")


def _run_sweep(options):
    """The command `sweep`; every setting of every run is checked before the first is trained."""
    from atlas_lab.paper.planning import is_scored_finely, plan_sweep, replay_slices, share_of

    profile = PROFILES[options.profile]
    configs, keep = plan_sweep(profile, options.names, options.settings, options.seeds)
    configs = share_of(configs, options.only)
    if not configs:
        result(f"no run is in the share {options.only}: there are fewer runs than shares")
        return 0
    if not (options.names or options.settings or options.seeds) and not _is_meant(configs, options):
        return 1

    from atlas_lab.experiment.sweep import sweep

    def slices_of(config):
        return replace(configs[0], cohort=config.cohort, scale=config.scale, z_step=config.z_step)

    stores = cache(partial(prepare, options=options))
    if options.estimate:
        from atlas_lab.experiment.estimate import estimate_lines

        for line in estimate_lines(configs, lambda c: stores(slices_of(c)), options.jobs, options.price):
            result(line)
        return 0
    replay_stores, finely = cache(partial(replay_slices, profile=profile)), is_scored_finely(options.names)
    sweep(configs, lambda config: stores(slices_of(config)), options.out, options.jobs, result, keep=keep,
          replay_store=lambda config: replay_stores(slices_of(replace(config, cohort=0))),
          fine_store=lambda config: stores(replace(slices_of(config), scale=1)) if finely else None,
          backend=options.backend, address=options.address)


def _is_meant(configs, options):
    """Say what a sweep for which nothing was named would train, and ask; DataError where nobody can be asked."""
    what = f"{len(configs)} runs of {configs[0].epochs} epochs, the {options.profile} profile's own"
    if not sys.stdin.isatty():
        raise DataError(f"no sweep was named; this would be {what}: name one, as in: atlas-lab sweep weights, or "
                        f"pos_weight=1,10; or write --seeds {len(configs)}")
    print("\n".join([f"{what}, {options.jobs} at a time:", *map(run_name, configs)]))
    return says_yes("train them?")


def _run_controls(options):
    """The command `controls`; a later call goes on with what is not recorded yet."""
    from atlas_lab.paper.control_records import CONTROLS, planned_controls, record_controls

    plan = planned_controls(options.names or CONTROLS, options.profile, options.seeds)
    base = PROFILES[options.profile].config
    stores = cache(lambda cohort: prepare(replace(base, cohort=cohort), options))
    record_controls(plan, lambda config: stores(config.cohort), options.out, result)


def prepare(config, options):
    """The slices a command works on."""
    from atlas_lab.cohorts import cohort
    from atlas_lab.data.slicing import prepare_slices

    profile = PROFILES[options.profile]
    scans = cohort(profile.n_subjects, config.cohort, options.exclude, version=profile.version)
    return prepare_slices(scans, config.scale, config.z_step)
