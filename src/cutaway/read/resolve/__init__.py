# Who calls whom. Edges are made when they are asked for and kept, those of Python scope by scope; callers need all files once.
"""`Graph`: call edges of a program, callers, callees, overrides, paths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING

from cutaway.model.code import Edge
from cutaway.read.resolve.channels import Channels
from cutaway.read.resolve.dispatch import Dispatch
from cutaway.read.resolve.edges import PythonEdges, order
from cutaway.read.resolve.infer import Inference
from cutaway.read.resolve.native import LANGUAGES, Native

if TYPE_CHECKING:
    from cutaway.read.program import Program

__all__ = ["Graph"]


class Graph:
    """The edges of a program."""

    def __init__(self, program: Program):
        self.program = program
        self.inference = Inference(program)
        self.dispatch = Dispatch(self.inference)
        self.native = Native(program)
        self.channels = Channels(self.inference)
        self.python = PythonEdges(self.inference, self.dispatch, self.channels)
        self._native: dict[str, dict[int, list[Edge]]] = {}

    def edges(self, path: str) -> list[Edge]:
        """Every call site of a file with what it reaches."""
        return self.within(path, range(-1, len(self.program.record(path).defs)))

    def within(self, path: str, scopes: Collection[int]) -> list[Edge]:
        """The edges out of some scopes of a file (indices of definitions, -1 for the module), in order of line."""
        language = self.program.record(path).language
        if language == "python":
            edges = [e for scope in scopes for e in self.python.of(path, scope)]
        elif language in LANGUAGES:
            if path not in self._native:
                table = self._native[path] = defaultdict(list)
                for edge in self.native.edges(path):
                    table[edge.scope].append(edge)
            edges = [e for scope in scopes for e in self._native[path].get(scope, ())]
        else:
            return []
        return edges if len(scopes) < 2 else sorted(edges, key=order)

    def callees(self, path: str, symbol: str) -> list[Edge]:
        """The edges out of the definition `symbol`, those of functions inside it too, in order of line."""
        defs = self.program.record(path).defs
        inside = {i for i, d in enumerate(defs) if d.name == symbol or d.name.startswith(symbol + ".")}
        return self.within(path, inside)

    @cached_property
    def into(self) -> dict[tuple[str, str], list[tuple[str, Edge]]]:
        """(path, symbol) -> the edges into it, over the whole program."""
        table: dict[tuple[str, str], list[tuple[str, Edge]]] = defaultdict(list)
        for path in self.program.paths:
            for edge in self.edges(path):
                if edge.path:
                    table[edge.path, edge.symbol].append((path, edge))
        return table

    def callers(self, path: str, symbol: str) -> list[tuple[str, Edge]]:
        """The resolved calls into a definition."""
        return self.into.get((path, symbol), [])

    @cached_property
    def derived(self) -> dict[tuple[str, str], list[tuple[str, str]]]:
        """(path, class) -> its direct subclasses."""
        table: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        for path in self.program.paths:
            record = self.program.record(path)
            if record.language != "python":
                continue
            for index, definition in enumerate(record.defs):
                if definition.kind == "class" and definition.bases:
                    order = self.inference.mro(path, index)[1:]
                    for base in order:
                        if base.kind == "class":
                            table[base.path, self.inference.definition(base).name].append(
                                (path, definition.name)
                            )
        return table

    def subclasses(self, path: str, symbol: str) -> list[tuple[str, str]]:
        """The classes that derive from this one, at any depth."""
        return sorted(set(self.derived.get((path, symbol), ())))

    def overrides(self, path: str, symbol: str) -> list[tuple[str, str]]:
        """(path, name) of the methods that subclasses put in place of a method."""
        owner, _, method = symbol.rpartition(".")
        if not owner:
            return []
        found = []
        for other, name in self.subclasses(path, owner):
            if self.program.definition(other, f"{name}.{method}"):
                found.append((other, f"{name}.{method}"))
        return found
