# What an expression stands for. This file holds the table of expressions and what is common to all; names, annotations,
# attributes, calls and containers have a file each. It never guesses by a bare name: what it cannot follow it does not answer.
"""`Inference`: expressions of Python sources to values."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from cutaway.model.code import Def
from cutaway.read.resolve.annotations import Annotations
from cutaway.read.resolve.attributes import Attributes
from cutaway.read.resolve.elements import Elements
from cutaway.read.resolve.env import DEPTH, MOST, Env
from cutaway.read.resolve.model_registry import ModelRegistry
from cutaway.read.resolve.names import Names
from cutaway.read.resolve.results import Results
from cutaway.read.resolve.scopes import Scopes
from cutaway.read.resolve.values import Found, Value, expression, weaker

if TYPE_CHECKING:
    from cutaway.read.program import Program

__all__ = ["Env", "Inference"]

FILES = 512  # whose scopes are kept at a time: those of thousands take more memory than their records
_QUALIFIED = re.compile(r"^[\w.]+(?::|\.)[A-Za-z_]\w*$")


class Inference(Names, Annotations, Attributes, Results, Elements):
    """Expressions to values over one program. Results are kept; recursion ends at DEPTH and at what is under way."""

    def __init__(self, program: Program):
        self.program = program
        self.modules = program.modules
        self._scopes: dict[str, Scopes] = {}
        self._memo: dict[tuple, list[Found]] = {}
        self._busy: set[tuple] = set()
        self._linear: dict[tuple[str, int], list[Value]] = {}
        self.models = ModelRegistry(self)
        self.depth = 0

    def scopes(self, path: str) -> Scopes:
        found = self._scopes.get(path)
        if found is None:
            if len(self._scopes) >= FILES:
                del self._scopes[next(iter(self._scopes))]  # the oldest
            found = self._scopes[path] = Scopes(self.program.record(path))
        return found

    def definition(self, value: Value) -> Def:
        return self.program.record(value.path).defs[value.index]

    def text(self, source: str, env: Env) -> list[Found]:
        """What a source text stands for in `env`."""
        node = expression(source)
        return self.infer(node, env) if node is not None else []

    def infer(self, node: ast.expr, env: Env) -> list[Found]:
        """The values that an expression may have, at most MOST, none where it cannot be told."""
        handler = _EXPRESSIONS.get(type(node))
        if handler is None or self.depth > DEPTH:
            return []
        self.depth += 1
        try:
            found = handler(self, node, env)
        finally:
            self.depth -= 1
        return _distinct(found)

    def remembered(self, key: tuple, compute: Callable[[], list[Found]]) -> list[Found]:
        """`compute()`, once; what asks for itself gets nothing."""
        known = self._memo.get(key)
        if known is not None:
            return known
        if key in self._busy:
            return []
        self._busy.add(key)
        try:
            found = _distinct(compute())
        finally:
            self._busy.discard(key)
        if self.depth < DEPTH - 8:  # a shallow budget may have cut the answer short
            self._memo[key] = found
        return found

    def constant(self, node: ast.Constant, env: Env) -> list[Found]:
        return (
            [Found(Value("str", text=node.value), "local")]
            if isinstance(node.value, str) and _QUALIFIED.match(node.value)
            else []
        )

    def either(self, node, env: Env) -> list[Found]:
        parts = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
        return [f for p in parts for f in self.infer(p, env)]

    def within(self, node, env: Env) -> list[Found]:
        return self.infer(node.value, env)

    def lambda_(self, node: ast.Lambda, env: Env) -> list[Found]:
        return [Found(Value("lambda", env.path, env.scope, ast.unparse(node.body)), "partial_or_lambda")]


_EXPRESSIONS = {
    ast.Name: Inference.name,
    ast.Attribute: Inference.attribute,
    ast.Call: Inference.called,
    ast.Constant: Inference.constant,
    ast.Subscript: Inference.subscripted,
    ast.Await: Inference.within,
    ast.NamedExpr: Inference.within,
    ast.Starred: Inference.within,
    ast.IfExp: Inference.either,
    ast.BoolOp: Inference.either,
    ast.List: Inference.collected,
    ast.Set: Inference.collected,
    ast.Tuple: Inference.collected,
    ast.Dict: Inference.collected,
    ast.ListComp: Inference.comprehended,
    ast.SetComp: Inference.comprehended,
    ast.GeneratorExp: Inference.comprehended,
    ast.DictComp: Inference.comprehended,
    ast.BinOp: Inference.added,
    ast.Lambda: Inference.lambda_,
}


def _distinct(found: list[Found]) -> list[Found]:
    """Each value once, the surest way to it, at most MOST."""
    if len(found) < 2:
        return found[:]
    best: dict[Value, Found] = {}
    for f in found:
        if f.value not in best or weaker(best[f.value].origin, f.origin) == best[f.value].origin != f.origin:
            best[f.value] = f
    return list(best.values())[:MOST]
