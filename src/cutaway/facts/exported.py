# What a user of a library in Go, Rust, C or C++ touches: what the language lets out of a package, a crate or a header, as far
# as the repository itself shows it in use or it is few. A hundred visible names are no interface; those that README,
# examples and programs call are.
"""`exported_objects(program)`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from cutaway.facts.exports_go import go_units
from cutaway.facts.exports_native import header_units
from cutaway.facts.exports_rust import rust_units
from cutaway.facts.lookup import evidence
from cutaway.facts.shown import Showing, Shown
from cutaway.facts.unit import TYPES, Item, Unit
from cutaway.facts.words import snake
from cutaway.model.code import Def
from cutaway.read.program import Program

__all__ = ["exported_objects"]

FEW = 24  # names of an outermost unit that are all its face
MOST = 48  # of a larger one
IN_ALL = 240  # of a repository of many units, the most used first
METHODS = 8  # of each type
_BEGINS = re.compile(r"^(new|open|dial|connect|listen|serve|run|start|launch|main|create|init)(_|$)|_main$")
_OPENS = re.compile(r"^(open|dial|connect|listen|serve|run|start|launch)(_|$)")
_WORKS = re.compile(
    r"^(run|serve|start|launch|listen|main|generate|chat|infer|forward|decode|encode|embed|predict|step|process|send|"
    r"submit|enqueue|execute|search|complete|stream|publish|subscribe|handle|do|open|load|from_pretrained)(_|$)"
)
_DOES = re.compile(r"(^|_)(new|open|create|init|load|run|serve|start|listen|generate|decode|encode|infer|forward|send)(_|$)")
_HANDS = re.compile(r"^(get|set|is|has|with|string|error|len|less|swap|operator)(_|$)")
_WORD = re.compile(r"\w+")

Listed = tuple[str, Def, str, bool, list[dict[str, Any]]]


def exported_objects(program: Program) -> Iterator[Listed]:
    """(path, definition, name as exported, whether it is used or begins something, evidence): functions and types, and of
    each type the methods that its users call."""
    shown = Shown(program)
    units = (*go_units(program, shown), *rust_units(program, shown), *header_units(program, shown))
    found = [one for unit in units for one in _Face(program, unit).listed()]
    found.sort(key=lambda f: -f[0])
    yield from (listed for _, listed in found[:IN_ALL])


class _Face:
    """What of one unit is listed."""

    def __init__(self, program: Program, unit: Unit):
        self.program = program
        self.unit = unit
        self.users = {item: [s for s in unit.shows if unit.uses(s, item)] for item in unit.items}
        self.methods: dict[str, list[tuple[str, Def]]] = defaultdict(list)
        for path in sorted(unit.paths):
            for definition in program.record(path).defs:
                owner, _, name = definition.name.rpartition(".")
                if definition.kind == "method" and "public" in definition.flags and name not in owner.split("."):
                    self.methods[owner].append((path, definition))

    def listed(self) -> Iterator[tuple[int, Listed]]:
        """How many files use it, and the item: those that are used, what they return, and where little is let out all of
        it, each with its methods."""
        chosen = self._chosen()
        for item in chosen:
            definition = item.definition
            users = self.users[item]
            proofs = [evidence(self.program, item.path, definition.line, self.unit.why)]
            proofs += self._where(users, item.local)
            works = bool(users) or item in self.reached or bool(_BEGINS.search(snake(item.local)))
            yield self._weight(item), (item.path, definition, f"{self.unit.name}.{item.local}", works, proofs)
            if works and definition.kind in TYPES:
                for path, method in self._work(definition):
                    proof = evidence(self.program, path, method.line, "a method that its users call")
                    yield self._weight(item), (path, method, f"{self.unit.name}.{method.name}", True, [proof])

    def _chosen(self) -> list[Item]:
        unit = self.unit
        few = unit.outermost and len(unit.items) <= FEW
        kept = [i for i in unit.items if few or self.users[i] or (unit.outermost and self._begins(i))]
        kept.sort(key=lambda i: (-self._weight(i), i.path, i.definition.line))
        kept = kept[:MOST]
        self.reached: set[Item] = set()
        types = {i.local: i for i in unit.items if i.definition.kind in TYPES}
        todo = [i.definition for i in kept if self.users[i] or self._begins(i)]
        while todo:  # what a used function returns is in its user's hands
            one = todo.pop()
            if one.kind in TYPES:
                todo += [d for _, d in self._work(one)]
            for word in _WORD.findall(one.returns):
                if word in types and types[word] not in self.reached:
                    self.reached.add(types[word])
                    todo.append(types[word].definition)
        more = self.reached - set(kept)
        return [*kept, *sorted(more, key=lambda i: (i.path, i.definition.line))]

    def _begins(self, item: Item) -> bool:
        name = snake(item.local)
        return item.definition.kind == "function" and bool(_BEGINS.search(name))

    def _weight(self, item: Item) -> float:
        """How many use it, more where its name says that it does something, or where it is a type that one opens or starts."""
        methods = (d.name.rpartition(".")[2] for _, d in self.methods.get(item.definition.name, ()))
        acts = _DOES.search(snake(item.local)) or any(_OPENS.match(snake(m)) for m in methods)
        return len(self.users[item]) * (2 if acts else 1) + (0.5 if acts else 0)

    def _work(self, whole: Def) -> list[tuple[str, Def]]:
        """The public methods of a type that its users call or that do what it is for, the most used first."""
        found: dict[str, tuple[int, int, str, Def]] = {}
        for path, definition in self.methods.get(whole.name, ()):
            name = definition.name.rpartition(".")[2]
            words = snake(name)
            uses = sum(name in one.words for one in self.unit.shows)
            if not _HANDS.match(words) and (uses or _WORKS.match(words)):
                begins = bool(_BEGINS.search(words))
                found.setdefault(name, (-uses - begins, definition.line, path, definition))
        return [(path, d) for _, _, path, d in sorted(found.values(), key=lambda f: f[:3])[:METHODS]]

    def _where(self, users: list[Showing], name: str) -> list[dict[str, Any]]:
        """The first line that uses it, of a document before a program."""
        named = re.compile(rf"\b{re.escape(name)}\b")
        for one in sorted(users, key=lambda s: not s.text)[:1]:
            for number, line in enumerate(self.program.lines(one.path), 1):
                if named.search(line):
                    return [evidence(self.program, one.path, number, "uses it")]
        return []
