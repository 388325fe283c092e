"""A question on the terminal before something that can't be taken back, or takes long."""

__all__ = ["says_yes"]


def says_yes(question: str) -> bool:
    """Whether somebody answers y or yes; where nobody can, as at the end of a pipe, that is a no."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
