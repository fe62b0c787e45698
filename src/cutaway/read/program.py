# What the detectors and reports ask a repository: its files' records, its text, what reaches what. Everything is read
# when it is first asked for, so that a question about one symbol does not pay for 6,000 files.
"""`Program`: a repository as facts to ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Protocol

from cutaway.errors import Unreadable
from cutaway.model.code import Bind, Def, Edge, FileRecord
from cutaway.read.resolve.modules import Modules
from cutaway.read.sharing import Sharing

__all__ = ["Program", "lines_of"]


class Files(Protocol):
    """Where text comes from: `cutaway.read.source.Source`."""

    name: str

    def read(self, path: str) -> bytes: ...


class Records(Protocol):
    """Where records come from: `cutaway.read.index.Index`."""

    def record(self, path: str) -> FileRecord | None: ...

    def records(self) -> Iterator[tuple[str, FileRecord]]: ...


def lines_of(text: str) -> list[str]:
    """The lines of a text without their ends."""
    lines = text.split("\n")  # not `splitlines`: parsers do not count a form feed
    return lines[:-1] if lines[-1] == "" else lines


class Program:
    """`records` are the index's; `source` gives text. Paths are relative to the repository's root, with `/`."""

    def __init__(self, source: Files, records: Records):
        self.source = source
        share = Sharing().share
        self._by_path = {path: share(record) for path, record in records.records()}
        self._defs: dict[str, dict[str, Def]] = {}
        self.text = lru_cache(maxsize=256)(self._text)
        self.lines = lru_cache(maxsize=256)(self._lines)

    @cached_property
    def paths(self) -> list[str]:
        """Every file that was read, sorted."""
        return sorted(self._by_path)

    def record(self, path: str) -> FileRecord:
        """What a file says. Raises KeyError for a file that the repository does not have."""
        return self._by_path[path]

    def __contains__(self, path: str) -> bool:
        return path in self._by_path

    def _text(self, path: str) -> str:
        """A file's text; none of what is not read, such as a link or a file that is too large."""
        from cutaway.read.languages import decode

        try:
            return decode(self.source.read(path))
        except Unreadable:
            return ""

    def _lines(self, path: str) -> list[str]:
        """A file's lines without their ends; line n is `lines[n - 1]`."""
        return lines_of(self.text(path))

    @cached_property
    def names(self) -> dict[str, list[tuple[str, int]]]:
        """The last part of every definition's name -> (path, index of the definition), in order of path."""
        table: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for path in self.paths:
            for index, definition in enumerate(self._by_path[path].defs):
                table[definition.name.rpartition(".")[2]].append((path, index))
        return table

    @cached_property
    def call_sites(self) -> dict[str, list[tuple[str, int]]]:
        """The last part of every callee that names a definition -> (path, index of the call), in order of path."""
        table: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for path in self.paths:
            for index, call in enumerate(self._by_path[path].calls):
                name = call.callee.rpartition(".")[2]
                if name in self.names:
                    table[name].append((path, index))
        return table

    @cached_property
    def assigned(self) -> dict[str, list[tuple[str, Bind]]]:
        """Attribute -> the assignments to it on something other than `self` alone."""
        table: dict[str, list[tuple[str, Bind]]] = defaultdict(list)
        for path in self.paths:
            for bind in self._by_path[path].binds:
                if "." in bind.target.removeprefix("self."):
                    table[bind.target.rpartition(".")[2]].append((path, bind))
        return table

    def find(self, symbol: str) -> list[tuple[str, Def]]:
        """The definitions whose qualified name ends in `symbol` (`Scheduler.schedule`, `schedule`), in order of path."""
        wanted = symbol.replace("::", ".")
        found = []
        for path, index in self.names.get(wanted.rpartition(".")[2], ()):
            definition = self._by_path[path].defs[index]
            if definition.name == wanted or definition.name.endswith("." + wanted):
                found.append((path, definition))
        return found

    def definition(self, path: str, symbol: str) -> Def | None:
        """The definition of exactly this qualified name in a file."""
        if path not in self:
            return None
        if path not in self._defs:
            self._defs[path] = {d.name: d for d in reversed(self._by_path[path].defs)}
        return self._defs[path].get(symbol)

    def enclosing(self, path: str, line: int) -> Def | None:
        """The innermost definition that holds a line."""
        holds = [d for d in self._by_path[path].defs if d.start <= line <= d.end]
        return min(holds, key=lambda d: d.end - d.start, default=None)

    @cached_property
    def modules(self) -> Modules:
        """The Python files as modules."""
        return Modules(self.paths)

    @cached_property
    def graph(self):
        """Who calls whom (`cutaway.read.resolve.Graph`)."""
        from cutaway.read.resolve import Graph

        return Graph(self)

    def edges(self, path: str) -> list[Edge]:
        """Every call site of a file with what it reaches, the unresolved ones too."""
        return self.graph.edges(path)

    def callees(self, path: str, symbol: str) -> list[Edge]:
        """The edges out of one definition, in order of line."""
        return self.graph.callees(path, symbol)

    def callers(self, path: str, symbol: str) -> list[tuple[str, Edge]]:
        """(path of the call, edge) of every resolved call into one definition."""
        return self.graph.callers(path, symbol)

    def subclasses(self, path: str, symbol: str) -> list[tuple[str, str]]:
        """(path, name) of the classes that derive from this one, at any depth."""
        return self.graph.subclasses(path, symbol)
