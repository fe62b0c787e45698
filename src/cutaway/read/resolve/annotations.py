# What an annotation says a value is.
"""`Annotations`: a part of `Inference`."""

from __future__ import annotations

import ast

from cutaway.read.resolve.env import Env
from cutaway.read.resolve.values import Found, Value, expression

__all__ = ["Annotations"]

_LISTS = {
    "list",
    "List",
    "Sequence",
    "Iterable",
    "Iterator",
    "tuple",
    "Tuple",
    "set",
    "Set",
    "frozenset",
    "deque",
    "Collection",
    "AsyncIterator",
    "AsyncGenerator",
    "Generator",
    "AsyncIterable",
    "Queue",
    "SimpleQueue",
}
_MAPS = {"dict", "Dict", "Mapping", "MutableMapping", "defaultdict", "OrderedDict"}
_THROUGH = {"Optional", "Annotated", "ClassVar", "Final", "Required", "Awaitable", "Coroutine", "Ref", "ReadOnly", "Future",
            "weakref", "ReferenceType", "Task"}  # fmt: skip


class Annotations:
    """What an annotation says a value is."""

    def annotation(self, text: str, env: Env) -> list[Found]:
        node = expression(text)
        return (
            self.remembered(("annotation", env.path, env.scope, text), lambda: self._annotated(node, env))
            if node
            else []
        )

    def _annotated(self, node: ast.expr, env: Env) -> list[Found]:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            inner = expression(node.value)
            return self._annotated(inner, env) if inner is not None else []
        if isinstance(node, ast.BinOp):
            return [*self._annotated(node.left, env), *self._annotated(node.right, env)]
        if isinstance(node, ast.Subscript):
            return self._generic(node, env)
        found = []
        for f in self.infer(node, env) if isinstance(node, ast.Name | ast.Attribute) else []:
            value = f.value
            if value.kind == "class":
                found.append(Found(value._replace(kind="inst"), "annotated", f.via))
            elif value.kind == "ext" and value.text.rpartition(".")[2] not in (
                "Any",
                "None",
                "object",
                "TypeVar",
            ):
                found.append(Found(value._replace(kind="extinst"), "external", f.via))
            elif value.kind in ("inst", "extinst", "list", "tuple"):
                found.append(f)  # an alias: Name = Union[A, B]
        return found

    def _generic(self, node: ast.Subscript, env: Env) -> list[Found]:
        head = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if head in ("Union", *_THROUGH):
            chosen = parts if head == "Union" else parts[-1:] if head == "Coroutine" else parts[:1]
            return [f for p in chosen for f in self._annotated(p, env)]
        if head in ("type", "Type"):
            return [f._replace(value=f.value._replace(kind="class" if f.value.kind == "inst" else "ext"))
                    for f in self._annotated(parts[0], env) if f.value.kind in ("inst", "extinst")]  # fmt: skip
        if head in ("tuple", "Tuple") and not (
            len(parts) == 2 and isinstance(parts[1], ast.Constant) and parts[1].value is ...
        ):
            return [
                Found(Value("tuple", inner=tuple(tuple(self._annotated(p, env)) for p in parts)), "annotated")
            ]
        if head in _LISTS or head in _MAPS:
            inner = parts[-1] if head in _MAPS else parts[0]
            lists = [
                f._replace(value=Value("list", inner=(f.value,)))
                for f in self._annotated(inner, env)
                if f.value.kind != "extinst"
            ]
            return lists or [Found(Value("extinst", text=f"builtins.{head.lower()}"), "annotated")]
        return self._annotated(node.value, env)
