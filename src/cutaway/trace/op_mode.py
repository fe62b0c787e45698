# The other ear of a trace: it hears every aten op with its tensors. Tensors live on the meta device: real shapes and
# strides, no data.
from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cutaway.formula import const
from cutaway.trace import tensor_sizes, values
from cutaway.trace.explain import explained
from cutaway.trace.kernels import asked, asked_in_place
from cutaway.trace.record import OpEvent, TensorRef
from cutaway.trace.recorder import DataDependent, LongLoop, OpInfo, Recorder, tensors_in
from cutaway.trace.resolver import Resolver
from cutaway.trace.routing import assumed_nonzero, counts_by_class, note_routing, places_of
from cutaway.trace.shapes import infer, note_fixed
from cutaway.trace.shapes_pieces import SPLITS, mark_pieces, note_pieces
from cutaway.trace.taken import note_taken, number_taken

_META = torch.device("meta")
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
_TRUE = torch.tensor(True)


class OpMode(TorchDispatchMode):
    """Sees every aten op, gives its outputs symbolic sizes, and records it."""

    def __init__(self, recorder: Recorder):
        super().__init__()
        self.recorder = recorder

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch wraps a mode against its compiler, which is never on here: the wrapper costs as much as a small op."""
        return False

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
        tensors = list(tensors_in(args)) + (list(tensors_in(kwargs.values())) if kwargs else [])
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
            if info.name == "index" and any(t.dtype == torch.bool for t in tensors_in(args[1])):
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
            else tuple(t for t in tensors_in(out))
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
