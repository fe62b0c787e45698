# What makes a program end: a signal that it asks for, a flag that ends one of its loops, a call that ends the process.
"""`triggers(program, known, looping)`."""

from __future__ import annotations

import re
from typing import Any

from cutaway.facts.life import Function
from cutaway.facts.lookup import evidence
from cutaway.facts.reach import Node
from cutaway.facts.roles import role_of
from cutaway.model.code import Call
from cutaway.read.program import Program

__all__ = ["triggers"]

MOST = 60
_EXITS = re.compile(r"(^|\.|::)(sys\.exit|os\._exit|exit|os\.Exit|log\.Fatal(f|ln)?)$")
_FLAG = re.compile(
    r"^self\.(?P<flag>\w*(exit|stop|shut|terminat|clos|cancel|kill|quit|finish|running)\w*)$", re.IGNORECASE
)
_RUNNING = re.compile(r"running|alive", re.IGNORECASE)
_TOLD = re.compile(r"exit|stop|shut|terminat|cancel|kill|quit", re.IGNORECASE)
_LISTENS = re.compile(
    r"(^|\.)(signal\.(signal|Notify|NotifyContext)|add_signal_handler|process\.(on|once))$|(^|::)(signal|sigaction|ctrl_c|set_handler)$"
)
_ORDER = re.compile(r"asks|(sets|says)|(exits)")  # what it is told from outside, by itself; where it gives up
_SIGNAL = re.compile(r"\bSIG(?!_)[A-Z]+\b|\bos\.(Interrupt|Kill)\b")


def triggers(program: Program, known: dict[Node, Function], looping: set[Node]) -> list[dict[str, Any]]:
    """`{path, line, symbol, flag, evidence}`: where the program asks to be told of a signal, where a flag is set that ends a
    loop, and where the process exits."""
    asked = " ".join(mark.name for f in known.values() for mark in f.loops)
    minds = {word for node in looping for word in known[node].definition.words if _TOLD.search(word)}
    answers = {
        re.split(r"[.\s]", m.name)[-1]
        for f in known.values()
        for m in f.marks
        if m.detail.get("how") == "signal"
    }
    rows = []
    for function in known.values():
        if role_of(function.path) != "code":
            continue
        for call in function.calls:
            if signals := _heard(call):
                rows.append(
                    _trigger(program, function, call.line, "", f"asks to be told of {signals}: {call.callee}")
                )
        if not (function.step or function.runs_as or function.name in answers):
            continue
        first, last = function.definition.line, function.definition.end
        for bind in program.record(function.path).binds:
            flag = (
                _FLAG.match(bind.target)
                if first <= bind.line <= last and function.name != "__init__"
                else None
            )
            if flag is None or bind.value != ("False" if _RUNNING.search(flag["flag"]) else "True"):
                continue
            if flag["flag"] in minds or re.search(rf"\b{flag['flag']}\b", asked):
                why = f"sets {bind.target} = {bind.value}"
                rows.append(_trigger(program, function, bind.line, flag["flag"], why))
        for call in function.calls:
            if _EXITS.search(call.callee):
                why = f"exits: {call.callee}({', '.join(call.args)})"
                rows.append(_trigger(program, function, call.line, "", why))
    for node in sorted(looping):
        rows += _answers(program, known[node])
    rows.sort(
        key=lambda r: (
            _ORDER.match(r["evidence"][0]["why"]).lastindex or 0,
            r["path"].count("/"),
            r["path"],
            r["line"],
        )
    )
    return rows[:MOST]


def _heard(call: Call) -> str:
    """The signals that a call asks for, '' where it asks for none."""
    if not _LISTENS.search(call.callee):
        return ""
    if call.callee.endswith(("ctrl_c", "ctrlc::set_handler")):
        return "Ctrl-C"
    return ", ".join(dict.fromkeys(found[0] for a in call.args for found in _SIGNAL.finditer(a)))


def _answers(program: Program, loop: Function) -> list[dict[str, Any]]:
    """Where a function says True to the loop that asks it whether to end: `stop = self.tick()` under `while not stop`."""
    asked = {word for mark in loop.loops for word in re.findall(r"\bnot (\w+)$", mark.name)}
    record = program.record(loop.path)
    first, last = loop.definition.line, loop.definition.end
    told = {b.line for b in record.binds if b.target in asked and first <= b.line <= last}
    rows = []
    for edge in loop.edges:
        definition = program.definition(edge.path, edge.symbol) if edge.line in told and edge.path else None
        if definition is None:
            continue
        lines = program.lines(edge.path)
        for number in range(definition.line, definition.end + 1):
            if lines[number - 1].strip() == "return True":
                above = (
                    n for n in range(number, definition.line, -1) if lines[n - 1].lstrip().startswith("if ")
                )
                at = next(above, number)
                proof = evidence(program, edge.path, at, "says that the loop is to end", number)
                where = {"path": edge.path, "line": at, "symbol": definition.name}
                if not any(r["line"] == at for r in rows):
                    rows.append({**where, "flag": "", "evidence": [proof]})
    return rows


def _trigger(program: Program, function: Function, line: int, flag: str, why: str) -> dict[str, Any]:
    proof = evidence(program, function.path, line, why)
    return {
        "path": function.path,
        "line": line,
        "symbol": function.definition.name,
        "flag": flag,
        "evidence": [proof],
    }
