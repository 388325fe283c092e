"""Whether a network does what the copying machine does: its agreement with it, beside its Dice with the true masks."""

from collections.abc import Sequence
from dataclasses import replace

from atlas_lab.config import PROFILES
from atlas_lab.experiment.run import Run, finals
from atlas_lab.paper.ablations import VARIANTS, variant_config
from atlas_lab.statistics import mean_interval

__all__ = ["copying_table"]

LEAST_SEEDS = 3


def copying_table(runs: Sequence[Run]) -> str:
    """Variants by split and epochs of which enough seeds are recorded, as Markdown; "" where there are none.

    Agreement is the mean Dice over dev's slices of a network's masks with those that the copying machine gives them.
    """
    base = replace(PROFILES["study"].config, epochs=60)
    names = {replace(variant_config(name, base), epochs=1): name for name in VARIANTS}
    groups = {}
    for run in sorted(runs, key=lambda run: run.config.seed):
        variant = names.get(replace(run.config, seed=0, cohort=0, epochs=1, split_by="slice"))
        if variant and "dev_copied" in run.final:
            groups.setdefault((variant, run.config.split_by, len(run.history)), []).append(run)
    lines = ["| variant | split by | epochs | seeds | Dice with the true masks | with the copying machine's |",
             "|" + "---|" * 6]
    for (variant, split, epochs), group in sorted(groups.items(), key=lambda item: (list(VARIANTS).index(item[0][0]),
                                                                                     *item[0][1:])):
        if len(group) >= LEAST_SEEDS:
            cells = [f"{mean_interval(finals(group, 'mean_dice', part))}" for part in ("dev", "dev_copied")]
            lines.append(f"| {variant} | {split} | {epochs} | {len(group)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""
