# Where a thing that a variable holds is known under another name: an alias, an attribute of `self`, the parameter of what it
# is passed to, be it called or started as a process or thread. Forwards for what is passed, backwards for what was.
"""`Place` and `Flow`."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from cutaway.model.code import Bind, Call
from cutaway.read.resolve.arguments import arguments_of, names_in, starts
from cutaway.read.resolve.env import Env
from cutaway.read.resolve.infer import Inference
from cutaway.read.resolve.native import is_test
from cutaway.read.resolve.values import Found

__all__ = ["Flow", "Place"]

PLACES = 40  # under which one thing is looked for
CALLERS = 24  # of one function, that are asked what they pass
LINES = 60  # of a call that is read from its file
STEPS = 5  # from an expression to where its parts come from


Site = tuple[str, Call]
_AFRESH: Site = ("", Call(-1, 0, "", [], []))


class Place(NamedTuple):
    """A local name or parameter of the definition `scope`, or (`own`) an attribute of `self` in the class `scope`."""

    path: str
    scope: int
    name: str
    own: bool = False

    @property
    def text(self) -> str:
        return f"self.{self.name}" if self.own else self.name


class Flow:
    """Places of one program."""

    def __init__(self, inference: Inference):
        self.inference, self.program = inference, inference.program
        self._owners: dict[str, dict[str, list[Call]]] = {}
        self._others: dict[Place, list[tuple[str, Call | Bind, str]]] = {}
        self._passed: dict[int, list[tuple[Place, str]]] = {}

    def place(self, path: str, scope: int, target: str) -> Place | None:
        """Where an assignment's target stands: a local name, an attribute of `self` or of an object whose class is known."""
        if target.isidentifier():
            return Place(path, scope, target)
        holder, _, name = target.rpartition(".")
        if not name.isidentifier():
            return None
        owner = self.inference.scopes(path).owner(scope)
        if holder == "self":
            return Place(path, owner, name, True) if owner >= 0 else None
        held = self.inference.text(holder, Env(path, scope))
        return next((Place(f.value.path, f.value.index, name, True) for f in held if f.value.kind == "inst"), None)

    def calls_on(self, place: Place) -> Iterator[tuple[str, Call, str]]:
        """(path, call, method) of each method that is called on what the place holds."""
        for path, scope in self._homes(place):
            for call in self._by_owner(path).get(place.text, ()):
                if self._within(path, call.scope, scope, place.own):
                    yield path, call, call.callee.rpartition(".")[2]
        for path, call, text in self._of_others(place):
            if isinstance(call, Call) and call.callee.rpartition(".")[0] == text:
                yield path, call, call.callee.rpartition(".")[2]

    def spread(self, start: Place) -> dict[Place, Site | None]:
        """Every place that holds the same thing, `start` first; for one in a function that several call, the call that
        passes it there, since what the function does with it is done for that caller."""
        found: dict[Place, Site | None] = {start: None}
        wave = [start]
        while wave and len(found) < PLACES:
            place = wave.pop()
            for other, passed in self._next(place):
                if other not in found:
                    found[other] = (found[place] or passed) if passed != _AFRESH else None
                    wave.append(other)
        return found

    def _next(self, place: Place) -> Iterator[tuple[Place, Site | None]]:
        for path, scope in self._homes(place):
            record = self.program.record(path)
            for bind in record.binds:
                if bind.value == place.text and self._within(path, bind.scope, scope, place.own):
                    yield from self._bound(path, bind)
            for call in record.calls:
                shown = any(place.text in a for a in call.args) or starts(call)  # records cut long arguments
                if shown and self._within(path, call.scope, scope, place.own):
                    yield from self._given_on(path, call, place.text)
        for path, site, text in self._of_others(place):
            yield from self._bound(path, site) if isinstance(site, Bind) else self._given_on(path, site, text)

    def _bound(self, path: str, bind: Bind) -> Iterator[tuple[Place, Site | None]]:
        if other := self.place(path, bind.scope, bind.target):
            yield other, None

    def _given_on(self, path: str, call: Call, source: str) -> Iterator[tuple[Place, Site | None]]:
        for to, text in self.passed(path, call):
            if text == source:
                name = self.program.record(to.path).defs[to.scope].name.rpartition(".")[2]
                if to.own or starts(call) or name == "__init__":  # an object, or what runs elsewhere, acts for itself
                    yield to, _AFRESH
                else:
                    yield to, (path, call) if len(self.program.call_sites.get(name, ())) > 1 else None

    def _of_others(self, place: Place) -> list[tuple[str, Call | Bind, str]]:
        """(path, call or assignment, source) where the attribute is used on an object of its class: `state.queue.put(x)`."""
        if place not in self._others:
            self._others[place] = list(self._typed(place)) if place.own else []
        return self._others[place]

    def _typed(self, place: Place) -> Iterator[tuple[str, Call | Bind, str]]:
        homes = set(self._homes(place))
        item = re.compile(rf"^(?!self\.\w+$)([A-Za-z_][\w.]*)\.{re.escape(place.name)}$")
        for path in self.program.paths:
            record = self.program.record(path)
            if record.language != "python" or is_test(path) or place.name not in record.words:
                continue
            sites = [(c, {c.callee.rpartition(".")[0], *c.args}) for c in record.calls]
            for site, texts in [*sites, *((b, {b.value}) for b in record.binds)]:
                for text in texts:
                    if place.name in text and (found := item.match(text)):
                        held = self.inference.text(found[1], Env(path, site.scope))
                        if any(f.value.kind == "inst" and (f.value.path, f.value.index) in homes for f in held):
                            yield path, site, text

    def _homes(self, place: Place) -> list[tuple[str, int]]:
        """The definition that a name is local to, or the class and its subclasses."""
        if not place.own:
            return [(place.path, place.scope)]
        name = self.program.record(place.path).defs[place.scope].name
        below = self.program.subclasses(place.path, name)
        homes = [(place.path, place.scope)]
        for path, symbol in below:
            index = next(i for i, d in enumerate(self.program.record(path).defs) if d.name == symbol)
            homes.append((path, index))
        return homes

    def _within(self, path: str, scope: int, home: int, own: bool) -> bool:
        scopes = self.inference.scopes(path)
        return scopes.owner(scope) == home if own else home in scopes.chain(scope)

    def _by_owner(self, path: str) -> dict[str, list[Call]]:
        if path not in self._owners:
            table = self._owners[path] = defaultdict(list)
            for call in self.program.record(path).calls:
                table[call.callee.rpartition(".")[0]].append(call)
        return self._owners[path]

    # --- arguments to parameters ---

    def passed(self, path: str, call: Call) -> list[tuple[Place, str]]:
        """(the parameter or field that takes it, source) of each argument of a call, as far as the callee is known."""
        if id(call) not in self._passed:
            self._passed[id(call)] = list(self._pass(path, call))
        return self._passed[id(call)]

    def _pass(self, path: str, call: Call) -> Iterator[tuple[Place, str]]:
        env = Env(path, call.scope)
        target, places, named = arguments_of(call.callee, self._written(path, call))
        for found in self.inference.text(target, env):
            function = self._entered(found)
            if function is None:
                if found.value.kind == "class":  # its fields are what it takes
                    for name, text in named.items():
                        yield Place(found.value.path, found.value.index, name, True), text
                continue
            definition = self.inference.definition(function.value)
            names = [p.name for p in definition.params]
            names = names[1:] if names[:1] in (["self"], ["cls"]) else names
            where = function.value.path, function.value.index
            for name, text in zip(names, places, strict=False):
                if not name.startswith("*"):
                    yield Place(*where, name), text
            for name, text in named.items():
                if name in names:
                    yield Place(*where, name), text

    def _written(self, path: str, call: Call) -> list[str]:
        """The arguments of a call; of one that starts something as they stand in the file, since records cut long ones."""
        if not starts(call) or not any(a.endswith("…") for a in call.args):
            return call.args
        text = "\n".join(self.program.lines(path)[call.line - 1 :][:LINES])
        begin = text.find(f"{call.callee.rpartition('.')[2]}(")
        for end in (m.end() for m in re.finditer(r"\)", text[begin:])) if begin >= 0 else ():
            try:
                node = ast.parse(text[begin : begin + end], mode="eval").body
            except (SyntaxError, ValueError, RecursionError):
                continue
            if isinstance(node, ast.Call):
                named = [f"{k.arg}={ast.unparse(k.value)}" for k in node.keywords if k.arg]
                return [*map(ast.unparse, node.args), *named]
        return call.args

    def _entered(self, found: Found) -> Found | None:
        if found.value.kind == "func":
            return found
        if found.value.kind != "class":
            return None
        made = self.inference.class_attribute(found, "__init__")
        return made[0] if made and made[0].value.kind == "func" else None

    @cached_property
    def _started(self) -> dict[str, list[tuple[str, Call]]]:
        """The last part of what a process or thread is to run -> where it is handed over."""
        table: dict[str, list[tuple[str, Call]]] = defaultdict(list)
        for path in self.program.paths:
            record = self.program.record(path)
            for call in record.calls if record.language == "python" and not is_test(path) else ():
                if starts(call):
                    table[arguments_of(call.callee, call.args)[0].rpartition(".")[2]].append((path, call))
        return table

    def given(self, place: Place) -> Iterator[tuple[str, str, int]]:
        """(source, path, scope) of what callers pass for a parameter."""
        definition = self.program.record(place.path).defs[place.scope]
        owner, _, name = definition.name.rpartition(".")
        name = owner.rpartition(".")[2] if name == "__init__" else name
        sites = [
            (path, self.program.record(path).calls[index])
            for path, index in self.program.call_sites.get(name, ())
            if not is_test(path)
        ]
        for path, call in [*sites, *self._started.get(name, ())][:CALLERS]:
            for to, text in self.passed(path, call):
                if to == place:
                    yield text, path, call.scope

    # --- backwards ---

    def sources(self, text: str, path: str, scope: int) -> set[str]:
        """The names of the settings, fields and keys that an expression is made of, through local names, attributes and
        what callers pass: `{"scheduler_input_ipc_name"}`. A variable that nothing of the kind is behind stands for itself,
        by its place: `{"server.py:3:router_port"}`."""
        found: set[str] = set()
        self._sources(text, path, scope, found, set(), STEPS)
        return found

    def _sources(self, text: str, path: str, scope: int, found: set[str], seen: set, left: int) -> None:
        if (text, path, scope) in seen or left < 0:
            return
        seen.add((text, path, scope))
        for name in names_in(text):
            binds, parameter = self._origin(name, path, scope)
            before = len(found)
            for bind in binds:
                if bind.value and "[" not in bind.kind:  # one of several that are told apart by their places
                    self._sources(bind.value, path, bind.scope, found, seen, left - 1)
            for given, where, inside in self.given(parameter) if parameter else ():
                self._sources(given, where, inside, found, seen, left - 1)
            if len(found) == before and (binds or (name.startswith("self.") and name.count(".") == 1)):
                inside = self.inference.scopes(path).owner(scope) if "." in name else binds[0].scope
                found.add(f"{path}:{inside}:{name}")
            elif len(found) == before:
                found.add(name.rpartition(".")[2])

    def _origin(self, name: str, path: str, scope: int) -> tuple[list[Bind], Place | None]:
        """What a plain name or an attribute of `self` was given in this file, and the parameter that it is."""
        scopes = self.inference.scopes(path)
        if name.startswith("self.") and name.count(".") == 1:
            return scopes.attributes.get((scopes.owner(scope), name[5:]), []), None
        if "." in name:
            return [], None
        if taken := self._comprehended(name, path, scope):
            return [taken], None
        for inner in scopes.chain(scope):
            if inner >= 0 and any(p.name == name for p in scopes.defs[inner].params):
                return [], Place(path, inner, name)
            if binds := scopes.binds.get((inner, name)):
                return binds, None
        return [], None


    def _comprehended(self, name: str, path: str, scope: int) -> Bind | None:
        """`for name in places` within brackets, which records do not keep."""
        scopes = self.inference.scopes(path)
        if scope < 0 or scopes.binds.get((scope, name)):
            return None
        definition = scopes.defs[scope]
        text = "\n".join(self.program.lines(path)[definition.line - 1 : definition.end])
        found = re.search(rf"\bfor {re.escape(name)} in ([A-Za-z_][\w.]*)", text)
        return Bind(scope, definition.line, name, found[1], "", "for") if found and found[1] != name else None
