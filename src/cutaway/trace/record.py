# What happened, as it happened: ops and module calls with their tensors, before anything is priced.
# Raw events stay small; formulas for costs are made later, once for each distinct event.
from __future__ import annotations

from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from cutaway.formula import Formula

Where = tuple[tuple[CodeType, int], ...]  # model frames, outermost (the module's forward) first


@dataclass(slots=True)
class TensorRef:
    """A tensor at the moment an op saw it."""

    uid: int
    dims: tuple[Formula, ...]
    dtype: Any
    role: str
    sizes: tuple[int, ...]


@dataclass(slots=True)
class OpEvent:
    func: Any
    args: tuple
    kwargs: dict
    inputs: tuple[TensorRef, ...]  # distinct, in order
    outputs: tuple[TensorRef, ...]
    where: Where
    view: bool


@dataclass(slots=True)
class CallEvent:
    module: ModuleRun
    name: str
    inputs: tuple[TensorRef, ...]
    outputs: tuple[TensorRef, ...]
    where: Where


@dataclass(slots=True, eq=False)
class ModuleRun:
    """One run of a module's forward: the record that equal calls share."""

    module: Any
    path: str
    events: list[Any] = field(default_factory=list)
    ran: dict[CodeType, set[int]] = field(default_factory=dict)  # lines that ran, per function
    inputs: tuple[TensorRef, ...] = ()
    outputs: tuple[TensorRef, ...] = ()


def constants(root: ModuleRun, seen: set[int] | None = None) -> set[int]:
    """Sizes of a whole run's tensors that are plain numbers."""
    seen = {id(root)} if seen is None else seen
    found: set[int] = set()
    for e in root.events:
        if not isinstance(e, CallEvent):
            found.update(n for t in e.outputs for d in t.dims if isinstance(n := d.constant(), int))
        elif id(e.module) not in seen:
            seen.add(id(e.module))
            found |= constants(e.module, seen)
    return found


def count_ops(root: ModuleRun, *, views: bool = True, sizes: dict[int, int] | None = None) -> int:
    """Ops of a whole run; without `views` those that compute or move anything."""
    sizes = {} if sizes is None else sizes
    if id(root) not in sizes:
        sizes[id(root)] = sum(
            count_ops(e.module, views=views, sizes=sizes) if isinstance(e, CallEvent) else views or not e.view
            for e in root.events
        )
    return sizes[id(root)]
