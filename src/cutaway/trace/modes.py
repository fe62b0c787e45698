# The two ears of a trace. One hears Python-level calls (so that `x.shape` answers with formulas and symbolic arguments
# are known), the other hears every aten op with its tensors. Tensors live on the meta device: real shapes and strides,
# no data; small integer tensors keep their values beside them, because real code branches on them.
from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from cutaway.formula import const
from cutaway.trace import source, tensor_sizes, values
from cutaway.trace.devices import MOVES, moved, redirected
from cutaway.trace.dim import Dim, Scope, make
from cutaway.trace.dim import current as dim_scope
from cutaway.trace.explain import explained
from cutaway.trace.indexes import Places, bounded, has_bounds, has_mask, note_ends, unmasked
from cutaway.trace.kernels import asked, asked_in_place
from cutaway.trace.record import ModuleRun, OpEvent, TensorRef, Where
from cutaway.trace.resolver import Resolver
from cutaway.trace.routing import (
    assumed_counts,
    assumed_nonzero,
    counts_by_class,
    note_routing,
    one_hot,
    places_of,
)
from cutaway.trace.shapes import infer, note_fixed
from cutaway.trace.shapes_pieces import SPLITS, mark_pieces, note_pieces
from cutaway.trace.taken import note_taken, number_taken, numbers_taken

_META = torch.device("meta")
_FREE = {"_unsafe_view", "_reshape_alias", "lift_fresh", "detach", "alias"}
_KEEPS_SHARE = {
    "_to_copy",
    "clone",
    "index",
    "index_select",
    "ne",
    "gt",
    "permute",
    "contiguous",
    "logical_and",
    "bitwise_and",
}
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


_TRUE = torch.tensor(True)
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
        answer = _SHAPE_QUESTIONS.get(getattr(func, "__self__", None) if func.__class__ in _GETTERS else func)
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


class OpMode(TorchDispatchMode):
    """Sees every aten op, gives its outputs symbolic sizes, and records it."""

    def __init__(self, recorder: Recorder):
        super().__init__()
        self.recorder = recorder

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        tracer = sys.gettrace()
        if tracer is None:
            return self._dispatch(func, args, kwargs or {})
        sys.settrace(None)  # our own lines are of no interest, and watching them is slow
        try:
            return self._dispatch(func, args, kwargs or {})
        finally:
            sys.settrace(tracer)

    def _dispatch(self, func: Any, args: tuple, kwargs: dict) -> Any:
        recorder = self.recorder
        info = recorder.info(func)
        tensors = list(_tensors_in(args)) + (list(_tensors_in(kwargs.values())) if kwargs else [])
        shadow = values.computed(func, info.name, info.view, info.writes, args, kwargs, tensors)
        if shadow is None and info.name == "_is_all_true":
            shadow = _TRUE  # asked by checks alone, which raise otherwise
        if info.asks and kwargs.get("output_size") is None:
            out = _answer_from_shadow(recorder, info, shadow, tensors, args)
        else:
            if (device := kwargs.get("device")) is not None and device.type != "meta" and not recorder.mute:
                kwargs = {
                    **kwargs,
                    "device": _META,
                }  # a host tensor in a traced forward is symbolic like the others
            if info.name == "index" and any(t.dtype == torch.bool for t in _tensors_in(args[1])):
                raise DataDependent("index by a mask", recorder.where(sys._getframe(2)))
            kernel = _grouped if info.name == "_grouped_mm" else func
            new = tensors and not (info.view or info.writes or info.asks)
            if info.in_place:
                out = asked_in_place(kernel, args, kwargs)
            else:
                out = asked(kernel, args, kwargs) if new else kernel(*args, **kwargs)
        self._note(func, info, args, kwargs, tensors, out, shadow)
        return out

    def _note(
        self, func: Any, info: OpInfo, args: tuple, kwargs: dict, tensors: list, out: Any, shadow: Any
    ) -> None:
        recorder = self.recorder
        inputs: dict[int, TensorRef] = {}
        for t in tensors:
            ref = recorder.tag(t)
            inputs.setdefault(ref.uid, ref)
        outs = (
            (out,)
            if isinstance(out, torch.Tensor)
            else tuple(t for t in _tensors_in(out))
            if isinstance(out, (tuple, list))
            else ()
        )
        if info.spreads and len(inputs) > 1 and not recorder.mute:
            note_fixed(recorder.scope, [(r.dims, r.role in ("parameter", "buffer")) for r in inputs.values()])
        refs = []
        resolver = None
        for n, t in enumerate(outs):
            if info.writes and any(t is a for a in tensors):
                ref = recorder.tag(t)
            else:
                if resolver is None:
                    resolver = Resolver(
                        recorder.scope,
                        recorder.call_dims,
                        [(r.sizes, r.dims) for r in inputs.values()],
                        recorder.call_sizes,
                    )
                dims = (
                    t._cut.dims
                    if info.asks and hasattr(t, "_cut")
                    else infer(info.name, args, tuple(t.shape), resolver.inputs, resolver)
                )
                if recorder.scope.told and not recorder.mute:
                    place = (recorder.where(sys._getframe(3)), str(func), n)
                    dims = explained(recorder.scope.told, place, dims, tuple(t.shape), recorder.scope)
                ref = recorder.tag(t, dims, self._role(info, tensors))
            refs.append(ref)
            if shadow is not None:
                values.keep(t, shadow, n)
            elif tensors:
                _pass_on_share(info, tensors, t)
                note_taken(info.name, info.view, args, tensors, t)
        if info.name in SPLITS:
            mark_pieces(args, SPLITS[info.name], tensors[0]._cut.dims, outs)
            if info.name == "split" and not recorder.mute:
                note_pieces(recorder.scope, args, tensors[0]._cut.dims, len(outs))
        if shadow is not None or (outs and not outs[0].is_meta):
            tensor_sizes.pass_on(func, info.name, info.view, args, kwargs, tensors, outs, recorder.call_dims)
        note_routing(recorder, info.name, args, tensors, outs)
        if recorder.mute:
            return
        if len(recorder.modules[-1].events) > recorder.most:
            raise LongLoop
        recorder.modules[-1].events.append(
            OpEvent(
                func,
                _as_refs(args),
                {k: v for k, v in kwargs.items() if v is not None},
                tuple(inputs.values()),
                tuple(refs),
                recorder.where(sys._getframe(3)),
                info.view,
            )
        )

    def _role(self, info: OpInfo, tensors: list) -> str:
        if info.view and tensors:
            return tensors[0]._cut.role
        if self.recorder.caching or (info.name == "cat" and any(t._cut.role == "kv_cache" for t in tensors)):
            return "kv_cache"
        return "activation"


def sizes_of(t: torch.Tensor) -> Any:
    """`t.shape` with Dims where a size has a formula."""
    ref = getattr(t, "_cut", None)
    if ref is None:
        return NotImplemented
    return torch.Size(tuple(make(v, f) for v, f in zip(ref.sizes, ref.dims, strict=True)))


def _size(t: torch.Tensor, dim: int | None = None) -> Any:
    sizes = sizes_of(t)
    return sizes if dim is None or sizes is NotImplemented else sizes[dim]


def _list(t: torch.Tensor) -> Any:
    """`x.tolist()` of a tensor whose values are kept; sizes among them are recognised."""
    if (counts := numbers_taken(t)) is not None:
        return counts
    if hasattr(t, "_cut_found") and t.dim() == 1 and values.kept(t) is None:
        return Places(t, _no_value)
    found = _numbers_in(t, "tolist")
    return found if found is NotImplemented else _recognised(found.tolist())


def _item(t: torch.Tensor) -> Any:
    if (count := number_taken(t)) is not None:
        return count
    found = _numbers_in(t, "item")
    return found if found is NotImplemented else _recognised(found.item())


def _numbers_in(t: torch.Tensor, question: str) -> Any:
    """The sizes that a tensor holds, or its plain values."""
    if (sizes := tensor_sizes.numbers_of(t)) is not None:
        return sizes
    if not t.is_meta:
        return NotImplemented
    value = values.kept(t)
    return _no_value(question) if value is None else value


def _format(t: torch.Tensor, spec: str) -> Any:
    """A number in a text, such as the name of an expert, reads as the number."""
    value = values.kept(t) if t.is_meta and t.dim() == 0 else None
    return NotImplemented if value is None else format(value.item(), spec)


def _recognised(value: Any) -> Any:
    """Numbers that are known sizes become Dims again."""
    if isinstance(value, list):
        return [_recognised(v) for v in value]
    if type(value) is not int or value < 2:
        return value
    scope = dim_scope()
    known = scope.known.get(value)
    if known is None and value + 1 >= scope.telling and (size := scope.known.get(value + 1)) is not None:
        known = size - 1  # the last place of a range
    return value if known is None else make(value, known)


def _no_value(op: str) -> Any:
    raise DataDependent(op, tuple(reversed(source.stack(sys._getframe(4)))))


def _count(t: torch.Tensor) -> Any:
    sizes = sizes_of(t)
    if sizes is NotImplemented:
        return sizes
    total: Any = 1
    for v in sizes:
        total = total * v
    return total


_GETTERS = (type(torch.Tensor.shape.__get__),)
_SHAPE_QUESTIONS = {
    torch.Tensor.shape: sizes_of,
    torch.Tensor.size: _size,
    torch.Tensor.numel: _count,
    torch.Tensor.nelement: _count,
    torch.numel: _count,
    torch.Tensor.tolist: _list,
    torch.Tensor.item: _item,
    torch.Tensor.__format__: _format,
}
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
    sizes = [v for t in _tensors_in(args) if hasattr(t, "_cut") for v in sizes_of(t)]
    fixed = {v for v in sizes if type(v) is int}
    return [d for d in _dims_in(sizes) if int(d) not in fixed]


def _sizes_named(args: tuple, kwargs: dict) -> tuple[int, ...]:
    """The sizes in `zeros((2, n))`, `zeros(2, n)` or `zeros(size=(2, n))`."""
    for a in (*args, kwargs.get("size")):
        if isinstance(a, (list, tuple)) and all(isinstance(v, int) for v in a):
            return tuple(a)
    return tuple(a for a in args if isinstance(a, int))


def _tensors_in(args: Iterable[Any]) -> Iterator[torch.Tensor]:
    for a in args:
        if isinstance(a, torch.Tensor):
            yield a
        elif a.__class__ is tuple or a.__class__ is list:
            yield from _tensors_in(a)


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
    return _item(data) if isinstance(data, torch.Tensor) and data.is_meta and not data.dim() else data


def _as_refs(args: Iterable[Any]) -> tuple:
    """Arguments with each tensor replaced by its reference: events must not keep tensors alive."""
    return tuple(
        a._cut if isinstance(a, torch.Tensor) else _as_refs(a) if a.__class__ in (list, tuple) else a
        for a in args
    )


def _answer_from_shadow(recorder: Recorder, info: OpInfo, shadow: Any, tensors: list, args: tuple) -> Any:
    """Ops whose result depends on values: answered from the kept values, or not at all."""
    if info.name == "_assert_async":
        return None
    places = tensor_sizes.places_true(tensors[0]) if info.name == "nonzero" else None
    if shadow is None:
        found = None
        if places is not None:
            found = places_of(recorder, tensors[0], *places)
        elif info.name == "nonzero":
            found = assumed_nonzero(recorder, tensors[0])
        elif info.name == "bincount":
            found = counts_by_class(recorder, tensors[0], args[2] if len(args) > 2 else 0)
        elif info.name == "_local_scalar_dense":
            found = number_taken(tensors[0])
        if found is None:
            raise DataDependent(info.name, recorder.where(sys._getframe(2)))
        return found
    if isinstance(shadow, torch.Tensor):
        out = _meta_twin(shadow)
        if places is not None:
            recorder.tag(out, (places[1], const(out.shape[1])))
        return out
    if isinstance(shadow, (tuple, list)):
        return tuple(_meta_twin(v) if isinstance(v, torch.Tensor) else v for v in shadow)
    return shadow


def _pass_on_share(info: OpInfo, tensors: list, out: torch.Tensor) -> None:
    """What share of a one-hot mask is set, and that places are those of data, stays so through views, picks and casts."""
    if info.view or info.name in _KEEPS_SHARE:
        for name in ("_cut_share", "_cut_bound", "_cut_found"):
            if (found := getattr(tensors[0], name, None)) is not None:
                setattr(out, name, found)


def _grouped(a: torch.Tensor, b: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """Products by group in any dtype: torch multiplies them, but its rule for the meta device takes bfloat16 alone."""
    out = torch.ops.aten._grouped_mm(a.bfloat16(), b.bfloat16(), *args, **kwargs)
    return out.to(kwargs.get("out_dtype") or a.dtype)


def _meta_twin(value: torch.Tensor) -> torch.Tensor:
    with torch.utils._python_dispatch._disable_current_modes():
        return torch.empty(value.shape, dtype=value.dtype, device="meta")
