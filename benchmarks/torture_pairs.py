"""Two commands at once on one empty home."""

import itertools
import shutil
from pathlib import Path

from torture import Trial
from torture_stage import PREPARE, SETTINGS, Stage, module, one_line, records, report, start, stores

__all__ = ["pairs", "together"]

# On the embedded cohort, which the first to need it makes. What each leaves: compared with what it leaves alone.
COHORT = "import atlas_lab as lab; lab.cohort(6, progress=False)"
BROWSE = "import atlas_lab as lab; lab.view_slices(lab.cohort(6, progress=False)[0])"


def members(work):
    """The six commands, by name: arguments, and what they leave."""
    return {
        "cohort": (["-c", COHORT], lambda: None),
        "prepare": (["-c", PREPARE], lambda: stores(work)[:1]),
        "train": (module("train", *SETTINGS, "--out", work / "runs"), lambda: records(work)),
        "sweep": (module("sweep", *SETTINGS, "--seeds", 1, "--out", work / "runs"), lambda: records(work)),
        "check": (["-c", f"{COHORT}\nfrom atlas_lab.cli import main\nfrom atlas_lab.files import lab_home\n"
                         f"main(['check', str(lab_home() / 'cohorts'), '--out', r'{work / 'report'}', '--jobs', '1'])"],
                  lambda: report(work)),
        "view": (["-c", BROWSE], lambda: None),
    }


def pairs(stage: Stage, few: bool):
    """Trials, one a pair of commands."""
    names = list(members(stage.folder))
    alone = {}
    for one, other in itertools.combinations_with_replacement(names, 2):
        if few and (one, other) not in (("prepare", "prepare"), ("train", "sweep")):
            continue
        for name in {one, other} - alone.keys():
            alone[name] = together(stage, [name])[1][0]
        wrong, found = together(stage, [one, other])
        if not wrong and found != [alone[one], alone[other]]:
            wrong = "something else than alone"
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
