# One ear of a trace: it hears Python-level calls, so that `x.shape` answers with formulas and symbolic arguments are known.
# Real code branches on small integer tensors: what is made of numbers keeps these beside it.
from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from cutaway.trace import tensor_sizes
from cutaway.trace.devices import MOVES, moved, redirected
from cutaway.trace.dim import Dim
from cutaway.trace.indexes import Places, bounded, has_bounds, has_mask, note_ends, unmasked
from cutaway.trace.questions import ANSWERS, item_of, sizes_of
from cutaway.trace.recorder import Recorder, tensors_in
from cutaway.trace.resolver import Resolver
from cutaway.trace.routing import assumed_counts, one_hot


class ShapeMode(TorchFunctionMode):
    """Answers questions about shapes with Dims, and remembers the symbolic arguments of the call under way."""

    def __init__(self, recorder: Recorder):
        super().__init__()
        self.recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func in MOVES:
            return moved(func, args, kwargs or {})
        if kwargs and "device" in kwargs:
            kwargs = redirected(kwargs)
        if func is torch.nn.functional.one_hot:
            with self:
                mask = one_hot(self.recorder, *args, **(kwargs or {}))
            if mask is not None:
                return mask
        if func is torch.Tensor.tolist and (counts := assumed_counts(self.recorder, args[0])) is not None:
            return counts
        answer = ANSWERS.get(getattr(func, "__self__", None) if func.__class__ in _GETTERS else func)
        if answer is not None and (found := answer(*args, **(kwargs or {}))) is not NotImplemented:
            return found
        recorder = self.recorder
        dims = list(_dims_in(args)) if args else []
        if func in _SIZED_BY_ALL:
            dims += _own_sizes(args)
        if kwargs:
            dims += _dims_in(kwargs.values())
            if func in _MAKES_FROM_DATA:
                return _from_data(recorder, func, args, kwargs, dims)
        elif func in _MAKES_FROM_DATA:
            return _from_data(recorder, func, args, {}, dims)
        if func in _INDEXES:  # C++ would look at the index unseen
            if _has_list(args[1]):  # ... and make a tensor of the list, without its values
                args = (args[0], _listed(recorder, args[1], dims), *args[2:])
            note_ends(recorder.scope, args[0], args[1])
            if has_bounds(args[1]):  # ... and read the number, and lose its formula
                args = (args[0], bounded(args[1]), *args[2:])
                dims = [*dims, *_dims_in(args)]
            if has_mask(args[1]):  # ... and look for the places in the values
                args = (args[0], unmasked(args[1]), *args[2:])
        if not dims:
            return func(*args, **(kwargs or {}))
        outer = recorder.call_dims, recorder.call_sizes
        recorder.call_dims, recorder.call_sizes = dims, _sizes_named(args, kwargs or {})
        try:
            return func(*args, **(kwargs or {}))
        finally:
            recorder.call_dims, recorder.call_sizes = outer


_GETTERS = (type(torch.Tensor.shape.__get__),)
_MAKES_FROM_DATA = {torch.tensor, torch.as_tensor, torch.from_numpy, torch.scalar_tensor, torch.asarray}
_SIZED_BY_ALL = {  # made of steps that see one of the tensors each
    torch.meshgrid,
    torch.broadcast_tensors,
    torch.diff,
    torch.einsum,
    torch.matmul,
    torch.Tensor.matmul,
    torch.Tensor.__matmul__,
    torch.nn.functional.linear,
    torch.nn.functional.embedding_bag,  # it makes the places of its bags from numbers
}
_INDEXES = {torch.Tensor.__getitem__, torch.Tensor.__setitem__}


def _has_list(index: Any) -> bool:
    return isinstance(index, list) or (isinstance(index, tuple) and any(isinstance(i, list) for i in index))


def _listed(recorder: Recorder, index: Any, dims: list) -> Any:
    """An index with its lists of numbers made tensors that keep their values."""
    if isinstance(index, tuple):
        return tuple(_listed(recorder, i, dims) for i in index)
    if isinstance(index, Places):
        return index.places
    plain = isinstance(index, list) and all(isinstance(i, (int, bool)) for i in index)
    return _from_data(recorder, torch.tensor, (index,), {}, dims) if plain else index


def _dims_in(args: Iterable[Any]) -> Iterator[Dim]:
    for a in args:
        kind = a.__class__
        if kind is Dim:
            yield a
        elif kind is tuple or kind is list or kind is torch.Size:
            yield from _dims_in(a)
        elif kind is slice:
            yield from _dims_in((a.start, a.stop, a.step))
        elif kind is torch.Tensor and hasattr(a, "_cut_numbers") and a.dim() == 0:
            yield from _dims_in(tensor_sizes.numbers_in(a))


def _own_sizes(args: tuple) -> list[Dim]:
    """The sizes of all tensors of a call, without those whose number is also that of a fixed one."""
    sizes = [v for t in tensors_in(args) if hasattr(t, "_cut") for v in sizes_of(t)]
    fixed = {v for v in sizes if type(v) is int}
    return [d for d in _dims_in(sizes) if int(d) not in fixed]


def _sizes_named(args: tuple, kwargs: dict) -> tuple[int, ...]:
    """The sizes in `zeros((2, n))`, `zeros(2, n)` or `zeros(size=(2, n))`."""
    for a in (*args, kwargs.get("size")):
        if isinstance(a, (list, tuple)) and all(isinstance(v, int) for v in a):
            return tuple(a)
    return tuple(a for a in args if isinstance(a, int))


def _from_data(recorder: Recorder, func: Any, args: tuple, kwargs: dict, dims: list) -> Any:
    """`torch.tensor([...])`: a constant whose values are kept beside the meta tensor."""
    if args and isinstance(args[0], torch.Tensor):
        return func(*args, **kwargs)
    args = tuple(_out_of_tensors(a) for a in args)
    dims = dims or list(_dims_in(args))
    recorder.mute += 1
    try:
        with torch._C.DisableTorchFunction(), torch.utils._python_dispatch._disable_current_modes():
            value = func(*args, **{**kwargs, "device": "cpu"} if func is not torch.from_numpy else kwargs).clone()
            out = torch.empty(value.shape, dtype=value.dtype, device="meta")
        resolver = Resolver(recorder.scope, dims, [])
        ref_dims = tuple(resolver.number(v) for v in value.shape)
        recorder.tag(out, ref_dims)
        out._cutaway_value = value
        if dims:
            tensor_sizes.give(out, args[0])
        return out
    finally:
        recorder.mute -= 1


def _out_of_tensors(data: Any) -> Any:
    """Nested lists with the numbers of the tensors among their elements."""
    if isinstance(data, (list, tuple)):
        return type(data)(_out_of_tensors(v) for v in data)
    return item_of(data) if isinstance(data, torch.Tensor) and data.is_meta and not data.dim() else data
