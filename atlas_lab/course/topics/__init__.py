"""The exercises, one file for each notebook: solutions, cases drawn from a key, mistakes by name."""

__all__ = []
