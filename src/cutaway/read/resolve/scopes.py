# The names of one file by scope: what the resolver looks up thousands of times, arranged once.
"""`Scopes`: a file's definitions, imports and bindings by scope and name."""

from __future__ import annotations

from collections import defaultdict

from cutaway.model.code import Bind, Call, FileRecord, Import

__all__ = ["Scopes"]


class Scopes:
    """Look-ups into one record. A scope is the index of a definition, -1 for the module."""

    def __init__(self, record: FileRecord):
        self.record = record
        self.defs = record.defs
        self.children: dict[tuple[int, str], list[int]] = defaultdict(list)
        for index, definition in enumerate(record.defs):
            if definition.kind != "constant":
                self.children[definition.parent, definition.name.rpartition(".")[2]].append(index)
        self.imports: dict[tuple[int, str], list[Import]] = defaultdict(list)
        self.stars: list[Import] = []
        for one in record.imports:
            if one.symbol == "*":
                self.stars.append(one)
            else:
                self.imports[one.scope, one.name.partition(".")[0]].append(one)
        self.binds: dict[tuple[int, str], list[Bind]] = defaultdict(list)
        self.attributes: dict[tuple[int, str], list[Bind]] = defaultdict(list)
        for bind in record.binds:
            self.binds[bind.scope, bind.target].append(bind)
            if bind.target.startswith("self.") and bind.scope >= 0:
                owner = self.owner(bind.scope)
                if owner >= 0:
                    self.attributes[owner, bind.target[5:]].append(bind)
        self.calls: dict[int, list[Call]] = defaultdict(list)
        for call in record.calls:
            self.calls[call.scope].append(call)

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
