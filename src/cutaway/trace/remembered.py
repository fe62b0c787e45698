"""Results that a model's functions remember from one call to the next (`functools.lru_cache`).

A trace runs a forward several times. What a function remembers of the first run, it does not compute in the second: the
two would differ in their ops, and tensors without data would be handed to real runs later. So each run starts and ends
with nothing remembered by the functions of the files that the model's classes are written in.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CellType, FunctionType
from typing import Any

import torch

Remembers = functools._lru_cache_wrapper
EMPTY = CellType()
_DEPTH = 3  # decorators around one another
_found: dict[str, list[Remembers]] = {}


@contextmanager
def nothing_remembered(module: torch.nn.Module) -> Iterator[None]:
    """Functions that remember results begin anew, and once more afterwards."""
    files = {type(m).__module__ for m in module.modules()}
    functions = [f for name in sorted(files) if not name.startswith("torch.") for f in _of_file(name)]
    for function in functions:
        function.cache_clear()
    try:
        yield
    finally:
        for function in functions:
            function.cache_clear()


def _of_file(name: str) -> list[Remembers]:
    """Those defined in a file, as functions of it or of its classes."""
    if name not in _found:
        held = list(vars(sys.modules[name]).values()) if name in sys.modules else []
        held += [v for c in held if isinstance(c, type) and c.__module__ == name for v in vars(c).values()]
        _found[name] = [f for v in held for f in _within(v, _DEPTH) if f.__module__ == name]
    return _found[name]


def _within(value: Any, depth: int) -> Iterator[Remembers]:
    value = getattr(value, "__func__", value)  # of a class or static method
    if isinstance(value, Remembers):
        yield value
    elif isinstance(value, FunctionType) and depth:
        for cell in value.__closure__ or ():
            if cell != EMPTY:
                yield from _within(cell.cell_contents, depth - 1)
