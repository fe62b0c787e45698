# A function reduced to what it decides and whom it calls: its loops, conditions, calls that matter and returns, each line
# with the line of the source it stands for.
"""`pseudocode(program, path, definition)`."""

from __future__ import annotations

import ast
import re
from typing import Any

from cutaway.facts.pseudocode_native import LONGEST, native_lines
from cutaway.facts.trees import tree_of
from cutaway.model.code import Def
from cutaway.read.languages.text import one_line
from cutaway.read.program import Program

__all__ = ["pseudocode"]

MOST = 28
WIDE = 96
_NOISE = re.compile(
    r"^(logger|logging|log|warnings|print|pbar|tqdm|time|math|len|isinstance|getattr|hasattr|str|int|float|bool|list|dict|set|tuple|"
    r"range|max|min|sum|sorted|super|zip|enumerate|next|iter|repr|format|any|all|cast|typing|perf_counter|click\.style)\b|"
    r"\.(append|extend|format|join|items|keys|values|get|copy|update|strip|split|encode|decode|lower|upper|debug|info|warning|"
    r"error|exception)$"
)


def pseudocode(program: Program, path: str, definition: Def) -> list[dict[str, Any]]:
    """`{text, path, line, end, depth}` in order: control flow and the calls that reach this repository's code; `end` where a
    statement goes on below its first line."""
    lines = [
        {
            "text": one_line(definition.signature, WIDE) or definition.name,
            "path": path,
            "line": definition.line,
            "depth": 0,
        }
    ]
    known = {e.line for e in program.callees(path, definition.name) if e.path}
    if program.record(path).language == "python":
        node = _node(program, path, definition)
        if node is not None:
            _body(node.body, 1, known, lines, path)
    else:
        lines += native_lines(program, path, definition, known, _NOISE, WIDE)
    return lines[: MOST + 1]


def _node(program: Program, path: str, definition: Def):
    tree = tree_of(program, path, definition)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.lineno == definition.line:
            return node
    return None


def _body(statements: list[ast.stmt], depth: int, known: set[int], out: list, path: str) -> None:
    for statement in statements:
        before = len(out)
        head = _head(statement)
        if head is not None:
            out.append(_row(head, path, statement.lineno, _head_end(statement), depth))
            for case in getattr(statement, "cases", ()):
                _case(case, depth + 1, known, out, path)
            _body(getattr(statement, "body", []), depth + 1, known, out, path)
            if isinstance(statement, ast.Try) and len(out) == before + 1:
                out += _tried(statement.body, path, depth + 1)
            for handler in getattr(statement, "handlers", ()):
                caught = ast.unparse(handler.type) if handler.type else "anything"
                out.append(
                    {"text": f"except {caught}:", "path": path, "line": handler.lineno, "depth": depth}
                )
                _body(handler.body, depth + 1, known, out, path)
            if getattr(statement, "orelse", None):
                mark = len(out)
                _body(statement.orelse, depth + 1, known, out, path)
                if len(out) > mark and not isinstance(statement.orelse[0], ast.If):
                    where = statement.orelse[0].lineno
                    out.insert(mark, {"text": "else:", "path": path, "line": where, "depth": depth})
            if getattr(statement, "finalbody", None):
                mark = len(out)
                _body(statement.finalbody, depth + 1, known, out, path)
                if len(out) > mark:
                    out.insert(
                        mark,
                        {
                            "text": "finally:",
                            "path": path,
                            "line": statement.finalbody[0].lineno,
                            "depth": depth,
                        },
                    )
            if len(out) == before + 1 and not _turns(statement):
                out.pop()  # a block in which nothing happens that matters
        elif (text := _leaf(statement, known)) is not None:
            out.append(_row(text, path, statement.lineno, statement.end_lineno, depth))


def _turns(statement: ast.stmt) -> bool:
    """Is it a loop whose work is its condition: `while self.step(): pass`?"""
    return isinstance(statement, ast.While) and any(isinstance(n, ast.Call) for n in ast.walk(statement.test))


def _tried(body: list[ast.stmt], path: str, depth: int) -> list[dict[str, Any]]:
    """Of what is tried, where none of it is the repository's own, the first statement that calls something."""
    for statement in body:
        if any(isinstance(n, ast.Call) for n in ast.walk(statement)):
            return [_row(_short(statement), path, statement.lineno, statement.end_lineno, depth)]
    return []


def _case(case: ast.match_case, depth: int, known: set[int], out: list, path: str) -> None:
    """A case in which something happens that matters."""
    before = len(out)
    guard = f" if {_short(case.guard)}" if case.guard else ""
    out.append({"text": f"case {_short(case.pattern)}{guard}:", "path": path, "line": case.pattern.lineno, "depth": depth})
    _body(case.body, depth + 1, known, out, path)
    if len(out) == before + 1:
        out.pop()


def _row(text: str, path: str, line: int, end: int | None, depth: int) -> dict[str, Any]:
    row: dict[str, Any] = {"text": text, "path": path, "line": line}
    if end and end > line:
        row["end"] = min(end, line + LONGEST)  # the text is cut long before
    return row | {"depth": depth}


def _head_end(statement: ast.stmt) -> int | None:
    """The last line of what stands before a block."""
    if isinstance(statement, ast.With | ast.AsyncWith):
        return statement.items[-1].context_expr.end_lineno
    asked = getattr(statement, "test", None) or getattr(statement, "iter", None)
    return asked.end_lineno if asked is not None else None


def _head(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.If):
        return f"if {_short(statement.test)}:"
    if isinstance(statement, ast.While):
        return f"while {_short(statement.test)}:"
    if isinstance(statement, ast.For | ast.AsyncFor):
        return f"for {_short(statement.target)} in {_short(statement.iter)}:"
    if isinstance(statement, ast.With | ast.AsyncWith):
        return f"with {', '.join(_short(i.context_expr) for i in statement.items)}:"
    if isinstance(statement, ast.Match):
        return f"match {_short(statement.subject)}:"
    if isinstance(statement, ast.Try):
        return "try:"
    return None


def _leaf(statement: ast.stmt, known: set[int]) -> str | None:
    """A statement that calls the repository's code, raises, returns, or leaves a loop."""
    if isinstance(statement, ast.Raise | ast.Break | ast.Return | ast.Continue):
        return _short(statement)
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return None
    calls = [n for n in ast.walk(statement) if isinstance(n, ast.Call)]
    lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    if any(line in known for line in lines):
        return _short(statement)
    matters = [c for c in calls if not _NOISE.search(ast.unparse(c.func))]
    return _short(statement) if matters and isinstance(statement, ast.Expr) else None


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= WIDE else text[: WIDE - 1] + "…"
