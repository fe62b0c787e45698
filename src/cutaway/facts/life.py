# The functions of a program with what the phases of its life are judged by: loops, what is called inside and before them,
# what they start and construct, whether somebody outside calls them.
"""`functions(program, reached, entries, tasks)`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cutaway.facts.imported import importers
from cutaway.facts.lookup import owner_of
from cutaway.facts.reach import Node, Step, calls_of, holder, runs_as
from cutaway.facts.roles import PRODUCT, role_of
from cutaway.model.code import Bind, Call, Def, Edge, Mark
from cutaway.read.program import Program

__all__ = ["Function", "functions"]


@dataclass(slots=True)
class Function:
    """One function or method; nested functions count for it. There are tens of thousands, most with nothing noted."""

    path: str
    definition: Def
    owner: str  # its class, or empty
    step: Step | None  # how the entry points reach it
    importers: int  # files that import its file
    bases: tuple[str, ...] = ()  # of its class
    nearness: float = 99.0  # of its class to a main loop, in calls
    entry: str = ""  # the kind of entry point it is, or empty
    runs_as: str = ""  # process, thread, task: where it is the target of one
    loops: Sequence[Mark] = ()
    fors: Sequence[Bind] = ()
    calls: list[Call] = field(default_factory=list)
    marks: Sequence[Mark] = ()
    follow: Callable[[], list[Edge]] | None = None  # gives the edges, where calls are followed

    @property
    def edges(self) -> list[Edge]:
        """What it calls."""
        return self.follow() if self.follow else []

    @property
    def name(self) -> str:
        """The last part of its name."""
        return self.definition.name.rpartition(".")[2]

    @property
    def node(self) -> Node:
        """Its path and symbol."""
        return self.path, self.definition.name


def functions(
    program: Program, reached: dict[Node, Step], entries: list[dict[str, Any]], tasks: list[dict[str, Any]]
) -> dict[Node, Function]:
    """The functions of the product's code in order of path and line. Languages without call edges have the rest."""
    entry = {(e["path"], e["symbol"]): e["kind"] for e in reversed(entries)}
    runs = {(t["path"], t["symbol"]): as_ for t in tasks if (as_ := runs_as(t))}
    counts = importers(program)
    found: dict[Node, Function] = {}
    for path in program.paths:
        if role_of(path) not in PRODUCT:
            continue
        record = program.record(path)
        mine: dict[str, Function] = {}
        for index, definition in enumerate(record.defs):
            if definition.kind in ("function", "method") and holder(record, index) == definition.name:
                owner = owner_of(record, index)
                node = (path, definition.name)
                function = Function(
                    path,
                    definition,
                    owner=owner.name if owner else "",
                    step=reached.get(node),
                    importers=counts[path],
                    bases=tuple(owner.bases) if owner else (),
                    entry=entry.get(node, ""),
                    runs_as=runs.get(node, ""),
                )
                mine.setdefault(definition.name, function)
        if not mine:
            continue
        holders = [holder(record, i) for i in range(len(record.defs))]
        for call in record.calls:
            if call.scope >= 0 and (function := mine.get(holders[call.scope])):
                function.calls.append(call)
        for mark in record.marks:
            if mark.scope >= 0 and (function := mine.get(holders[mark.scope])):
                function.marks = [*function.marks, mark]
                if mark.kind == "loop":
                    function.loops = [*function.loops, mark]
        for bind in record.binds:
            if (
                bind.kind.startswith("for")
                and bind.scope >= 0
                and (function := mine.get(holders[bind.scope]))
            ):
                function.fors = [*function.fors, bind]
        if any(f.step for f in mine.values()) or any((path, n) in entry for n in mine):
            edges = calls_of(program, path)
            for name, function in mine.items():
                function.follow = partial(edges.get, name, [])
        found.update({f.node: f for f in mine.values()})
    return found
