"""Which of the scans that were found are meant: one release, one part of it, people and no phantoms."""

import sys

from atlas_lab.files import DataError

__all__ = ["choose_part", "choose_patients", "choose_release", "leave_out", "refuse_two_volumes"]


def choose_patients(scans):
    """Leave synthetic scans out that lie beside real ones, as where the lab's own folder lies among the data."""
    patients = [scan for scan in scans if not scan.synthetic]
    if patients and len(patients) < len(scans):
        print(f"{len(scans) - len(patients)} synthetic scans beside real ones left out", file=sys.stderr)
        return patients
    return scans


def choose_release(scans, root):
    """Keep one release: R2.1's registered scans rather than its raw ones; other mixtures are refused."""
    releases = sorted({scan.release for scan in scans})
    if releases == ["R2.1", "R2.1 raw"]:
        raw = sum(scan.release == "R2.1 raw" for scan in scans)
        print(f"{raw} raw scans of R2.1 left out; to work on them name the folder Training_Raw", file=sys.stderr)
        return [scan for scan in scans if scan.release == "R2.1"]
    if len(releases) > 1:
        raise DataError(
            f"{root}: found scans of {' and '.join(releases)}; the releases share people, so that training on one and "
            "testing on another would leak: name the folder of one of them"
        )
    return scans


def choose_part(scans, part, root):
    """The training scans, or the testing scans, which have no masks."""
    chosen = [scan for scan in scans if scan.part == part]
    if not chosen:
        raise DataError(f"{root}: all {len(scans)} scans are of the other part than {part!r}; name another folder")
    if part == "training" and len(chosen) < len(scans):
        print(f"{len(scans) - len(chosen)} testing scans without masks left out", file=sys.stderr)
    return chosen


def refuse_two_volumes(scans):
    """Raise DataError if two scans share subject and session: which one is meant can't be known."""
    seen = {}
    for scan in scans:
        if scan.name in seen:
            raise DataError(f"{scan.name}: found two T1 volumes, {seen[scan.name]} and {scan.t1w}; expected one per "
                            "session: remove the one that is not meant")
        seen[scan.name] = scan.t1w


def leave_out(scans, names):
    """The scans less those named, each announced on stderr. Raises DataError for a name that is not there."""
    names = {names} if isinstance(names, str) else set(names)
    missing = names - {scan.name for scan in scans}
    if missing:
        raise DataError(f"can't exclude {', '.join(sorted(missing))}: no such scan; the first is {scans[0].name}")
    for name in sorted(names):
        print(f"left out by name: {name}", file=sys.stderr)
    kept = [scan for scan in scans if scan.name not in names]
    if not kept:
        raise DataError(f"all {len(scans)} scans were excluded; leave at least one in")
    return kept
