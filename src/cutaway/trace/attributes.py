# What a module holds beside its parameters and parts. Two modules are traced as one only where all of this is equal:
# a number deep in a table, an enumeration or a plain function chooses the course of a forward as much as a class does.
from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from operator import itemgetter
from typing import Any

import torch

from cutaway.trace.dim import Dim, Real

INDEX_NAMES = (
    "layer_idx",
    "layer_index",
    "layer_id",
    "layer_number",
    "layer_num",
    "block_idx",
    "block_id",
    "idx",
    "index",
)
_SKIPPED = {*INDEX_NAMES, "_cut_index", *vars(torch.nn.Module())} - {"training"}  # not what makes modules differ
_PLAIN = frozenset((int, float, str, bytes, bool, complex, type(None), torch.dtype, torch.device, torch.Size))
_DEPTH, _MANY = 4, 1000


def attributes_of(module: torch.nn.Module) -> Hashable:
    """The attributes on which the course of a forward may depend, but for the layer's own number."""
    return _Reader(module).held(module, _DEPTH)


class _Reader:
    """Describes what an owner holds; the owner itself, met again, is itself and no matter which."""

    def __init__(self, owner: torch.nn.Module) -> None:
        self.owner = owner

    def held(self, value: Any, depth: int) -> Hashable:
        """Names and contents of an object's attributes."""
        found = []
        for fields in _fields(value):
            for k, v in fields:
                if k not in _SKIPPED:
                    found.append((k, v if v.__class__ in _PLAIN else self.content(v, depth)))
        found.sort(key=itemgetter(0))
        return tuple(found)

    def content(self, value: Any, depth: int) -> Hashable:
        """What can be compared with another module's: plain values as they are, tensors by size, code by where it is."""
        kind = value.__class__
        if kind in _PLAIN:
            return value
        if isinstance(value, (Dim, Real)):
            return value.formula
        if isinstance(value, torch.Tensor):
            return ("tensor", getattr(value, "_cut_dims", None) or tuple(value.shape), value.dtype)
        if value is self.owner:
            return "itself"
        if isinstance(value, type) or hasattr(value, "to_dict"):  # classes, and configs, which layers share
            return (kind.__name__, id(value))
        if isinstance(value, (list, tuple, set, frozenset, deque, Mapping)):
            return self.several(value, depth)
        if depth == 0:
            return kind.__name__
        return self.code(value, depth - 1) if callable(value) else self.object(value, depth - 1)

    def several(self, value: Any, depth: int) -> Hashable:
        """A container: all that it holds, or of a large one how much."""
        items = [*value.keys(), *value.values()] if isinstance(value, Mapping) else [*value]
        name = type(value).__name__
        if all(v.__class__ in _PLAIN for v in items):
            return (name, frozenset(items) if isinstance(value, (set, frozenset)) else tuple(items))
        if depth == 0 or len(items) > _MANY:
            return (name, len(items))
        return (name, *(self.content(v, depth - 1) for v in items))

    def object(self, value: Any, depth: int) -> Hashable:
        """Any other object, by its attributes; a module that is no registered part, by its own parameters too."""
        own: tuple = ()
        if isinstance(value, torch.nn.Module):
            own = tuple((k, tuple(p.shape)) for k, p in value._parameters.items() if p is not None)
            own += tuple((k, self.content(m, depth)) for k, m in value._modules.items())
        elif hasattr(value, "tobytes"):  # an array of numpy
            return (type(value).__name__, value.shape, value.tobytes())
        return (type(value).__name__, own, self.held(value, depth))

    def code(self, value: Any, depth: int) -> Hashable:
        """A function by its code and by what it closes over, a method by its object too."""
        if isinstance(value, types.FunctionType):
            with_it = (*closed_over(value), value.__defaults__, value.__kwdefaults__)
            return ("function", id(value.__code__), *(self.content(v, depth) for v in with_it))
        if isinstance(value, types.MethodType):
            return ("method", id(value.__func__), self.content(value.__self__, depth))
        if isinstance(value, functools.partial):
            return ("partial", *(self.content(v, depth) for v in (value.func, value.args, value.keywords)))
        if isinstance(value, types.BuiltinFunctionType):
            return ("function", value.__qualname__, id(value.__self__))
        return self.object(value, depth)


def closed_over(function: types.FunctionType) -> Iterator[Any]:
    """What a function finds in its closure."""
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # nothing was put in yet
            yield cell.cell_contents


def _fields(value: Any) -> Iterator[Iterable[tuple[str, Any]]]:
    """Attributes of an object, those that are kept in a dictionary and those in slots."""
    yield list(getattr(value, "__dict__", {}).items())
    if slots := _slots(type(value)):
        yield [(name, getattr(value, name)) for name in slots if hasattr(value, name)]


@functools.cache
def _slots(cls: type) -> tuple[str, ...]:
    """The names of a class's slots."""
    found = (vars(base).get("__slots__", ()) for base in cls.__mro__)
    names = [name for slots in found for name in ((slots,) if isinstance(slots, str) else slots)]
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))
