"""What each departure of the public code from the paper's text changes, alone and one after the other."""

from dataclasses import dataclass
from itertools import pairwise

from atlas_lab.experiment.artifacts import DEPARTURES
from atlas_lab.experiment.run import last_epoch, scores
from atlas_lab.paper.evidence import NOTHING, updates
from atlas_lab.statistics import Interval, mean_interval, paired_interval

__all__ = ["ALONE", "STACK", "Effect", "departure_effects", "effects_table", "updates_text"]

# In the order of DEPARTURES, without the last: the variant with this departure alone, and the one with all up to it.
# Weight 1 has the first and nothing else. The last, scoring 100 slices, takes no training: records have both scores.
ALONE = ("weight 1", "last batch filled", "slices scaled", "masks from JPEG", "split reversed")
STACK = ("weight 1", "as run, two departures", "as run, three departures", "as run, four departures", "as run")


@dataclass(frozen=True)
class Effect:
    """What one departure does to the reported dev Dice: mean and 95 % interval over seeds, paired by seed."""

    departure: str
    alone: Interval     # against as written
    in_stack: Interval  # against the stack without it
    dice: Interval      # of the stack with it


def departure_effects(records):
    """The effect of every departure, and the Dice as written.

    Parameters
    ----------
    records : Records

    Returns
    -------
    written : Interval
        Dev Dice as written.
    effects : list of Effect
        In the order of DEPARTURES.

    Raises
    ------
    NotRecorded
        If a variant lacks its five seeds.
    """
    base = records.variant("as written")
    alone, stack = ([records.variant(name) for name in names] for names in (ALONE, STACK))
    last = last_epoch(base, *alone, *stack)
    written, *others = (scores(runs, epoch=last) for runs in (base, *alone))
    heights = [written, *(scores(runs, epoch=last) for runs in stack)]
    # The last departure: the same networks, scored on 100 slices.
    others.append(scores(base, "first_100", epoch=last))
    heights.append(scores(stack[-1], "first_100", epoch=last))
    effects = [
        Effect(name, paired_interval(other, written), paired_interval(after, before), mean_interval(after))
        for name, other, (before, after) in zip(DEPARTURES, others, pairwise(heights), strict=True)
    ]
    return mean_interval(written), effects


UPDATES = """The split the wrong way round trains on fewer slices, so on {few:.0f} updates an epoch instead of
{many:.0f}: after {epochs} epochs {idle} of its {seeds} networks have found no lesion, and {still} of them after
{longer}, with {done:,} updates against {all:,} as written. Alone it then changes the Dice by
{alone:+.3f}, and as run the reported Dice is {as_run}."""


def updates_text(records):
    """What the reversed split does once it has had about as many updates as the others, or the most recorded."""
    written, alone, as_run = (records.variant(name) for name in ("as written", "split reversed", "as run"))
    epochs, longer = len(written[0].history), last_epoch(alone, as_run)
    return UPDATES.format(
        few=updates(alone, 1), many=updates(written, 1), epochs=epochs, seeds=len(alone), longer=longer,
        idle=sum(scores(alone, epoch=epochs) < NOTHING), still=sum(scores(alone, epoch=longer) < NOTHING),
        done=updates(alone, longer), all=updates(written, epochs),
        alone=paired_interval(scores(alone, epoch=longer), scores(written)),
        as_run=mean_interval(scores(as_run, "first_100", epoch=longer)),
    )


def effects_table(written, effects):
    """The effects as a Markdown table."""
    lines = [
        "| departure | its effect alone | on top of those above | Dice then |", "|---|---|---|---|",
        f"| as written | | | {written} |",
    ]
    lines += [f"| {e.departure} | {e.alone:+.3f} | {e.in_stack:+.3f} | {e.dice} |" for e in effects]
    return "\n".join(lines) + "\n"
