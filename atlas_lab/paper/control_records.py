"""The records of the controls: one small file each, made once and read by tables and figures."""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from atlas_lab.config import PROFILES, RunConfig
from atlas_lab.data.lesion_maps import median_diameter
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.permuted_masks import permute_masks
from atlas_lab.experiment.run import read_record, write_record
from atlas_lab.files import DataError, check_target, lab_home
from atlas_lab.paper.controls import CONTROLS, control_masks, mask_scores
from atlas_lab.paper.planning import has_own_cohorts
from atlas_lab.provenance import code_version, environment
from atlas_lab.splits import BLOCK_MM, neighbour_exposure, split_slices
from atlas_lab.statistics import Interval, mean_interval
from atlas_lab.system import progress
from atlas_lab.system.disk import expand
from atlas_lab.system.shipped import SHIPPED

__all__ = [
    "CONTROL_LABELS", "CONTROL_SPLITS", "DEV_SHARE", "ControlConfig", "ControlRecord", "cohort_diameters",
    "control_intervals", "controls_table", "controls_text", "load_controls", "planned_controls", "range_text",
    "record_control", "record_controls",
]

RECORDS = SHIPPED / "figures" / "controls"  # the records that the lab ships: embedded cohorts only
CONTROL_SPLITS = ("slice", "block", "subject")
CONTROL_LABELS = ("true", "swapped")
MASKS = {"true": "true", "swapped": "of other people"}  # what a table calls them
DEV_SHARE = RunConfig.dev_fraction
AS_RUN = 0.7  # dev's share in the paper's code, which had the split the wrong way round


@dataclass(frozen=True)
class ControlConfig:
    """What a control is asked: its name in CONTROLS, a profile's slices, and the settings that RunConfig has too."""

    control: str
    profile: str = "study"
    split_by: str = "slice"
    labels: str = "true"
    dev_fraction: float = DEV_SHARE
    seed: int = 0
    cohort: int = 0

    @property
    def name(self) -> str:
        """The record's file name without its ending."""
        control = self.control.replace(", ", "-").replace(" ", "-")
        share = "" if self.dev_fraction == DEV_SHARE else f"-dev{self.dev_fraction:g}"
        return f"{control}-{self.profile}-by-{self.split_by}{share}-{self.labels}-cohort{self.cohort}-seed{self.seed}"


@dataclass(frozen=True)
class ControlRecord:
    """What a control scored.

    Attributes
    ----------
    config : ControlConfig
    dev : dict
        Score -> value with its 95 % interval over subjects (low, high), as a Run's `final["dev"]`.
    chosen : dict
        What the control chose on train, such as its threshold.
    split : dict
        n_train, n_dev (slices), neighbour_exposure (see `neighbour_exposure`).
    data : dict
        source, n_scans, n_slices, data_hash, diameter_mm (value, low, high: see `median_diameter`).
    code, environment : dict
        As a Run has them.
    seconds : float
        From the store to the scores.
    """

    config: ControlConfig
    dev: dict
    chosen: dict
    split: dict
    data: dict
    code: dict
    environment: dict
    seconds: float


def planned_controls(
    controls: Iterable[str] = tuple(CONTROLS), profile: str = "study", seeds: int = 5
) -> list[ControlConfig]:
    """Every control on each split, with true and permuted masks, and by slice as the paper's code split; each seed.

    A profile with a cohort of its own for each seed has them here too; the real ATLAS is one. Raises DataError for an
    unknown control.
    """
    own_cohorts = has_own_cohorts(PROFILES[profile])
    cases = [(split, labels, DEV_SHARE) for split in CONTROL_SPLITS for labels in CONTROL_LABELS]
    plan = []
    for control in controls:
        if control not in CONTROLS:
            raise DataError(f"there is no control {control!r}; choose one of {', '.join(CONTROLS)}")
        extra = [("slice", "true", AS_RUN)] if control == "copying machine" else []
        for seed in range(seeds):
            config = ControlConfig(control, profile, seed=seed, cohort=seed if own_cohorts else 0)
            plan += [replace(config, split_by=split, labels=labels, dev_fraction=share)
                     for split, labels, share in cases + extra]
    return plan


def record_control(config: ControlConfig, store: SliceStore) -> ControlRecord:
    """Ask a control on a store, split and permuted as a network's run of that seed would have it."""
    import sklearn

    started = time.perf_counter()
    data = {name: store.about[name] for name in ("source", "n_scans", "data_hash")}
    data |= {"n_slices": len(store), "diameter_mm": median_diameter(store)}
    if config.labels == "swapped":
        store = permute_masks(store, config.seed)
    split = split_slices(store, config.split_by, config.dev_fraction, config.seed)
    masks, chosen = control_masks(config.control, store, split)
    dev = mask_scores(masks, store, split.dev)
    seconds = round(time.perf_counter() - started, 1)
    sides = {"n_train": len(split.train), "n_dev": len(split.dev),
             "neighbour_exposure": round(neighbour_exposure(store, split), 4)}
    made_with = environment("cpu") | {"scikit-learn": sklearn.__version__}
    return ControlRecord(config, dev, chosen, sides, data, code_version(), made_with, seconds)


def record_controls(
    plan: Sequence[ControlConfig], store_of: Callable[[ControlConfig], SliceStore], folder: Path | None = None,
    report: Callable[[str], None] = print,
) -> None:
    """Record all of a plan, each in a file of its own; those that are there for the same data are left as they are.

    Parameters
    ----------
    plan : list of ControlConfig
    store_of : callable
        The slices that a config is to be asked on.
    folder : path, optional
        By default controls/ in `lab_home()`; what the lab ships lies in figures/controls.
    """
    folder = expand(folder or lab_home() / "controls")
    for count, config in enumerate(progress.bar(plan, "controls", shown=None), start=1):
        path, store = folder / f"{config.name}.json", store_of(config)
        if path.exists() and _load_control(path).data["data_hash"] == store.about["data_hash"]:
            continue
        check_target(path, store.about["source"])  # before the work
        record = record_control(config, store)
        write_record(path, asdict(record), record.data["source"])
        dice = record.dev["mean_dice"]
        report(f"{count}/{len(plan)} {config.name}: {record.seconds:.0f} s, dev Dice {dice['value']:.3f} "
               f"[{dice['low']:.3f}, {dice['high']:.3f}]")


def load_controls(folder: str | Path | None = None, **settings) -> list[ControlRecord]:
    """All records of a folder, in order of name, that have the given settings: load_controls(split_by="subject").

    By default those that the lab ships. Raises DataError if a file is none, or was changed after it was written.
    """
    records = [_load_control(path) for path in sorted(expand(folder or RECORDS).glob("*.json"))]
    return [record for record in records
            if all(getattr(record.config, name) == value for name, value in settings.items())]


def _load_control(path):
    """One record, its checksum and fields checked."""
    values = read_record(path, "the record of a control")
    try:
        return ControlRecord(**{**values, "config": ControlConfig(**values["config"])})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path}: not the record of a control ({type(error).__name__}: {error})") from error


def cohort_diameters(records: Iterable[ControlRecord]) -> list[float]:
    """The median diameter in mm of the lesions of each cohort that records were made on, in order of cohort."""
    found = {record.config.cohort: record.data["diameter_mm"]["value"] for record in records
             if "diameter_mm" in record.data}
    return [found[cohort] for cohort in sorted(found)]


def control_intervals(records: Iterable[ControlRecord], score: str = "mean_dice") -> dict[tuple, Interval]:
    """A score's mean over seeds with its interval: (control, labels, dev's share, split) -> Interval.

    Where each seed has a cohort of its own, the interval covers other people of the generator; it covers no patients.
    """
    values = {}
    for record in records:
        config, value = record.config, record.dev[score]["value"]
        key = config.control, config.labels, config.dev_fraction, config.split_by
        values.setdefault(key, []).append(float("nan") if value is None else value)
    return {key: mean_interval(numbers) for key, numbers in values.items()}


def controls_table(records: Sequence[ControlRecord], score: str = "mean_dice") -> str:
    """A Markdown table: one row for each control and kind of masks, one column for each split.

    Parameters
    ----------
    records : list of ControlRecord
        Of one profile.
    score : str
        A key of `ControlRecord.dev`: mean_dice, over slices; subject_dice, over whole scans.
    """
    found = control_intervals(records, score)
    lines = ["| control | masks | by slice | by block | by subject |", "|---|---|---|---|---|"]
    rows = {key[:3] for key in found}
    for control in CONTROLS:
        for labels in CONTROL_LABELS:
            for share in sorted(share for name, kind, share in rows if (name, kind) == (control, labels)):
                cells = [_cell(found.get((control, labels, share, split))) for split in CONTROL_SPLITS]
                name = control if share == DEV_SHARE else f"{control}, {share:.0%} in dev, as the paper's code had it"
                lines.append(f"| {name} | {MASKS[labels]} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(found):
    """An interval in a table; one number alone has none."""
    return "" if found is None else format(found) if np.isfinite(found.low) else f"{found.mean:.3f} (one seed)"


def controls_text(records: Sequence[ControlRecord]) -> str:
    """A section of Markdown on the controls of one profile: both tables, and what the numbers are means over."""
    seeds, cohorts = ({getattr(record.config, name) for record in records} for name in ("seed", "cohort"))
    n_scans, n_slices = ({record.data[name] for record in records} for name in ("n_scans", "n_slices"))
    sources = ", ".join(sorted({record.data["source"] for record in records}))
    over = " on ".join(f"{len(each)} {word}{'s' * (len(each) > 1)}" for word, each in
                       (("seed", seeds), ("cohort", cohorts)))
    return (
        "## Controls\n\n"
        f"Computed from {len(records)} records in figures/controls; {sources}: {range_text(n_scans)} scans, "
        f"{range_text(n_slices)} slices. Means with the 95 % interval of Student's t over {over}; an interval over "
        f"synthetic cohorts covers draws of one generator, not patients. By block, {BLOCK_MM} mm of a scan stay "
        "together. The copying machine gives a slice the mask of the training slice that looks most like it; the "
        "lesion map calls lesion what often is in train at that place, and sees no picture; the local classifier sees "
        "up to 16 pixels around a pixel, and no place. None of them is a network.\n\n"
        "Dice, mean over dev's slices, as for networks:\n\n"
        f"{controls_table(records)}\n"
        "Dice of whole scans (of the slices of them that are in dev):\n\n"
        f"{controls_table(records, 'subject_dice')}"
    )


def range_text(numbers: Collection[int]) -> str:
    """A number, or the lowest to the highest of several."""
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
