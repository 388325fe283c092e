"""All settings of a training run in one frozen dataclass, what each may be, and the three profiles."""

from collections.abc import Iterable
from dataclasses import Field, asdict, dataclass, field, fields, replace
from typing import Any

from atlas_lab.files import DataError, digest

__all__ = [
    "PROFILES", "SETTINGS", "SPLITS", "Profile", "RunConfig", "changed_settings", "check_config",
    "config_from_plain", "config_until", "demand", "plain_settings", "read_setting", "run_name", "setting_text",
    "with_seeds",
]

SPLITS = ("slice", "block", "scan", "subject", "site", "both")


def _setting(default, text: str, rule: tuple | None = None, kind: type | None = None, as_text: tuple | None = None):
    """A field of RunConfig with all that is known of it.

    `text` is for `--help`. `rule` is a tuple of the values allowed, or a function with the words for what it demands.
    `kind` is the type of its values, by default that of its default. `as_text` is the pair of functions that read and
    write the value as text, where records and command line have a text for what is none in the code.
    """
    return field(default=default, metadata={
        "text": text, "rule": rule, "kind": kind or type(default), "as_text": as_text})


AT_LEAST_1 = (lambda value: 1 <= value < 2**31, "from 1 to 2147483647")
AT_LEAST_2 = (lambda count: count is None or count >= 2, "at least 2, or none")
POSITIVE = (lambda value: 0 < value < float("inf"), "more than 0")
NOT_NEGATIVE = (lambda value: 0 <= value < float("inf"), "0 or more")
SEED = (lambda value: 0 <= value < 2**32, "from 0 to 4294967295")
TO_512, TO_94, TO_3 = ((lambda value, low=low, most=most: low <= value <= most, f"from {low} to {most}")
                       for low, most in ((1, 512), (0, 94), (0, 3)))
SHARE = (lambda value: 0 <= value < 1, "from 0 to below 1")
SIDES = (lambda sides: len(sides) == 2 and all(isinstance(side, int) and 1 <= side <= 49 for side in sides),
         "the sides of two kernels, from 1 to 49, as in (3, 5); on the command line 3-5")

# How a setting's text is read, and how its value is written: "3-5" is (3, 5), "first 100" is 100, "all" is None.
SIDES_TEXT = (lambda text: tuple(map(int, text.split("-"))), lambda sides: "-".join(map(str, sides)))
SCORED_TEXT = (lambda text: None if text == "all" else int(text.removeprefix("first ")),
               lambda count: "all" if count is None else f"first {count}")
# What a value that is of no such type is asked for first; the settings with a text of their own say all in their rule.
TYPES = {int: "a whole number, ", float: "a number, and "}


@dataclass(frozen=True)
class RunConfig:
    """Settings of one run. A variant is a changed field: `replace(baseline, pool="avg")`.

    The defaults are the paper's baseline (claim C1) on the course profile's slices. "Code" below is the public
    TensorFlow code that the paper started from. Names and texts of the fields are part of the format of records.
    """

    net: str = _setting("baseline", "the network", ("baseline", "unet", "volume_unet"))
    pool: str = _setting("max", "kind of pooling: the pooling ablation (C9)", ("max", "avg"))
    convs_per_stage: int = _setting(1, "convolutions before each pooling; 3 is the depth ablation (C10)", TO_512)
    kernels: tuple[int, int] = _setting(
        (3, 5), "sides of the two stages' kernels; the code's deep net has 10-3 (C10)", SIDES, as_text=SIDES_TEXT)
    dropout: float = _setting(0.15, "code: after each pooling and on the fully connected layers", SHARE)
    skips: int = _setting(0, "baseline: how many stages' features the decoder sees too", TO_3)
    code: str = _setting("dense", "baseline: with its fully connected code, or without (none)", ("dense", "none"))
    width: int = _setting(8, "U-Net: channels at full resolution, doubled at each halving", TO_512)
    context: int = _setting(0, "U-Net: neighbouring slices seen on each side (2.5D)", TO_94)
    deep_supervision: int = _setting(0, "U-Net: so many coarser outputs are trained too", TO_3)
    stage: str = _setting("mask", "what of the cascade is learnt: presence and place come before the mask (C15)",
                          ("presence", "place", "mask"))
    fold: int | None = _setting(None, "by subject: which fifth is dev, 0 to 4; by site: which site; none: at random",
                                kind=int)
    augment: str = _setting("none", "what is varied at random in training",
                            ("none", "flip", "affine", "intensity", "bias", "all"))
    loss: str = _setting("cross_entropy", "equation 2, equation 3 (C8), or one of the field's", (
        "cross_entropy", "tversky", "dice_cross_entropy", "focal_tversky", "boundary"))
    pos_weight: float = _setting(100.0, "w_p of equation 2; the paper tries 100, 10 and 1 (C3)", POSITIVE)
    alpha: float = _setting(1.0, "Tversky: weight of false positives; 1 and 1 is equation 3 as printed", NOT_NEGATIVE)
    beta: float = _setting(1.0, "Tversky: weight of false negatives", NOT_NEGATIVE)
    smooth: float = _setting(0.0, "Tversky: added above and below the fraction; the code has none", NOT_NEGATIVE)
    loss_over: str = _setting(
        "batch", "Tversky: counts summed over the whole batch (code), or over each slice by itself", ("batch", "slice"))
    start_probability: float = _setting(
        0.0, "untrained outputs start near this lesion probability; 0: a random bias, as the code", SHARE)
    batch_size: int = _setting(100, "slices in a step: paper; C5 tries 10, C6 tries 200", AT_LEAST_1)
    learning_rate: float = _setting(1e-3, "of Adam: paper", POSITIVE)
    lr_drop_epoch: int | None = _setting(None, "the epoch after which the learning rate drops, or none", kind=int)
    lr_drop_factor: float = _setting(0.1, "what the learning rate is multiplied by then", POSITIVE)
    max_grad_norm: float = _setting(5.0, "code: longer gradients are shortened to this norm", POSITIVE)
    epochs: int = _setting(10, "C1: Dice 0.15 to 0.19 after 10", AT_LEAST_1)
    split_by: str = _setting(
        "slice", "what is kept together: slice is the paper's; subject and site are people never seen (C13)", SPLITS)
    # As written, as run: what the public code does and the text does not say, see experiment/artifacts.py.
    dropout_on: str = _setting(
        "all", "all (code), or pooling, as the text says: none on the fully connected layers", ("all", "pooling"))
    last_batch: str = _setting(
        "short", "filled (code): an epoch's last batch is topped up with slices drawn at random", ("short", "filled"))
    scaling: str = _setting("volume", "slice (code): each slice's own range becomes 0 to 1", ("volume", "slice"))
    mask_files: str = _setting(
        "exact", "jpeg (code): masks with JPEG's ripples, to train and to be scored on", ("exact", "jpeg"))
    scored_slices: int | None = _setting(
        None, "first 100 (code): mean_dice in the history is that of so many slices, or of all",
        (lambda count: count is None or count >= 1, "all, or first 100; in Python None, or 100"), int, SCORED_TEXT)
    labels: str = _setting(
        "true", "swapped: each scan has another subject's masks, so nothing can be learnt", ("true", "swapped"))
    dev_fraction: float = _setting(0.3, "share of the slices, or people, that only score: paper",
                                  (lambda share: 0 < share < 1, "between 0 and 1"))
    scale: int = _setting(4, "millimetres per pixel; 1 is the paper's 232 x 196",
                         (lambda scale: 1 <= scale <= 49, "from 1 to 49"))
    z_step: int = _setting(2, "every so many-th axial slice; 1 is the paper's", AT_LEAST_1)
    seed: int = _setting(0, "of initial weights, split, order of slices and dropout", SEED)
    cohort: int = _setting(0, "seed of the embedded cohort: other people; 0 for the real ATLAS", SEED)
    people: int | None = _setting(None, "so many people of the data, drawn with the seed, or all", AT_LEAST_2, int)
    train_scored_every: int = _setting(1, "every so many-th epoch also scores train, and not dev alone", AT_LEAST_1)
    dev_sample: int | None = _setting(None, "so many of dev's slices are scored after epochs, or all", AT_LEAST_2, int)
    precision: str = _setting("float32", "of products and convolutions: tf32 for NVIDIA GPUs, bfloat16 also for "
                              "processors with units for it", ("float32", "tf32", "bfloat16"))


SETTINGS: dict[str, Field] = {field.name: field for field in fields(RunConfig)}


def check_config(config: RunConfig) -> None:
    """Raise DataError when a setting can't mean anything; called before any work is done."""
    for name, about in SETTINGS.items():
        value, rule, kind = getattr(config, name), about.metadata["rule"], about.metadata["kind"]
        allowed = (int, float) if kind is float else kind
        is_right = value is about.default is None or (isinstance(value, allowed) and not isinstance(value, bool))
        is_allowed = not rule or (rule[0](value) if is_right and callable(rule[0]) else value in rule)
        if not (is_right and is_allowed):
            raise DataError(f"RunConfig.{name} is {value!r}; it must be {demand(about, is_right)}")
    drop, last = config.lr_drop_epoch, config.epochs - 1
    if drop is not None and not 1 <= drop <= last:
        raise DataError(
            f"RunConfig.lr_drop_epoch is {drop}; it must be none, or from 1 to {last}: the learning rate drops after "
            f"it, and there are {config.epochs} epochs")


def demand(about: Field, is_right_type: bool = True) -> str:
    """What a setting's values must be, in words; to a value of another type, the type too."""
    rule, kind = about.metadata["rule"], about.metadata["kind"]
    if not rule:
        return "a whole number, or none"
    if not callable(rule[0]):
        return f"one of {', '.join(rule)}"
    return rule[1] if is_right_type or about.metadata["as_text"] else TYPES[kind] + rule[1]


def read_setting(name: str, text: str) -> Any:
    """The value of a setting from its text, as command line and records have it. Raises ValueError."""
    about = SETTINGS[name]
    if about.metadata["as_text"]:
        return about.metadata["as_text"][0](text)
    return None if about.default is None and text.lower() == "none" else about.metadata["kind"](text)


def run_name(config: RunConfig) -> str:
    """A file name for a run: the settings people ask about first, then a digest of all that are not the default.

    Defaults are left out of the digest so that a field added later does not rename earlier runs.
    """
    about_loss = f"w{config.pos_weight:g}" if config.loss == "cross_entropy" else config.loss
    told = f"{config.net}-{about_loss}-by-{config.split_by}-e{config.epochs}-seed{config.seed}"
    return f"{told}-{digest(changed_settings(config))}"


def plain_settings(config: RunConfig) -> dict:
    """The fields of a config as a record has them: plain values of each field's type; a weight of 1 is one of 1.0."""
    plain = {}
    for name, value in asdict(config).items():
        kind, as_text = SETTINGS[name].metadata["kind"], SETTINGS[name].metadata["as_text"]
        plain[name] = as_text[1](value) if as_text else None if value is None else kind(value)
    return plain


def setting_text(name: str, value: Any) -> str:
    """A setting's value as one would write it on the command line."""
    as_text = SETTINGS[name].metadata["as_text"]
    return as_text[1](value) if as_text else str(value).lower() if value is None else str(value)


def config_from_plain(values: dict) -> RunConfig:
    """The RunConfig of a record's plain values. Raises TypeError for a field that there is none of, or ValueError."""
    read = {name: SETTINGS[name].metadata["as_text"][0](value)
            if name in SETTINGS and SETTINGS[name].metadata["as_text"] else value for name, value in values.items()}
    return RunConfig(**read)


def changed_settings(config: RunConfig) -> dict:
    """The settings of a config that are not the default, as plain values."""
    defaults = plain_settings(RunConfig())
    return {name: value for name, value in plain_settings(config).items() if value != defaults[name]}


def config_until(config: RunConfig, epochs: int) -> RunConfig:
    """What of a config matters in its first epochs: a drop of the learning rate after them does not."""
    later = config.lr_drop_epoch is not None and config.lr_drop_epoch >= epochs
    return replace(config, epochs=1, lr_drop_epoch=None if later else config.lr_drop_epoch)


def with_seeds(configs: Iterable[RunConfig], seeds: Iterable[int], own_cohorts: bool = False) -> list[RunConfig]:
    """Each config with each seed, configs outermost; with `own_cohorts` seed k is trained on cohort k.

    An interval then covers other people of the generator as well as other trainings; it covers no patients.
    """
    return [replace(config, seed=k, cohort=k if own_cohorts else config.cohort) for config in configs for k in seeds]


@dataclass(frozen=True)
class Profile:
    """An operating point: a base configuration, and the embedded cohorts that go with it."""

    config: RunConfig
    n_subjects: int
    version: int = 2           # of the phantom, see `make_cohort`
    own_cohorts: bool = False  # whether run seed k uses cohort k, see `with_seeds`


# `study` has the paper's 303 updates an epoch on pixels of 4 mm; the claims are judged there, on five cohorts.
PROFILES: dict[str, Profile] = {
    "quick": Profile(RunConfig(epochs=2, batch_size=20, z_step=4), n_subjects=6, version=1),
    "course": Profile(RunConfig(), n_subjects=60, version=1),
    "study": Profile(RunConfig(z_step=1, train_scored_every=5), n_subjects=220, own_cohorts=True),
    "paper": Profile(RunConfig(scale=1, z_step=1, train_scored_every=5), n_subjects=220, own_cohorts=True),
}
