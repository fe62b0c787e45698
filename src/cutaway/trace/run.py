# One run of a forward on symbolic sizes: hooks every module call, every aten op and every executed line, and puts them
# into the record of the module that was running.
from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch

from cutaway.formula import const
from cutaway.trace import source
from cutaway.trace.attention_ops import in_one_op
from cutaway.trace.attributes import attributes_of
from cutaway.trace.autocast import without_casts
from cutaway.trace.compiled import as_written
from cutaway.trace.dim import Scope, logarithms, scope
from cutaway.trace.memo import Memo, described, leaves_of, replay
from cutaway.trace.op_mode import OpMode
from cutaway.trace.record import CallEvent, ModuleRun, TensorRef
from cutaway.trace.recorder import Recorder
from cutaway.trace.remembered import nothing_remembered
from cutaway.trace.shape_mode import ShapeMode
from cutaway.trace.writes import Writes


def run(
    prepare: Callable[[Scope], tuple[torch.nn.Module, tuple, dict]],
    hints: Mapping[str, int],
    *,
    memo: bool = True,
    writes: Writes | None = None,
    lines: bool = True,
    arrange: Callable[[Recorder, Mapping[str, Any]], None] | None = None,
    architecture: frozenset[str] = frozenset(),
    multiples: Mapping[str, int] | None = None,
    most: float = float("inf"),
    told: Mapping[Any, tuple] | None = None,
    settle: bool = False,
) -> tuple[ModuleRun, Scope, Any]:
    """Run a module once with these values for the symbols; the record of the root, the scope, and what forward returned.

    `prepare` gives the module and its (args, kwargs) on the meta device, from the scope's Dims. `arrange` may tag tensors.
    To `settle` is to run once more where modules kept tensors for the next time: that one is recorded.
    `writes` are told what it changes in the module.
    Raises `LongLoop` where one forward runs more than `most` ops by itself.
    """
    outer, writes = ModuleRun(None, ""), writes or Writes()
    writes.keeps = False
    with scope(hints, architecture, multiples) as symbols:
        symbols.told = told or {}
        recorder = Recorder(symbols, outer, most)
        with torch.no_grad(), OpMode(recorder), ShapeMode(recorder):
            while True:
                recorder.mute += 1
                module, args, kwargs = prepare(symbols)
                with torch._C.DisableTorchFunction():
                    paths, kinds = _tag_state(module, recorder)
                    if arrange is not None:
                        arrange(recorder, kwargs)
                recorder.mute -= 1
                with (
                    torch.device("meta"),
                    nothing_remembered(kinds) as remembering,
                    as_written(),
                    without_casts(recorder.assumptions.setdefault),
                    in_one_op(),
                    logarithms(),
                    writes.heard(),
                    _hooked(recorder, Memo(writes, remembering) if memo else None, paths),
                    _lines_of(recorder, lines),
                ):
                    out = module(*args, **kwargs)
                if not (settle and writes.keeps):
                    break
                settle = False
                outer.events.clear()
    symbols.assumptions.update(recorder.assumptions)
    return outer.events[-1].module, symbols, out


def _tag_state(module: torch.nn.Module, recorder: Recorder) -> tuple[dict[int, str], set[type]]:
    """Tag parameters and buffers; the path of each module by its id, and the classes of all. Large models have thousands.

    A parameter's sizes are numbers, whatever else has the same value, unless architecture symbols made them.
    """
    paths: dict[int, str] = {}
    kinds: set[type] = set()
    own: dict[torch.Size, tuple | None] = {}  # what is read off the sizes of a tensor that no run has seen

    def visit(m: torch.nn.Module, path: str) -> None:
        if id(m) in paths:
            return
        paths[id(m)] = path
        kinds.add(m.__class__)
        for tensors, role in ((m._parameters, "parameter"), (m._buffers, "buffer")):
            for t in tensors.values():
                if t is None:
                    continue
                ref = getattr(t, "_cut", None)
                if ref is None:
                    if t.shape not in own:
                        own[t.shape] = None if recorder.scope.architecture else tuple(map(const, t.shape))
                    recorder.tag(t, own[t.shape], role)
                elif ref.role != role:
                    recorder.tag(t, None, role)
        for name, below in m._modules.items():
            if below is not None:
                visit(below, f"{path}.{name}" if path else name)

    visit(module, "")
    return paths, kinds


@contextmanager
def _hooked(recorder: Recorder, memo: Memo | None, paths: dict[int, str]) -> Iterator[None]:
    """Every `Module.__call__` passes by here; updates of a cache are marked as such."""
    original = torch.nn.Module.__call__

    def _cutaway_call(self: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return _enter(recorder, memo, paths, original, self, args, kwargs, sys._getframe(1), tracer)
        finally:
            sys.settrace(tracer)

    assert _cutaway_call.__name__ == source.BOUNDARY_NAME
    patched = [(torch.nn.Module, "__call__", original)]
    torch.nn.Module.__call__ = _cutaway_call  # type: ignore[method-assign]
    for cls in _cache_classes():
        for name in (
            "update",
            "update_conv_state",
            "update_recurrent_state",
            "update_ssm_state",
            "lazy_initialization",
        ):
            if name in vars(cls):
                patched.append((cls, name, vars(cls)[name]))
                setattr(cls, name, _marked(recorder, vars(cls)[name]))
    try:
        yield
    finally:
        for cls, name, value in patched:
            setattr(cls, name, value)


def _cache_classes() -> list[type]:
    utils = sys.modules.get("transformers.cache_utils")
    if utils is None:
        return []
    return [v for v in vars(utils).values() if isinstance(v, type) and v.__module__ == utils.__name__]


def _marked(recorder: Recorder, update: Any) -> Any:
    def update_cache(*args: Any, **kwargs: Any) -> Any:
        recorder.caching += 1
        try:
            return update(*args, **kwargs)
        finally:
            recorder.caching -= 1

    return update_cache


def _enter(
    recorder: Recorder,
    memo: Memo | None,
    paths: dict[int, str],
    original: Any,
    module: torch.nn.Module,
    args: tuple,
    kwargs: dict,
    frame: FrameType,
    tracer: Any,
) -> Any:
    with torch._C.DisableTorchFunction():  # our own questions about shapes are not the model's
        where = recorder.where(frame)
        given = leaves_of((args, kwargs))
        ins = _refs(recorder, given)
        key = memo.key(module, args, kwargs, given) if memo is not None and not module._forward_hooks else None
        entry = memo.lookup(key, module, given) if memo is not None else None
        out = replay(entry, module, given, recorder) if entry is not None else None
    path = paths.get(id(module), "")
    if entry is not None:
        record = entry.record
    else:
        record = ModuleRun(module, path, inputs=ins)
        noted = memo is not None and key is not None
        left, before = (memo.left(), described(given)) if noted else (None, {})
        attributes = attributes_of(module) if noted else None
        recorder.modules.append(record)
        sys.settrace(tracer)
        try:
            out = original(module, *args, **kwargs)
        finally:
            sys.settrace(None)
            recorder.modules.pop()
        if noted:
            with torch._C.DisableTorchFunction():
                memo.note_kept(module, attributes)
                if memo.left() == left:
                    memo.keep(key, record, given, out, before)
    with torch._C.DisableTorchFunction():
        outs = _refs(recorder, leaves_of(out))
    if entry is None:
        record.outputs = outs
    recorder.modules[-1].events.append(CallEvent(record, path, ins, outs, where))
    return out


def _refs(recorder: Recorder, leaves: list[Any]) -> tuple[TensorRef, ...]:
    return tuple([recorder.tag(t) for t in leaves if isinstance(t, torch.Tensor)])


@contextmanager
def _lines_of(recorder: Recorder, wanted: bool) -> Iterator[None]:
    """Note which lines of model code run, for each module's first run."""
    if not wanted:
        yield
        return

    def on_call(frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        if source.kind_of(code) != "user":
            return None
        ran = recorder.modules[-1].ran.setdefault(code, set())
        if ran >= source.lines_of(code):
            return None  # there is none that has not run

        def on_line(frame: FrameType, event: str, arg: Any) -> Any:
            ran.add(frame.f_lineno)
            return on_line

        return on_line

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        yield
    finally:
        sys.settrace(before)
