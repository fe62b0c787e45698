# A detector that looks at one class of a file of 7,000 lines does not need the tree of the others.
"""`tree_of(program, path, definition)`."""

from __future__ import annotations

import ast

from cutaway.model.code import Def
from cutaway.read.program import Program

__all__ = ["tree_of"]


def tree_of(program: Program, path: str, definition: Def) -> ast.Module | None:
    """The tree of one definition of a Python file, its lines and columns as in the file; None where the file does not
    parse."""
    if program.record(path).parse != "ok":
        return None
    lines = program.lines(path)[definition.start - 1 : definition.end]
    before = "\n" * (definition.start - 1)
    if lines and lines[0][:1].isspace():  # it stands in a class or a branch: so it does here
        before = f"{before[1:]}if True:\n"
    try:
        return ast.parse(before + "\n".join(lines))
    except (SyntaxError, ValueError, RecursionError):
        return None
