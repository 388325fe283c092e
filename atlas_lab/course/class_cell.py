"""A notebook's cell as Python: as Jupyter reads it, with magics, shell commands and question marks taken out."""

import ast
import re

__all__ = ["parsed_cell"]

LARGEST = 20_000  # signs of a cell with magics: IPython reads it anew for each of them, and nobody may hold up a class
MAGIC = re.compile(r"get_ipython\(\)\.(?:run_line_magic|system|getoutput)\(.*\)$", re.MULTILINE)
LINE_ENDS = re.compile(r"\r\n?")


def parsed_cell(text: str) -> tuple[ast.Module, list[str]]:
    """A cell's tree, and the lines that it was read from.

    A cell that is Python already is taken as it stands: there, a line that starts with % or != is an operator.
    Raises SyntaxError, ValueError, RuntimeError, RecursionError or MemoryError for what Jupyter couldn't run either.
    """
    text = LINE_ENDS.sub("\n", text)  # as Python counts lines, which knows no others
    try:
        return ast.parse(text), text.split("\n")
    except SyntaxError:
        text = _without_magics(text)
        return ast.parse(text), text.split("\n")


def _without_magics(text):
    """A cell as IPython makes Python of it, with None where a magic would be called."""
    from IPython.core.inputtransformer2 import TransformerManager

    if len(text) > LARGEST:
        raise ValueError(f"a cell with an error of syntax or magics, and more than {LARGEST} signs")
    text = text.lstrip("\n")
    if text.startswith("%%"):  # such as %%time: what stands below it is the learner's
        text = text.partition("\n")[2]
    return MAGIC.sub("None", TransformerManager().transform_cell(text))
