"""The README's first numbers and picture: one network on known and on unknown people, and the machine that copies."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from atlas_lab.experiment.run import Run, last_epoch, scores
from atlas_lab.paper.ablation_figures import (
    control_lines,
    controls_of,
    data_of,
    line_of,
    names_of,
    networks_by_split,
)
from atlas_lab.paper.control_records import ControlRecord
from atlas_lab.paper.evidence import NotRecorded, Records
from atlas_lab.paper.study import StudyRecords
from atlas_lab.paper.tables import write_block
from atlas_lab.plots.comparisons import plot_splits
from atlas_lab.statistics import Interval, mean_interval

__all__ = ["COPYING", "Hook", "find_hook", "hook_figure", "hook_text", "write_hook"]

COPYING = "copying machine"
OF_OTHERS = line_of(COPYING, "swapped")


@dataclass(frozen=True)
class Hook:
    """What the README opens with.

    Attributes
    ----------
    name : str
        The network that is best by slice of all that are recorded by slice and by subject, and its epochs.
    runs : dict
        Split -> its runs.
    dice : dict
        Split -> Interval of its dev Dice over seeds, after the last epoch that both splits have.
    copied : dict
        Name of the control -> split -> Interval: the copying machine on the same slices, with true masks and others'.
    controls : list of ControlRecord
        Those that `copied` is of.
    n_networks : int
        Of how many it is the best.
    """

    name: str
    runs: dict[str, list[Run]]
    dice: dict[str, Interval]
    copied: dict[str, dict[str, Interval]]
    controls: list[ControlRecord]
    n_networks: int


def find_hook(records: Records | StudyRecords, controls: list | None = None) -> Hook:
    """The network and the control that the README opens with. Raises NotRecorded where a record is missing.

    Parameters
    ----------
    records : Records or StudyRecords
    controls : list of ControlRecord, optional
        By default those that the lab ships.
    """
    networks = {name: {split: by_split[split] for split in ("slice", "subject")}
                for name, by_split in networks_by_split(records).items() if "subject" in by_split}
    dice = {name: _dice(by_split) for name, by_split in networks.items()}
    if not networks:
        raise NotRecorded("no network is recorded both by slice and by subject")
    best = max(dice, key=lambda name: dice[name]["slice"].mean)
    same = [record for record in controls_of(networks[best]["slice"], controls)
            if record.config.control == COPYING and record.config.split_by in ("slice", "subject")]
    copied = control_lines(same)
    if not all(len(copied.get(name, {})) == 2 for name in (COPYING, OF_OTHERS)):
        raise NotRecorded("the copying machine is not recorded on the slices of these networks")
    return Hook(best, networks[best], dice[best], copied, same, len(networks))


def _dice(by_split):
    """Split -> Interval of a network's dev Dice after the last epoch that all splits have."""
    last = last_epoch(*by_split.values())
    return {split: mean_interval(scores(runs, epoch=last)) for split, runs in by_split.items()}


def hook_figure(hook: Hook) -> tuple[Figure, dict]:
    """The figure and its provenance: one line for the network, two for the machine."""
    figure = plot_splits({hook.name: hook.runs}, hook.copied)
    runs = [run for by_split in hook.runs.values() for run in by_split]
    return figure, names_of(runs) | data_of(runs) | {"controls": [record.config.name for record in hook.controls]}


def hook_text(hook: Hook) -> str:
    """The table of Dice, in Markdown, with bold numbers and the intervals beside them."""
    lines = {f"the paper's network ({hook.name}: the best of {hook.n_networks} settings)": hook.dice,
             "a machine that copies the mask of the most similar slice": hook.copied[COPYING],
             "that machine, given other people's masks": hook.copied[OF_OTHERS]}
    rows = [f"| {name} | {_cell(dice['slice'])} | {_cell(dice['subject'])} |" for name, dice in lines.items()]
    return "\n".join(["| Dice | new slices of known people | people never seen |", "|---|---|---|", *rows]) + "\n"


def write_hook(records: Records | StudyRecords, readme: Path, report: Callable[[str], None]) -> None:
    """Put the table between its marks in a README; where records are missing, say so and leave what stands there."""
    try:
        write_block(readme, "hook", hook_text(find_hook(records)))
    except NotRecorded as error:
        report(f"the README's first table is not written: {error}")


def _cell(interval):
    """A mean and its interval; what rounds to 0 has no sign."""
    mean, low, high = (f"{round(value, 2) + 0.0:.2f}" for value in interval)
    return f"**{mean}** [{low}, {high}]"
