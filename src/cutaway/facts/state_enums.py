# Enumerations of states and what moves a program from one to the other: an attribute that is given a member, and a setter
# that is told one. In Go an enumeration is a type with constants of it.
"""`state_enums(program, path, record)`."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Any

from cutaway.facts.lookup import evidence, lookup
from cutaway.facts.reach import holder
from cutaway.facts.roles import role_of
from cutaway.model.code import Bind, FileRecord, Mark
from cutaway.read.program import Program

__all__ = ["state_enums"]

_STATE_ENUM = re.compile(r"(State|Status|Phase|Stage)$")
_TRANSITION = re.compile(r"^(?:[\w.]+\.)?(?P<enum>[A-Z]\w+)\.(?P<member>[A-Z][A-Z0-9_]*)$")
_NAMED = re.compile(
    r"^(?:(?P<before>[\w.:]+?)(?:::|\.|->))?(?P<member>[A-Za-z_]\w*)$"
)  # `Status::Running`, `kFound`
_SETS = re.compile(
    r"(?i)^(set|store|swap|change|update|move|enter|switch|transition|compare_?(and_?)?(swap|exchange))"
)
KINDS = ("class", "enum", "type")


def state_enums(program: Program, path: str, record: FileRecord) -> list[dict[str, Any]]:
    """Enumerations of states with every place that gives something one of their members; rows of `find_states`."""
    found = []
    for index, definition in enumerate(record.defs):
        local = definition.name.rpartition(".")[2]
        if not _STATE_ENUM.search(local) or definition.kind not in KINDS:
            continue
        members = _members(record, index, local)
        if len(members) < 2:
            continue
        python = record.language == "python"
        moves = _moves(program, path, local) if python else _moved(program, path, local)
        states = [
            {
                "name": m.name,
                "path": path,
                "line": m.line,
                "set": [t for t in moves if t["to"] == m.name][:12],
            }
            for m in members
        ]
        events = {t["by"]: _event(t["by"].rpartition(".")[2], t["by"], t["line"]) for t in moves}
        found.append(
            {
                "name": local, "kind": "enum", "path": path, "line": definition.line, "states": states,
                "events": list(events.values()), "transitions": moves[:40], "handlers": [], "guard": None, "dispatch": None,
                "evidence": [evidence(program, path, definition.line, "the states by name", symbol=definition.name)],
                "weight": 2 * len(members) + 2 * len(moves),
            }
        )  # fmt: skip
    return found


def _event(name: str, handler: str, line: int) -> dict[str, Any]:
    return {"name": name, "handler": handler, "line": line, "how": "assigns"}


def _members(record: FileRecord, index: int, local: str) -> list[Mark]:
    """Of an enumeration those within it, of a type of Go the constants that have it."""
    return [
        m for m in record.marks if m.kind == "member" and (m.scope == index or m.detail.get("type") == local)
    ]


def _moves(program: Program, path: str, enum: str) -> list[dict[str, Any]]:
    """`x.status = Status.RUNNING` anywhere in the code that means this enumeration."""
    look, rows = lookup(program), []
    for where, bind, member in _assigned(program).get(enum, ()):
        place = look.follow(where, enum)
        if place is None or place[0] == path:
            by = holder(program.record(where), bind.scope)
            rows.append({"state": bind.target, "to": member, "by": by, "path": where, "line": bind.line})
    return rows


def _moved(program: Program, path: str, enum: str) -> list[dict[str, Any]]:
    """The same in languages that declare their types, where a member's name alone may stand for it."""
    return [row for home, name, row in _native(program) if (home, name) == (path, enum)]


def _native(program: Program) -> list[tuple[str, str, dict[str, Any]]]:
    """(path and name of an enumeration, row) of each place where one of its members is given to something: by its name
    behind the enumeration's, or alone where no other enumeration has it. Read once."""
    kept = program.__dict__.get("_native_moves")
    if kept is not None:
        return kept
    kept = program.__dict__["_native_moves"] = []
    homes: dict[str, list[tuple[str, str]]] = defaultdict(list)
    shared: Counter[str] = Counter()
    records = {p: program.record(p) for p in program.paths if role_of(p) == "code"}
    records = {p: r for p, r in records.items() if r.language != "python"}
    for path, record in records.items():
        shared.update(m.name for m in record.marks if m.kind == "member")
        for index, definition in enumerate(record.defs):
            local = definition.name.rpartition(".")[2]
            if definition.kind in KINDS and _STATE_ENUM.search(local):
                for member in _members(record, index, local):
                    homes[member.name].append((path, local))
    for path, record in records.items() if homes else ():
        given = [(b, b.target, b.value) for b in record.binds if b.kind == "assign" and b.scope >= 0]
        given += [
            (c, c.callee, a)
            for c in record.calls
            if _SETS.match(re.split(r"\W", c.callee)[-1])
            for a in c.args
        ]
        for one, target, value in given:
            named = _NAMED.match(value)
            for home, enum in homes.get(named["member"], ()) if named else ():
                before = re.split(r"::|\.", named["before"] or "")[-1]
                alone = shared[named["member"]] == 1 and record.language in ("go", "c", "cpp", "cuda")
                if before == enum or alone:
                    row = {"state": target, "to": named["member"], "by": holder(record, one.scope)}
                    kept.append((home, enum, row | {"path": path, "line": one.line}))
    return kept


def _assigned(program: Program) -> dict[str, list[tuple[str, Bind, str]]]:
    """enumeration -> (path, binding, member) of every attribute that is given a member of one. Read once."""
    kept = program.__dict__.get("_assigned")
    if kept is None:
        kept = program.__dict__["_assigned"] = defaultdict(list)
        for path in program.paths:
            for bind in program.record(path).binds if role_of(path) == "code" else ():
                if "." in bind.target and "." in bind.value and (made := _TRANSITION.match(bind.value)):
                    kept[made["enum"]].append((path, bind, made["member"]))
    return kept
