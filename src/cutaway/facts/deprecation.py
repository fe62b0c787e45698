# Which of the two is live: names that only stand for another, code that says it is deprecated, and classes of one name in
# several files, of which the entry points reach one.
"""`find_deprecation(program, reached)`."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from cutaway.facts.lookup import evidence, lookup
from cutaway.facts.reach import Node, Step
from cutaway.facts.roles import role_of
from cutaway.read.program import Program

__all__ = ["find_deprecation"]

MOST = 40
ALIAS_LINES = 30  # code lines of a module that only stands for another
_SAYS = re.compile(
    r"\b(deprecated|legacy|will be removed|no longer (used|supported|maintained)|superseded|use .{3,40} instead)\b",
    re.IGNORECASE,
)
_DOTTED = re.compile(r"^[A-Z]\w*(\.\w+)*$")


def find_deprecation(program: Program, reached: dict[Node, Step]) -> list[dict[str, Any]]:
    """`{kind, name, path, line, live, evidence}`: kinds are alias (of `live`), deprecated (by its own words), twins (`live` is
    the one that the entry points reach first, or empty where none or both equally do)."""
    return [*_aliases(program), *_said(program), *_twins(program, reached)][: 3 * MOST]


def _place(program: Program, path: str, line: int) -> dict[str, Any]:
    return {"path": path, "line": line}


def _aliases(program: Program) -> list[dict[str, Any]]:
    look, rows = lookup(program), []
    for path in program.paths:
        record = program.record(path)
        if record.language != "python" or role_of(path) != "code" or record.code_lines > ALIAS_LINES:
            continue
        for bind in record.binds:
            if bind.scope >= 0 or not _DOTTED.match(bind.value) or not bind.target.isidentifier():
                continue
            place = look.follow(path, bind.target)
            if place and place[0] != path and place[1].kind == "class":
                live = {"path": place[0], "line": place[1].line, "symbol": place[1].name}
                proof = evidence(program, path, bind.line, f"stands for {place[1].name}")
                rows.append(
                    {
                        "kind": "alias",
                        "name": bind.target,
                        "path": path,
                        "line": bind.line,
                        "live": live,
                        "evidence": [proof],
                    }
                )
    return rows[:MOST]


def _said(program: Program) -> list[dict[str, Any]]:
    rows = []
    for path in program.paths:
        record = program.record(path)
        if role_of(path) not in ("code", "benchmark"):
            continue
        for definition in record.defs:
            marked = next((d for d in definition.decorators if "deprecat" in d.lower()), "")
            said = _SAYS.search(definition.doc) if definition.doc else None
            if marked or (said and said[1].lower() in ("deprecated", "legacy")):
                line = definition.start if marked else definition.line
                proof = evidence(program, path, line, marked or definition.doc[:100], symbol=definition.name)
                where = {"name": definition.name, "path": path, "line": definition.line}
                rows.append({"kind": "deprecated", **where, "live": None, "evidence": [proof]})
        for call in record.calls:
            if call.callee.endswith("warn") and any("DeprecationWarning" in a for a in call.args):
                proof = evidence(program, path, call.line, "warns of deprecation")
                name = proof["symbol"] or path
                rows.append(
                    {
                        "kind": "deprecated",
                        "name": name,
                        "path": path,
                        "line": call.line,
                        "live": None,
                        "evidence": [proof],
                    }
                )
    return rows[:MOST]


def _twins(program: Program, reached: dict[Node, Step]) -> list[dict[str, Any]]:
    """Classes of one name in several files of the code, those with methods and more than a few lines."""
    named: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    for path in program.paths:
        record = program.record(path)
        if role_of(path) != "code" or record.language != "python":
            continue
        for definition in record.defs:
            if definition.kind == "class" and definition.parent < 0 and definition.end - definition.line > 15:
                named[definition.name].append((path, definition))
    of_file: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for (path, symbol), step in reached.items():
        of_file[path].append((symbol, step.cost))
    rows = []
    for name, places in named.items():
        if not 2 <= len(places) <= 4:
            continue
        costs = []
        for path, definition in places:
            inside = [cost for s, cost in of_file[path] if s == name or s.startswith(name + ".")]
            costs.append((min(inside, default=99.0), path, definition))
        costs.sort(key=lambda c: (c[0], c[1]))
        best, second = costs[0], costs[1]
        live = None
        if best[0] < 99.0 and second[0] - best[0] >= 1.0:
            live = {"path": best[1], "line": best[2].line, "symbol": name}
        proofs = [evidence(program, p, d.line, f"a class {name}", symbol=d.name) for _, p, d in costs]
        rows.append(
            {
                "kind": "twins",
                "name": name,
                "path": best[1],
                "line": best[2].line,
                "live": live,
                "evidence": proofs,
                "cost": best[0],
            }
        )
    rows.sort(key=lambda r: (r.pop("cost"), r["name"]))
    return rows[:MOST]
