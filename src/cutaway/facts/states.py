# State machines as code keeps them: flags and events of a class, enumerations that are assigned, what moves them (handlers,
# callbacks, chains of comparisons on a message's type, names put together for getattr), and what guards a transition.
"""`find_states(program)`."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from cutaway.facts.chains import Chain, class_chains
from cutaway.facts.lookup import evidence, owner_of
from cutaway.facts.reach import holder
from cutaway.facts.roles import role_of
from cutaway.facts.state_enums import state_enums
from cutaway.model.code import Def, FileRecord
from cutaway.read.program import Program

__all__ = ["find_states"]

MOST = 24
_HANDLER = re.compile(
    r"^_?(on|handle)_\w+|\w+_handler$|^(pause|resume)_\w+$|^(connection_(made|lost)|eof_received)$"
)
_COMPARES = re.compile(
    r"isinstance\((?:self\.)?\w*(?:event|message|msg|req|item|command|kind)|[!=]= [\"']|\bis [a-z]\w*\.[A-Z]|\n\s+case "
)
_BUILT = re.compile(r"getattr\([^,\n]+,\s*f[\"']")
_EVENT = re.compile(r"^([\w.]+\.)?Event\(")


def find_states(program: Program) -> list[dict[str, Any]]:
    """`{name, kind, path, line, states, events, transitions, handlers, guard, dispatch, evidence}`, richest first. Kinds:
    flags (of a class), enum. Each state has the lines that set it (`set`), each event its handler and line, each transition the
    function that makes it."""
    found = []
    for path in program.paths:
        record = program.record(path)
        if role_of(path) != "code":
            continue
        found += state_enums(program, path, record)
        if record.language == "python" and any(d.kind == "class" for d in record.defs):
            found += _classes(program, path, record)
    found.sort(key=lambda m: (-m.pop("weight"), m["path"], m["line"]))
    return found[:MOST]


def _classes(program: Program, path: str, record: FileRecord) -> list[dict[str, Any]]:
    """The classes of a file whose flags change in more than one method, or that dispatch on what they are told."""
    its_chains = class_chains(program, path) if _may_dispatch(program, path, record) else []
    told = _Told(record)
    found = []
    for owner in record.defs:
        if owner.kind != "class":
            continue
        states = _flags(path, told, owner)
        events = _events(told, owner, states, [c for c in its_chains if _inside(owner, c.line)])
        moved = [s for s in states if s["set"]]
        if not (
            (len(moved) >= 2 and events) or len([e for e in events if e["how"] in ("compared", "named")]) >= 3
        ):
            continue
        dispatch = next((e for e in its_chains if e.kind == "getattr" and _inside(owner, e.line)), None)
        guard = next((c for c in its_chains if c.kind == "guard" and _inside(owner, c.line)), None)
        found.append(
            {
                "name": owner.name, "kind": "flags", "path": path, "line": owner.line, "states": states, "events": events,
                "transitions": _transitions(states), "handlers": _handlers(record, owner, events),
                "guard": _place(path, guard) if guard else None, "dispatch": _place(path, dispatch) if dispatch else None,
                "evidence": [evidence(program, path, owner.line, "keeps its state in flags", symbol=owner.name)],
                "weight": len(moved) * 2 + len(events),
            }
        )  # fmt: skip
    return found


def _may_dispatch(program: Program, path: str, record: FileRecord) -> bool:
    """Only files whose text shows several comparisons, or a name put together, are parsed anew."""
    if not any(d.kind == "class" for d in record.defs):
        return False
    text = program.text(path)
    return bool(_BUILT.search(text)) or len(_COMPARES.findall(text)) >= 3


def _place(path: str, chain: Chain) -> dict[str, Any]:
    return {"path": path, "line": chain.line, "text": chain.name}


def _inside(owner: Def, line: int) -> bool:
    return owner.line <= line <= owner.end


class _Told:
    """What of a file says how its classes' states move: picked out once, since each of its classes asks."""

    def __init__(self, record: FileRecord):
        self.record = record
        self.binds = [b for b in record.binds if b.value in ("True", "False") or _EVENT.match(b.value)]
        self.moves = [c for c in record.calls if c.callee.endswith((".set", ".clear"))]
        self.turns = [c for c in record.calls if "loop" in c.how and c.callee.startswith("self.")]
        self.loops = [m for m in record.marks if m.kind == "loop"]
        self.tasks = [m for m in record.marks if m.kind == "task"]
        self.methods = [d for d in record.defs if d.kind == "method"]


def _flags(path: str, told: _Told, owner: Def) -> list[dict[str, Any]]:
    """Attributes that begin as True or False (or as an Event) in the class and are given another value later, here or
    through another object of the same file."""
    begins: dict[str, int] = {}
    later: dict[str, list[dict[str, Any]]] = defaultdict(list)
    record = told.record
    kin = _descendants(record, owner)
    for bind in told.binds:
        flag = bind.value in ("True", "False")
        attribute = bind.target.rpartition(".")[2]
        scope = holder(record, bind.scope)
        its = owner_of(record, bind.scope)
        if its is not None and its.name in kin and bind.target == f"self.{attribute}":
            if its.name == owner.name and scope.endswith("__init__"):
                begins.setdefault(attribute, bind.line)
            elif flag:
                later[attribute].append({"path": path, "line": bind.line, "symbol": scope, "to": bind.value})
        elif flag and bind.target.count(".") >= 2:
            later[attribute].append({"path": path, "line": bind.line, "symbol": scope, "to": bind.value})
    for call in told.moves:
        name = re.match(r"^self\.(\w+)\.(set|clear)$", call.callee)
        if name and name[1] in begins and _inside(owner, call.line):
            later[name[1]].append(
                {"path": path, "line": call.line, "symbol": holder(record, call.scope), "to": name[2]}
            )
    return [{"name": n, "path": path, "line": line, "set": later[n][:12]} for n, line in begins.items()]


def _events(told: _Told, owner: Def, states: list, its_chains: list[Chain]) -> list[dict[str, Any]]:
    """What the class is told: values that a method compares, methods that are called back, methods that move a flag."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for chain in its_chains:
        if chain.kind in ("compared", "emitted"):
            handler = chain.handler.rpartition(".")[2]
            rows.setdefault((chain.name, handler), _event(chain.name, handler, chain.line, chain.kind))
    prefix = next((c.name for c in its_chains if c.kind == "getattr" and c.name), "")
    for definition in told.methods:
        local = definition.name.rpartition(".")[2]
        if definition.name != f"{owner.name}.{local}" or local == "__init__":
            continue
        if prefix and local.startswith(prefix):
            rows.setdefault(
                (local, local), _event(local.removeprefix(prefix), local, definition.line, "named")
            )
        elif _HANDLER.match(local):
            rows.setdefault((local, local), _event(local, local, definition.line, "called back"))
        elif any(s["symbol"] == definition.name for state in states for s in state["set"]):
            rows.setdefault((local, local), _event(local, local, definition.line, "moves a flag"))
    for mark in told.tasks:
        target = re.match(r"^self\.(\w+)", mark.name)
        if (
            mark.detail.get("how") in ("signal", "timer")
            and target
            and _inside(owner, mark.line)
        ):
            definition = next((d for d in told.record.defs if d.name == f"{owner.name}.{target[1]}"), None)
            if definition:
                how = mark.detail["how"]
                rows[target[1], target[1]] = _event(target[1], target[1], definition.line, how)
    for definition in _looped(told, owner):
        local = definition.name.rpartition(".")[2]
        rows.setdefault((local, local), _event(local, local, definition.line, "each turn"))
    return list(rows.values())


def _descendants(record: FileRecord, owner: Def) -> set[str]:
    """A class and those of its file that are made of it: what they set is its attribute."""
    found = {owner.name}
    for definition in record.defs:  # a base stands above what is made of it
        if definition.kind == "class" and any(base in found for base in definition.bases):
            found.add(definition.name)
    return found


def _looped(told: _Told, owner: Def) -> list[Def]:
    """Methods that a loop of the class calls on each turn."""
    if not any(_inside(owner, m.line) for m in told.loops):
        return []
    names = {f"{owner.name}.{c.callee[5:]}" for c in told.turns if _inside(owner, c.line)}
    return [d for d in told.record.defs if d.name in names]


def _event(name: str, handler: str, line: int, how: str) -> dict[str, Any]:
    return {"name": name, "handler": handler, "line": line, "how": how}


def _transitions(states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"state": s["name"], "to": one["to"], "by": one["symbol"], "path": one["path"], "line": one["line"]}
        for s in states
        for one in s["set"]
    ]


def _handlers(record: FileRecord, owner: Def, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The methods that are told: those that compare, those that wait for the next message, those that run as a task."""
    names = {e["handler"] for e in events if e["how"] in ("compared", "emitted")}
    for call in record.calls:
        if (
            re.match(r"^self\.\w+\.(get|wait)$", call.callee)
            and "await" in call.how
            and _inside(owner, call.line)
        ):
            names.add(holder(record, call.scope).rpartition(".")[2])
    for mark in record.marks:
        if mark.kind == "task" and (run := re.search(r"\.(\w+)\(", mark.name)):
            names.add(run[1])
    wanted = {f"{owner.name}.{n}" for n in names}
    return [{"name": d.name.rpartition(".")[2], "line": d.line} for d in record.defs if d.name in wanted]
