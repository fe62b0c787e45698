# `if kind == Kind.A: return X` gives one thing for each argument: which of a function's `return` lines a call with known
# arguments can come to. Only comparisons of a parameter with a constant decide; whatever else is asked may go either way.
"""`chosen_lines(text, known)`."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Mapping
from functools import lru_cache

__all__ = ["chosen_lines", "constant_text"]


def constant_text(node: ast.expr) -> str:
    """What a constant is compared by: `'a'` for a string, `Kind.A` for a member of an enumeration; empty for the rest."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | bool | None):
        return repr(node.value)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute) and node.attr[:1].isupper():
        return ".".join(ast.unparse(node).split(".")[-2:])  # however the enumeration was imported
    return ""


def chosen_lines(text: str, known: Mapping[str, str]) -> frozenset[int] | None:
    """The lines, counted from 1 within `text` (a function's source), of the `return` statements that a call with these
    parameters (name -> `constant_text`) may come to; None where the source does not parse."""
    function = _function(text)
    if function is None:
        return None
    lines: set[int] = set()
    _run(function.body, dict(known), lines)
    return frozenset(lines)


@lru_cache(maxsize=512)
def _function(text: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    try:
        tree = ast.parse(textwrap.dedent(text))
    except (SyntaxError, ValueError, RecursionError):
        return None
    first = tree.body[0] if tree.body else None
    return first if isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef) else None


def _run(body: list[ast.stmt], known: dict[str, str], lines: set[int]) -> bool:
    """Notes the returns of some statements; whether what stands behind them is reached."""
    for statement in body:
        if isinstance(statement, ast.Return):
            lines.add(statement.lineno)
            return False
        if isinstance(statement, ast.Raise | ast.Continue | ast.Break):
            return False
        if isinstance(statement, ast.If):
            holds = _holds(statement.test, known)
            through = [
                _run(part, known, lines)
                for part, runs in ((statement.body, holds is not False), (statement.orelse, holds is not True))
                if runs
            ]
            if not any(through):
                return False
        elif isinstance(statement, ast.Match):
            if not _match(statement, known, lines):
                return False
        else:
            for name in _assigned(statement):
                known.pop(name, None)
            for part in ("body", "orelse", "finalbody", "handlers"):
                for inner in getattr(statement, part, ()):
                    _run(inner.body if isinstance(inner, ast.ExceptHandler) else [inner], known, lines)
    return True


def _match(statement: ast.Match, known: dict[str, str], lines: set[int]) -> bool:
    subject = known.get(statement.subject.id) if isinstance(statement.subject, ast.Name) else None
    through = True
    for case in statement.cases:
        values = _values(case.pattern)
        sure = subject is not None and values is not None and case.guard is None
        if sure and subject not in values:
            continue
        through = _run(case.body, known, lines) and through
        if sure or (isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None and case.guard is None):
            return through
    return True


def _values(pattern: ast.pattern) -> set[str] | None:
    """The constants that a pattern stands for; None for any other pattern."""
    parts = pattern.patterns if isinstance(pattern, ast.MatchOr) else [pattern]
    values = [constant_text(p.value) if isinstance(p, ast.MatchValue) else "" for p in parts]
    return set(values) if all(values) else None


def _holds(test: ast.expr, known: Mapping[str, str]) -> bool | None:
    """Whether a condition holds, as far as the known parameters tell."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _holds(test.operand, known)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        parts = [_holds(part, known) for part in test.values]
        decisive = isinstance(test.op, ast.Or)
        return decisive if decisive in parts else None if None in parts else not decisive
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.left, ast.Name)):
        return None
    value, other, operator = known.get(test.left.id), test.comparators[0], test.ops[0]
    if value is None:
        return None
    if isinstance(operator, ast.In | ast.NotIn) and isinstance(other, ast.Tuple | ast.List | ast.Set):
        said = {constant_text(e) for e in other.elts}
        return None if "" in said else (value in said) == isinstance(operator, ast.In)
    said = constant_text(other)
    if not said or not isinstance(operator, ast.Eq | ast.Is | ast.NotEq | ast.IsNot):
        return None
    return (value == said) == isinstance(operator, ast.Eq | ast.Is)


def _assigned(statement: ast.stmt) -> set[str]:
    """The names that a statement gives another value."""
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
