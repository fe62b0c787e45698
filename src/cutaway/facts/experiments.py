# Two or three harmless changes by which a reader makes sure of having understood: a line to log, a setting to change, a wait to
# shorten, each with what one should then see.
"""`find_experiments(program, project, config)`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cutaway.facts.lookup import evidence
from cutaway.facts.reach import calls_of
from cutaway.facts.roles import role_of
from cutaway.read.program import Program

__all__ = ["find_experiments"]

_WAIT = re.compile(r"(?i)(^|\.|::|_)(sleep|wait|wait_for|poll|select|call_later)$")
_TIMEOUT = re.compile(r"^timeout(_s|_ms)?\s*=")
_DECIDES = re.compile(r"[<>]=?|\bmin\(|\bmax\(|\brange\(")
_NUMBER = re.compile(r"^(timeout\s*=\s*)?(0?\.\d*[1-9]\d*|[1-9]\d*(\.\d+)?)$")
ENOUGH = 3
KNOWN = 2  # files that mention a class of settings, below which it is a detail
_LIMIT = re.compile(
    r"(max|limit|size|num|batch|workers|timeout|interval|budget|chunk|depth|ratio|utilization)", re.IGNORECASE
)


def find_experiments(
    program: Program, project: dict[str, Any], config: dict[str, Any]
) -> list[dict[str, Any]]:
    """`{kind, do, see, path, line, symbol, evidence}`: kinds are log, parameter, timing, of which there is at most one each,
    and call, where these are few."""
    found = [_log(program, project), _parameter(program, project, config), _timing(program, project)]
    found = [row for row in found if row]
    return found + [*_calls(program, project, {row["path"] for row in found})][: max(0, ENOUGH - len(found))]


def _row(
    program: Program, kind: str, path: str, line: int, do: str, see: str, more: list | None = None
) -> dict[str, Any]:
    proof = evidence(program, path, line, "the line to watch or to change")
    where = {"path": path, "line": line, "symbol": proof["symbol"]}
    return {"kind": kind, "do": do, "see": see, **where, "evidence": [proof, *(more or [])]}


def _log(program: Program, project: dict[str, Any]) -> dict[str, Any] | None:
    """The first state transition that a main loop's code makes, or the loop's own work."""
    loops = project["lifecycle"]["main_loop"]
    critical = {m["path"] for m in project["critical"]}
    for machine in sorted(project["states"], key=lambda m: m["path"] not in critical):
        for move in machine["transitions"]:
            if not move["by"].endswith("__init__"):
                state = move["state"].rpartition(".")[2]
                do = f"log `{state}` after {move['path']}:{move['line']} ({move['by']})"
                see = f"one line each time `{state}` of {machine['name']} becomes {move['to']}"
                return _row(program, "log", move["path"], move["line"], do, see)
    if not loops:
        return None
    loop = loops[0]
    work = next((e for e in loop["evidence"] if e["why"].startswith("works")), loop["evidence"][0])
    do = f"log before {loop['path']}:{work['line']}"
    return _row(program, "log", loop["path"], work["line"], do, f"one line for each turn of {loop['symbol']}")


def _calls(program: Program, project: dict[str, Any], seen: set[str]) -> Iterator[dict[str, Any]]:
    """Functions of the core modules by whom others call them: who does so, and how often, is then seen."""
    for module in project["critical"]:
        for caller in module["callers"] if module["path"] not in seen else ():
            edges = calls_of(program, caller["path"]).get(caller["symbol"], ())
            edge = next((e for e in edges if (e.path, e.line) == (module["path"], caller["line"])), None)
            called = program.definition(edge.path, edge.symbol) if edge else None
            if called and called.kind in ("function", "method"):
                do = f"log the arguments of {called.name} at {edge.path}:{called.line}"
                who = caller["symbol"] or "the module's own statements"
                place = f"{caller['path']}:{caller['line']}"
                see = f"one line each time that {who} calls it at {place}, and one for each caller that was not found"
                yield _row(program, "call", edge.path, called.line, do, see)
                break


def _parameter(program: Program, project: dict[str, Any], config: dict[str, Any]) -> dict[str, Any] | None:
    """A numeric setting that a critical module or a main loop compares with."""
    places = [m["path"] for m in project["critical"]] + [
        r["path"] for r in project["lifecycle"]["main_loop"][:5]
    ]
    for one in config["config_classes"]:
        if one["mentions"] < KNOWN:
            continue
        for field in one["fields"]:
            if not (_NUMBER.match(field["default"]) and _LIMIT.search(field["name"])):
                continue
            for path in dict.fromkeys(places):
                if path == one["path"] or role_of(path) != "code":
                    continue
                for number, text in enumerate(program.lines(path), 1):
                    if field["name"] not in text or not _DECIDES.search(text):
                        continue
                    if re.search(rf"\b{re.escape(field['name'])}\b", text):
                        do = f"halve `{field['name']}` ({one['path']}:{field['line']}, default {field['default']})"
                        see = f"the branch at {path}:{number} is taken earlier: {text.strip()[:80]}"
                        more = [evidence(program, path, number, "where the setting decides")]
                        return _row(program, "parameter", one["path"], field["line"], do, see, more)
    return None


def _timing(program: Program, project: dict[str, Any]) -> dict[str, Any] | None:
    """A wait with a number in a main loop, or an unbounded queue to be given a size."""
    for loop in project["lifecycle"]["main_loop"]:
        record = program.record(loop["path"])
        for call in record.calls:
            definition = program.enclosing(loop["path"], call.line)
            inside = definition and definition.name.startswith(loop["symbol"])
            number = next((a for a in call.args if _NUMBER.match(a)), "")
            waits = _WAIT.search(call.callee) or (_TIMEOUT.match(number) and call.callee.endswith("get"))
            if inside and number and waits and "loop" in call.how:
                do = f"change {number} in `{call.callee}({', '.join(call.args)})` to ten times as much"
                see = f"each turn of {loop['symbol']} that comes here waits ten times as long, and so does whoever ends it"
                return _row(program, "timing", loop["path"], call.line, do, see)
    for queue in project["queues"]:
        if "Queue" in queue["kind"] and not queue["bounded"] and queue["put"] and queue["get"]:
            do = f"give {queue['name']} a size of 1"
            where = ", ".join(f"{s['path']}:{s['line']}" for s in queue["put"][:2])
            return _row(
                program,
                "timing",
                queue["path"],
                queue["line"],
                do,
                f"writers wait at {where} when the reader is slow",
            )
    return None
