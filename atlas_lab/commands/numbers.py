"""Numbers on the command line, refused in a line where they can't mean anything."""

import argparse

__all__ = ["at_least_1", "price", "processes"]


def at_least_1(text: str) -> int:
    """A whole number from 1 on. Raises ArgumentTypeError."""
    if not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def processes(text: str) -> int:
    """How many processes: a whole number from 1 on, or -1 for one per core. Raises ArgumentTypeError."""
    try:
        return -1 if text == "-1" else at_least_1(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a whole number from 1 on nor -1, for one per core") from None


def price(text: str) -> float:
    """An amount of money from 0 on. Raises ArgumentTypeError."""
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no amount from 0 on")
    return amount
