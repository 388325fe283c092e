"""Do the tests notice wrong code? python benchmarks/mutation.py FOLDER [N]

mutmut changes one thing at a time (an operator, a number, an argument, a text) in the modules that judge the paper, and
runs those of the tests below that pass through the function. N of all its mutants (300 by default) are drawn with a
seed and run in that order. A mutant counts as killed if a test fails; one that runs out of time is run once more,
alone, before it counts. FOLDER gets a copy of the tree; the same call with the same FOLDER goes on where it was.
Prints a table and how each survivor differs. Needs the extra `dev`; 300 take an hour.
"""

import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
MODULES = ["metrics", "losses", "splits", "dataset", "paper/claims", "paper/verdicts", "paper/study_claims"]
TESTS = ["test_metrics.py", "test_metrics_by_hand.py", "test_losses.py", "data/test_slicing.py",
         "data/test_slicing_by_hand.py", "test_statistics.py", "test_splits.py", "paper/test_claims.py",
         "paper/test_study.py", "paper/test_evidence_by_hand.py", "paper/test_study_rules.py"]
SLOW = [  # tests that say nothing of these modules and take long
    "data/test_slicing.py::test_parallel_and_serial_stores_are_equal",
    "data/test_slicing_by_hand.py::test_stacked_slices_lie_where_the_means_of_their_voxels_lie",
    "data/test_slicing_by_hand.py::test_a_file_of_another_time_is_another_file",
    "paper/test_study.py::test_first_steps_are_held_against_every_record_of_a_variant",
]
SETTINGS = f"""
[tool.mutmut]
source_paths = ["atlas_lab"]
only_mutate = {[f"atlas_lab/{module}.py" for module in MODULES]}
also_copy = ["tests", "figures", "docs", "README.md", "constraints.txt", "pyproject.toml"]
pytest_add_cli_args = {["-p", "no:nbval", "-p", "no:cacheprovider", *(f"--deselect=tests/{test}" for test in SLOW)]}
pytest_add_cli_args_test_selection = {[f"tests/{test}" for test in TESTS if (REPOSITORY / "tests" / test).exists()]}
timeout_multiplier = 30.0
timeout_constant = 60.0
"""
STATUS = {1: "killed", 3: "killed", 0: "survived", 33: "no test", None: "not run"}
TIMEOUTS = {24, -24, 36, 152, 255}
AT_ONCE = 50  # mutants a call of mutmut


def prepare(folder: Path) -> None:
    """Copy the files that git knows of, and tell mutmut what to do."""
    for name in subprocess.check_output(["git", "ls-files"], cwd=REPOSITORY, text=True).splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, folder / name)
    path = folder / "pyproject.toml"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("addopts")]
    path.write_text("\n".join(lines) + SETTINGS)


def mutmut(folder: Path, *arguments: str) -> str:
    """Run mutmut in a folder; what it printed."""
    ran = subprocess.run([sys.executable, "-m", "mutmut", *arguments], cwd=folder, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True)
    return ran.stdout


def run(folder: Path, names: list[str]) -> None:
    """Run some mutants, one process at a time; ends with mutmut's last lines if it ran none of them."""
    printed = mutmut(folder, "run", "--max-children", "1", *names)
    found = outcomes(folder)
    if all(found.get(name) is None for name in names):
        raise SystemExit("mutmut ran none of the mutants:\n" + "\n".join(printed.splitlines()[-10:]))


def outcomes(folder: Path) -> dict:
    """The exit code of each mutant's tests, by its name; None where they have not run."""
    found = {}
    for path in sorted((folder / "mutants").rglob("*.py.meta")):
        found |= json.loads(path.read_text())["exit_code_by_key"]
    return found


def run_sample(folder: Path, count: int) -> dict[str, str]:
    """What became of each mutant of the sample, by its name."""
    if not (folder / "pyproject.toml").exists():
        prepare(folder)
    if not (folder / "mutants").exists():
        run(folder, ["atlas_lab.losses.x_best_probability__mutmut_1"])  # makes all, and looks which test sees what
    sample = sorted(outcomes(folder))
    random.Random(0).shuffle(sample)
    del sample[count:]
    for at in range(0, len(sample), AT_ONCE):
        found = outcomes(folder)
        if waiting := [name for name in sample[at : at + AT_ONCE] if found[name] is None]:
            run(folder, waiting)
        print(f"{min(at + AT_ONCE, len(sample))} of {len(sample)}", file=sys.stderr, flush=True)
    found = outcomes(folder)
    for name in sample:
        if found[name] in TIMEOUTS:
            run(folder, [name])
    found = outcomes(folder)
    return {name: "timeout" if found[name] in TIMEOUTS else STATUS.get(found[name], f"exit {found[name]}")
            for name in sample}


def table(found: dict[str, str]) -> str:
    """The table: module by module how many were tried and killed."""
    lines = ["| module | tried | killed | survived | no test |", "|---|---|---|---|---|"]
    groups = {module: f"atlas_lab.{module.replace('/', '.')}." for module in MODULES} | {"all": ""}
    for module, start in groups.items():
        counts = Counter(status for name, status in found.items() if name.startswith(start) and status != "not run")
        killed = counts["killed"] + counts["timeout"]
        tried = counts.total()
        share = f" ({killed / tried:.0%})" if tried else ""
        lines.append(f"| {module} | {tried} | {killed}{share} | {counts['survived']} | {counts['no test']} |")
    return "\n".join(lines)


def main(folder: str, count: int = 300) -> int:
    """Run a sample and print what became of it; the exit code is 1 if fewer than 85 % were killed."""
    found = run_sample(Path(folder), count)
    for name, status in found.items():
        if status in ("survived", "no test"):
            print(f"\n{status}: {mutmut(Path(folder), 'show', name)}")
    print(table(found))
    run_through = [status for status in found.values() if status != "not run"]
    return int(sum(status in ("killed", "timeout") for status in run_through) < 0.85 * len(run_through))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:3])))
