"""The command `class` and what it is made of; nothing heavy is imported until one of its parts runs."""

from pathlib import Path

__all__ = ["add_class_commands"]


def add_class_commands(parser):
    """Add build, grade, merge and slides to the parser of `atlas-lab class`."""
    commands = parser.add_subparsers(required=True, metavar="PART")

    def command(name, run, text):
        sub = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        sub.set_defaults(run=run)
        return sub

    text = "Draw the class's interval and its designs beside the lab's records, and write both down."
    sub = command("merge", _run_merge, text)
    sub.add_argument("folder", type=Path, metavar="DIR", help="run records, .json, in it or a folder below")
    sub.add_argument("--out", type=Path, help="folder for class.md and class.png (default: class/ in ATLAS_LAB_HOME)")


def _run_merge(options):
    """The command `class merge`."""
    from atlas_lab.course.class_merge import merge_class

    print(f"class.md and class.png in {merge_class(options.folder, options.out)}; pseudonyms are digits of records")
