"""Settings from texts, as the command line gives them."""

import difflib
from collections.abc import Iterable
from dataclasses import replace

from atlas_lab.config import SETTINGS, RunConfig, check_config, demand, read_setting
from atlas_lab.files import DataError

__all__ = ["config_from_strings"]


def config_from_strings(pairs: Iterable[str], base: RunConfig | None = None) -> RunConfig:
    """A checked RunConfig from texts such as ["epochs=40", "split_by=subject"], as the command line gives them.

    Raises DataError for an unknown field, with the name that may have been meant, or a value that can't be.
    """
    changes = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or name not in SETTINGS:
            raise DataError(f"'{pair}' is not a setting; {_hint_for(name)}")
        try:
            changes[name] = read_setting(name, text)
        except ValueError:
            kind = SETTINGS[name].metadata["kind"].__name__
            wanted = demand(SETTINGS[name]) if SETTINGS[name].metadata["as_text"] else f"a value of type {kind}"
            raise DataError(f"'{pair}': {name} takes {wanted}") from None
    config = replace(base or RunConfig(), **changes)
    check_config(config)
    return config


def _hint_for(name: str) -> str:
    """What to write in place of a text that is no setting."""
    if name in SETTINGS:
        return f"write {name}=VALUE"
    near = difflib.get_close_matches(name, SETTINGS, 1)
    return f"did you mean {near[0]}?" if near else f"write FIELD=VALUE with one of: {', '.join(SETTINGS)}"
