"""The command line: `python -m atlas_lab COMMAND`, also installed as `atlas-lab`."""

import argparse
import difflib
import os
import re
import sys
import warnings
from contextlib import contextmanager

from atlas_lab import __version__
from atlas_lab.commands import completion, data, figures, notebooks, own_scans, people, records, replay, score, training
from atlas_lab.config import SETTINGS
from atlas_lab.course.class_commands import add_class_commands
from atlas_lab.files import DataError
from atlas_lab.system.progress import QUIET

__all__ = ["Parser", "main", "parser"]


def main(arguments=None):
    """Run one command; returns the exit code: 0, or 2 with one line on stderr if the input can't be used."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names of files may hold what the terminal can't show
    options = parser().parse_args(_as_options(sys.argv[1:] if arguments is None else arguments))
    try:
        with warnings.catch_warnings(), _quiet(options.quiet):
            warnings.showwarning = _show_in_one_line
            return options.run(options) or 0
    except DataError as error:
        print(f"atlas-lab: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever reads the output has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # where no message of our own stands: a file that vanishes while it is read, say
        print(f"atlas-lab: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("atlas-lab: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


@contextmanager
def _quiet(wanted):
    """No progress is shown, here and in the processes that are started, if that is wanted."""
    before = os.environ.get(QUIET)
    if wanted:
        os.environ[QUIET] = "1"
    try:
        yield
    finally:
        if wanted and before is None:
            del os.environ[QUIET]


def _show_in_one_line(message, category, filename, lineno, file=None, line=None):
    """A warning as people are to read it: without the file and line of the code that gave it."""
    print(f"atlas-lab: {DataError(message)}", file=sys.stderr)  # whose text is one line, whatever names it holds


def _as_options(arguments):
    """FIELD=VALUE and --FIELD=VALUE as one, so that settings may be written either way, and anywhere on the line."""
    words = []
    for word in arguments:
        name, equals, value = word.removeprefix("--").partition("=")
        is_setting = name in SETTINGS and (equals or word.startswith("--"))
        words.append(f"--{name.replace('_', '-')}{equals}{value}" if is_setting else word)
    return words


class Parser(argparse.ArgumentParser):
    """A parser that, for a misspelt command or setting, says which one may have been meant."""

    def error(self, message):
        """Print one line on stderr and exit with code 2."""
        for option in re.findall(r"--[\w-]+", message) if "unrecognized" in message else []:
            near = difflib.get_close_matches(option.strip("-").replace("-", "_"), SETTINGS, 1)
            message += f"; did you mean --{near[0].replace('_', '-')}?" if near else ""
        if found := re.search(r"COMMAND: invalid choice: '([\w-]+)' \(choose from (.*)\)", message):
            near = difflib.get_close_matches(found[1], re.findall(r"[\w-]+", found[2]), 1)  # some Pythons quote them
            message = f"there is no command '{found[1]}'; did you mean {near[0]}?" if near else message
        super().error(message)


def parser():
    """The commands and their options."""
    top = Parser(prog="atlas-lab", description="ATLAS Lab: from scans to the paper's figures.", allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"atlas-lab {__version__}")
    quiet = {"action": "store_true", "help": "show results, warnings and errors alone, no progress"}
    top.add_argument("-q", "--quiet", **quiet)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name, run, text):
        sub = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        sub.set_defaults(run=run)
        sub.add_argument("-q", "--quiet", default=argparse.SUPPRESS, **quiet)
        return sub

    for of_commands in (data, training, people, own_scans, score, figures, records, replay, notebooks):
        of_commands.add(command)
    completion.add(command, parser)
    sub = commands.add_parser("class", help="For teachers: notebooks, marks, slides and the runs of a class.")
    add_class_commands(sub)
    return top
