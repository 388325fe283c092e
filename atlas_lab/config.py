"""All settings of a training run in one frozen dataclass, and the three profiles."""

from dataclasses import asdict, dataclass, fields, replace

from atlas_lab.files import DataError, digest


@dataclass(frozen=True)
class RunConfig:
    """Settings of one run. A variant is a changed field: `replace(config, pool="avg")`.

    The defaults are the paper's baseline (claim C1) on the course profile's slices. "Code" below is the
    public TensorFlow code that the paper started from.
    """

    net: str = "baseline"
    pool: str = "max"              # "max" or "avg": the pooling ablation (C9)
    convs_per_stage: int = 1       # 3 is the depth ablation (C10)
    kernels: str = "3-5"           # sides of the two stages' kernels; the code's deep net has "10-3" (C10)
    dropout: float = 0.15          # code; after each pooling and on the fully connected layers
    loss: str = "cross_entropy"    # a key of LOSSES
    pos_weight: float = 100.0      # w_p of equation 2; the paper tries 100, 10 and 1 (C3)
    alpha: float = 1.0             # Tversky: weight of false positives; 1 and 1 is equation 3 as printed
    beta: float = 1.0              # Tversky: weight of false negatives
    smooth: float = 0.0            # Tversky: added above and below the fraction; the code has none
    loss_over: str = "batch"       # Tversky: counts summed over the whole "batch" (code), or each "slice" by itself
    start_probability: float = 0.0  # untrained outputs start near this lesion probability; 0: random bias, as the code
    batch_size: int = 100          # paper; C5 tries 10, C6 tries 200
    learning_rate: float = 1e-3    # paper, with Adam
    lr_drop_epoch: int | None = None   # the learning rate is multiplied by lr_drop_factor after this epoch
    lr_drop_factor: float = 0.1
    max_grad_norm: float = 5.0     # code: the gradient's norm is clipped at 5
    epochs: int = 10               # C1: Dice 0.15 to 0.19 after 10 epochs
    split_by: str = "slice"        # the paper's split; "scan", "subject" and "site" are the honest ones (C13)
    # As written, as run: what the public code does and the text does not say, see departures.py.
    dropout_on: str = "all"        # code; "pooling" is what the text says: none on the fully connected layers
    last_batch: str = "short"      # "filled" (code): topped up with slices drawn at random
    scaling: str = "volume"        # "slice" (code): each slice's own range becomes 0 to 1
    mask_files: str = "exact"      # "jpeg" (code): masks with JPEG's ripples, to train on and to be scored on
    scored_slices: str = "all"     # "first 100" (code): mean_dice in the history is that of 100 slices
    labels: str = "true"           # "swapped": each scan has another subject's masks, so nothing can be learnt
    dev_fraction: float = 0.3      # paper
    scale: int = 4                 # millimetres per pixel; 1 is the paper's 232 x 196
    z_step: int = 2                # every z_step-th axial slice; 1 is the paper's
    seed: int = 0                  # initial weights, split, order of slices and dropout


CHOICES = {
    "labels": ("true", "swapped"), "dropout_on": ("all", "pooling"), "last_batch": ("short", "filled"),
    "scaling": ("volume", "slice"), "mask_files": ("exact", "jpeg"), "scored_slices": ("all", "first 100"),
}


def check_config(config):
    """Raise DataError when a field can't mean anything; called before any work is done."""
    rules = {
        "batch_size": (config.batch_size >= 1, "at least 1"),
        "epochs": (config.epochs >= 1, "at least 1"),
        "learning_rate": (config.learning_rate > 0, "more than 0"),
        "max_grad_norm": (config.max_grad_norm > 0, "more than 0"),
        "dev_fraction": (0 < config.dev_fraction < 1, "between 0 and 1"),
        "dropout": (0 <= config.dropout < 1, "from 0 to below 1"),
        "pos_weight": (config.pos_weight > 0, "more than 0"),
        "smooth": (config.smooth >= 0, "0 or more"),
        "start_probability": (0 <= config.start_probability < 1, "from 0 to below 1"),
        "lr_drop_epoch": (
            config.lr_drop_epoch is None or 1 <= config.lr_drop_epoch < config.epochs,
            f"none, or from 1 to {config.epochs - 1}: the learning rate drops after it, and there are "
            f"{config.epochs} epochs",
        ),
    }
    for name, choices in CHOICES.items():
        rules[name] = (getattr(config, name) in choices, f"one of {', '.join(choices)}")
    for name, (holds, expected) in rules.items():
        if not holds:
            raise DataError(f"RunConfig.{name} is {getattr(config, name)!r}; it must be {expected}")


def kind_of(field):
    """The type of a setting's values: that of its default."""
    return int if field.default is None else type(field.default)


def config_from_strings(pairs, base=None):
    """A RunConfig from texts such as ["epochs=40", "split_by=subject"], as the command line gives them.

    Each value is read as the type of the field's default. Raises DataError for an unknown field or a value
    of the wrong type.
    """
    base = base or RunConfig()
    known = {field.name: field for field in fields(RunConfig)}
    changes = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or name not in known:
            raise DataError(f"'{pair}' is not a setting; write FIELD=VALUE with one of: {', '.join(known)}")
        kind = kind_of(known[name])
        try:
            changes[name] = kind(text)
        except ValueError:
            raise DataError(f"'{pair}': {name} takes a value of type {kind.__name__}") from None
    return replace(base, **changes)


def run_name(config):
    """A file name for a run: the settings people ask about first, then a digest of all that are not the default.

    Defaults are left out of the digest so that a field added later does not rename earlier runs.
    """
    about_loss = f"w{config.pos_weight:g}" if config.loss == "cross_entropy" else config.loss
    return (
        f"{config.net}-{about_loss}-by-{config.split_by}-e{config.epochs}-seed{config.seed}"
        f"-{digest(changed_settings(config))}"
    )


def plain_settings(config):
    """The fields of a config as plain values, each of its field's type: a weight of 1 is one of 1.0."""
    values = asdict(config)
    return {
        field.name: values[field.name] if values[field.name] is None else kind_of(field)(values[field.name])
        for field in fields(RunConfig)
    }


def changed_settings(config):
    """The settings of a config that are not the default, as plain values."""
    defaults = plain_settings(RunConfig())
    return {name: value for name, value in plain_settings(config).items() if value != defaults[name]}


@dataclass(frozen=True)
class Profile:
    """A base configuration and the size of the embedded cohort that goes with it."""

    config: RunConfig
    n_subjects: int


PROFILES = {
    "quick": Profile(RunConfig(epochs=2, batch_size=20, z_step=4), n_subjects=6),
    "course": Profile(RunConfig(), n_subjects=60),
    "paper": Profile(RunConfig(scale=1, z_step=1), n_subjects=220),
}
