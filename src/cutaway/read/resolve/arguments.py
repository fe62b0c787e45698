# What a call hands over, as far as its source says: what it runs in the end, with which arguments, and which names an
# expression is made of.
"""`starts`, `arguments_of`, `names_in`: calls and expressions of Python as text."""

from __future__ import annotations

import ast
import re

from cutaway.model.code import Call
from cutaway.read.resolve.values import expression

__all__ = ["TARGETS", "arguments_of", "names_in", "starts"]

TARGETS = {"Process": "process_target", "Thread": "thread_target", "Timer": "thread_target", "submit": "thread_target",
           "run_in_executor": "thread_target", "to_thread": "thread_target", "start_new_thread": "thread_target",
           "spawn": "process_target", "start_processes": "process_target"}  # fmt: skip
_KEYWORD = re.compile(r"^([A-Za-z_]\w*)=(?!=)(.*)$", re.DOTALL)
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


def starts(call: Call) -> bool:
    """Does a call hand over a function with what it is to be given, to run elsewhere?"""
    return call.callee.rpartition(".")[2] in TARGETS or (
        any(a.startswith(("target=", "func=", "fn=")) for a in call.args)
        and any(a.startswith(("args=", "kwargs=")) for a in call.args)
    )


def arguments_of(callee: str, args: list[str]) -> tuple[str, list[str], dict[str, str]]:
    """What a call runs in the end, and the arguments that this gets, by position and by name."""
    places: list[str] = []
    named: dict[str, str] = {}
    for argument in args:
        keyword = _KEYWORD.match(argument)
        if keyword:
            named[keyword[1]] = keyword[2]
        else:
            places.append(argument)
    last = callee.rpartition(".")[2]
    target = named.get("target") or named.get("func") or named.get("fn") or ""
    if last not in TARGETS and not (target and ("args" in named or "kwargs" in named)):
        return callee, places, named
    if not target:
        places = places[1:] if last == "run_in_executor" else places
        target, places = (places[0], places[1:]) if places else ("", [])
    if "args" in named:
        places = _items(named["args"])
    return target, places, _pairs(named.get("kwargs", ""))


def _items(text: str) -> list[str]:
    """The elements of a tuple or list that is written out."""
    node = expression(text)
    if isinstance(node, ast.Tuple | ast.List):
        return [ast.unparse(e) for e in node.elts]
    return [part.strip() for part in text.strip("([ ,])…").split(",")] if text.endswith("…") else []


def _pairs(text: str) -> dict[str, str]:
    """The entries of a dictionary that is written out."""
    node = expression(text)
    if isinstance(node, ast.Dict):
        return {
            k.value: ast.unparse(v)
            for k, v in zip(node.keys, node.values, strict=True)
            if isinstance(k, ast.Constant) and isinstance(k.value, str)
        }
    if isinstance(node, ast.Call):  # dict(name=value)
        return {k.arg: ast.unparse(k.value) for k in node.keywords if k.arg}
    return {}


def names_in(text: str) -> list[str]:
    """The names and dotted names that an expression reads, functions that it calls not counted; the key of an item that is
    got by a string stands for it."""
    node = expression(text)
    if node is None:
        return _DOTTED.findall(re.sub(r"(?<![{\w])[fF]?(['\"])[^'\"{]*\1", " ", text))
    found: list[str] = []
    _read(node, found)
    return found


def _read(node: ast.AST, found: list[str]) -> None:
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        found.append(f"{ast.unparse(node.value)}.{node.slice.value}")
    elif isinstance(node, ast.Name | ast.Attribute) and _DOTTED.fullmatch(text := ast.unparse(node)):
        found.append(text)
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and not node.args:  # `address.decode()`, `config.address()`
            _read(node.func.value, found)
        for part in (*node.args, *(k.value for k in node.keywords)):
            _read(part, found)
    else:
        for part in ast.iter_child_nodes(node):
            _read(part, found)
