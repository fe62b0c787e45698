# Names across files as facts need them: a name in a file followed through imports, re-exports and alias modules to the
# definition, and a place of the source as evidence. Call edges are the resolver's; this only follows names.
"""`Lookup`: names to definitions, and evidence."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from cutaway.model.code import Def, FileRecord
from cutaway.read.program import Program

__all__ = ["Lookup", "evidence", "lookup", "owner_of", "scope_name"]

Place = tuple[str, Def]
_known: WeakKeyDictionary[Program, Lookup] = WeakKeyDictionary()
_DOTTED = re.compile(r"^[A-Za-z_][\w.]*$")
_PACKAGES = {"pyproject.toml", "setup.py", "setup.cfg"}
_LAZY = re.compile(r"""^["'](?P<module>\.*[\w.]*)(?::(?P<symbol>\w+))?["']$""")


def lookup(program: Program) -> Lookup:
    """The program's look-up, made once."""
    if program not in _known:
        _known[program] = Lookup(program)
    return _known[program]


class Lookup:
    """Names of one program."""

    def __init__(self, program: Program):
        self.program = program
        self.modules = program.modules
        self.follow = lru_cache(maxsize=100_000)(self._follow)

    @cached_property
    def packaged(self) -> bool:
        """Whether a manifest makes a Python package of a part of the repository: without one its programs are all there is."""
        return any(path.rpartition("/")[2] in _PACKAGES for path in self.program.paths)

    def _follow(self, path: str, name: str, depth: int = 10) -> Place | None:
        """The definition that a dotted `name`, seen in the module scope of `path`, stands for: through imports (those
        inside functions too), re-exports, aliases and lazy tables. None for what lies outside the repository."""
        if depth <= 0 or path not in self.program or not _DOTTED.match(name):
            return None
        record = self.program.record(path)
        head, _, rest = name.partition(".")
        exact = next((d for d in record.defs if d.name == name), None)
        if exact is not None and exact.kind != "constant":
            return path, exact
        found = next((d for d in record.defs if d.name == head and d.kind != "constant"), None)
        if found is None:
            place = self._imported(path, record, head, rest, depth) or self._alias(path, record, head, depth)
            if place is None:
                constant = exact or next((d for d in record.defs if d.name == head), None)
                return (path, constant) if constant is not None and not rest else None
            if not rest or place[1].name.endswith(rest) or rest.endswith(f".{place[1].name}"):
                return place  # the last: `package.module.Name` by `import package.module`
            path, found = place
        return self.member(path, found, rest, depth - 1) if rest else (path, found)

    def _imported(self, path: str, record: FileRecord, head: str, rest: str, depth: int) -> Place | None:
        for one in record.imports:
            if one.symbol == "*":
                target = self.modules.resolve(one.module, path)
                if target and target != path and (place := self.follow(target, head, depth - 1)):
                    return place
            elif (one.name == head or one.name.startswith(head + ".")) and (
                place := self._through(path, one, f"{head}.{rest}" if rest else head, depth)
            ):
                return place
        return None

    def _through(self, path: str, one, name: str, depth: int) -> Place | None:
        """One import followed: `name` as it is written after the import."""
        if not one.symbol:
            if name != one.name and not name.startswith(one.name + "."):
                return None
            target, rest = self.modules.resolve(one.module, path), name[len(one.name) + 1 :]
            return self._in_module(target, rest, depth) if target and rest else None
        target = self.modules.resolve(one.module, path)
        rest = name[len(one.name) + 1 :]
        if target:
            inner = self.modules.submodule(target, one.symbol)
            if rest and inner and (place := self._in_module(inner, rest, depth)):
                return place
            return self.follow(target, f"{one.symbol}.{rest}".rstrip("."), depth - 1)
        inner = self.modules.resolve(f"{one.module.rstrip('.')}.{one.symbol}" if one.module.strip(".") else
                                     one.module + one.symbol, path)  # fmt: skip
        return self._in_module(inner, rest, depth) if inner and rest else None

    def _in_module(self, path: str, rest: str, depth: int) -> Place | None:
        """`a.b` below a module: a submodule's `b`, or a definition."""
        head, _, tail = rest.partition(".")
        if tail and (inner := self.modules.submodule(path, head)):
            return self._in_module(inner, tail, depth)
        return self.follow(path, rest, depth - 1)

    def _alias(self, path: str, record: FileRecord, head: str, depth: int) -> Place | None:
        """`Name = Other`, or a table of lazy imports `"Name": ".module:Name"`."""
        for bind in record.binds:
            if bind.scope < 0 and bind.target == head and _DOTTED.match(bind.value) and bind.value != head:
                return self.follow(path, bind.value, depth - 1)
        for mark in record.marks:
            if (
                mark.kind == "entry"
                and mark.name == head
                and (lazy := _LAZY.match(mark.detail.get("value", "")))
            ):
                target = self.modules.resolve(lazy["module"], path)
                if target:
                    return self.follow(target, lazy["symbol"] or head, depth - 1)
        return None

    def member(self, path: str, found: Def, name: str, depth: int = 8) -> Place | None:
        """A method of a class, its own or inherited (bases in order, depth first)."""
        own = self.program.definition(path, f"{found.name}.{name}")
        if own is not None:
            return path, own
        for base in found.bases if depth > 0 else ():
            place = self.follow(path, base.split("[")[0])
            if place and place[1] is not found and (got := self.member(*place, name, depth - 1)):
                return got
        return None

    def dotted(self, name: str) -> Place | None:
        """`package.module:symbol` or `package.module.symbol`."""
        module, _, symbol = name.partition(":")
        if not symbol:
            module, _, symbol = name.rpartition(".")
        path = self.modules.find(module.strip()) if module else None
        return self.follow(path, symbol.split("[")[0].split("(")[0].strip()) if path else None


def scope_name(record: FileRecord, scope: int) -> str:
    """The name of a scope; empty for the module."""
    return record.defs[scope].name if scope >= 0 else ""


def owner_of(record: FileRecord, scope: int) -> Def | None:
    """The class that a scope belongs to, at any depth."""
    while scope >= 0:
        if record.defs[scope].kind in ("class", "struct"):
            return record.defs[scope]
        scope = record.defs[scope].parent
    return None


def as_on_its_line(callee: str) -> str:
    """What is called as the line of the call has it: of a chain over several lines, the last link."""
    return f"….{re.split(r'[.:>]', callee)[-1].strip()}" if " " in callee else callee


def evidence(
    program: Program, path: str, line: int, why: str, end: int = 0, symbol: str = ""
) -> dict[str, Any]:
    """One place that proves a claim: `path`, `line`, `end`, the enclosing `symbol`, the line's `text`, and what it
    shows (`why`)."""
    lines = program.lines(path)
    text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    if not symbol:
        inside = program.enclosing(path, line)
        symbol = inside.name if inside else ""
    return {
        "path": path,
        "line": line,
        "end": max(end, line),
        "symbol": symbol,
        "text": text[:160],
        "why": why,
    }
