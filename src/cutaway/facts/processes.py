# Which processes, threads and tasks a program is made of, who starts each, and what they talk over: a queue, pipe, socket or
# shared memory of which one puts in and another takes out.
"""`find_processes(program, entries, life, queues)`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cutaway.facts.lookup import evidence
from cutaway.facts.reach import Node, holder, reach, runs_as
from cutaway.facts.roles import role_of
from cutaway.read.program import Program

__all__ = ["find_processes"]

MOST = 40
NEAR = 7.0  # calls into a process that still count as its own
_LINKED = re.compile(r"(Queue|Pipe|socket)$")  # whose ends the call graph knows


def find_processes(
    program: Program,
    entries: list[dict[str, Any]],
    life: dict[str, list[dict[str, Any]]],
    queues: list[dict[str, Any]],
) -> dict[str, list[dict[str, Any]]]:
    """`{units, channels}`. A unit is `{name, kind, path, line, symbol, started_by, evidence}`: the main program of each entry
    point that starts something, and each process, thread or task by what it runs. A channel is `{kind, name, from, to, put,
    get, evidence}` between units, both ends cited."""
    units = _units(program, entries, life)
    inside = {u["name"]: reach(program, [((u["path"], u["symbol"]), 0.0)], NEAR, 1500, across=False) for u in units}
    for unit in units:  # what another unit runs is not its own
        for other in units:
            if other is not unit:
                inside[unit["name"]].pop((other["path"], other["symbol"]), None)
    channels = [*_by_link(program, inside), *_by_queue(program, queues, inside)]
    return {"units": units, "channels": channels[:MOST]}


def _units(program: Program, entries: list, life: dict) -> list[dict[str, Any]]:
    targets = [t for t in life["task_creation_points"] if runs_as(t) and role_of(t["path"]) == "code"]
    rows = []
    for entry in [e for e in entries if e["kind"] in ("server", "cli") and e["symbol"] and e["score"] >= 0.7][
        :4
    ]:
        where = {"path": entry["path"], "line": entry["line"], "symbol": entry["symbol"]}
        rows.append(
            {
                "name": entry["symbol"],
                "kind": "main",
                **where,
                "started_by": None,
                "evidence": entry["evidence"][:1],
            }
        )
    known = {r["name"] for r in rows}
    for target in targets[:MOST]:
        if target["symbol"] in known:
            continue
        proof = target["evidence"][-1]
        by = {"path": proof["path"], "line": proof["line"], "symbol": proof["symbol"]}
        where = {"path": target["path"], "line": target["line"], "symbol": target["symbol"]}
        rows.append(
            {
                "name": target["symbol"],
                "kind": runs_as(target),
                **where,
                "started_by": by,
                "evidence": [proof],
            }
        )
        known.add(target["symbol"])
    return rows


def _homes(inside: dict[str, dict[Node, Any]], node: Node) -> list[str]:
    """The units that run a function, nearest first."""
    found = [(done[node].cost, name) for name, done in inside.items() if node in done]
    return [name for _, name in sorted(found)]


def _by_queue(program: Program, queues: list[dict[str, Any]], inside: dict) -> list[dict[str, Any]]:
    """Lists, deques and shared memory whose two ends stand in different units."""
    rows = []
    for queue in (q for q in queues if not _LINKED.search(q["kind"])):
        ends = {}
        for end in ("put", "get"):
            ends[end] = [
                (site, homes[0])
                for site in queue[end]
                if (homes := _homes(inside, (site["path"], site["symbol"])))
            ]
        pair = next(((p, g) for p in ends["put"] for g in ends["get"] if p[1] != g[1]), None)
        if pair:
            rows.append(_channel(program, queue["kind"], queue["name"], *pair))
    return rows


def _channel(program: Program, kind: str, name: str, put: tuple, get: tuple) -> dict[str, Any]:
    (sent, sender), (got, receiver) = put, get
    proofs = [
        evidence(program, sent["path"], sent["line"], f"{sender} puts in"),
        evidence(program, got["path"], got["line"], f"{receiver} takes out"),
    ]
    return {
        "kind": kind,
        "name": name,
        "from": sender,
        "to": receiver,
        "put": sent,
        "get": got,
        "evidence": proofs,
    }


def _by_link(program: Program, inside: dict) -> Iterator[dict[str, Any]]:
    """Queues, pipes and sockets that one unit puts into and another takes from, once for each pair of units."""
    seen = set()
    for link in program.graph.channels.links:
        ends = []
        for path, call in (link.put, link.get):
            symbol = holder(program.record(path), call.scope)
            homes = _homes(inside, (path, symbol))
            ends.append(({"path": path, "line": call.line, "symbol": symbol, "call": call.callee}, homes[:1]))
        (sent, sender), (got, receiver) = ends
        name = link.name.removeprefix("self.")
        if sender and receiver and sender != receiver and (name, *sender, *receiver) not in seen:
            seen.add((name, *sender, *receiver))
            yield _channel(program, link.kind, name, (sent, *sender), (got, *receiver))
