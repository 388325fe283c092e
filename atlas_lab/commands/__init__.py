"""Commands of the command line that need no settings of a run: `add(command)` of each file adds its own.

`command(name, run, text)` makes one and gives its parser; `run(options)` returns the exit code, or nothing for 0.
"""

__all__ = []
