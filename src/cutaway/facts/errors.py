# How failures travel: where they are caught and what is done with them, where one becomes another, where the process ends
# and with which code, what is set or freed whatever happens.
"""`find_errors(program, reached)`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from cutaway.facts.languages import CODE
from cutaway.facts.lookup import evidence
from cutaway.facts.reach import Node, Step, holder
from cutaway.facts.roles import PRODUCT, role_of
from cutaway.read.program import Program

__all__ = ["find_errors"]

MOST = 80
HANDLER = 10  # lines of one that are looked at
_EXIT = re.compile(r"(^|\.|::)(sys\.exit|os\._exit|_?exit|abort)$|^os\.Exit$|^log\.Fatal(f|ln)?$")
_BARE = "except:"  # catches everything; as the line has it, so that it is found there
_CLAUSE = {"typescript": "catch", "javascript": "catch"}  # which take whatever comes, under any name
_BROAD = re.compile(rf"\b(BaseException|Exception)\b|^{_BARE}$|^catch$|^\.\.\.$|\bstd::exception\b")
_KINDS = (
    ("ends the process", re.compile(r"sys\.exit|os\._exit|\b_?exit\(|os\.kill|raise SystemExit|\babort\(")),
    ("becomes another", re.compile(r"\braise \w[\w.]*\(?.*\bfrom\b|\braise [A-Z]\w+\(|\bthrow (new )?[A-Za-z][\w:]*[({]")),
    ("is passed on", re.compile(r"\b(raise|throw)\b|\breject\(|\w+_exception\b|put\w*\(\s*(e|exc|err|error)\b")),
    ("is kept as state", re.compile(r"self\.\w+ = (True|False|e|exc|err)\b")),
    ("ends a connection or task", re.compile(r"\.(close|cancel|shutdown|terminate|kill|abort)\(")),
    ("is answered", re.compile(r"send_\w*(error|response|50\d|40\d)|Response\(|HTTPException|status_code|\.status\(|sendS")),
    ("is logged", re.compile(r"\b(log|logger|logging|warnings|traceback|print|console|cerr|f?printf|spdlog)\b|LOG\w*\(")),
    ("is ignored", re.compile(r"^(pass|continue|break|return( None)?|\.\.\.)?$")),
)


def find_errors(program: Program, reached: dict[Node, Step] | None = None) -> list[dict[str, Any]]:
    """`{kind, caught, does, path, line, symbol, evidence}`: except sites and what they do, conversions, exits with their code,
    those on the way from the entry points first and the broadest among them. `kind` is a clause: is logged, becomes another,
    ends the process, is ignored, ..."""
    rows = []
    for path in program.paths:
        record = program.record(path)
        if record.language not in CODE or role_of(path) not in PRODUCT:
            continue
        for mark in record.marks:
            symbol = holder(record, mark.scope)
            if mark.kind == "except" and not mark.name.startswith(("ImportError", "ModuleNotFoundError")):
                does = mark.detail.get("does", "")
                kind = next((k for k, p in _KINDS if p.search(does)), "is handled")
                caught = _BARE if mark.detail.get("bare") else _CLAUSE.get(record.language, mark.name)
                end = _end(program.lines(path), mark.line, does)
                rows.append(_row(program, path, mark.line, symbol, kind, caught, does, end))
            elif mark.kind == "raise" and _in_handler(record, mark.line, symbol):
                rows.append(_row(program, path, mark.line, symbol, "becomes another", "", mark.name))
            elif mark.kind == "raise" and re.match(
                r"\w+(Error|Exception)\(.*%|\w+Error\(f?[\"'](unexpected|invalid)", mark.name, re.I
            ):
                rows.append(_row(program, path, mark.line, symbol, "is raised for wrong use", "", mark.name))
        for call in record.calls:
            if _EXIT.search(call.callee) and call.scope >= 0:
                text = f"{call.callee}({', '.join(call.args)})"
                rows.append(
                    _row(program, path, call.line, holder(record, call.scope), "ends the process", "", text)
                )
    rows.sort(key=lambda r: (_rank(r, reached), r["path"], r["line"]))
    return rows[:MOST]


def _end(lines: Sequence[str], line: int, does: str) -> int:
    """The next line, of a few, on which the last statement of a handler stands."""
    last = does.strip("; }").rpartition(";")[2].strip().partition("(")[0]  # its last statement, as far as a call,
    last = last.split()[-1] if " ." in last else last  # which may stand on a line of its own
    below = range(line + 1, min(line + HANDLER, len(lines)) + 1)
    return next((n for n in below if last and last in lines[n - 1]), line)


def _in_handler(record, line: int, symbol: str) -> bool:
    """Does a raise stand within a few lines below an except of its own function?"""
    return any(
        m.kind == "except" and m.line < line <= m.line + 8 and holder(record, m.scope) == symbol
        for m in record.marks
    )


def _rank(row: dict[str, Any], reached: dict[Node, Step] | None) -> float:
    step = (reached or {}).get((row["path"], row["symbol"]))
    cost = step.cost if step else 8.0
    return cost - 3.0 * bool(_BROAD.search(row["caught"])) - 2.0 * (row["kind"] == "ends the process")


def _row(
    program: Program, path: str, line: int, symbol: str, kind: str, caught: str, does: str, end: int = 0
) -> dict[str, Any]:
    what = f"{caught} {kind}" if caught else kind
    proof = evidence(program, path, line, what, end)
    return {
        "kind": kind,
        "caught": caught,
        "does": does[:160],
        "path": path,
        "line": line,
        "symbol": symbol,
        "evidence": [proof],
    }
