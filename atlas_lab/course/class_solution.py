"""The two faces of an exercise's cell: the stub that students get, and the solution in its place."""

import ast
import inspect
import textwrap
import types
from collections.abc import Callable

__all__ = ["BEGIN", "END", "solved_cell", "split_cell"]

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"  # nbgrader's marks: what lies between, students don't get


def split_cell(text: str, function: str) -> tuple[str, str]:
    """The part of a cell that defines a function, and what comes after it, such as the call of its check."""
    tree, lines = ast.parse(text), text.splitlines()
    last = max(node.end_lineno for node in tree.body if getattr(node, "name", None) == function)
    return "\n".join(lines[:last]).strip("\n"), "\n".join(lines[last:]).strip("\n")


def solved_cell(function: str, solution: Callable) -> str:
    """A solution as the learner would write it: under its name in the notebook, with all that it needs in it."""
    text = textwrap.dedent(inspect.getsource(solution))
    node = ast.parse(text).body[0]
    lines = text.splitlines()
    head = next(number for number in range(node.lineno - 1, len(lines)) if solution.__name__ in lines[number])
    lines[head] = lines[head].replace(solution.__name__, function, 1)
    has_docstring = ast.get_docstring(node) is not None
    start = node.body[0].end_lineno if has_docstring else node.body[0].lineno - 1
    if not isinstance(node, ast.FunctionDef) or (has_docstring and len(node.body) == 1):
        return "\n".join([BEGIN, *_needed(solution), *lines, END])
    needed = textwrap.indent("\n".join(_needed(solution)), "    ").splitlines()
    marks = ["    " + mark for mark in (BEGIN, END)]
    return "\n".join([*lines[:start], marks[0], *needed, *lines[start:node.end_lineno], marks[1]])


def _needed(solution):
    """Lines that import or set each global name that a solution uses."""
    space = getattr(inspect.unwrap(solution), "__globals__", vars(inspect.getmodule(solution)))
    names = {node.id for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(solution))))
             if isinstance(node, ast.Name)}
    return [_line(name, space[name]) for name in sorted(names & space.keys() - {solution.__name__})]


def _line(name, value):
    """The line that makes a name mean a value."""
    if isinstance(value, types.ModuleType):
        return f"import {value.__name__} as {name}"
    if hasattr(value, "__module__") and hasattr(value, "__name__"):
        as_name = "" if value.__name__ == name else f" as {name}"
        return f"from {value.__module__} import {value.__name__}{as_name}"
    return f"from {value.__class__.__module__} import {name}" if not _is_plain(value) else f"{name} = {value!r}"


def _is_plain(value):
    """True if a value's text is Python for it."""
    return isinstance(value, int | float | str | bool | tuple | list | dict | type(None))
