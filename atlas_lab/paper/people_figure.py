"""What works on people never seen, in one picture: every recorded row of the plan beside what needs no network."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from atlas_lab.files import DataError
from atlas_lab.paper.control_records import ControlRecord, control_intervals, load_controls
from atlas_lab.paper.controls import CONTROLS
from atlas_lab.paper.evidence import NotRecorded
from atlas_lab.paper.people_claims import people_scores
from atlas_lab.paper.people_plan import PEOPLE
from atlas_lab.plots.intervals import plot_intervals
from atlas_lab.plots.style import mark_source
from atlas_lab.scoring.bootstrap import people_interval
from atlas_lab.statistics import Interval

__all__ = ["people_figure", "people_lines"]

PANELS = ("the paper's network, and no network", "the network", "context", "training", "other people left out",
          "people that nothing was chosen on")
NAMES = {"cascade: place": "cascade"}  # the row that is scored with all its stages
CONTEXT = {"context", "stage"}  # settings by which a network sees more than one slice, or goes in stages


def people_lines(
    people: Sequence[Mapping], controls: Sequence[ControlRecord] = (),
) -> dict[str, dict[str, Interval]]:
    """Panel -> row -> subject Dice on people never seen with its interval; what is not recorded is left out.

    Parameters
    ----------
    people : list of dict
        As `load_people` gives them; their intervals are over people, all cohorts together.
    controls : list of ControlRecord
        Those by subject, with true masks; their intervals are over cohorts.
    """
    lines = {panel: {} for panel in PANELS}
    for name, row in PEOPLE.items():
        way = "cascade" if name == "cascade: place" else "plain"
        try:
            lines[_panel(name, row)][NAMES.get(name, name)] = people_interval(people_scores(people, name, way=way))
        except (DataError, KeyError):  # some of its seeds are missing, or a stage of the cascade that has no mask
            continue
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


def people_figure(people: Sequence[Mapping], controls: Sequence[ControlRecord] | None = None) -> tuple[Figure, dict]:
    """The picture of all rows, the paper's network and the controls on top; returns it with its provenance.

    Dotted lines stand at the means of the paper's network and of the U-Net, with which the rows are compared.

    Parameters
    ----------
    people : list of dict
        Scores as `load_people` gives them.
    controls : list of ControlRecord, optional
        As for `people_lines`; by default those that the lab ships of the study point.

    Raises NotRecorded where no row is recorded with all its seeds.
    """
    controls = load_controls(profile="study", split_by="subject", labels="true") if controls is None else controls
    lines = people_lines(people, controls)
    rows = {panel: [name for name in by_name if name not in CONTROLS] for panel, by_name in lines.items()}
    recorded = {panel: names for panel, names in rows.items() if names}
    if not recorded:
        raise NotRecorded("no row of the plan on new people is recorded with all its seeds")
    beside = [lines[panel][name].mean for panel, name in zip(PANELS, ("baseline", "U-Net"), strict=False)
              if name in lines[panel]]
    figure = plot_intervals(lines, "subject Dice on people never seen", beside)
    mark_source(figure, "synthetic cohorts, not patient data")
    return figure, {"rows": recorded, "controls": [record.config.name for record in controls]}
