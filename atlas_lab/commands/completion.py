"""`completion`: a script with which a shell completes commands and options."""

from functools import partial

__all__ = ["add"]

SHELLS = ("bash", "zsh", "tcsh")


def add(command, parser):
    """Add this command; `parser` gives the whole command line."""
    text = 'Print a script that completes commands and options: eval "$(atlas-lab completion bash)".'
    sub = command("completion", partial(_run_completion, parser), text)
    sub.add_argument("shell", choices=SHELLS, help="the shell it is for")


def _run_completion(parser, options):
    """The command `completion`."""
    import shtab

    print(shtab.complete(parser(), options.shell))
