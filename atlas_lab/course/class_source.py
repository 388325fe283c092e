"""What a notebook defines: its imports, functions, classes and constants, read as text and never run here.

Cells that compute, such as trainings and pictures, are left alone: a notebook is graded in seconds, and a cell that
breaks further up spoils no function further down.
"""

import ast
import json
from dataclasses import dataclass, field
from pathlib import Path

from atlas_lab.course.class_cell import parsed_cell
from atlas_lab.course.class_quiz import changes_answers, is_whole_table, mentions_answers, read_answers
from atlas_lab.system.disk import read_plain

__all__ = ["Source", "read_source"]

LARGEST = 20_000_000  # bytes of a notebook
DEFINING = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass
class Source:
    """What a notebook defines.

    Attributes
    ----------
    statements : list of str
        In order.
    bound : dict
        Name -> all names that its definition mentions.
    broken : dict
        Name of a function that stands in a cell with an error of syntax, and in no later one without -> the error.
    answers : dict
        Of the quiz: question -> choice.
    unread : str
        Why not all of the quiz's answers can be known, or "".
    key : str
        The mark of the key that the notebook was built with; "" if it has none.
    problem : str
        Why the file is no notebook, or "".
    """

    statements: list[str] = field(default_factory=list)
    bound: dict[str, set[str]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    unread: str = ""
    key: str = ""
    problem: str = ""

    def mentioned_by(self, name: str) -> set[str]:
        """All names that a function mentions, and what the functions of the notebook that it mentions do."""
        found, waiting = set(), [name]
        while waiting:
            for other in self.bound.get(waiting.pop(), set()) - found:
                found.add(other)
                waiting.append(other)
        return found


def read_source(path: Path) -> Source:
    """The definitions in a notebook's code cells. A file that is none gives a Source that says so."""
    try:
        if path.stat().st_size > LARGEST:
            return Source(problem=f"more than {LARGEST / 1e6:.0f} MB")
        notebook = json.loads(read_plain(path))
        texts = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
        texts = [text if isinstance(text, str) else "".join(text) for text in texts]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        return Source(problem=f"not a notebook ({type(error).__name__})")
    source = Source(key=_key_of(notebook.get("metadata")))
    for text in texts:
        _read_cell(source, text)
    return source


def _key_of(metadata):
    """The mark of the key in a notebook's metadata, which a learner's program may have changed; else ""."""
    about = metadata.get("atlas_lab") if isinstance(metadata, dict) else None
    mark = about.get("key") if isinstance(about, dict) else None
    return mark if isinstance(mark, str) else ""


def _read_cell(source, text):
    """Add a cell's definitions."""
    try:
        tree, lines = parsed_cell(text)
    except (SyntaxError, ValueError, RuntimeError, MemoryError) as error:
        names = [line.split("(")[0].removeprefix("def ").strip() for line in text.split("\n")
                 if line.startswith("def ")]
        source.broken |= dict.fromkeys(names, f"{type(error).__name__}: {error}")
        if mentions_answers(text):
            source.unread = f"{type(error).__name__}: {error}"
        return
    for node in tree.body:
        names = _names_bound(node)
        if changes_answers(node):
            _read_quiz(source, node, lines)
        elif _defines(node):
            source.statements.append("\n".join(lines[_first_line(node) - 1:node.end_lineno]))
            mentioned = {part.id if isinstance(part, ast.Name) else part.attr for part in ast.walk(node)
                         if isinstance(part, ast.Name | ast.Attribute)}
            mentioned |= {alias.name for part in ast.walk(node) if isinstance(part, ast.Import | ast.ImportFrom)
                          for alias in part.names}
            source.bound |= {name: mentioned - {name} for name in names}
            source.broken = {name: error for name, error in source.broken.items() if name not in names}


def _read_quiz(source, node, lines):
    """Add the answers that a statement gives."""
    if is_whole_table(node):
        source.unread = ""
    try:
        source.answers |= read_answers(node)
    except ValueError:
        source.unread = lines[node.lineno - 1].strip()


def _defines(node):
    """True if a statement only defines; an `except` of a try that does is run where its import fails, as in Jupyter."""
    if isinstance(node, ast.Try):
        return all(map(_defines, [*node.body, *node.orelse, *node.finalbody]))
    return isinstance(node, DEFINING) or bool(_names_bound(node) and not _computes(node.value))


def _names_bound(node):
    """The names that a definition or an assignment binds."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.Assign) or (isinstance(node, ast.AnnAssign) and node.value):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
    if isinstance(node, ast.Try):
        inner = [*node.body, *node.orelse, *node.finalbody, *(part for one in node.handlers for part in one.body)]
        return [name for part in inner for name in _names_bound(part)]
    return []


def _first_line(node):
    """The first line of a definition, its decorators included."""
    return min([node.lineno, *(part.lineno for part in getattr(node, "decorator_list", []))])


def _computes(value):
    """True if an expression calls something as it is read, outside of a lambda's body."""
    if isinstance(value, ast.Lambda):
        return False
    return isinstance(value, ast.Call) or any(map(_computes, ast.iter_child_nodes(value)))
