# What an expression may stand for, as far as reading alone can say, and how that was found out.
"""Values of the resolver, and the expressions they are read from."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from keyword import iskeyword
from typing import NamedTuple

from cutaway.read.origins import CONFIDENCE

__all__ = ["Found", "Value", "expression", "weaker"]

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_LOAD = ast.Load()
_HEAD = re.compile(r"^(?:await\s+)?([\w.]+)\(")


class Value(NamedTuple):
    """One thing. `kind` is module, class, func, inst, ext (something of another package, by its dotted name), extinst,
    list (`inner` holds its elements' values), tuple (`inner`: a tuple of values each), keyed (`inner`: pairs of a name and
    what it stands for), str (`text`), lambda (its body in `text`, read in `path` and scope `index`), super, or registry
    (the entries of the table `text`). A func's `inner` is its receiver, when it was got from one."""

    kind: str
    path: str = ""
    index: int = -1
    text: str = ""
    inner: tuple = ()


class Found(NamedTuple):
    """A value, how it was found (one of the origins, or `self`) and the place that proves it."""

    value: Value
    origin: str
    via: str = ""


_STRENGTH = {"self": 1.0} | CONFIDENCE


def weaker(one: str, other: str) -> str:
    """The less certain of two origins: a chain is as strong as its weakest part."""
    return other if _STRENGTH.get(other, 0.5) < _STRENGTH.get(one, 0.5) else one


@lru_cache(maxsize=16384)
def expression(text: str) -> ast.expr | None:
    """A source text as an expression. A text that was cut keeps what is called, without its arguments."""
    if not text:
        return None
    if _DOTTED.fullmatch(text):
        first, *rest = text.split(".")
        if not iskeyword(first) and not any(map(iskeyword, rest)):
            return _dotted(first, rest)
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        head = _HEAD.match(text)
        return expression(f"{head[1]}()") if head and text.endswith("…") else None


def _dotted(first: str, rest: list[str]) -> ast.expr:
    """`first.second.third`, which most callees are, without the parser."""
    node: ast.expr = ast.Name(first, _LOAD)
    for attribute in rest:
        node = ast.Attribute(node, attribute, _LOAD)
    return node
