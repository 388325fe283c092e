"""What a learner answers to a part's quiz: what statements put into its table, read as data and never run."""

import ast
import re

__all__ = ["QUIZ", "changes_answers", "is_whole_table", "mentions_answers", "read_answers"]

QUIZ = "quiz_answers"  # the name of the table in which a learner answers a part's quiz
CHANGING = ("update", "setdefault", "pop", "popitem", "clear", "__setitem__", "__ior__")  # methods of a dict
WRITTEN = re.compile(rf"\b{QUIZ}\s*(\[|\|?=|\.update\b)")


def changes_answers(node: ast.stmt) -> bool:
    """True if a statement, run where it stands, may change the table."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    return any(map(_changes, ast.walk(node)))


def mentions_answers(text: str) -> bool:
    """True if a cell that isn't Python seems to write into the table."""
    return bool(WRITTEN.search(text))


def is_whole_table(node: ast.stmt) -> bool:
    """True if a statement sets the table anew, so that what was there before is gone."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return isinstance(node, ast.Assign | ast.AnnAssign) and any(map(_is_table, targets))


def read_answers(node: ast.stmt) -> dict[str, str]:
    """Question -> letter that a statement puts into the table, as it is or item by item.

    Raises ValueError if that can't be known without running the statement.
    """
    try:
        table = {}
        for put in _puts(node):
            table |= dict(ast.literal_eval(put))
        return {str(question): _letter(choice) for question, choice in table.items()}
    except (TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


def _puts(node):
    """Expressions of tables that a statement puts into the table."""
    if isinstance(node, ast.Assign):
        return [_put(target, node.value) for target in node.targets]
    if isinstance(node, ast.AnnAssign) and node.value:
        return [_put(node.target, node.value)]
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.BitOr) and _is_table(node.target):
        return [node.value]
    call = getattr(node, "value", None)
    if isinstance(node, ast.Expr) and isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and (
            call.func.attr == "update" and len(call.args) == 1 and not call.keywords):
        return call.args
    raise ValueError("not a table, nor an item of it")


def _put(target, value):
    """The table that an assignment to one target puts into the table."""
    if _is_table(target):
        return value
    if isinstance(target, ast.Subscript) and _is_table(target.value):
        return ast.Dict([target.slice], [value])
    raise ValueError("not a table, nor an item of it")


def _changes(part):
    """True for a part of a statement that sets the table, an item of it, or calls what does."""
    if isinstance(part, ast.Call):
        return isinstance(part.func, ast.Attribute) and part.func.attr in CHANGING and _is_table(part.func.value)
    is_set = isinstance(getattr(part, "ctx", None), ast.Store | ast.Del)
    return is_set and (_is_table(part) or (isinstance(part, ast.Subscript) and _is_table(part.value)))


def _is_table(node):
    """True for the table's name."""
    return isinstance(node, ast.Name) and node.id == QUIZ


def _letter(choice):
    """The letter of a choice, as in "b", "B.", "(b)" or "b. The second"."""
    return str(choice).strip().lower().lstrip(" ([{'\"")[:1]
