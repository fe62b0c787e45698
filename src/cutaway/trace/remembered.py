"""Results that a model's functions remember from one call to the next (`functools.lru_cache`).

A trace runs a forward several times. What a function remembers of the first run, it does not compute in the second: the
two would differ in their ops, and tensors without data would be handed to real runs later. So each run starts and ends
with nothing remembered by the methods of the model's classes, or by the functions of the files that these are written in.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from cutaway.trace.attributes import closed_over

Remembers = functools._lru_cache_wrapper
_DEPTH = 3  # decorators around one another
_of_files: dict[str, list[Any]] = {}
_of_classes: dict[type, list[Any]] = {}


@contextmanager
def nothing_remembered(kinds: Collection[type]) -> Iterator[list[Any]]:
    """Functions that remember results begin anew, and once more afterwards; `kinds` are the classes of a model's modules.

    Gives these functions.
    """
    found = _remembering(kinds)
    _forget(found)
    try:
        yield found
    finally:
        _forget(found)


def _forget(functions: list[Any]) -> None:
    for cached in functions:
        cached.cache_clear()


def _remembering(kinds: Collection[type]) -> list[Any]:
    classes = {c for kind in kinds for c in kind.__mro__ if not c.__module__.startswith("torch.")}
    files = {kind.__module__ for kind in kinds if not kind.__module__.startswith("torch.")}
    return [*(f for c in classes for f in _of_class(c)), *(f for name in files for f in _of_file(name))]


def _of_class(cls: type) -> list[Any]:
    if cls not in _of_classes:
        _of_classes[cls] = [f for v in vars(cls).values() for f in _within(v, _DEPTH)]
    return _of_classes[cls]


def _of_file(name: str) -> list[Any]:
    """Those defined in a file, as functions of it or of its classes."""
    if name not in _of_files:
        held = list(vars(sys.modules[name]).values()) if name in sys.modules else []
        classes = [c for c in held if isinstance(c, type) and c.__module__ == name]
        found = [f for v in held if isinstance(v, (Remembers, FunctionType)) for f in _within(v, _DEPTH)]
        found = [f for f in found if f.__module__ == name]
        _of_files[name] = found + [f for c in classes for f in _of_class(c)]
    return _of_files[name]


def _within(value: Any, depth: int) -> Iterator[Any]:
    value = getattr(value, "__func__", value)  # of a class or static method
    if callable(getattr(value, "cache_clear", None)):
        yield value
    elif isinstance(value, FunctionType) and depth:
        for inner in closed_over(value):
            yield from _within(inner, depth - 1)
