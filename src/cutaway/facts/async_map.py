# What runs at the same time and may be lost: tasks whose handle nobody keeps, threads and processes that nobody joins,
# coroutines that are called and never awaited.
"""`find_loose_ends(program)`."""

from __future__ import annotations

import re
from typing import Any

from cutaway.facts.lookup import evidence
from cutaway.facts.reach import holder
from cutaway.facts.roles import role_of
from cutaway.model.code import FileRecord, Mark
from cutaway.read.program import Program

__all__ = ["find_loose_ends"]

_MADE = re.compile(r"(create_task|ensure_future|Thread|Process|Timer)$")
_GROUP = re.compile(r"\b(TaskGroup|create_task_group|open_nursery)\(")  # which awaits what it starts
_GOES_ON = re.compile(r"[(\[{,=\\]\s*(#.*)?$")
UNLIKE = ("callback", "override", "queue_peer", "rpc_string_method")
NEAR = 3  # lines above a call on which the one that takes it may begin


def find_loose_ends(program: Program) -> list[dict[str, Any]]:
    """`{kind, path, line, symbol, what, evidence}`: kinds are dropped task, never joined, never awaited."""
    rows = []
    for path in program.paths:
        record = program.record(path)
        if record.language != "python" or role_of(path) != "code":
            continue
        marks = [m for m in record.marks if m.kind == "task"]
        for mark in marks:
            if mark.detail.get("how") == "task" and _dropped(program, path, record, mark):
                rows.append(
                    _row(
                        program,
                        path,
                        record,
                        mark,
                        "dropped task",
                        f"nothing keeps the task that runs {mark.name}",
                    )
                )
            elif mark.detail.get("how") in ("thread", "process") and _unjoined(program, path, record, mark):
                rows.append(
                    _row(program, path, record, mark, "never joined", f"nothing keeps what runs {mark.name}")
                )
        if any("async" in d.flags for d in record.defs):
            rows += _unawaited(program, path, record)
    return rows


def _row(program: Program, path: str, record: FileRecord, mark: Mark, kind: str, what: str) -> dict[str, Any]:
    where = {"path": path, "line": mark.line, "symbol": holder(record, mark.scope)}
    return {"kind": kind, **where, "what": what, "evidence": [evidence(program, path, mark.line, what)]}


def _dropped(program: Program, path: str, record: FileRecord, mark: Mark) -> bool:
    """The statement begins with the call that makes the task, so that its result is lost."""
    callee = mark.detail.get("callee", "")
    made = bool(_MADE.search(callee)) and _begins(program, path, mark.line, callee)
    owner = callee.rpartition(".")[0]
    if any(b.target == owner and _GROUP.search(b.value) for b in record.binds):
        return False
    return made and "add_done_callback" not in program.lines(path)[mark.line - 1]


def _unjoined(program: Program, path: str, record: FileRecord, mark: Mark) -> bool:
    """Made and started in one statement: nobody has what could be joined."""
    made = [c for c in record.calls if c.line == mark.line and c.callee == mark.detail.get("callee")]
    daemon = any("daemon=True" in a.replace(" ", "") for c in made for a in c.args)
    return not daemon and _begins(program, path, mark.line, mark.detail.get("callee", " "))


def _begins(program: Program, path: str, line: int, start: str) -> bool:
    """Does a statement begin with this on the line? Not where the one above goes on: in a list, in arguments."""
    lines = program.lines(path)
    above = next((text for text in map(str.strip, reversed(lines[: line - 1])) if text and text[0] != "#"), "")
    return lines[line - 1].strip().startswith(start) and not _GOES_ON.search(above)


def _coroutines(program: Program) -> set[str]:
    """The names of all coroutine functions: only a call by such a name can leave one unawaited."""
    kept = program.__dict__.get("_coroutines")
    if kept is None:
        definitions = (d for path in program.paths for d in program.record(path).defs)
        kept = {d.name.rpartition(".")[2] for d in definitions if "async" in d.flags}
        program.__dict__["_coroutines"] = kept
    return kept


def _unawaited(program: Program, path: str, record: FileRecord) -> list[dict[str, Any]]:
    """A coroutine function of the repository called as a statement, without await and handed to nobody."""
    calls = {(c.line, c.callee): c for c in record.calls}
    rows = []
    names = _coroutines(program)
    scopes = {
        c.scope for c in record.calls if "await" not in c.how and c.callee.rpartition(".")[2] in names
    }
    for edge in program.graph.within(path, scopes):
        call = calls.get((edge.line, edge.callee))
        if call is None or not edge.path or "await" in call.how or edge.origin in UNLIKE:
            continue
        definition = program.definition(edge.path, edge.symbol)
        if definition is None or "async" not in definition.flags or "generator" in definition.flags:
            continue
        begins = f"{edge.callee}("
        taken = any(
            edge.line - NEAR <= c.line <= edge.line and any(begins in a for a in c.args) for c in record.calls
        )
        if not taken and _begins(program, path, edge.line, begins):
            what = f"{edge.callee} is a coroutine; nobody awaits it"
            mark = Mark("task", edge.line, edge.callee, call.scope)
            rows.append(_row(program, path, record, mark, "never awaited", what))
    return rows
