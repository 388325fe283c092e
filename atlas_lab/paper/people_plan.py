"""What works on people the network has never seen: the runs that are planned, and how the best is chosen from them.

Committed before any of their records. Each row changes one setting of the row that it is compared with; all are at the
study point, split by subject, run seed k on cohort k. The best is chosen on cohorts 0 to 4; final scores come once,
from cohorts 100 to 104, on which nothing was chosen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from atlas_lab.config import PROFILES, RunConfig
from atlas_lab.files import DataError
from atlas_lab.statistics import Interval

__all__ = ["BASE", "BUDGET_HOURS", "CORES", "FINAL_COHORTS", "FOLDS", "PEOPLE", "Row", "best_config", "plan_table",
           "planned_hours", "row_config", "row_runs"]

FINAL_COHORTS = 100  # network k is scored in the end on cohort 100 + k
BUDGET_HOURS, CORES = 20, 2
BASE = replace(PROFILES["study"].config, split_by="subject", pos_weight=10.0, epochs=10)
# Processor seconds of an epoch, measured step by step on one thread, dev's evaluation included; with width 8, in two
# dimensions and three. What a row costs more, or less, stands in the row.
SECONDS = {"baseline": 45.0, "unet": 145.0, "volume_unet": 125.0}


@dataclass(frozen=True)
class Row:
    """A row of the plan.

    Attributes
    ----------
    against : str or None
        The row that it is compared with, on the same people.
    settings : dict
        What differs from that row: one setting, but for the change of network itself and its equals in parameters.
    seeds, epochs : int
    folds : str
        "": a random split; "subject" or "site": all folds of it, on cohort 0.
    cost : float
        Time of an epoch over that of its kind of network.
    """

    against: str | None
    settings: Mapping
    seeds: int = 3
    epochs: int = 10
    folds: str = ""
    cost: float = 1.0


PEOPLE = {
    "baseline": Row(None, {"net": "baseline"}),
    "one bridge": Row("baseline", {"skips": 1}),
    "two bridges": Row("one bridge", {"skips": 2}),
    "three bridges": Row("two bridges", {"skips": 3}),
    "without code": Row("baseline", {"code": "none"}),
    "three bridges, without code": Row("three bridges", {"code": "none"}),
    "U-Net": Row("baseline", {"net": "unet"}),
    "U-Net, width 4": Row("U-Net", {"width": 4}, cost=0.6),
    "2.5D, three slices": Row("U-Net", {"context": 1}),
    "2.5D, seven slices": Row("U-Net", {"context": 3}),
    "volumetric": Row("U-Net", {"net": "volume_unet"}),
    # Three dimensions with about as many parameters: 0.30 million, the U-Net 0.41.
    "volumetric, width 4": Row("U-Net", {"net": "volume_unet", "width": 4}, cost=0.6),
    "cascade: presence": Row("U-Net", {"stage": "presence"}),
    "cascade: place": Row("U-Net", {"stage": "place"}),
    "weight 1": Row("U-Net", {"pos_weight": 1.0}),
    "batch 25": Row("U-Net", {"batch_size": 25}),
    "Dice and cross-entropy": Row("U-Net", {"loss": "dice_cross_entropy"}),
    "focal Tversky": Row("U-Net", {"loss": "focal_tversky"}),
    "boundary": Row("Dice and cross-entropy", {"loss": "boundary"}, cost=1.2),
    "flips": Row("U-Net", {"augment": "flip"}),
    "affine": Row("U-Net", {"augment": "affine"}),
    "intensity": Row("U-Net", {"augment": "intensity"}),
    "bias field": Row("U-Net", {"augment": "bias"}),
    "all augmentation": Row("U-Net", {"augment": "all"}),
    "deep supervision": Row("U-Net", {"deep_supervision": 2}),
    "five folds": Row("U-Net", {}, folds="subject", seeds=1),
    "each site left out": Row("U-Net", {}, folds="site", seeds=1),
    "final: baseline": Row("baseline", {}, seeds=5, epochs=20),
    "final: U-Net": Row("final: baseline", {"net": "unet"}, seeds=5, epochs=20),
    "final: best": Row("final: U-Net", {}, seeds=5, epochs=20, cost=1.2),  # with what `best_config` chooses
}
FOLDS = {"subject": 5, "site": 9}


def row_config(name: str) -> RunConfig:
    """The settings of a row, built on those that it is compared with. Raises DataError if there is no such row."""
    if name not in PEOPLE:
        raise DataError(f"there is no row {name!r}; choose one of: {'; '.join(PEOPLE)}")
    row = PEOPLE[name]
    base = BASE if row.against is None else row_config(row.against)
    return replace(base, **row.settings, epochs=row.epochs)


def row_runs(name: str, config: RunConfig | None = None) -> list[RunConfig]:
    """The runs of a row: its seeds, each on its own cohort, or its folds. `config` stands in for `row_config(name)`."""
    row, config = PEOPLE[name], config or row_config(name)
    if row.folds:
        return [replace(config, split_by=row.folds, fold=fold) for fold in range(FOLDS[row.folds])]
    return [replace(config, seed=seed, cohort=seed) for seed in range(row.seeds)]


def best_config(effects: Mapping[str, Interval]) -> RunConfig:
    """The best model's settings: of each setting the value whose effect is largest, if its interval lies above 0.

    A change of the network counts among the rest; so `effects`, row -> paired difference of subject Dice to the row
    that it is compared with, may only hold rows that differ from the U-Net itself. Post-processing is chosen apart.
    """
    chosen: dict = {}
    for name, effect in sorted(effects.items(), key=lambda item: -item[1].mean):
        if PEOPLE[name].against != "U-Net":
            raise DataError(f"{name} is compared with {PEOPLE[name].against}, not with the U-Net")
        settings = PEOPLE[name].settings
        if effect.low > 0 and "stage" not in settings and not settings.keys() & chosen.keys():
            chosen.update(settings)
    if chosen.get("net") == "volume_unet":  # which takes neither neighbours nor coarser outputs
        chosen = {key: value for key, value in chosen.items() if key not in ("context", "deep_supervision")}
    return replace(row_config("U-Net"), **chosen, epochs=PEOPLE["final: best"].epochs)


def planned_hours(name: str) -> float:
    """Hours of all runs of a row on one core."""
    row, config = PEOPLE[name], row_config(name)
    return len(row_runs(name)) * row.epochs * row.cost * SECONDS[config.net] / 3600


def plan_table() -> str:
    """The plan as a Markdown table: each row, what it changes and against which, its runs and hours."""
    lines = ["| row | against | changes | runs | epochs | core hours |", "|" + "---|" * 6]
    for name, row in PEOPLE.items():
        changes = ", ".join(f"{field} {value}" for field, value in row.settings.items()) or (
            f"by {row.folds}" if row.folds else "more epochs" if row.epochs > BASE.epochs else "")
        lines.append(f"| {name} | {row.against or ''} | {changes} | {len(row_runs(name))} | {row.epochs} | "
                     f"{planned_hours(name):.1f} |")
    total = sum(map(planned_hours, PEOPLE))
    return "\n".join(lines) + f"\n\n{total:.0f} core hours, {total / CORES:.1f} hours on {CORES} cores.\n"
