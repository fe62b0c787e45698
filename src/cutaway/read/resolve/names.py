# Names through scopes, imports, re-exports, parameters and what they are bound to.
"""`Names`: a part of `Inference`."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Sequence

from cutaway.model.code import Bind
from cutaway.read.resolve.env import DEPTH, Env
from cutaway.read.resolve.modules import shared
from cutaway.read.resolve.native import is_test
from cutaway.read.resolve.scopes import Scopes
from cutaway.read.resolve.values import Found, Value, weaker

__all__ = ["Names"]

_BUILTINS = frozenset(dir(builtins))
CALLERS = 12  # that are asked what they pass
NAMESAKES = 100  # a name that is called more often says too little of who is meant


class Names:
    """Names through scopes, imports, re-exports, parameters and what they are bound to."""

    def name(self, node: ast.Name, env: Env) -> list[Found]:
        return self.lookup(node.id, env)

    def lookup(self, name: str, env: Env) -> list[Found]:
        """What a name stands for where it is used."""
        for parameter, given in env.given:
            if parameter == name:
                return list(given)
        return self.remembered(
            ("name", env.path, env.scope, name, env.given), lambda: self._lookup(name, env)
        )

    def _lookup(self, name: str, env: Env) -> list[Found]:
        scopes = self.scopes(env.path)
        for scope in scopes.chain(env.scope):
            inner = env if scope == env.scope else Env(env.path, scope, env.given)
            found = self._in_scope(name, scope, scopes, inner)
            if found is not None:
                return found
        if name in _BUILTINS:
            return [Found(Value("ext", text=f"builtins.{name}"), "builtin")]
        for star in scopes.stars:
            target = self.modules.resolve(star.module, env.path)
            if target and target != env.path and (found := self.member(target, name)):
                return [
                    Found(f.value, weaker(f.origin, "imported"), f"{env.path}:{star.line}") for f in found
                ]
        return []

    def _in_scope(self, name: str, scope: int, scopes: Scopes, env: Env) -> list[Found] | None:
        """What `name` is in exactly this scope, None when the scope does not know it."""
        found: list[Found] = []
        known = False
        if scope >= 0 and scopes.defs[scope].kind != "class":
            parameter = self.parameter(name, scope, scopes, env)
            if parameter is not None:
                known, found = True, parameter
        for index in scopes.children.get((scope, name), ()):
            known = True
            kind = "class" if scopes.defs[index].kind == "class" else "func"
            found.append(Found(Value(kind, env.path, index), "local"))
        for one in scopes.imports.get((scope, name), ()):
            known = True
            found += self.imported(one, env.path)
        for bind in scopes.binds.get((scope, name), ()):
            known = True
            found += self.bound(bind, env)
        if not known and scope < 0 and (submodule := self.modules.submodule(env.path, name)):
            return [Found(Value("module", submodule), "local")]
        return found if known else None

    def imported(self, one, path: str) -> list[Found]:
        via = f"{path}:{one.line}"
        module = one.name.partition(".")[0] if "." in one.name else one.module  # `import a.b` makes `a` known
        target = self.modules.resolve(module, path)
        if not one.symbol:
            if target is None:
                return [Found(Value("ext", text=module), "external", via)]
            return [Found(Value("module", target), "imported", via)]
        if target is None:
            if one.module.startswith(".") and not one.module.strip("."):
                target = self.modules.resolve(one.module + one.symbol, path)
                if target:
                    return [Found(Value("module", target), "imported", via)]
            return [Found(Value("ext", text=f"{one.module}.{one.symbol}"), "external", via)]
        return [Found(f.value, weaker(f.origin if f.origin != "local" else "imported", "imported"), via)
                for f in self.member(target, one.symbol)]  # fmt: skip

    def member(self, path: str, name: str) -> list[Found]:
        """A name of a module, through its re-exports and its lazy `__getattr__` table."""
        return self.remembered(("member", path, name), lambda: self._member(path, name))

    def _member(self, path: str, name: str) -> list[Found]:
        scopes = self.scopes(path)
        found = self._in_scope(name, -1, scopes, Env(path, -1))
        if found is not None:
            return found
        for star in scopes.stars:
            target = self.modules.resolve(star.module, path)
            if target and target != path and (got := self.member(target, name)):
                return [Found(f.value, weaker(f.origin, "imported"), f"{path}:{star.line}") for f in got]
        if (-1, "__getattr__") in scopes.children:
            for mark in scopes.record.marks:
                if mark.kind == "entry" and mark.name == name:
                    got = self.qualified(mark.detail.get("value", "").strip("\"'"), path, name)
                    if got:
                        return [Found(f.value, "qualified_string", f"{path}:{mark.line}") for f in got]
        return []

    def qualified(self, text: str, path: str, name: str = "") -> list[Found]:
        """The definition that a dotted text names: `package.module.Class`, `package.module:Class`, `.module` with `name`."""
        text = text.strip("\"'")
        if ":" in text:
            module, _, symbol = text.partition(":")
        elif text.startswith(".") and name and self.modules.resolve(text, path):
            module, symbol = text, name
        else:
            module, _, symbol = text.rpartition(".")
        target = self.modules.resolve(module, path) if module else None
        if target is None or not symbol:
            return []
        return [Found(f.value, "qualified_string", f.via) for f in self.member(target, symbol.split(".")[0])]

    def parameter(self, name: str, scope: int, scopes: Scopes, env: Env) -> list[Found] | None:
        definition = scopes.defs[scope]
        for position, parameter in enumerate(definition.params):
            if parameter.name.lstrip("*") != name:
                continue
            owner = definition.parent
            if (
                position == 0
                and owner >= 0
                and scopes.defs[owner].kind == "class"
                and "static" not in definition.flags
            ):
                is_class = "classmethod" in definition.flags or name == "cls"
                return [Found(Value("class" if is_class else "inst", env.path, owner), "self")]
            found: list[Found] = []
            outside = Env(env.path, definition.parent, ())
            if parameter.annotation:
                found = self.annotation(parameter.annotation, outside)
                if parameter.name.startswith("*"):
                    found = [Found(Value("list", inner=(f.value,)), f.origin, f.via) for f in found]
            if parameter.default and all(f.value.kind in ("ext", "extinst", "class") for f in found):
                default = [
                    f
                    for f in self.text(parameter.default, outside)
                    if f.value.kind in ("class", "func", "inst")
                ]
                found = default or found
            if not found and not parameter.name.startswith("*"):
                found = self.from_callers(scope, position, parameter.name, env.path)
            return found
        return None

    def from_callers(self, scope: int, position: int, name: str, path: str) -> list[Found]:
        """What the callers of a function pass for a parameter without annotation, where the callers are plain."""
        return self.remembered(
            ("callers", path, scope, name), lambda: self._from_callers(scope, position, name, path)
        )

    def _from_callers(self, scope: int, position: int, name: str, path: str) -> list[Found]:
        definition = self.scopes(path).defs[scope]
        called = definition.name.rpartition(".")[2]
        owner = self.scopes(path).owner(scope)
        is_method = owner >= 0 and definition.parent == owner and "static" not in definition.flags
        if called == "__init__" and is_method:
            called = self.scopes(path).defs[owner].name.rpartition(".")[2]
        sites = _nearest(self.program.call_sites.get(called, ()), path)
        if not sites or self.depth > DEPTH // 2:
            return []
        found: list[Found] = []
        owners = (
            {Value("func", path, scope), Value("class", path, owner)}
            if owner >= 0
            else {Value("func", path, scope)}
        )
        for other, index in sites:
            call = self.program.record(other).calls[index]
            targets = {f.value._replace(inner=()) for f in self.text(call.callee, Env(other, call.scope))}
            if not targets & owners:
                continue  # a namesake
            place = position - is_method
            argument = next((a.partition("=")[2] for a in call.args if a.startswith(f"{name}=")), None)
            if (
                argument is None
                and place < len(call.args)
                and not any("=" in a.split("(")[0] or a.startswith("*") for a in call.args[: place + 1])
            ):
                argument = call.args[place]
            if argument:
                found += [
                    Found(f.value, weaker(f.origin, "argument_type"), f"{other}:{call.line}")
                    for f in self.text(argument, Env(other, call.scope))
                    if f.value.kind in ("inst", "class", "func", "list")
                ]
        return found

    def bound(self, bind: Bind, env: Env) -> list[Found]:
        """What a binding gives its target."""
        where = Env(env.path, bind.scope, env.given if bind.scope == env.scope else ())
        via = f"{env.path}:{bind.line}"
        found: list[Found] = []
        if bind.annotation:
            found = [
                Found(f.value, weaker(f.origin, "annotated"), via)
                for f in self.annotation(bind.annotation, where)
            ]
            if any(f.value.kind not in ("ext", "extinst") for f in found) or not bind.value:
                return found
        values = self.text(bind.value, where) if bind.value else []
        if bind.kind == "for":
            values = [e for f in values for e in self.element(f)]
        elif bind.kind == "with":
            values = [e for f in values for e in self.entered(f)]
        elif "[" in bind.kind:
            position = int(bind.kind[bind.kind.index("[") + 1 : -1])
            if bind.kind.startswith("for"):
                values = [e for f in values for e in self.element(f)]
            values = [e for f in values for e in self.part(f, position)]
        moved = [
            Found(f.value, f.origin if f.origin == "self" else weaker(f.origin, "attribute_type"), via)
            for f in values
        ]
        return moved or found


def _nearest(sites: Sequence[tuple[str, int]], path: str) -> list[tuple[str, int]]:
    """The callers that tell most of a definition in `path`: no tests, which pass stand-ins, and those close by first."""
    if len(sites) > NAMESAKES:
        return []
    chosen = [s for s in sites if is_test(path) or not is_test(s[0])]
    if len(chosen) > CALLERS:
        chosen.sort(key=lambda site: -shared(site[0], path))
    return chosen[:CALLERS]
