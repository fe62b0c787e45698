# Go lets out what begins with a capital letter, of every package that is not internal. The package at a module's root is the
# library; others are its face where a program or a document uses them.
"""`go_units(program, shown)`."""

from __future__ import annotations

import re
from collections import defaultdict

from cutaway.facts.roles import PRODUCT, role_of
from cutaway.facts.shown import Showing, Shown
from cutaway.facts.unit import TYPES, Item, Unit
from cutaway.read.program import Program

__all__ = ["go_units"]

_INTERNAL = re.compile(r"(^|/)internal(/|$)")


def go_units(program: Program, shown: Shown) -> list[Unit]:
    """The packages that can be imported and that stand at the root of a module or are used from a program or document."""
    modules = _modules(program)
    packages: dict[str, list[str]] = defaultdict(list)
    for path in program.paths:
        if path.endswith(".go") and role_of(path) in PRODUCT:
            packages[path.rpartition("/")[0]].append(path)
    units = []
    for folder, paths in packages.items():
        name = next(filter(None, (_package(program, p) for p in paths)), "")
        if name in ("", "main") or _INTERNAL.search(folder):
            continue
        root = max((m for m in modules if m == folder or folder.startswith(m + "/") or not m), key=len, default=None)
        if root is None:
            continue
        rest = folder[len(root) :].strip("/")
        module = f"{modules[root]}/{rest}".rstrip("/")
        shows = shown.using(_user(module, name))
        if rest and not shows:
            continue
        items = [
            Item(p, d)
            for p in paths
            for d in program.record(p).defs
            if d.parent < 0 and "public" in d.flags and d.kind in ("function", *TYPES)
        ]
        units.append(
            Unit(name, f"package {name} exports it", items, shows, not rest, more=frozenset(paths))
        )
    return units


def _package(program: Program, path: str) -> str:
    """The name in a file's `package` clause."""
    marks = program.record(path).marks
    return next((m.detail.get("value", "") for m in marks if m.kind == "literal" and m.name == "package"), "")


def _modules(program: Program) -> dict[str, str]:
    """The folder of each go.mod -> the module it declares."""
    found = {}
    for path in program.paths:
        if path == "go.mod" or path.endswith("/go.mod"):
            for mark in program.record(path).marks:
                if mark.kind == "title" and role_of(path) not in ("vendored", "test"):
                    found[path.rpartition("/")[0]] = mark.name
    return found


def _user(module: str, name: str):
    called = re.compile(rf"\b{re.escape(name)}\.[A-Z]")

    def uses(one: Showing) -> bool:
        return module in one.imports or bool(one.text and (module in one.text or called.search(one.text)))

    return uses

