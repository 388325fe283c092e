"""The paper's ablations as a tree: each variant changes one setting of the variant that it is compared with."""

from dataclasses import dataclass, replace

from atlas_lab.files import DataError

__all__ = ["STUDY", "SWEEPS", "VARIANTS", "Sweep", "sweep_configs", "variant_config"]

# variant -> (the variant it is compared with, the setting that differs, its value).
# All but the weights and losses start from weight 1: under weight 100 the masks are so large that
# nothing else shows.
VARIANTS = {
    "baseline": None,  # the profile's own settings: the paper's baseline, weight 100
    "weight 10": ("baseline", "pos_weight", 10.0),
    "weight 1": ("baseline", "pos_weight", 1.0),
    "weight 0.1": ("baseline", "pos_weight", 0.1),
    "equation 3": ("baseline", "loss", "tversky"),
    "equation 3, false positives cheaper": ("equation 3", "alpha", 0.3),
    "equation 3, alpha 0.7": ("equation 3", "alpha", 0.7),
    "equation 3, alpha 0.7, beta 0.3": ("equation 3, alpha 0.7", "beta", 0.3),  # as the public code has it
    "equation 3, smoothed": ("equation 3", "smooth", 1.0),
    "equation 3, slice by slice": ("equation 3", "loss_over", "slice"),
    "equation 3, rare from the start": ("equation 3", "start_probability", 0.003),
    "equation 3, smaller steps": ("equation 3", "learning_rate", 1e-4),
    "batch 10": ("weight 1", "batch_size", 10),
    "batch 200": ("weight 1", "batch_size", 200),
    "learning rate 0.01": ("weight 1", "learning_rate", 1e-2),
    "learning rate 0.0001": ("weight 1", "learning_rate", 1e-4),
    "decayed": ("weight 1", "lr_drop_epoch", 45),
    "average pooling": ("weight 1", "pool", "avg"),
    "three convolutions": ("weight 1", "convs_per_stage", 3),
    "kernels 10 and 3": ("weight 1", "kernels", (10, 3)),
    "three convolutions, kernels 10 and 3": ("kernels 10 and 3", "convs_per_stage", 3),
    "permuted masks": ("weight 1", "labels", "swapped"),
    # At the study point the same from weight 10, which has a gap between train and dev after 30 epochs.
    "weight 10, average pooling": ("weight 10", "pool", "avg"),
    "weight 10, three convolutions": ("weight 10", "convs_per_stage", 3),
    "weight 10, kernels 10 and 3": ("weight 10", "kernels", (10, 3)),
    "weight 10, three convolutions, kernels 10 and 3": ("weight 10, kernels 10 and 3", "convs_per_stage", 3),
    "weight 10, batch 10": ("weight 10", "batch_size", 10),
    "weight 10, batch 200": ("weight 10", "batch_size", 200),
    "weight 10, learning rate 0.01": ("weight 10", "learning_rate", 1e-2),
    "weight 10, learning rate 0.0001": ("weight 10", "learning_rate", 1e-4),
    "weight 10, permuted masks": ("weight 10", "labels", "swapped"),
    # As written, as run: each departure of the public code alone, then one on the other. Weight 1 is as written but
    # for its dropout; so it is the first of the stack.
    "as written": ("weight 1", "dropout_on", "pooling"),
    "last batch filled": ("as written", "last_batch", "filled"),
    "slices scaled": ("as written", "scaling", "slice"),
    "masks from JPEG": ("as written", "mask_files", "jpeg"),
    "split reversed": ("as written", "dev_fraction", 0.7),
    "as run, two departures": ("weight 1", "last_batch", "filled"),
    "as run, three departures": ("as run, two departures", "scaling", "slice"),
    "as run, four departures": ("as run, three departures", "mask_files", "jpeg"),
    "as run": ("as run, four departures", "dev_fraction", 0.7),
}


@dataclass(frozen=True)
class Sweep:
    """Variants that are trained together, each with every one of the splits, for the same number of epochs.

    Where the number differs from that of the variant it is compared with, both are read at the shorter one's end.
    """

    variants: tuple
    splits: tuple = ("slice", "subject")
    epochs: int = 60
    seeds: int = 5
    keep: tuple = ()           # epochs whose state is kept, since a longer or a decayed run goes on from there
    scale: int | None = None   # mm a pixel, where it is not the profile's
    people: int | None = None  # where they are fewer than the profile's


TVERSKY = tuple(name for name in VARIANTS if name.startswith("equation 3"))
AS_RUN = tuple(name for name in list(VARIANTS)[list(VARIANTS).index("as written"):])

SWEEPS = {
    "weights": Sweep(("baseline", "weight 10", "weight 1", "weight 0.1")),
    "longer": Sweep(("weight 10", "weight 1"), ("slice",), epochs=80),  # since 60 epochs leave their curves rising
    "decay": Sweep(("decayed",)),
    "pooling": Sweep(("average pooling",), epochs=40),
    "depth": Sweep(("three convolutions",), epochs=30),
    "batch": Sweep(("batch 10", "batch 200"), ("slice",), epochs=40),
    "loss": Sweep(TVERSKY, ("slice",), epochs=20),
    "split": Sweep(("weight 1",), ("scan", "site", "both"), epochs=30),
    "permuted": Sweep(("permuted masks",), epochs=30),
    "learning_rate": Sweep(("learning rate 0.01", "learning rate 0.0001"), ("slice",), epochs=30),
    "as_run": Sweep(AS_RUN, ("slice",), epochs=25),
    # The split the wrong way round, with as many updates as the others have in 25 epochs.
    "as_run_longer": Sweep(("split reversed", "as run"), ("slice",), epochs=58),
    "kernels": Sweep(("kernels 10 and 3", "three convolutions, kernels 10 and 3"), ("slice",), epochs=20),
}

# The runs at the study point, in the order in which they are made; where time runs out they are cut from the end, never
# from a row's seeds. A longer row of the same variant goes on from where the shorter one ended.
STUDY = {
    "baseline": Sweep(("baseline",), ("slice",), epochs=10, keep=(10,)),
    "weight_10": Sweep(("weight 10",), ("slice",), epochs=20, keep=(20,)),
    "subjects": Sweep(("weight 10",), ("subject",), epochs=20, keep=(20,)),
    # The beginnings of two longer rows: what the split by slice adds (C13) is asked after 20 epochs.
    "weights_sooner": Sweep(("baseline", "weight 1"), ("slice",), epochs=20, keep=(20,)),
    "weight_1": Sweep(("weight 1",), ("slice",), epochs=60, keep=(45, 60)),
    "weight_10_longer": Sweep(("weight 10",), ("slice",), epochs=60, keep=(60,)),
    "decay": Sweep(("decayed",), ("slice",), epochs=60),
    "baseline_longer": Sweep(("baseline",), ("slice",), epochs=40),
    "subjects_all": Sweep(("baseline", "weight 1"), ("subject",), epochs=20),
    "weight_0.1": Sweep(("weight 0.1",), ("slice",), epochs=20),
    "pooling": Sweep(("weight 10, average pooling",), ("slice", "subject"), epochs=30),
    "depth": Sweep(("weight 10, three convolutions",), ("slice", "subject"), epochs=30),
    "subjects_longer": Sweep(("weight 10",), ("subject",), epochs=30),
    "split": Sweep(("weight 10",), ("block", "scan", "site"), epochs=15, seeds=3),
    "permuted": Sweep(("weight 10, permuted masks",), ("slice", "subject"), epochs=15, seeds=3),
    # Six networks that all fail, or none of which does, decide whether most do (C5); three can't.
    "batch": Sweep(("weight 10, batch 10",), ("slice",), epochs=8, seeds=6),
    "batch_200": Sweep(("weight 10, batch 200",), ("slice",), epochs=40, seeds=3),
    "learning_rate": Sweep(
        ("weight 10, learning rate 0.01", "weight 10, learning rate 0.0001"), ("slice",), epochs=15, seeds=3),
    "loss": Sweep(TVERSKY, ("slice",), epochs=10, seeds=3),
    "kernels": Sweep(("weight 10, kernels 10 and 3", "weight 10, three convolutions, kernels 10 and 3"), ("slice",),
                     epochs=15, seeds=3),
    "as_run": Sweep(AS_RUN, ("slice",), epochs=20, seeds=3),
    "finer": Sweep(("weight 10", "weight 10, average pooling", "weight 10, three convolutions"), ("slice",), epochs=20,
                   seeds=3, scale=2),
    "decay_finer": Sweep(("weight 1", "decayed"), ("slice",), epochs=60, seeds=3, keep=(45,), scale=2),
}


def variant_config(name, base):
    """The RunConfig of a variant, built on a profile's: base -> ... -> the variant, one setting at each step."""
    if VARIANTS[name] is None:
        return base
    parent, field, value = VARIANTS[name]
    return replace(variant_config(parent, base), **{field: value})


def sweep_configs(name, base, sweeps=SWEEPS):
    """All configs of a named sweep, variants outermost. Raises DataError for an unknown name.

    Parameters
    ----------
    name : str
        A key of `sweeps`.
    base : RunConfig
        The profile's settings.
    sweeps : dict
        SWEEPS, or STUDY.
    """
    if name not in sweeps:
        raise DataError(f"there is no sweep {name!r}; choose one of {', '.join(sweeps)}, or write FIELD=V1,V2")
    chosen = sweeps[name]
    base = replace(base, epochs=chosen.epochs, scale=chosen.scale or base.scale, people=chosen.people)
    return [
        replace(variant_config(variant, base), split_by=split) for variant in chosen.variants for split in chosen.splits
    ]
