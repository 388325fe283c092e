"""Rows of the plan on new people of which some runs are recorded: shown as such, for no choice and no verdict."""

from collections.abc import Mapping, Sequence

from atlas_lab.paper.people_claims import named_scans
from atlas_lab.paper.people_plan import PEOPLE, row_runs
from atlas_lab.scoring.bootstrap import paired_difference, people_interval
from atlas_lab.scoring.scans import by_subject

__all__ = ["partial_rows", "partial_table", "recorded_so_far"]


def recorded_so_far(
    records: Sequence[Mapping], row: str, score: str = "dice", way: str = "plain",
) -> tuple[dict[str, float], int]:
    """A score of each person whom the recorded runs of a row had not seen, and how many runs that are."""
    mine = [record for record in records if record["row"] == row and way in record["scores"]]
    return by_subject(named_scans(mine, score, way), score), len(mine)


def partial_rows(records: Sequence[Mapping]) -> dict[str, tuple[int, int]]:
    """Row -> how many of its runs are recorded, and how many there should be, where that is some but not all."""
    counts = {name: (sum(record["row"] == name for record in records), len(row_runs(name))) for name in PEOPLE}
    return {name: count for name, count in counts.items() if 0 < count[0] < count[1]}


def partial_table(records: Sequence[Mapping]) -> str:
    """Those rows as Markdown, each beside the row it is compared with on the same people; "" where there are none."""
    rows = [name for name in partial_rows(records) if "stage" not in PEOPLE[name].settings]
    if not rows:
        return ""
    lines = ["| row | runs | subject Dice | against | on the same people |", "|" + "---|" * 5]
    for name in rows:
        scores, count = recorded_so_far(records, name)
        against, difference = PEOPLE[name].against, ""
        theirs = recorded_so_far(records, against)[0] if against and not PEOPLE[name].folds else {}
        shared = scores.keys() & theirs.keys()
        if shared:
            ours, theirs = ({person: side[person] for person in sorted(shared)} for side in (scores, theirs))
            difference = f"{paired_difference(ours, theirs):+.3f}"
        lines.append(f"| {name} | {count} of {len(row_runs(name))} | {people_interval(scores)} | {against or ''} | "
                     f"{difference} |")
    return "\n".join(lines) + "\n"
