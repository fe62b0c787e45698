# Comparisons that tell one event from another: `message["type"] == "start"`, `isinstance(event, Data)`, `kind is
# PAUSED`, `case`, names put together for getattr, messages that are made, and assertions about state.
"""`chains(program, path)`, `class_chains(program, path)`."""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

from cutaway.facts.trees import tree_of
from cutaway.read.program import Program

__all__ = ["Chain", "chains", "class_chains"]

_TOLD = re.compile(
    r"(type|event|message|msg|kind|command|cmd|action|method|op|state|status|signal|request|scope)",
    re.IGNORECASE,
)
# Most nodes of a tree; none of them compares, and none holds another.
_LEAVES = {ast.Name, ast.Constant, ast.Load, ast.Store, ast.Del, ast.alias, ast.arg}
_DEFINITIONS = {ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef}
_NOTED = {ast.Compare, ast.Call, ast.Dict, ast.match_case, ast.Assert}
_NAME = re.compile(r"^[\w./:-]{2,60}$")


class Chain(NamedTuple):
    """One comparison. `kind` is compared, emitted, getattr (its name the fixed part) or guard; `handler` the function."""

    kind: str
    name: str
    line: int
    handler: str


def chains(program: Program, path: str) -> list[Chain]:
    """The comparisons of a Python file in order of line; none for a file that does not parse."""
    kept = program.__dict__.setdefault("_chains", {})
    if path not in kept:
        try:
            tree = ast.parse(program.text(path))
        except (SyntaxError, ValueError, RecursionError):
            kept[path] = []
            return []
        found: list[Chain] = []
        _walk(tree, "", found)
        kept[path] = sorted(found, key=lambda c: c.line)
    return kept[path]


def class_chains(program: Program, path: str) -> list[Chain]:
    """Those of its classes alone, in order of line."""
    defs = program.record(path).defs
    found: list[Chain] = []
    last = 0
    for definition in defs:
        if definition.kind == "class" and definition.start > last:  # the others stand in this one
            last = definition.end
            tree = tree_of(program, path, definition)
            if tree is not None:
                _walk(tree, definition.name.rpartition(".")[0], found)
    return sorted(found, key=lambda c: c.line)


def _walk(node: ast.AST, name: str, found: list[Chain]) -> None:
    for field in node._fields:
        value = getattr(node, field, None)
        for child in value if type(value) is list else (value,):
            kind = type(child)
            if kind in _LEAVES or not isinstance(child, ast.AST):
                continue
            inner = name
            if kind in _DEFINITIONS:
                inner = f"{name}.{child.name}" if name else child.name
            elif kind in _NOTED:
                _note(child, name, found)
            _walk(child, inner, found)


def _note(node: ast.AST, name: str, found: list[Chain]) -> None:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        equal = isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.Is | ast.IsNot)
        values = _values(node.comparators[0], equal)
        if values and _TOLD.search(_words(node.left)):
            found += [Chain("compared", value, node.lineno, name) for value in values]
    elif isinstance(node, ast.Call):
        _call(node, name, found)
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            told = isinstance(key, ast.Constant) and key.value in ("type", "event", "kind", "op", "action")
            if told and isinstance(value, ast.Constant) and isinstance(value.value, str):
                found.append(Chain("emitted", value.value, value.lineno, name))
    elif isinstance(node, ast.match_case) and isinstance(node.pattern, ast.MatchValue | ast.MatchClass):
        shown = node.pattern.value if isinstance(node.pattern, ast.MatchValue) else node.pattern.cls
        found.append(
            Chain("compared", ast.unparse(shown).strip("\"'").rpartition(".")[2], node.pattern.lineno, name)
        )
    elif isinstance(node, ast.Assert) and "self" in _names(node.test):
        text = ast.unparse(node.test)
        if "self." in text and re.search(r"is_set\(\)|state|status|started|closed|complete|not self\.", text):
            found.append(Chain("guard", text[:80], node.lineno, name))


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _words(node: ast.AST) -> str:
    """The names in what is asked, without writing it out as source."""
    if isinstance(node, ast.Attribute):
        return f"{_words(node.value)} {node.attr}"
    if isinstance(node, ast.Subscript):
        return f"{_words(node.value)} {_words(node.slice)}"
    if isinstance(node, ast.Call):
        return " ".join([_words(node.func), *(_words(a) for a in node.args[:2])])
    return str(getattr(node, "id", getattr(node, "value", "")))[:60]


def _values(node: ast.expr, equal: bool) -> list[str]:
    """The names of what is compared with: a text, an enumeration's member or a class."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and equal and _NAME.match(node.value):
        return [node.value]
    if isinstance(node, ast.Attribute) and equal and node.attr[:1].isupper():
        return [node.attr]
    return []


def _call(node: ast.Call, name: str, found: list[Chain]) -> None:
    function = node.func.id if isinstance(node.func, ast.Name) else ""
    if function == "isinstance" and len(node.args) == 2 and _TOLD.search(_words(node.args[0])):
        kinds = node.args[1].elts if isinstance(node.args[1], ast.Tuple) else [node.args[1]]
        for kind in kinds:
            if isinstance(kind, ast.Attribute | ast.Name):
                found.append(Chain("compared", ast.unparse(kind).rpartition(".")[2], node.lineno, name))
    elif function == "getattr" and len(node.args) >= 2 and isinstance(node.args[1], ast.JoinedStr):
        fixed = next((v.value for v in node.args[1].values if isinstance(v, ast.Constant)), "")
        if isinstance(fixed, str):
            found.append(Chain("getattr", fixed, node.lineno, name))
