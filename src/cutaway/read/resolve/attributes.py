# Attributes of modules, classes and instances, in the order of base classes; what other code assigns to them, what
# `__getattr__` passes on.
"""`Attributes`: a part of `Inference`."""

from __future__ import annotations

import ast
import re

from cutaway.read.resolve.env import BASES, DEPTH, Env
from cutaway.read.resolve.native import is_test
from cutaway.read.resolve.values import Found, Value, expression, weaker

__all__ = ["Attributes"]

_DELEGATES = re.compile(r"getattr\((self\.[\w.]+),\s*\w+\)$")


class Attributes:
    """Attributes of modules, classes and instances, in the order of base classes; what other code assigns to them, what."""

    def attribute(self, node: ast.Attribute, env: Env) -> list[Found]:
        return [g for f in self.infer(node.value, env) for g in self.attribute_of(f, node.attr)]

    def attribute_of(self, found: Found, name: str) -> list[Found]:
        """The attribute `name` of a value."""
        value = found.value
        if value.kind == "module":
            got = self.member(value.path, name) or self._submodule(value.path, name)
            return [
                Found(
                    f.value,
                    weaker(f.origin if f.origin != "local" else "module_attribute", "module_attribute"),
                    f.via or found.via,
                )
                for f in got
            ]
        if value.kind in ("class", "inst", "super"):
            return self.class_attribute(found, name)
        if value.kind in ("ext", "extinst"):
            if (target := self.modules.find(f"{value.text}.{name}")) and "." in value.text:
                return [Found(Value("module", target), "module_attribute", found.via)]
            return [Found(Value("ext", text=f"{value.text}.{name}"), "external", found.via)]
        if value.kind == "list" and name in (
            "get",
            "pop",
            "popleft",
            "values",
            "__getitem__",
            "items",
            "copy",
            "setdefault",
        ):
            return [Found(Value("lambda", text=name, inner=(value,)), "element_type", found.via)]
        if value.kind == "keyed":
            if name in ("values", "items", "get", "pop"):
                held = Value("list", inner=tuple(g.value for g in self.element(found)))
                return self.attribute_of(found._replace(value=held), name)
            return self.entry(found, name)
        if value.kind == "func" and name == "remote":
            return [found]  # an actor's method or function, called elsewhere
        return []

    def _submodule(self, path: str, name: str) -> list[Found]:
        target = self.modules.submodule(path, name)
        return [Found(Value("module", target), "module_attribute")] if target else []

    def class_attribute(self, found: Found, name: str) -> list[Found]:
        """A method, property or attribute of a class or instance, in the order of its bases."""
        value = found.value
        key = ("attr", value.kind, value.path, value.index, name)
        got = self.remembered(key, lambda: self._class_attribute(value, name))
        via = found.via
        result = []
        for f in got:
            origin = f.origin
            if origin in ("self_method", "inherited"):
                if value.kind == "super":
                    origin = "super"
                elif found.origin != "self":
                    origin = (
                        found.origin
                        if found.origin not in ("local", "imported", "module_attribute")
                        else "module_attribute"
                    )
            elif found.origin != "self":
                origin = weaker(origin, found.origin)
            result.append(Found(f.value, origin, f.via or via))
        return result

    def _class_attribute(self, value: Value, name: str) -> list[Found]:
        order = self.mro(value.path, value.index)
        if value.kind == "super":
            order = order[1:]
        receiver = Value("inst" if value.kind != "class" else "class", value.path, value.index)
        for position, owner in enumerate(order):
            if owner.kind != "class":
                continue
            scopes = self.scopes(owner.path)
            own = "self_method" if position == 0 else "inherited"
            methods = scopes.children.get((owner.index, name), ())
            for index in methods[-1:]:
                definition = scopes.defs[index]
                if definition.kind == "class":
                    return [Found(Value("class", owner.path, index), own)]
                if "property" in definition.flags:
                    got = self.returns(Value("func", owner.path, index, inner=(receiver,)))
                    return [
                        Found(
                            f.value, weaker(f.origin, "property"), f.via or f"{owner.path}:{definition.line}"
                        )
                        for f in got
                    ]
                return [Found(Value("func", owner.path, index, inner=(receiver,)), own)]
            found: list[Found] = []
            for bind in scopes.binds.get((owner.index, name), ()):
                found += self.bound(bind, Env(owner.path, owner.index))
            if value.kind != "class":
                for bind in scopes.attributes.get((owner.index, name), ()):
                    found += self.bound(bind, Env(owner.path, bind.scope))
            known = [f for f in found if f.value.kind not in ("ext", "extinst")]
            if known or found:
                return known or self._given_from_outside(value, order, name) or found
        return self._given_from_outside(value, order, name) or self._delegated(value, order, name)

    def _given_from_outside(self, value: Value, order: list[Value], name: str) -> list[Found]:
        """What other code assigns to the attribute: `block.attention.kv_cache = KVCache(...)`."""
        sites = self.program.assigned.get(name, ()) if value.kind == "inst" else ()
        sites = [s for s in sites if is_test(value.path) or not is_test(s[0])]
        if not 0 < len(sites) <= 12 or self.depth > DEPTH // 2:
            return []
        found = []
        for path, bind in sites:
            owner = self.text(bind.target.rpartition(".")[0], Env(path, bind.scope))
            if any(
                f.value.kind == "inst" and Value("class", f.value.path, f.value.index) in order for f in owner
            ):
                found += [
                    f
                    for f in self.bound(bind, Env(path, bind.scope))
                    if f.value.kind not in ("ext", "extinst")
                ]
        return found

    def _delegated(self, value: Value, order: list[Value], name: str) -> list[Found]:
        """What `__getattr__` passes on: `return getattr(self.worker, name)`."""
        for owner in order if value.kind != "class" else ():
            if owner.kind != "class":
                continue
            scopes = self.scopes(owner.path)
            for index in scopes.children.get((owner.index, "__getattr__"), ())[:1]:
                for bind in scopes.binds.get((index, "return"), ()):
                    if inner := _DELEGATES.match(bind.value):
                        got = self.text(inner[1], Env(owner.path, index))
                        via = f"{owner.path}:{bind.line}"
                        return [
                            Found(g.value, "getattr_string", via)
                            for f in got
                            for g in self.attribute_of(f, name)
                        ]
        return []

    def mro(self, path: str, index: int) -> list[Value]:
        """The class, then its bases in Python's order (C3; depth first where that has no answer). Bases of other packages
        are `ext`."""
        key = (path, index)
        if key in self._linear:
            return self._linear[key]
        self._linear[key] = [Value("class", path, index)]  # a class that derives from itself ends here
        definition = self.scopes(path).defs[index]
        lines = []
        for base in definition.bases[:BASES]:
            node = expression(base)
            if isinstance(node, ast.Subscript):
                node = node.value
            for f in (self.infer(node, Env(path, definition.parent)) if node is not None else [])[:1]:
                if f.value.kind == "class" and (f.value.path, f.value.index) != key:
                    lines.append(self.mro(f.value.path, f.value.index))
                elif f.value.kind == "ext":
                    lines.append([f.value])
        self._linear[key] = [Value("class", path, index), *_merge(lines)]
        return self._linear[key]

    def is_module(self, value: Value) -> bool:
        """Is a class a neural module, whose call runs `forward`?"""
        order = self.mro(value.path, value.index)
        if any(v.kind == "ext" and v.text.rpartition(".")[2] == "Module" for v in order):
            return True
        own = [v for v in order if v.kind == "class"]
        has = [
            any((v.index, n) in self.scopes(v.path).children for v in own) for n in ("forward", "__call__")
        ]
        return has == [True, False] and len(own) < len(order)


def _merge(lines: list[list[Value]]) -> list[Value]:
    """C3; what it cannot order is taken depth first."""
    rest, merged = [list(line) for line in lines if line] + [[line[0] for line in lines if line]], []
    while rest := [line for line in rest if line]:
        head = next((line[0] for line in rest if not any(line[0] in other[1:] for other in rest)), rest[0][0])
        merged.append(head)
        rest = [[v for v in line if v != head] for line in rest]
    return merged
