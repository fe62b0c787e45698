# Containers and what one gets out of them: elements, parts of tuples, entries of tables, what `with` gives.
"""`Elements`: a part of `Inference`."""

from __future__ import annotations

import ast

from cutaway.read.resolve.env import Env
from cutaway.read.resolve.values import Found, Value, weaker

__all__ = ["Elements"]

NAMED = 32  # things in a container whose names are kept apart


class Elements:
    """Containers and what one gets out of them: elements, parts of tuples, entries of tables, what `with` gives."""

    def element(self, found: Found) -> list[Found]:
        """What one gets out of a container."""
        if found.value.kind == "list":
            return [Found(v, weaker(found.origin, "element_type"), found.via) for v in found.value.inner]
        if found.value.kind == "tuple":
            return [g for part in found.value.inner for g in part]
        if found.value.kind == "keyed":
            return [g for _, part in found.value.inner for g in part]
        if found.value.kind == "inst":
            return self._iterated(found) or self._given_by(found, "__getitem__")
        return []

    def _iterated(self, found: Found) -> list[Found]:
        """What a loop over an instance takes: the elements of what `__iter__` gives; an iterator, which mostly gives itself
        there, gives them by `__next__`."""
        return [
            e
            for r in self._given_by(found, "__iter__")
            for e in (self._given_by(r, "__next__") if r.value.kind == "inst" else self.element(r))
        ]

    def _given_by(self, found: Found, name: str) -> list[Found]:
        """What a method of an instance returns."""
        return [r for f in self.class_attribute(found, name) if f.value.kind == "func" for r in self.returns(f.value)]

    def part(self, found: Found, position: int) -> list[Found]:
        """Element `position` of a tuple."""
        if found.value.kind == "tuple":
            return list(found.value.inner[position]) if position < len(found.value.inner) else []
        return self.element(found)

    def entry(self, found: Found, key: str) -> list[Found]:
        """What a container of named things, such as `ModuleDict`, has under a name."""
        parts = dict(found.value.inner) if found.value.kind == "keyed" else {}
        return [Found(f.value, weaker(f.origin, "element_type"), f.via or found.via) for f in parts.get(key, ())]

    def keyed(self, node: ast.Call, env: Env) -> list[Found]:
        """`ModuleDict({"h": ...})`, `ModuleDict(dict(h=...))`, `SimpleNamespace(h=...)`, where every name is said."""
        inner = node.args[0] if node.args else node
        if isinstance(inner, ast.Dict):
            said = zip(inner.keys, inner.values, strict=True)
            pairs = [(k.value if isinstance(k, ast.Constant) else None, v) for k, v in said]
        elif isinstance(inner, ast.Call):
            pairs = [(k.arg, k.value) for k in inner.keywords]
        else:
            return []
        if not pairs or len(pairs) > NAMED or not all(isinstance(name, str) for name, _ in pairs):
            return []
        return [Found(Value("keyed", inner=tuple((name, tuple(self.infer(v, env))) for name, v in pairs)), "element_type")]

    def entered(self, found: Found) -> list[Found]:
        """What `with` gives: `__enter__`'s result, usually the object itself."""
        if found.value.kind != "inst":
            return [found]
        return self._given_by(found, "__enter__") or self._given_by(found, "__aenter__") or [found]

    def subscripted(self, node: ast.Subscript, env: Env) -> list[Found]:
        base = self.infer(node.value, env)
        if isinstance(node.slice, ast.Slice):
            return [f for f in base if f.value.kind == "list"]
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, int):
            return [g for f in base for g in self.part(f, node.slice.value)]
        kernels = [f for f in base if f.value.kind == "func"]  # kernel[grid]
        classes = [f for f in base if f.value.kind == "class"]  # Generic[T]
        outside = [f for f in base if f.value.kind in ("ext", "extinst")]
        key = node.slice.value if isinstance(node.slice, ast.Constant) else ""
        if any(f.value.kind == "keyed" for f in base) and key:
            return [g for f in base for g in self.entry(f, str(key))]
        entries = self._registry(node.value, env, str(key))
        return kernels + classes + (entries or [g for f in base for g in self.element(f)]) or outside

    def _registry(self, node: ast.expr, env: Env, key: str = "") -> list[Found]:
        return self.table(node.id, env, key) if isinstance(node, ast.Name) else []

    def table(self, name: str, env: Env, key: str = "") -> list[Found]:
        """The entries of a module's table, or the one of a known key, where it names definitions of this repository."""
        rows = [
            m
            for m in self.program.record(env.path).marks
            if m.kind == "entry" and m.detail.get("table") == name and key in ("", m.name)
        ]
        found = []
        for mark in rows[:200]:
            got = self.text(mark.detail.get("value", ""), Env(env.path, -1))
            found += [
                Found(f.value, "registry_entry", f"{env.path}:{mark.line}")
                for f in got
                if f.value.kind in ("class", "func")
            ]
        return found

    def collected(self, node, env: Env) -> list[Found]:
        elements = node.elts if hasattr(node, "elts") else [v for v in node.values if v is not None]
        inner = [
            f for e in elements[:6] for f in self.infer(e.value if isinstance(e, ast.Starred) else e, env)
        ]
        if isinstance(node, ast.Tuple):
            return [
                Found(
                    Value("tuple", inner=tuple(tuple(self.infer(e, env)) for e in elements[:6])),
                    "element_type",
                )
            ]
        lists = [
            Found(
                Value("list", inner=(f.value,)),
                weaker(f.origin, "element_type") if f.origin != "self" else "element_type",
                f.via,
            )
            for f in inner
            if f.value.kind not in ("ext", "extinst")
        ]
        return lists or [Found(Value("extinst", text=f"builtins.{type(node).__name__.lower()}"), "builtin")]

    def comprehended(self, node, env: Env) -> list[Found]:
        given = dict(env.given)
        for generator in node.generators:
            elements = tuple(
                e
                for f in self.infer(generator.iter, Env(env.path, env.scope, tuple(sorted(given.items()))))
                for e in self.element(f)
            )[:4]
            if isinstance(generator.target, ast.Name):
                given[generator.target.id] = elements
            elif isinstance(generator.target, ast.Tuple):
                for position, target in enumerate(generator.target.elts):
                    if isinstance(target, ast.Name):
                        given[target.id] = tuple(p for e in elements for p in self.part(e, position))[:4]
        inner = Env(env.path, env.scope, tuple(sorted(given.items())))
        result = node.value if isinstance(node, ast.DictComp) else node.elt
        return [
            Found(
                Value("list", inner=(f.value,)),
                weaker(f.origin, "element_type") if f.origin != "self" else "element_type",
                f.via,
            )
            for f in self.infer(result, inner)
        ]

    def added(self, node: ast.BinOp, env: Env) -> list[Found]:
        both = (
            [*self.infer(node.left, env), *self.infer(node.right, env)]
            if isinstance(node.op, ast.Add | ast.BitOr)
            else []
        )
        return [f for f in both if f.value.kind in ("list", "tuple")]
