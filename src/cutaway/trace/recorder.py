# What is known while a forward runs: the scope, the tensors that were seen, the module that is running, and of each op
# what it does to its tensors.
from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from cutaway.formula import const
from cutaway.trace import source
from cutaway.trace.dim import Dim, Scope
from cutaway.trace.record import ModuleRun, TensorRef, Where

_FREE = {"_unsafe_view", "_reshape_alias", "lift_fresh", "detach", "alias"}
_ASKS_FOR_DATA = {
    "_local_scalar_dense",
    "nonzero",
    "equal",
    "masked_select",
    "_unique2",
    "unique_consecutive",
    "unique_dim",
    "item",
    "is_nonzero",
    "bincount",
    "_assert_async",
    "unique_dim_consecutive",
    "aten.repeat_interleave.Tensor",
}
_UIDS = itertools.count(1)  # never the same in two runs: a module may keep a tensor from an earlier one


class DataDependent(Exception):
    """The code asked for the value of a tensor that has none."""

    def __init__(self, op: str, where: Where):
        self.op, self.where = op, where
        super().__init__(op)


class LongLoop(Exception):
    """One forward ran more ops than were asked for."""


@dataclass(slots=True)
class OpInfo:
    """What the schema says of an op, looked up once."""

    name: str
    view: bool
    writes: bool
    asks: bool
    spreads: bool  # inputs over one another, number by number
    in_place: bool  # it gives back its first argument, whose sizes stay


class Recorder:
    """The state of one run: the scope, the stack of module runs, and the numbering of tensors."""

    def __init__(self, scope: Scope, root: ModuleRun, most: float = float("inf")):
        self.scope, self.modules = scope, [root]
        self.most = most  # ops of one forward, without those of the modules that it calls
        self.call_dims: list[Dim] = []
        self.call_sizes: tuple[
            int, ...
        ] = ()  # the sizes that the call names, Dims or plain numbers, in order
        self.caching = 0  # inside a cache's update: what is made there is cached state
        self.infos: dict[Any, OpInfo] = {}
        self.mute = 0
        self.assumptions: dict[str, None] = {}
        self.used_classes: dict[
            int, list[int]
        ] = {}  # of one-hot tensors: their number -> those that are chosen

    def uid(self) -> int:
        return next(_UIDS)

    def tag(self, t: torch.Tensor, dims: tuple | None = None, role: str | None = None) -> TensorRef:
        """The tensor's reference, made on first sight."""
        ref = getattr(t, "_cut", None)
        sizes = tuple(t.shape)
        if ref is None or ref.sizes != sizes or dims is not None:
            if dims is None:
                dims = tuple(self.scope.known.get(v) or const(v) if v > 1 else const(v) for v in sizes)
            role = role or (ref.role if ref is not None else "activation")
            ref = TensorRef(self.uid(), dims, t.dtype, role, sizes)
            t._cut = ref  # type: ignore[attr-defined]
            t._cut_dims = dims  # type: ignore[attr-defined]
        elif role is not None and role != ref.role:
            ref = TensorRef(ref.uid, ref.dims, ref.dtype, role, ref.sizes)
            t._cut = ref  # type: ignore[attr-defined]
        return ref

    def info(self, func: Any) -> OpInfo:
        found = self.infos.get(func)
        if found is None:
            schema = func._schema
            name = schema.name.partition("::")[2]
            returns = [r.alias_info for r in schema.returns]
            view = name in _FREE or (bool(returns) and all(a is not None and not a.is_write for a in returns))
            writes = any(a.alias_info is not None and a.alias_info.is_write for a in schema.arguments)
            asks = name in _ASKS_FOR_DATA or str(func) in _ASKS_FOR_DATA
            same = len(returns) == 1 and returns[0] is not None and returns[0].is_write and name.endswith("_")
            in_place = same and torch.Tag.inplace_view not in func.tags
            spreads = torch.Tag.pointwise in func.tags
            found = OpInfo(name, view and not writes, writes, asks, spreads, in_place)
            self.infos[func] = found
        return found

    def where(self, frame: Any) -> Where:
        return tuple(reversed(source.stack(frame)))


def tensors_in(args: Iterable[Any]) -> Iterator[torch.Tensor]:
    for a in args:
        if isinstance(a, torch.Tensor):
            yield a
        elif a.__class__ is tuple or a.__class__ is list:
            yield from tensors_in(a)
