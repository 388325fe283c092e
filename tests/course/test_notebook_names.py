"""A cell can be run again after those below it: what it reads from another cell is set in one way only."""

import ast
import json

import pytest

from atlas_lab.files import REPOSITORY

PATHS = sorted((REPOSITORY / "notebooks").glob("[0-9]*.ipynb"))


class Names(ast.NodeVisitor):
    """Names that a cell sets at its top, with the statements that do, and those it reads from other cells.

    A function's own names are its own, and so are a comprehension's; what they read from outside counts.
    """

    def __init__(self, source):
        self.sets, self.reads, self.own, self.statement = {}, set(), [], None
        for self.statement in ast.parse(source).body:
            self.visit(self.statement)

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Store):
            self._set(node.id)
        elif node.id not in self.sets and not any(node.id in own for own in self.own):
            self.reads.add(node.id)

    def _set(self, name):
        if self.own:
            self.own[-1].add(name)
        else:
            self.sets.setdefault(name, []).append(ast.dump(self.statement))

    def visit_Assign(self, node):
        for part in (node.value, *node.targets):  # what is read comes first
            self.visit(part)

    def visit_AugAssign(self, node):
        self.visit(ast.Name(getattr(node.target, "id", "_"), ast.Load()))
        self.visit(node.value)
        self.visit(node.target)

    def visit_For(self, node):
        for part in (node.iter, node.target, *node.body, *node.orelse):
            self.visit(part)

    def visit_Import(self, node):
        for alias in node.names:
            self._set(alias.asname or alias.name.split(".")[0])

    visit_ImportFrom = visit_Import

    def visit_FunctionDef(self, node):
        self._set(node.name)
        self._within({argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}, node.body)

    def visit_Lambda(self, node):
        self._within({argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}, [node.body])

    def visit_ListComp(self, node):
        values = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        parts = [part for each in node.generators for part in (each.iter, each.target, *each.ifs)]
        self._within(set(), [*parts, *values])

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def _within(self, own, parts):
        self.own.append(own)
        for part in parts:
            self.visit(part)
        self.own.pop()


def ambiguous(sources):
    """Names that some cell reads from another one and that are set in more than one way."""
    cells = [Names(source) for source in sources]
    read = set().union(*(cell.reads for cell in cells))
    ways = {}
    for cell in cells:
        for name, statements in cell.sets.items():
            ways.setdefault(name, set()).add(tuple(statements))
    return sorted(name for name in read if len(ways.get(name, ())) > 1)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_name_that_other_cells_read_is_set_in_one_way_only(path):
    """The same line may stand in several cells; what no other cell reads may be set anew in each."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert ambiguous("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code") == []


@pytest.mark.parametrize("sources, found", [
    (["a = 1", "print(a)", "a = 2"], ["a"]),
    (["a = 1", "a = 1\nprint(a)", "print(a)"], []),
    (["a = 1\nprint(a)", "a = 2\nprint(a)"], []),
    (["a = 1\nprint(a)", "for a in range(3): print(a)", "f'{a}'"], ["a"]),
    (["a = 1", "b = a + 1", "a = [a for a in range(3)]\nprint(a)"], ["a"]),
    (["a = 1", "def f(x):\n    return a + x", "def f(a):\n    return a", "lambda a: a"], []),
    (["a = 0", "a += 1"], ["a"]),
])
def test_names_are_found(sources, found):
    assert ambiguous(sources) == found
