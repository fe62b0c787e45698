# Where processes, threads, tasks, timers and pools are made, and what each of them runs.
"""`creation_points(program)`."""

from __future__ import annotations

import re
from typing import Any

from cutaway.facts.lookup import evidence, lookup, owner_of
from cutaway.facts.reach import STARTS, holder
from cutaway.facts.roles import role_of
from cutaway.model.code import FileRecord, Mark
from cutaway.read.program import Program

__all__ = ["KINDS", "creation_points"]

KINDS = ("process", "thread", "worker", "task", "goroutine", "executor", "timer")
WEIGHT = {"process": 5.0, "thread": 4.0, "worker": 4.0, "task": 3.5, "goroutine": 3.5, "executor": 2.5, "timer": 2.0}
_ENDS = re.compile(
    r"(^|_)(shutdown|stop|close|join|terminate|kill|exit|finish|cancel|cleanup)", re.IGNORECASE
)


def creation_points(program: Program) -> list[dict[str, Any]]:
    """`{path, line, symbol, kind, spawns, closures, at, score, evidence}`: the functions that make tasks (`at` is the line that
    does), then the functions that run as one (`runs_as`), then the classes that own what they make until they end it.
    `spawns` names what runs; `closures` are functions without a name, by a call that each makes. Signal and exit handlers
    are no tasks."""
    makers: dict[tuple[str, str], dict[str, Any]] = {}
    targets: dict[tuple[str, str], dict[str, Any]] = {}
    for path in program.paths:
        role = role_of(path)
        if role not in ("code", "tool", "benchmark", "example"):
            continue
        record = program.record(path)
        marks = [m for m in record.marks if m.kind == "task" and m.detail.get("how") in KINDS]
        marks = [m for m in marks if not _namesake(program, path, record, m)]
        if not marks:
            continue
        handed = {(m.line, m.name) for m in marks if m.detail["how"] == "goroutine" and not m.detail.get("closure")}
        ends = _edges(program, path, {m.scope for m in marks}, handed)
        for mark in marks:
            far = ends.get(mark.line, [])
            row = _maker(program, path, record, mark, far, role)
            known = makers.setdefault((path, row["symbol"]), row)
            if known is not row:
                known["evidence"] += row["evidence"]
                known["spawns"] += [s for s in row["spawns"] if s not in known["spawns"]]
                known["closures"] += row["closures"]
                known["score"] = max(known["score"], row["score"]) + 0.1
            for where, symbol, line in far if role == "code" else ():
                proof = evidence(program, path, mark.line, f"runs as a {mark.detail['how']}")
                target = {
                    "path": where, "line": line, "symbol": symbol, "kind": mark.detail["how"], "spawns": [], "closures": [],
                    "at": mark.line, "runs_as": mark.detail["how"], "score": WEIGHT[mark.detail["how"]] - 1.5,
                    "evidence": [proof],
                }  # fmt: skip
                targets.setdefault((where, symbol), target)
    for node in targets.keys() & makers.keys():
        makers[node]["runs_as"] = targets[node]["kind"]
        makers[node]["evidence"] += targets[node]["evidence"]
    owners = _owners(program, makers)
    rows = {**owners, **targets, **makers}
    return sorted(rows.values(), key=lambda r: (-r["score"], r["path"], r["line"]))


def _namesake(program: Program, path: str, record: FileRecord, mark: Mark) -> bool:
    """Is it a class of the repository that is only called like a library's: a `Timer` that measures time?"""
    callee = mark.detail.get("callee", "")
    place = lookup(program).follow(path, callee) if record.language == "python" and callee else None
    bases = place[1].bases if place and place[1].kind == "class" else None
    return bases is not None and not any(re.search(r"(Thread|Process|Timer|Executor)$", b) for b in bases)


def _edges(
    program: Program, path: str, scopes: set[int], handed: set[tuple[int, str]]
) -> dict[int, list[tuple[str, str, int]]]:
    """line -> (path, symbol, line of its definition) of what is started there, in some scopes; `handed` are calls that a
    statement starts (`go worker.run()`), by line and callee."""
    found: dict[int, list[tuple[str, str, int]]] = {}
    for edge in program.graph.within(path, scopes):
        if edge.path and (edge.origin in STARTS or (edge.line, edge.callee) in handed):
            found.setdefault(edge.line, []).append((edge.path, edge.symbol, edge.at))
    return found


def _maker(
    program: Program, path: str, record: FileRecord, mark: Mark, far: list, role: str
) -> dict[str, Any]:
    symbol = holder(record, mark.scope)
    definition = next((d for d in record.defs if d.name == symbol), None)
    kind = mark.detail["how"]
    closure = bool(mark.detail.get("closure"))  # which is named by what it calls, and is not that
    spawns = [f"{where}:{name}" for where, name, _ in far] or ([mark.name] if mark.name and not closure else [])
    runs = f" for a closure that calls {mark.name}" if closure else f" that runs {mark.name}" if mark.name else ""
    article = "an" if kind[0] in "aeiou" else "a"
    proof = evidence(program, path, mark.line, f"makes {article} {kind}{runs}")
    return {
        "path": path, "line": definition.line if definition else mark.line, "symbol": symbol, "kind": kind, "spawns": spawns,
        "closures": [{"line": mark.line, "calls": mark.name}] if closure else [],
        "at": mark.line, "score": WEIGHT[kind] - (role != "code") * 2.0, "evidence": [proof],
    }  # fmt: skip


def _owners(program: Program, makers: dict) -> dict[tuple[str, str], dict[str, Any]]:
    """Classes that make processes or threads and have a method that ends them."""
    found = {}
    for (path, symbol), row in makers.items():
        record = program.record(path)
        index = next((i for i, d in enumerate(record.defs) if d.name == symbol), -1)
        owner = owner_of(record, index)
        if owner is None or row["kind"] not in ("process", "thread"):
            continue
        ending = [
            d
            for d in record.defs
            if d.name.startswith(owner.name + ".") and _ENDS.search(d.name.rpartition(".")[2])
        ]
        if ending:
            proof = evidence(program, path, ending[0].line, "ends what it makes", symbol=ending[0].name)
            own = {"line": owner.line, "symbol": owner.name, "score": round(row["score"] - 0.5, 2)}
            found[path, owner.name] = {**row, **own, "evidence": [*row["evidence"], proof]}
    return found
