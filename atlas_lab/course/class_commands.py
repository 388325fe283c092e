"""The command `class` and what it is made of; nothing heavy is imported until one of its parts runs."""

import sys

from atlas_lab.system.disk import expand

__all__ = ["add_class_commands"]


def add_class_commands(parser):
    """Add build, grade, merge and slides to the parser of `atlas-lab class`."""
    commands = parser.add_subparsers(required=True, metavar="PART")

    def command(name, run, text):
        sub = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        sub.set_defaults(run=run)
        return sub

    text = "Make students' notebooks with stubs and quizzes, teachers' copies with solutions, and the key of the class."
    sub = command("build", _run_build, text)
    sub.add_argument("--out", type=expand, help="folder for them (default: class/course/ in ATLAS_LAB_HOME)")
    sub.add_argument("--parts", nargs="*", default=[], metavar="NN", help="parts of the course, as in 01 03 (all)")
    sub.add_argument("--key", type=expand, metavar="FILE", help="a key to use again (default: the folder's, or new)")

    text = "Grade notebooks on hidden cases, in a sandbox that the students' code can't leave; writes a CSV."
    sub = command("grade", _run_grade, text)
    sub.add_argument("folder", type=expand, metavar="DIR", help="a folder for each student, with notebooks in it")
    sub.add_argument("--key", type=expand, required=True, metavar="FILE", help="the key.json that class build wrote")
    sub.add_argument("--out", type=expand, metavar="CSV", help="table (default: class/grades.csv in ATLAS_LAB_HOME)")
    sub.add_argument("--seconds", type=int, default=60, help="most CPU seconds for an exercise (default 60)")
    sub.add_argument("--unsafe", action="store_true", help="without bubblewrap: their code may do what you may")

    text = "Draw the class's interval and its designs beside the lab's records, and write both down."
    sub = command("merge", _run_merge, text)
    sub.add_argument("folder", type=expand, metavar="DIR", help="run records, .json, in it or below")
    sub.add_argument("--out", type=expand, help="folder for class.md and class.png (default: class/ in ATLAS_LAB_HOME)")

    sub = command("slides", _run_slides, "Make a page of slides of each notebook, from its own text and pictures.")
    sub.add_argument("--out", type=expand, help="folder for the pages (default: class/slides/ in ATLAS_LAB_HOME)")
    sub.add_argument("--parts", nargs="*", default=[], metavar="NN", help="parts of the course, as in 01 03 (all)")


def _run_build(options):
    """The command `class build`."""
    from atlas_lab.course.class_build import build_class

    out = build_class(options.out, tuple(options.parts), options.key)
    print(f"{out}: student/ to hand out; instructor/ and key.json for you alone")


def _run_grade(options):
    """The command `class grade`."""
    from atlas_lab.course.class_grade import grade_class
    from atlas_lab.course.class_key import read_key

    if options.unsafe:
        print("atlas-lab: --unsafe: the students' code can read, change and delete what you can", file=sys.stderr)
    print(f"marks: {grade_class(options.folder, read_key(options.key), options.out, options.unsafe, options.seconds)}")


def _run_merge(options):
    """The command `class merge`."""
    from atlas_lab.course.class_merge import merge_class

    print(f"class.md and class.png in {merge_class(options.folder, options.out)}; pseudonyms are digits of records")


def _run_slides(options):
    """The command `class slides`."""
    from atlas_lab.course.class_slides import write_slides

    for path in write_slides(options.out, tuple(options.parts)):
        print(path)
