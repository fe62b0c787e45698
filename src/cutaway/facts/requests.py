# What becomes of a request: the types that it passes through on the way from an entry point, where each is made from the one
# before, and the enumeration that says how far it is.
"""`find_request_chain(program, reached, machines)`."""

from __future__ import annotations

import re
from typing import Any

from cutaway.facts.config_classes import own_fields
from cutaway.facts.lookup import evidence
from cutaway.facts.reach import Node, Step, calls_of
from cutaway.facts.roles import role_of
from cutaway.read.program import Program

__all__ = ["find_request_chain"]

MOST = 16
_CARRIES = re.compile(
    r"(Request|Req|Sequence|Seq|Batch|Input|Output|Msg|Message|Job|Task|Event|Response|Result|Prompt|Chunk|Packet|Frame|Scope|Payload)s?$"
    r"|^(Scheduler|Engine|Model|Forward)\w*(Input|Output|Batch)"
)
_NOT = re.compile(r"(Error|Exception|Config|Handler|Manager|Processor|Queue|Server|Client|Runner)$")


def find_request_chain(
    program: Program, reached: dict[Node, Step], machines: list[dict[str, Any]]
) -> dict[str, Any]:
    """`{types, status}`. `types`: `{type, path, line, made_at, takes, fields, evidence}` in the order in which the entry
    points reach their making; `made_at` is the line that makes one, `takes` the types its maker is given. `status` is the
    state machine of an enumeration that those types carry, or None."""
    rows: dict[Node, dict[str, Any]] = {}
    for (path, symbol), step in sorted(reached.items(), key=lambda r: (r[1].cost, r[0])):
        if path not in program or role_of(path) != "code":
            continue
        for edge in calls_of(program, path).get(symbol, ()):
            name = edge.symbol.removesuffix(".__init__")
            if (
                edge.origin != "constructor"
                or not edge.path
                or not _CARRIES.search(name)
                or _NOT.search(name)
            ):
                continue
            if (edge.path, name) not in rows and role_of(edge.path) == "code":
                rows[edge.path, name] = _type(program, edge.path, name, path, symbol, edge.line, step.cost)
    types = sorted(rows.values(), key=lambda r: (r["cost"], r["path"], r["line"]))[:MOST]
    for row in types:
        row.pop("cost")
    carried = {row["path"] for row in types}
    enums = [m for m in machines if m["kind"] == "enum" and m["transitions"]]
    status = max(enums, key=lambda m: (m["path"] in carried, len(m["transitions"])), default=None)
    return {"types": types, "status": status}


def _type(
    program: Program, path: str, name: str, where: str, maker: str, line: int, cost: float
) -> dict[str, Any]:
    record = program.record(path)
    index = next((i for i, d in enumerate(record.defs) if d.name == name), -1)
    definition = record.defs[index] if index >= 0 else None
    made_by = program.definition(where, maker)
    params = made_by.params if made_by else []
    takes = [f"{p.name}: {p.annotation}" for p in params if _CARRIES.search(p.annotation.strip("\"'[]"))]
    return {
        "type": name, "path": path, "line": definition.line if definition else 1, "cost": cost,
        "made_at": {"path": where, "line": line, "symbol": maker}, "takes": takes[:4],
        "fields": [f["name"] for f in own_fields(record, index)][:12] if definition else [],
        "evidence": [evidence(program, where, line, f"makes a {name}")],
    }  # fmt: skip
