# What is chosen while the program runs: tables from names to classes, classes taken by whether a package can be imported,
# names put together for getattr, modules imported by string. A reader of call sites alone does not see these.
"""`find_wiring(program)`: dynamic wiring."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from cutaway.facts.chains import chains
from cutaway.facts.lookup import evidence, lookup
from cutaway.facts.roles import role_of
from cutaway.model.code import FileRecord, Mark
from cutaway.read.program import Program

__all__ = ["chosen", "find_wiring", "tables"]

MOST = 60
_QUALIFIED = re.compile(r"""^["'][\w.]+[.:][A-Za-z_]\w*["']$""")
_CLASSISH = re.compile(r"^([\w.]+\.)?[A-Z]\w*$|^\([\"']")
_BUILT = re.compile(r"getattr\([^,\n]+,\s*f[\"']")
_IMPORTS = re.compile(
    r"(^|\.)(import_module|__import__|import_string|import_from_string|resolve_obj_by_qualname|load_object|entry_points)$"
)


def find_wiring(program: Program) -> list[dict[str, Any]]:
    """`{kind, name, path, line, choices, evidence}`: kinds are table, optional import, getattr, import by name."""
    rows = []
    for path in program.paths:
        record = program.record(path)
        if record.language != "python" or role_of(path) != "code":
            continue
        rows += tables(program, path, record)
        rows += _optional(program, path, record)
        for call in record.calls:
            if _IMPORTS.search(call.callee) and call.scope >= 0:
                rows.append(_row(program, "import by name", call.callee, path, call.line, call.args[:1]))
        built = any("getattr" in d.words for d in record.defs) and _BUILT.search(program.text(path))
        if built:
            told = (c for c in chains(program, path) if c.kind == "getattr")
            rows += [_row(program, "getattr", c.name, path, c.line, []) for c in told]
    rows.sort(key=lambda r: (r["kind"] != "table", -len(r["choices"]), r["path"], r["line"]))
    return rows[:MOST]


def _row(program: Program, kind: str, name: str, path: str, line: int, choices: list[str]) -> dict[str, Any]:
    proof = evidence(program, path, line, f"chosen while it runs ({kind})")
    return {"kind": kind, "name": name, "path": path, "line": line, "choices": choices, "evidence": [proof]}


def tables(program: Program, path: str, record: FileRecord) -> list[dict[str, Any]]:
    """Dictionaries from names to classes, functions, or texts that name one."""
    entries: dict[str, list[Mark]] = defaultdict(list)
    for mark in record.marks:
        if mark.kind == "entry" and mark.scope < 0 and mark.detail.get("table", "").isidentifier():
            entries[mark.detail["table"]].append(mark)
    rows = []
    for table, marks in entries.items():
        place = next((d for d in record.defs if d.name == table and d.kind == "constant"), None)
        values = [m.detail.get("value", "") for m in marks]
        named = sum(bool(_QUALIFIED.match(v) or _CLASSISH.match(v)) for v in values)
        if place and len(marks) >= 2 and named >= len(values) / 2:
            rows.append(_row(program, "table", table, path, place.line, [m.name for m in marks][:40]))
    return rows


def _optional(program: Program, path: str, record: FileRecord) -> list[dict[str, Any]]:
    """One name given two values, the second where an import failed."""
    given = defaultdict(list)
    for bind in record.binds:
        if bind.scope < 0 and re.fullmatch(r"[A-Za-z_]\w*", bind.value) and bind.kind == "assign":
            given[bind.target].append(bind)
    fails = [
        m
        for m in record.marks
        if m.kind == "except" and m.name.startswith(("ImportError", "ModuleNotFoundError"))
    ]
    rows = []
    for name, binds in given.items():
        if len(binds) >= 2 and fails:
            rows += [_row(program, "optional import", name, path, b.line, [b.value]) for b in binds]
    return rows


def chosen(program: Program, wiring: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(path, symbol) of the methods of classes, and of the functions, that tables of names stand for."""
    look = lookup(program)
    nodes = []
    for row in wiring:
        if row["kind"] != "table":
            continue
        for mark in program.record(row["path"]).marks:
            if mark.kind == "entry" and mark.detail.get("table") == row["name"]:
                value = mark.detail.get("value", "").strip("\"'")
                place = look.follow(row["path"], value) or (look.dotted(value) if "." in value else None)
                if place and place[1].kind in ("class", "function"):
                    inside = place[1].name + "."
                    nodes += [
                        (place[0], d.name) for d in program.record(place[0]).defs if d.name.startswith(inside)
                    ]
                    nodes.append((place[0], place[1].name))
    return list(dict.fromkeys(nodes))[:2000]
