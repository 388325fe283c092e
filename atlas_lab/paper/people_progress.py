"""The rows of the plan on new people as far as they are recorded, each beside what it is compared with."""

from collections.abc import Mapping, Sequence

from atlas_lab.paper.people_claims import groups_table, named_scans
from atlas_lab.paper.people_plan import PEOPLE, row_runs
from atlas_lab.scoring.bootstrap import paired_difference, people_interval
from atlas_lab.scoring.scans import by_subject
from atlas_lab.statistics import Interval

__all__ = ["CASCADE", "difference_so_far", "difference_table", "partial_rows", "partial_table", "people_summary",
           "recorded_so_far"]

CASCADE = "cascade: place"  # the row that is scored with all stages, and with the mask's network alone


def recorded_so_far(
    records: Sequence[Mapping], row: str, score: str = "dice", way: str | None = None,
) -> tuple[dict[str, float], int]:
    """A score of each person whom the recorded runs of a row had not seen, and how many runs that are.

    By default the scores are plain ones, and the cascade's those of all its stages.
    """
    way = way or ("cascade" if row == CASCADE else "plain")
    mine = [record for record in records if record["row"] == row and way in record["scores"]]
    return by_subject(named_scans(mine, score, way), score), len(mine)


def difference_so_far(records: Sequence[Mapping], row: str) -> Interval | None:
    """Subject Dice of a row less that of the row it is compared with, on the people that both were scored on.

    The cascade is compared with its own mask network alone. None where no such people are recorded: final rows were
    scored on another cohort, whose people have the same numbers.
    """
    against = (CASCADE, "mask alone") if row == CASCADE else (PEOPLE[row].against, "plain")
    if against[0] is None or PEOPLE[row].folds or row.startswith("final: ") != against[0].startswith("final: "):
        return None
    ours, theirs = recorded_so_far(records, row)[0], recorded_so_far(records, against[0], way=against[1])[0]
    people = sorted(ours.keys() & theirs.keys())
    return paired_difference(*({name: side[name] for name in people} for side in (ours, theirs))) if people else None


def difference_table(records: Sequence[Mapping], rows: Sequence[str]) -> str:
    """Some rows as Markdown: runs recorded, subject Dice, and the difference on the same people."""
    lines = ["| row | runs | subject Dice | against | on the same people |", "|" + "---|" * 5]
    for name in rows:
        (scores, count), difference = recorded_so_far(records, name), difference_so_far(records, name)
        cells = [name, f"{count} of {len(row_runs(name))}", f"{people_interval(scores)}" if scores else "not run",
                 "its mask network alone" if name == CASCADE else PEOPLE[name].against or "",
                 "" if difference is None else format(difference, "+.3f")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def partial_rows(records: Sequence[Mapping]) -> dict[str, tuple[int, int]]:
    """Row with masks -> how many of its runs are recorded, and how many there should be, where some are and not all."""
    counts = {name: (recorded_so_far(records, name)[1], len(row_runs(name))) for name in PEOPLE}
    return {name: count for name, count in counts.items() if 0 < count[0] < count[1]}


def partial_table(records: Sequence[Mapping]) -> str:
    """Those rows as Markdown, see `difference_table`; "" where there are none. They serve no choice and no verdict."""
    rows = list(partial_rows(records))
    return difference_table(records, rows) if rows else ""


def people_summary(records: Sequence[Mapping]) -> str:
    """The rows of which all runs are recorded, and the U-Net's people by the size of their lesions, as Markdown."""
    partial = partial_rows(records)
    rows = [name for name in PEOPLE if name not in partial and recorded_so_far(records, name)[1]]
    by_size = [line.replace("| size: ", "| ") for line in groups_table(records, "U-Net").splitlines()
               if line.startswith("| size: ")]
    head = ["| the U-Net, by lesion size | people | subject Dice |", "|---|---|---|"]
    return difference_table(records, rows) + "\n" + "\n".join(head + by_size) + "\n"
