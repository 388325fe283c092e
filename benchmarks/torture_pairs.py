"""Two commands at once on one empty home."""

import itertools
import shutil
from pathlib import Path

from torture import Trial
from torture_stage import PREPARE, SETTINGS, Stage, module, one_line, records, report, start, stores

__all__ = ["pairs", "together"]

# Pairs with `cohort` work on the embedded cohort, which the first to need it makes, the others on a release. What each
# leaves is compared with what it leaves alone.
COHORT = "import atlas_lab as lab; lab.cohort(6, progress=False)"
BROWSE = "import atlas_lab as lab; lab.view_slices(lab.cohort(6, progress=False)[0])"


def members(work):
    """The six commands, by name: arguments, and what they leave."""
    return {
        "cohort": (["-c", COHORT], lambda: None),
        "prepare": (["-c", PREPARE], lambda: stores(work, z_step=2)),  # others make stores too
        "train": (module("train", *SETTINGS, "--out", work / "runs"), lambda: records(work)),
        "sweep": (module("sweep", *SETTINGS, "--seeds", 1, "--out", work / "runs"), lambda: records(work)),
        "check": (["-c", f"{COHORT}\nimport os\nfrom atlas_lab.cli import main\nfrom atlas_lab.files import lab_home\n"
                         "place = os.environ.get('ATLAS_DATA') or str(lab_home() / 'cohorts')\n"
                         f"main(['check', place, '--out', r'{work / 'report'}', '--jobs', '1'])"],
                  lambda: report(work)),
        "view": (["-c", BROWSE], lambda: None),
    }


def pairs(stage: Stage, few: bool):
    """Trials, one a pair of commands."""
    names, alone = list(members(stage.folder)), {}
    for one, other in itertools.combinations_with_replacement(names, 2):
        if few and (one, other) != ("train", "sweep"):
            continue
        atlas = None if "cohort" in (one, other) else stage.atlas
        for name in {one, other} - {name for name, place in alone if place == atlas}:
            alone[name, atlas] = together(stage, [name], atlas)
        wrong, found = together(stage, [one, other], atlas)
        if not wrong and [*alone[one, atlas][1], *alone[other, atlas][1]] != found:
            wrong = f"something else than alone: {alone[one, atlas][0] or alone[other, atlas][0]}"
        yield Trial("pairs", "at once", f"{one}, {other}: {wrong}" if wrong else "")


def together(stage: Stage, names: list[str], atlas: Path | None = None) -> tuple[str, list]:
    """Run commands at once on an empty home, on the embedded cohort or a release; what is wrong, and what each left."""
    work = stage.work()
    every, environment = members(work), stage.environment(work, ATLAS_DATA=atlas and str(atlas))
    running = [start(every[name][0], environment) for name in names]
    codes = [process.wait() for process in running]
    wrong = one_line(work) or (f"exit codes {codes}" if any(codes) else "")
    rest = [path.name for path in work.rglob(".*") if path.name.startswith(".writing-") or path.name.endswith(".lock")]
    found = [every[name][1]() for name in names] if not wrong else []
    shutil.rmtree(work)
    return wrong or (f"left {rest}" if rest else ""), found
