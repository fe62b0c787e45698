# From a running frame to a place in the source, and from a function's text to a state for each of its lines.
from __future__ import annotations

import ast
import inspect
import linecache
import os
import sys
import textwrap
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any

from cutaway.model import Line, Place

_TORCH = f"{os.sep}torch{os.sep}"
_OURS = f"{os.sep}cutaway{os.sep}trace{os.sep}"
_STANDARD = str(Path(os.__file__).parent)
BOUNDARY_NAME = "_cutaway_call"  # the wrapper around Module.__call__: frames above it belong to the caller


_kinds: dict[int, tuple[str, CodeType]] = {}


def kind_of(code: CodeType) -> str:
    """`boundary`, `skip` (torch's and Python's own machinery) or `user` (model code, torch.nn modules included)."""
    found = _kinds.get(id(code))  # asked of every frame of every op: to hash a code object is to hash all its constants
    if found is None:
        found = _kinds[id(code)] = (_kind(code), code)  # which is kept, so that no other one gets its number
    return found[0]


def _kind(code: CodeType) -> str:
    if code.co_name == BOUNDARY_NAME:
        return "boundary"
    name = code.co_filename
    if name.startswith("<") and not name.startswith("<ipython"):
        return "skip"
    if _OURS in name:
        return "skip"
    if _TORCH in name:
        within = name.partition(f"{_TORCH}nn{os.sep}")[2]  # weight norm and its like are modules too, among nn/utils
        are_modules = within.startswith((f"modules{os.sep}", f"utils{os.sep}parametri"))
        return "user" if are_modules and not name.endswith(f"{os.sep}module.py") else "skip"
    return "skip" if name.startswith(_STANDARD) and "-packages" not in name else "user"


@cache
def lines_of(code: CodeType) -> frozenset[int]:
    """The lines with code; not the header for the one instruction that begins the call, of which Python tells no line."""
    found = [(line, to - at) for at, to, line in code.co_lines() if line]
    return frozenset(line for line, _ in found[found[:1] == [(code.co_firstlineno, 2)] :])


@cache
def relative(filename: str) -> str:
    """The path below the folder that is on sys.path, so that no path of this machine is shown."""
    real = Path.cwd() / filename
    roots = sorted((Path.cwd() / p for p in sys.path), key=lambda p: len(p.parts), reverse=True)
    return next((real.relative_to(root).as_posix() for root in roots if real.is_relative_to(root)), real.name)


def stack(frame: FrameType | None) -> list[tuple[CodeType, int]]:
    """(code, line) of the model's frames, innermost first, up to the enclosing module call."""
    found = []
    while frame is not None:
        code = frame.f_code
        kind = kind_of(code)
        if kind == "boundary":
            break
        if kind == "user":
            found.append((code, frame.f_lineno))
        frame = frame.f_back
    return found


def last_place(traceback: TracebackType | None) -> str | None:
    """The innermost line of the model's own code in a traceback, as `path:line`."""
    found = None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if kind_of(code) == "user":
            found = str(place(code, traceback.tb_lineno))
        traceback = traceback.tb_next
    return found


@cache
def forward_of(cls: type) -> Any:
    """The function that runs when a module of this class is called, below its decorators."""
    return inspect.unwrap(cls.forward)  # type: ignore[attr-defined]


def place(code: CodeType, line: int) -> Place:
    return Place(relative(code.co_filename), line, code.co_name)


@dataclass(frozen=True)
class Statement:
    line: int
    end: int
    node: ast.stmt
    parents: tuple[
        tuple[ast.stmt, str], ...
    ]  # enclosing compound statements and the branch taken to get here


@cache
def statements(code: CodeType) -> tuple[Statement, ...]:
    """The statements of a function with their headers' line ranges, nested functions left out."""
    for node in _functions(code):
        if node.name == code.co_name:
            return tuple(_walk(node.body, ()))
    return ()


def _functions(code: CodeType) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The function of this code: its own lines are parsed, since whole files take a thousand times as long."""
    first = code.co_firstlineno
    lines = linecache.getlines(code.co_filename)[first - 1 :]
    try:
        tree = ast.parse(textwrap.dedent("".join(inspect.getblock(lines))))
    except (SyntaxError, IndexError, tokenize.TokenError):
        return
    ast.increment_lineno(tree, first - 1)
    yield from (n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))


def end_line(code: CodeType) -> int:
    found = statements(code)
    return max((s.node.end_lineno or s.end for s in found), default=code.co_firstlineno)


def _walk(body: Iterable[ast.stmt], parents: tuple) -> Iterable[Statement]:
    for node in body:
        blocks = [
            (name, getattr(node, name))
            for name in ("body", "orelse", "finalbody")
            if getattr(node, name, None)
        ]
        blocks += [("handler", h.body) for h in getattr(node, "handlers", ())]
        blocks += [("case", c.body) for c in getattr(node, "cases", ())]
        nested = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        first = min((b[0].lineno for _, b in blocks if b), default=None)
        end = node.end_lineno or node.lineno
        yield Statement(node.lineno, max(node.lineno, first - 1) if first else end, node, parents)
        if not nested:
            for name, block in blocks:
                yield from _walk(block, (*parents, (node, name)))


def line_table(
    code: CodeType, computes: set[int], views: set[int], calls: set[int], ran: set[int]
) -> tuple[Line, ...]:
    """One entry per statement: computes, calls, no_tensor_op or not_taken, and why.

    `computes`, `views` and `calls` are lines on which a priced kernel, a free view, a submodule call started.
    """
    path, out = relative(code.co_filename), []
    all_statements = statements(code)
    for s in all_statements:
        inside = range(s.line, s.end + 1)
        text = linecache.getline(code.co_filename, s.line).strip()
        hit = {
            kind
            for kind, lines in (("calls", calls), ("computes", computes), ("views", views))
            for n in inside
            if n in lines
        }
        if hit & {"calls", "computes"}:
            status, why = ("calls" if "calls" in hit else "computes"), ""
        elif "views" in hit:
            status, why = "no_tensor_op", "only views: no element is computed or moved"
        elif any(n in ran for n in inside) or _silent(s, ran):
            status, why = "no_tensor_op", _plain_reason(s.node)
        else:
            status, why = "not_taken", _branch_reason(s, ran, all_statements)
        out.append(Line(path, s.line, status, why, text))
    return tuple(out)


def _silent(s: Statement, ran: set[int]) -> bool:
    """Statements for which Python makes no code of their own: docstrings, `pass`, `global`, bare annotations."""
    constant = isinstance(s.node, ast.Expr) and isinstance(s.node.value, ast.Constant)
    bare = isinstance(s.node, ast.AnnAssign) and s.node.value is None
    return (
        constant
        or bare
        or (
            isinstance(s.node, (ast.Pass, ast.Global, ast.Nonlocal, ast.Continue, ast.Break))
            and not s.parents
        )
    )


_REASONS = {
    ast.Return: "returns what was computed above",
    ast.If: "a condition on Python values",
    ast.For: "a Python loop header",
    ast.While: "a Python loop header",
    ast.With: "enters a context",
    ast.Raise: "raises",
    ast.Assert: "a check on Python values",
    ast.Import: "an import",
    ast.ImportFrom: "an import",
    ast.FunctionDef: "defines a function",
    ast.Try: "guards a block",
    ast.Pass: "does nothing",
    ast.Assign: "Python bookkeeping",
    ast.AnnAssign: "Python bookkeeping",
    ast.AugAssign: "Python bookkeeping",
}


def _plain_reason(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return "a docstring"
    return _REASONS.get(type(node), "runs no tensor op")


def _branch_reason(s: Statement, ran: set[int], all_statements: tuple[Statement, ...]) -> str:
    """Why a statement did not run: the nearest condition that sent the code elsewhere, or an earlier exit."""
    for node, branch in reversed(s.parents):
        if node.lineno in ran or any(n in ran for n in range(node.lineno, _header_end(node) + 1)):
            return _said(node, branch)
    leaving = [
        e
        for e in all_statements
        if e.line < s.line and isinstance(e.node, (ast.Return, ast.Raise)) and _hit(e, ran)
    ]
    if leaving:
        return f"left at line {leaving[-1].line}: {_short(leaving[-1].node)}"
    return "an exception or an early exit above came first"


def _hit(s: Statement, ran: set[int]) -> bool:
    return any(n in ran for n in range(s.line, s.end + 1))


def _header_end(node: ast.stmt) -> int:
    body = getattr(node, "body", None)
    return max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno


def _said(node: ast.stmt, branch: str) -> str:
    if isinstance(node, (ast.If, ast.While)):
        verdict = "false" if branch == "body" else "true"
        return f"`{_short(node.test)}` was {verdict} at line {node.lineno}"
    if isinstance(node, ast.For):
        return f"the loop at line {node.lineno} had nothing to run over"
    if isinstance(node, ast.Try):
        return (
            f"no exception at line {node.lineno}"
            if branch == "handler"
            else f"left the block at line {node.lineno}"
        )
    return f"the block at line {node.lineno} was left before"


def _short(node: ast.AST) -> str:
    text = ast.unparse(node).split("\n")[0]
    return text if len(text) <= 80 else text[:77] + "…"
