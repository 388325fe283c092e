"""The house: a core that is read, wings that use it, small files, and a door with few names."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import atlas_lab as lab
from atlas_lab import provenance
from atlas_lab.files import REPOSITORY

PACKAGE = REPOSITORY / "atlas_lab"
CORE = {"grid", "dataset", "splits", "model", "architecture", "losses", "metrics", "statistics", "train", "config",
        "provenance", "files"}
# Who may import whom: each room the ones before it.
ORDER = ["system", "core", "fast", "nets", "scoring", "data", "phantom", "cohorts", "experiment", "plots", "check",
         "paper", "widgets", "course", "commands", "cli", "__main__"]
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(module):
    """The room of a module's dotted name below the package."""
    first = module.split(".")[0]
    return "core" if first in CORE else first


def modules_imported(path):
    """Dotted names of the files below the package that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("atlas_lab")}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            if node.module.split(".")[0] == "atlas_lab":
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    resolved = set()
    for name in found:
        parts = name.split(".")
        while parts and not (REPOSITORY / "/".join(parts)).with_suffix(".py").exists():
            parts.pop()
        resolved.add(".".join(parts[1:]))
    return resolved - {""}


def test_names_are_resolved_to_files():
    assert "data.scans" in modules_imported(PACKAGE / "cohorts.py")
    assert {"metrics", "dataset"} <= modules_imported(PACKAGE / "train.py")


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "__init__.py"],
                         ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_file_imports_upwards(path):
    mine = room_of(path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."))
    for module in modules_imported(path):
        theirs = room_of(module)
        assert ORDER.index(theirs) <= ORDER.index(mine), f"{mine} imports {module}"


def test_no_files_import_one_another_in_a_circle():
    below = {path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."): modules_imported(path)
             for path in FILES if path.name != "__init__.py"}
    while leaves := [name for name, others in below.items() if not others & below.keys() - {name}]:
        for name in leaves:
            del below[name]
    assert below == {}


def test_a_checkpoint_outlives_only_files_that_no_training_runs_through():
    beside = {name.removesuffix(".py").replace("/", ".") for name in provenance.BESIDE}
    used, waiting = set(), {"experiment.experiment"}
    while waiting:
        module = waiting.pop()
        path = PACKAGE / f"{module.replace('.', '/')}.py"
        used.add(module)
        waiting |= modules_imported(path) - used if path.exists() else set()
    assert len(used) > 40 and used & beside == {"cohorts"}  # which only finds the data, known by their digest
    assert all((PACKAGE / name).exists() for name in provenance.BESIDE)


def test_the_core_is_small_and_no_file_is_large():
    core = [path for path in PACKAGE.glob("*.py") if path.stem in CORE]
    assert {path.stem for path in core} == CORE and len(core) <= 14
    assert {path.stem for path in PACKAGE.glob("*.py")} - CORE == {"__init__", "__main__", "cli", "cohorts", "check"}
    assert sum(len(path.read_text().splitlines()) for path in core) <= 1600
    ours = [*FILES, *(REPOSITORY / "tests").rglob("*.py"), *(REPOSITORY / "benchmarks").glob("*.py")]
    assert [path.name for path in ours if len(path.read_text().splitlines()) > 320] == []


def test_tests_mirror_the_folders():
    for path in (REPOSITORY / "tests").rglob("test_*.py"):
        folder = path.parent.relative_to(REPOSITORY / "tests").as_posix()
        assert folder == "." or (PACKAGE / folder).is_dir(), path


def modules_after(code):
    """Names of the package's modules, and of some heavy ones, that are loaded after a line of Python."""
    heavy = ("torch", "numpy", "pandas", "scipy", "nilearn", "matplotlib", "monai", "ipywidgets")
    code += f"; import sys; print(*sorted(m for m in sys.modules if m.startswith('atlas_lab') or m in {heavy}))"
    return subprocess.check_output([sys.executable, "-c", code], text=True, cwd=REPOSITORY).split()


@pytest.mark.skipif(sys.platform != "linux", reason="torch brings libgomp along on Linux")
@pytest.mark.parametrize(("asked", "spins"), [({}, 1000), ({"GOMP_SPINCOUNT": "70"}, 70)])
def test_threads_that_wait_spin_shortly_unless_told_otherwise(asked, spins):
    others = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    done = subprocess.run([sys.executable, "-c", "import atlas_lab; import torch"], capture_output=True, text=True,
                          env={**others, **asked, "OMP_DISPLAY_ENV": "verbose"}, check=True)
    assert re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr) == [str(spins)]  # as libgomp itself says


def test_dice_loads_little():
    loaded = modules_after("from atlas_lab.metrics import dice_coefficient")
    assert sum(name.startswith("atlas_lab") for name in loaded) <= 6 and "torch" not in loaded


def test_the_package_and_its_command_line_load_nothing_heavy():
    assert modules_after("import atlas_lab") == ["atlas_lab"]
    loaded = modules_after("from atlas_lab.cli import parser; parser()")
    assert not {"torch", "numpy", "pandas"} & set(loaded)


def test_importing_a_file_changes_no_warnings():
    names = [path.relative_to(REPOSITORY).with_suffix("").as_posix().replace("/", ".") for path in FILES
             if path.stem not in ("__init__", "__main__")]
    code = (
        "import warnings, importlib, torch, matplotlib, nilearn, ipywidgets, anywidget, pandas, joblib; "
        "before = list(warnings.filters); "
        f"[importlib.import_module(name) for name in {names}]; "
        "print([f for f in warnings.filters if f not in before])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).splitlines()[-1] == "[]"


def sources():
    """README, and the code and prose of all notebooks, as one text."""
    texts = [(REPOSITORY / "README.md").read_text(encoding="utf-8")]
    for path in sorted((REPOSITORY / "notebooks").glob("*.ipynb")):
        texts += ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    return "\n".join(texts)


def test_the_door_has_few_names_and_each_is_used_in_the_course():
    assert len(lab.__all__) <= 45
    text = sources()
    assert [name for name in lab.__all__ if not re.search(rf"\blab\.{name}\b", text)] == []


def test_scripts_find_the_names_that_the_door_had_once():
    for name in ("compare", "plot_history", "save_figure", "with_seeds"):
        assert callable(getattr(lab, name)) and name not in lab.__all__
    with pytest.raises(AttributeError, match="no_such_name"):
        lab.no_such_name  # noqa: B018


def test_no_name_of_a_door_shadows_a_module():
    for door in [lab, *(getattr(lab, name) for name in lab.__all__ if hasattr(getattr(lab, name), "__path__"))]:
        folder = Path(door.__file__).parent
        for name in door.__all__:
            value = getattr(door, name)
            assert not (folder / f"{name}.py").exists() or hasattr(value, "__file__"), f"{door.__name__}.{name}"


def test_every_public_function_of_the_core_and_of_the_door_is_documented():
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        public = next((ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)
                       and getattr(node.targets[0], "id", "") == "__all__" and isinstance(node.value, ast.List)), [])
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in public:
                assert ast.get_docstring(node), f"{path.name}: {node.name}"
