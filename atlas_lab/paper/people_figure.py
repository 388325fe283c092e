"""What works on people never seen, in one picture: every recorded row of the plan beside what needs no network."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from atlas_lab.paper.control_records import ControlRecord, control_intervals, load_controls
from atlas_lab.paper.controls import CONTROLS
from atlas_lab.paper.evidence import NotRecorded
from atlas_lab.paper.many_people import MANY
from atlas_lab.paper.people_plan import PEOPLE, row_runs
from atlas_lab.paper.people_progress import CASCADE, partial_rows, recorded_so_far
from atlas_lab.plots.intervals import plot_intervals
from atlas_lab.plots.style import mark_source
from atlas_lab.scoring.bootstrap import people_interval
from atlas_lab.statistics import Interval

__all__ = ["draw_people", "people_lines"]

PANELS = ("the paper's network, and no network", "the network", "context", "training", "other people left out",
          "people that nothing was chosen on")
NAMES = {CASCADE: "cascade"}  # the row that is scored with all its stages
CONTEXT = {"context", "stage"}  # settings by which a network sees more than one slice, or goes in stages


def people_lines(
    people: Sequence[Mapping], controls: Sequence[ControlRecord] = (),
) -> dict[str, dict[str, Interval]]:
    """Panel -> row -> subject Dice on people never seen with its interval; what is not recorded is left out.

    A row of which only some runs are recorded says how many: "flips (2/3)".

    Parameters
    ----------
    people : list of dict
        As `load_people` gives them; their intervals are over people, all cohorts together.
    controls : list of ControlRecord
        Those by subject, with true masks; their intervals are over cohorts.
    """
    lines = {panel: {} for panel in PANELS}
    for name, row in PEOPLE.items():
        scores, count = recorded_so_far(people, name)
        if scores:  # a stage of the cascade that has no mask has none
            called, planned = NAMES.get(name, name), len(row_runs(name))
            called += f" ({count}/{planned})" if count < planned else ""
            lines[_panel(name, row)][called] = people_interval(scores)
    if many := recorded_so_far(people, MANY)[0]:
        lines[PANELS[5]][MANY] = people_interval(many)
    for (control, *_), found in control_intervals(controls, "subject_dice").items():
        lines[PANELS[0]][control] = found
    return lines


def _panel(name, row):
    """Where a row of the plan stands in the picture."""
    if name.startswith("final: "):
        return PANELS[5]
    if row.folds:
        return PANELS[4]
    if row.against is None:
        return PANELS[0]
    if row.settings.keys() & CONTEXT or row.settings.get("net") == "volume_unet":
        return PANELS[2]
    return PANELS[1] if row.settings.keys() & {"net", "skips", "code", "width"} else PANELS[3]


def draw_people(
    people: Sequence[Mapping], controls: Sequence[ControlRecord] | None = None, rows: Sequence[str] | None = None,
) -> tuple[Figure, dict]:
    """The picture of the rows, the paper's network and the controls on top; returns it with its provenance.

    Dotted lines stand at the means of the paper's network and of the U-Net, with which the rows are compared.

    Parameters
    ----------
    people : list of dict
        Scores as `load_people` gives them.
    controls : list of ControlRecord, optional
        As for `people_lines`; by default those that the lab ships of the study point.
    rows : sequence of str, optional
        Of the plan; by default all that are recorded.

    Raises NotRecorded where no run of these rows is recorded.
    """
    people = [record for record in people if rows is None or record["row"] in rows]
    controls = load_controls(profile="study", split_by="subject", labels="true") if controls is None else controls
    lines = people_lines(people, controls)
    drawn = {panel: [name for name in by_name if name not in CONTROLS] for panel, by_name in lines.items()}
    recorded = {panel: names for panel, names in drawn.items() if names}
    if not recorded:
        raise NotRecorded("no run of the plan on new people is recorded")
    beside = {name: lines[panel][name].mean for panel, name in zip(PANELS, ("baseline", "U-Net"), strict=False)
              if name in lines[panel]}
    label = "subject Dice on people never seen, with 95 % intervals\nover people, of the controls over cohorts"
    if beside:
        label += f";\ndotted: {' and '.join(beside)}"
    if partial_rows(people):
        label += "; (n/m): n of m runs recorded"
    figure = plot_intervals(lines, label, list(beside.values()))
    mark_source(figure, "synthetic cohorts, not patient data")
    cohorts = {record["config"]["cohort"] for record in people}  # whose slices the controls of the same cohorts name
    return figure, {
        "data_hash": sorted({record.data["data_hash"] for record in controls if record.config.cohort in cohorts}),
        "rows": recorded, "controls": [record.config.name for record in controls],
    }
