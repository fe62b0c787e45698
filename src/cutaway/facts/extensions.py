# Where a program is meant to be extended: what has several of a kind already, and takes one more without a change elsewhere.
# Registries and tables of names, and types that several others implement: abstract classes, traits, interfaces.
"""`find_extension_points(program)`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from cutaway.facts.lookup import evidence, lookup
from cutaway.facts.roles import role_of
from cutaway.facts.wiring import tables
from cutaway.model.code import Def, Mark
from cutaway.read.program import Program
from cutaway.read.resolve.go_interfaces import implementers

__all__ = ["find_extension_points"]

MOST = 30
NAMED = 3  # of those that are there already
_TYPES = ("class", "struct", "trait", "interface")
_FAMILY = {"cuda": "cpp", "c": "cpp", "javascript": "typescript"}

Types = dict[
    tuple[str, str], list[tuple[str, Def]]
]  # (family of languages, a type's own name) -> where it is defined


def find_extension_points(program: Program) -> list[dict[str, Any]]:
    """`{goal, path, line, symbol, entries, why, evidence}`: registries (decorated or tables) and types that several others
    implement, those with most entries first; `entries` counts what is there already."""
    rows = [*_tabled(program), *_derived(program), *_implemented(program), *_registered(program)]
    return sorted(rows, key=lambda r: (-r["entries"], r["path"], r["line"]))[:MOST]


def _tabled(program: Program) -> Iterator[dict[str, Any]]:
    for path in _code(program):
        record = program.record(path)
        if record.language == "python":
            for row in tables(program, path, record):
                why = f"its {len(row['choices'])} entries are chosen by name: {_some(row['choices'])}"
                yield _point(
                    f"add to {row['name']}",
                    path,
                    row["line"],
                    row["name"],
                    len(row["choices"]),
                    why,
                    row["evidence"],
                )


def _derived(program: Program) -> Iterator[dict[str, Any]]:
    """Abstract classes of Python with their subclasses."""
    for path in _code(program):
        for definition in program.record(path).defs if program.record(path).language == "python" else ():
            if definition.kind == "class" and "abstract" in definition.flags:
                heirs = [n for p, n in program.subclasses(path, definition.name) if role_of(p) == "code"]
                yield from _another(program, path, definition, heirs)


def _implemented(program: Program) -> Iterator[dict[str, Any]]:
    """Types of the languages that declare them, with those that derive from them or implement them."""
    types: Types = defaultdict(list)
    heirs: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for path in _code(program):
        record = program.record(path)
        if record.language == "python":
            continue
        family = _FAMILY.get(record.language, record.language)
        for definition in record.defs:
            if definition.kind in _TYPES:
                types[family, _own(definition.name)].append((path, definition))
            for base in definition.bases if family != "go" else ():
                heir = definition.name.rpartition(".")[0] if definition.kind == "method" else definition.name
                heirs[family, _own(base)][_own(heir)] = None
    known = {name for family, name in types if family == "go"}
    for name, having in implementers(program).items():
        heirs["go", name].update(dict.fromkeys(h for h in having if h in known))
    for key, names in sorted(heirs.items()):
        if len(places := types.get(key, ())) == 1:  # of two with one name it is not known which is meant
            yield from _another(program, *places[0], [n for n in names if n != key[1]])


def _registered(program: Program) -> Iterator[dict[str, Any]]:
    look = lookup(program)
    registered: dict[str, list[tuple[str, Mark]]] = defaultdict(list)
    for path in _code(program):
        for mark in program.record(path).marks:
            if mark.kind == "entry" and "regist" in mark.detail.get("table", "").lower() and mark.scope >= 0:
                registered[mark.detail["table"]].append((path, mark))
    for name, marks in registered.items():
        if len(marks) >= 2:
            path, mark = marks[0]
            place = look.follow(path, name)
            where, line = (place[0], place[1].line) if place else (path, mark.line)
            proof = evidence(program, path, mark.line, f"registered with {name}")
            symbol = place[1].name if place else proof["symbol"]  # of what is made at run time only the use is known
            why = "others are registered this way, here one of them"
            yield _point(f"register with {name}", where, line, symbol, len(marks), why, [proof])


def _another(program: Program, path: str, definition: Def, heirs: list[str]) -> Iterator[dict[str, Any]]:
    if len(heirs) < 2:
        return
    says = "implement" if definition.kind in ("trait", "interface") else "derive from"
    why = f"{len(heirs)} types {says} it: {_some([_own(h) for h in heirs])}"
    proof = evidence(program, path, definition.line, why, symbol=definition.name)
    yield _point(
        f"another {_own(definition.name)}", path, definition.line, definition.name, len(heirs), why, [proof]
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _own(name: str) -> str:
    """A type's name without what it stands in and what it is given: `a::Store<K>` is `Store`."""
    return re.split(r"\.|::", re.sub(r"<.*", "", name).strip("*& "))[-1]


def _code(program: Program) -> Iterator[str]:
    return (path for path in program.paths if role_of(path) == "code")


def _point(
    goal: str, path: str, line: int, symbol: str, entries: int, why: str, proofs: list
) -> dict[str, Any]:
    where = {"path": path, "line": line, "symbol": symbol}
    return {"goal": goal, **where, "entries": entries, "why": why, "evidence": proofs}
