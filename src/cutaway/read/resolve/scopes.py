# The names of one file by scope: what the resolver looks up thousands of times, arranged once.
"""`Scopes`: a file's definitions, imports and bindings by scope and name."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

from cutaway.model.code import Bind, Call, FileRecord, Import

__all__ = ["Scopes"]

Key = tuple[int, str]  # scope, name


class Scopes:
    """Look-ups into one record, each table made when it is first asked for: of most files only definitions and imports
    are. A scope is the index of a definition, -1 for the module."""

    def __init__(self, record: FileRecord):
        self.record = record
        self.defs = record.defs

    @cached_property
    def children(self) -> dict[Key, list[int]]:
        """The definitions right inside a scope, by the last part of their names."""
        table: dict[Key, list[int]] = defaultdict(list)
        for index, definition in enumerate(self.defs):
            if definition.kind != "constant":
                table[definition.parent, definition.name.rpartition(".")[2]].append(index)
        return table

    @cached_property
    def imports(self) -> dict[Key, list[Import]]:
        """What a scope imports, by the first part of the name that it becomes known as."""
        table: dict[Key, list[Import]] = defaultdict(list)
        for one in self.record.imports:
            if one.symbol != "*":
                table[one.scope, one.name.partition(".")[0]].append(one)
        return table

    @cached_property
    def stars(self) -> list[Import]:
        """The imports of all that a module has."""
        return [one for one in self.record.imports if one.symbol == "*"]

    @cached_property
    def binds(self) -> dict[Key, list[Bind]]:
        """What a name or attribute is given in a scope."""
        table: dict[Key, list[Bind]] = defaultdict(list)
        for bind in self.record.binds:
            table[bind.scope, bind.target].append(bind)
        return table

    @cached_property
    def attributes(self) -> dict[Key, list[Bind]]:
        """What the methods of a class give an attribute of `self`."""
        table: dict[Key, list[Bind]] = defaultdict(list)
        for bind in self.record.binds:
            if bind.scope >= 0 and bind.target.startswith("self."):
                owner = self.owner(bind.scope)
                if owner >= 0:
                    table[owner, bind.target[5:]].append(bind)
        return table

    @cached_property
    def calls(self) -> dict[int, list[Call]]:
        """The calls of a scope, in order of appearance."""
        table: dict[int, list[Call]] = defaultdict(list)
        for call in self.record.calls:
            table[call.scope].append(call)
        return table

    def owner(self, scope: int) -> int:
        """The class whose method (or a function inside one) `scope` is, or -1."""
        while scope >= 0:
            parent = self.defs[scope].parent
            if parent >= 0 and self.defs[parent].kind == "class":
                return parent
            scope = parent
        return -1

    def chain(self, scope: int) -> list[int]:
        """The scopes in which a name that is used in `scope` is looked up, inner first; classes lend their names only to
        their own body."""
        scopes, inner = [], True
        while scope >= 0:
            if inner or self.defs[scope].kind != "class":
                scopes.append(scope)
            scope, inner = self.defs[scope].parent, False
        return [*scopes, -1]
