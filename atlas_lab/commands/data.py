"""`cohort`, `check`, `unlock` and `clean`: scans as files, and what is derived from them."""

import os
import shlex
import sys

from atlas_lab.commands.numbers import at_least_1, processes
from atlas_lab.data.identify import refuse_path
from atlas_lab.files import check_target, lab_home
from atlas_lab.system.disk import expand, one_line

__all__ = ["add", "add_exclude"]


def add(command):
    """Add these commands."""
    sub = command("cohort", _run_cohort, "Make a synthetic cohort as files in the layout of an ATLAS release.")
    sub.add_argument("--out", type=expand, required=True, help="folder to make it in")
    sub.add_argument("--subjects", type=at_least_1, default=60, help="number of subjects (default 60)")
    sub.add_argument("--seed", type=int, default=0, help="same seed, same files (default 0)")
    sub.add_argument("--layout", default="R1.1", help='release whose names it gets: R1.1, R1.2, R2.0, R2.1, "R2.1 raw"')
    sub.add_argument("--lesions", type=expand, help="folder of real lesion masks in MNI space, in place of grown ones")
    sub.add_argument("--version", type=int, default=2, help="1: brains on black; 2: whole heads (default 2)")
    only = "version 2: "
    sub.add_argument("--brains-only", action="store_true", help=only + "brains on black, as in skull-stripped data")
    sub.add_argument("--no-mimics", action="store_true", help=only + "nothing that looks like a lesion and isn't one")
    sub.add_argument("--pale-cores", action="store_true", help=only + "lesions as pale as version 1's at any size")
    sub.add_argument("--healthy", action="store_true", help=only + "no lesions, to count false alarms on")

    text = "Load every scan below ROOT and report what is wrong or odd; exit code 1 if a scan is unusable."
    sub = command("check", _run_check, text)
    sub.add_argument("root", type=expand, help="folder of the unpacked release")
    sub.add_argument("--out", type=expand, help="folder for the report's files (default: check/ in ATLAS_LAB_HOME)")
    sub.add_argument("--jobs", type=processes, default=-1, help="processes (default: one per core)")
    add_exclude(sub)

    sub = command("unlock", _run_unlock, "Decrypt and unpack an archive of ATLAS; asks for the key.")
    sub.add_argument("archive", type=expand, help="the encrypted archive")
    sub.add_argument("--out", type=expand, help="folder to unpack to (default: the archive's name, beside it)")

    sub = command("clean", _run_clean, "Remove all that the lab has derived; it is listed first.")
    sub.add_argument("--yes", action="store_true", help="don't ask")


def add_exclude(sub):
    """The option that leaves scans out: one name each time, so that it takes nothing of what follows."""
    text = "a scan to leave out, as in 031768/t01; once for each"
    sub.add_argument("--exclude", action="append", default=[], metavar="SCAN", help=text)


def _run_cohort(options):
    """The command `cohort`."""
    from atlas_lab.phantom.cohort import make_cohort

    out = make_cohort(
        options.out, options.subjects, options.seed, options.layout, options.lesions, version=options.version,
        heads=not options.brains_only, mimics=not options.no_mimics, dark_cores=not options.pale_cores,
        n_lesions=0 if options.healthy else None,
    )
    print(f"{options.subjects} synthetic subjects in {out}; to work on them, in this terminal:\n{_use(out.resolve())}")


def _use(folder):
    """The command that has the lab work on a folder, as the shell of this system wants it."""
    if os.name == "nt":
        return '$env:ATLAS_DATA = "{}"'.format(str(folder).replace('"', '`"'))
    return f"export ATLAS_DATA={shlex.quote(str(folder))}"


def _run_check(options):
    """The command `check`; 1 if a scan is unusable."""
    from atlas_lab.check import count_notes, findings_table, inspect_scans, metadata_notes, slice_notes, write_report
    from atlas_lab.data.scans import find_scans, source_of

    scans = find_scans(options.root, options.exclude)
    out = options.out or lab_home() / "check"
    check_target(out / "report.html", source_of(scans))  # before every scan is read
    inspections = inspect_scans(scans, thumbnails=True, jobs=options.jobs)
    notes = count_notes(scans) + metadata_notes(scans, options.root) + slice_notes(inspections)
    for line in [*notes, *(f"{row.scan}: {row.problem}" for row in findings_table(inspections).itertuples())]:
        print(one_line(line))
    if not all(scan.synthetic for scan in scans):
        print(f"The report shows patient images, and ATLAS is under a data use agreement: keep {out} to yourself.")
    print(f"report: {write_report(scans, inspections, notes, out)}")
    unusable = sum(bool(found.unusable) for found in inspections)
    print(f"{len(scans)} scans found, {unusable} of them unusable")
    return 1 if unusable else 0


def _run_unlock(options):
    """The command `unlock`; the key is asked for, or read from a pipe, and never shown."""
    from getpass import getpass

    from atlas_lab.data.unlock import unlock

    refuse_path(options.archive, "expected the encrypted archive")
    name = options.archive.name.lstrip(".").split(".")[0] or "atlas"
    out = options.out or options.archive.with_name(name)
    key = getpass("key of the archive: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    scheme = unlock(options.archive, out, key)
    print(f"unpacked to {out}; it was made with: openssl enc -aes-256-cbc {scheme}")


def _run_clean(options):
    """The command `clean`; 1 if nothing was removed since the answer was no."""
    from atlas_lab.data.leftovers import clean

    return 0 if clean(options.yes) else 1
