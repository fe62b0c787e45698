# Calls whose far end no type tells: a method named by a string and looked up on the other side, an operator registered
# under a name, what is put into a queue. Both ends must be found in the code; one end alone makes no edge.
"""`Dispatch`: strings, operators and queues as edges."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property

from cutaway.model.code import Call, Def, Edge, Mark
from cutaway.read.resolve.infer import Env, Inference
from cutaway.read.resolve.modules import shared
from cutaway.read.resolve.values import Found

__all__ = ["Dispatch"]

_STRING = re.compile(r"""^(?:method=)?["']([A-Za-z_]\w*)["']$""")
_REMOTE = re.compile(r"rpc|remote|call|invoke|dispatch|run_method|execute|broadcast|utility", re.IGNORECASE)
_PUT = {
    "put",
    "put_nowait",
    "send",
    "send_multipart",
    "enqueue",
    "append",
    "appendleft",
    "send_pyobj",
    "send_json",
}
_GET = {"get", "get_nowait", "recv", "recv_multipart", "dequeue", "popleft", "pop", "recv_pyobj", "recv_json"}
_TARGET_NAME = re.compile(r"[A-Za-z_]\w*$")


class Dispatch:
    """What needs the whole program: sites of `getattr` by a variable, registered operators, ends of queues."""

    def __init__(self, inference: Inference):
        self.inference, self.program = inference, inference.program

    @cached_property
    def dynamic(self) -> list[tuple[str, Call]]:
        """Every `getattr(object, name)` whose name is a variable."""
        return [
            (path, call)
            for path in self.program.paths
            for call in self.program.record(path).calls
            if call.callee == "getattr" and len(call.args) >= 2 and call.args[1].isidentifier()
        ]

    @cached_property
    def operators(self) -> dict[str, list[tuple[str, Mark]]]:
        """Operator name -> where it is bound."""
        table: dict[str, list[tuple[str, Mark]]] = defaultdict(list)
        for path in self.program.paths:
            for mark in self.program.record(path).marks:
                if mark.kind == "binding":
                    table[mark.name.rpartition("::")[2].rpartition(".")[2]].append((path, mark))
        return table

    def operator(self, name: str, call: Call) -> Iterator[Edge]:
        """The implementations that are registered for `torch.ops.*.name`."""
        space = call.callee.removeprefix("torch.ops.").partition(".")[0]
        for other, mark in self.operators.get(name, ()):
            if self._of_another_library(other, mark, space):
                continue
            found = self._bound(other, mark)
            for where, definition in found[:3]:
                yield Edge(
                    call.scope,
                    call.line,
                    call.callee,
                    "custom_op_binding",
                    where,
                    definition.name,
                    definition.line,
                    f"{other}:{mark.line}",
                )

    def _bound(self, path: str, mark: Mark) -> list[tuple[str, Def]]:
        """The implementations that a binding in `path` names."""
        target = mark.detail.get("target", "")
        if not path.endswith(".py"):
            symbol = _TARGET_NAME.search(target.strip("& )"))
            found = (
                [(p, d) for p, d in self.program.find(symbol[0]) if not p.endswith(".py")] if symbol else []
            )
            found = [f for f in found if "declaration" not in f[1].flags and f[1].kind != "kernel"] or found
            found = [f for f in found if f[0] == path] or found  # the binding's own file comes first
            found = [f for f in found if symbol and f[1].name == symbol[0]] or found  # not a helper's in its namespace
            near = max((shared(path, p) for p, _ in found), default=0)
            found = [f for f in found if shared(path, f[0]) == near]  # then what lies nearest
            if len({p for p, _ in found}) == 1:
                found = sorted(found, key=lambda f: f[1].line - f[1].end)[:1]
            return found
        if mark.scope >= 0 and (under := self.program.record(path).defs[mark.scope]).name.endswith(target):
            helpers = self.inference.text(mark.detail.get("callee", ""), Env(path, under.parent))
            fake = any("register_fake" in self.inference.definition(h.value).words for h in helpers
                       if h.value.kind == "func")  # fmt: skip
            return [] if fake else [(path, under)]
        return [
            (f.value.path, self.inference.definition(f.value))
            for f in self.inference.text(target, Env(path, mark.scope))
            if f.value.kind == "func"
        ]

    def _of_another_library(self, path: str, mark: Mark, space: str) -> bool:
        """Is an operator registered in a library that is not the one that the call names?"""
        qualified = mark.detail.get("qualified", "").partition("::")
        if qualified[1]:
            return qualified[0] != space
        named = {
            a.strip("\"'")
            for c in self.program.record(path).calls
            if c.callee.rpartition(".")[2] == "Library" and c.args
            for a in c.args[:1]
            if a[:1] in "\"'"
        }
        return bool(named) and space not in named

    def by_string(self, call: Call, found: list[Found]) -> Iterator[Edge]:
        """The methods that a string argument names, where the other side looks them up with getattr."""
        last = call.callee.rpartition(".")[2]
        names = [m[1] for a in call.args[:2] if (m := _STRING.match(a))][:1]
        if not names or not _REMOTE.search(last) or names[0] not in self.program.names:
            return
        functions = [
            (f.value.path, self.inference.definition(f.value).name) for f in found if f.value.kind == "func"
        ]
        functions += [o for p, s in functions for o in self.program.graph.overrides(p, s)]
        for other, site in self._sites(functions):
            for f in self.inference.text(site.args[0], Env(other, site.scope)):
                for g in self.inference.attribute_of(f, names[0]):
                    if g.value.kind == "func":
                        definition = self.inference.definition(g.value)
                        yield Edge(call.scope, call.line, call.callee, "rpc_string_method", g.value.path, definition.name,
                                   definition.line, f"{other}:{site.line}")  # fmt: skip

    def _sites(self, functions: list[tuple[str, str]]) -> list[tuple[str, Call]]:
        """The getattr that the called functions reach: in their own bodies, in what they call, or in their files."""
        names = {(p, s) for p, s in functions}
        own = [
            (p, c)
            for p, c in self.dynamic
            if c.scope >= 0 and (p, self.program.record(p).defs[c.scope].name) in names
        ]
        if own:
            return own
        bodies = {w for p, s in functions if (d := self.program.definition(p, s)) for w in d.words}
        near = {p for p, _ in functions}
        return [
            (p, c)
            for p, c in self.dynamic
            if c.scope >= 0
            and (p in near or self.program.record(p).defs[c.scope].name.rpartition(".")[2] in bodies)
        ]

    def queue_edges(self, path: str) -> Iterator[Edge]:
        """From each put to the functions that get from the same attribute of the same class."""
        scopes = self.inference.scopes(path)
        gets: dict[tuple[int, str], list[Call]] = defaultdict(list)
        for call in scopes.record.calls:
            owner, _, method = call.callee.rpartition(".")
            if (
                method in _GET
                and owner.startswith("self.")
                and "queue" in owner.lower() + self._type(path, call, owner)
            ):
                gets[scopes.owner(call.scope), owner].append(call)
        for call in scopes.record.calls if gets else ():
            owner, _, method = call.callee.rpartition(".")
            if method in _PUT:
                for taker in gets.get((scopes.owner(call.scope), owner), ()):
                    if taker.scope != call.scope and taker.scope >= 0:
                        definition = scopes.defs[taker.scope]
                        yield Edge(
                            call.scope,
                            call.line,
                            call.callee,
                            "queue_peer",
                            path,
                            definition.name,
                            definition.line,
                            f"{path}:{taker.line}",
                        )

    def _type(self, path: str, call: Call, owner: str) -> str:
        return " ".join(f.value.text.lower() for f in self.inference.text(owner, Env(path, call.scope)))
