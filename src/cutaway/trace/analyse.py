# The main job: a target and a phase in, an Analysis out. Build on the meta device, run once on symbolic sizes, run again
# on other sizes to check every formula, price, and say what was assumed.
from __future__ import annotations

import hashlib
import importlib.metadata
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from cutaway.errors import BadValue, CutawayError, ForwardRaised, nearest
from cutaway.formula import Formula, const, sym
from cutaway.formula.core import ZERO, add, product
from cutaway.formula.names import BY_NAME
from cutaway.model import Analysis, Convention, Gap, ParameterCount, Place, SymbolInfo
from cutaway.trace import source
from cutaway.trace.assemble import Assembler, count_repeats, places
from cutaway.trace.build import build, torch_dtype
from cutaway.trace.dim import Scope
from cutaway.trace.inputs import InputPlan, Symbol, make_inputs, plan_inputs
from cutaway.trace.modes import DataDependent, Recorder
from cutaway.trace.record import CallEvent, ModuleRun, OpEvent
from cutaway.trace.run import run
from cutaway.trace.target import Target, resolve
from cutaway.trace.validity import conditions, differences, other_hints

BYTE_SYMBOLS = ("w_bytes", "a_bytes", "kv_bytes")


def analyse(
    target: str, *, phase: str = "prefill", values: Mapping[str, int] | None = None, symbols: str = "shapes",
    dtype: str = "bfloat16", trust_code: bool = False, args: Mapping[str, Any] | None = None,
    inputs: Mapping[str, str] | None = None, convention: Convention = Convention(), memo: bool = True,
) -> Analysis:
    """What one pass of `target` computes and moves, as formulas.

    `values` choose the regime (which side of a window, batch of one …); formulas stay symbolic.
    Raises `CutawayError` with what was asked, where, what was known and what to try.
    """
    found = resolve(target, trust_code, dict(args or {}))
    model = build(found, dtype)
    plan = plan_inputs(model, phase)
    return analyse_module(model, plan, name=found.name, values=values or {}, dtype=dtype, convention=convention, memo=memo)


def analyse_module(
    model: torch.nn.Module, plan: InputPlan, *, name: str, values: Mapping[str, int], dtype: str = "bfloat16",
    convention: Convention = Convention(), memo: bool = True, check: bool = True,
) -> Analysis:
    """The same for a module on the meta device and the inputs it takes."""
    kind = torch_dtype(dtype)
    _known_symbols(plan, values)
    hints = first_hints(plan, values)
    root, scope, out = trace(model, plan, hints, kind, memo=memo)
    gaps: list[Gap] = []
    if check:
        again, other, _ = trace(model, plan, other_hints(scope, hints, plan), kind, memo=memo, lines=False)
        gaps = differences(root, again)
    return to_analysis(model, plan, root, scope, out, name=name, values=values, dtype=kind, convention=convention, gaps=gaps)


def trace(
    model: torch.nn.Module, plan: InputPlan, hints: Mapping[str, int], dtype: torch.dtype, *, memo: bool = True, lines: bool = True,
) -> tuple[ModuleRun, Scope, Any]:
    """One run at these values of the symbols; a symbol given as 1 is the constant 1."""

    def inputs(scope: Scope) -> tuple[tuple, dict]:
        sizes = {n: v if v == 1 else scope.dim(n) for n, v in hints.items()}
        return (), make_inputs(model, plan, sizes, "meta", dtype)

    def arrange(recorder: Recorder, kwargs: Mapping[str, Any]) -> None:
        for argument in plan.state.arguments if plan.state is not None else ():
            tag_state(recorder, kwargs[argument])

    try:
        return run(model, inputs, hints, memo=memo, lines=lines, arrange=arrange)
    except DataDependent as error:
        raise ForwardRaised(
            f"forward asks for the value of a tensor ({error.op})", where=_where(error.where),
            known="symbolic tensors have sizes, not values",
        ) from error
    except CutawayError:
        raise
    except Exception as error:
        raise ForwardRaised.caused_by(error, f"forward of {type(model).__name__} raised") from error


def tag_state(recorder: Recorder, value: Any, seen: set[int] | None = None) -> None:
    """Every tensor of a cache is cached state, however the cache holds it."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, torch.Tensor):
        recorder.tag(value, role="kv_cache")
    elif isinstance(value, Mapping):
        for v in value.values():
            tag_state(recorder, v, seen)
    elif isinstance(value, (list, tuple)):
        for v in value:
            tag_state(recorder, v, seen)
    elif hasattr(value, "__dict__") and not isinstance(value, (type, torch.nn.Module)) and not hasattr(value, "to_dict"):
        tag_state(recorder, vars(value), seen)


def first_hints(plan: InputPlan, values: Mapping[str, int]) -> dict[str, int]:
    """Values for the symbols: those asked for, else unusual ones in the usual range, so that a size is not mistaken."""
    usual = {"batch_size": 37, "seq_len": 1009, "cache_len": 1511, "encoder_len": 499}
    hints = {}
    for s in plan.symbols:
        if s.name in values:
            hints[s.name] = int(values[s.name])
        else:
            wanted = usual.get(s.name, s.default)
            hints[s.name] = max(s.multiple_of, wanted // s.multiple_of * s.multiple_of)
    return hints


def to_analysis(
    model: torch.nn.Module, plan: InputPlan, root: ModuleRun, scope: Scope, out: Any, *, name: str,
    values: Mapping[str, int], dtype: torch.dtype, convention: Convention, gaps: list[Gap],
) -> Analysis:
    """Everything that was derived, in one value."""
    assembler = Assembler(scope, dtype, convention)
    index = assembler.module(root)
    times = count_repeats(assembler.modules, index)
    modules = _outermost_first([replace(m, repeat=t) for m, t in zip(assembler.modules, times, strict=True)], index)
    top = modules[0]
    return Analysis(
        target=name, source=_source(root), convention=convention, phase=plan.phase, symbols=_legend(plan, values),
        valid_when=conditions(scope, plan, values), parameters=_parameters(model, assembler, dtype), total=top.total,
        fused=top.fused, useful_flops=top.total.flops, kv_cache_bytes=_cache_bytes(out, assembler), modules=modules,
        gaps=tuple(gaps) + tuple(assembler.gaps), assumptions=_assumptions(plan, dtype), values=dict(values),
    )


def _outermost_first(modules: list, root: int) -> tuple:
    """The root first, callers before what they call; calls renumbered."""
    last = len(modules) - 1
    assert root == last
    return tuple(
        replace(m, steps=tuple(replace(s, module=last - s.module) if hasattr(s, "module") else s for s in m.steps))
        for m in reversed(modules)
    )


def _known_symbols(plan: InputPlan, values: Mapping[str, int]) -> None:
    known = [s.name for s in plan.symbols] + list(BYTE_SYMBOLS)
    for name in values:
        if name not in known:
            raise BadValue("no such symbol here", asked=name, known=", ".join(known), try_=", ".join(nearest(name, known)) or None)


def _legend(plan: InputPlan, values: Mapping[str, int]) -> tuple[SymbolInfo, ...]:
    shapes = [SymbolInfo(s.name, s.meaning, s.unit, s.default) for s in plan.symbols]
    return tuple(shapes) + tuple(SymbolInfo(n, BY_NAME[n].meaning, BY_NAME[n].unit, BY_NAME[n].default) for n in BYTE_SYMBOLS)


def _assumptions(plan: InputPlan, dtype: torch.dtype) -> tuple[str, ...]:
    name = str(dtype).removeprefix("torch.")
    return (f"tensors of the model's dtype are {name}: w_bytes, a_bytes and kv_bytes stand for their sizes",)


def _parameters(model: torch.nn.Module, assembler: Assembler, dtype: torch.dtype) -> ParameterCount:
    seen: dict[int, tuple[str, torch.nn.Parameter]] = {}
    for name, p in model.named_parameters():
        seen.setdefault(id(p), (name, p))
    total = add(_numel(p) for _, p in seen.values())
    trainable = add(_numel(p) for _, p in seen.values() if p.requires_grad)
    size = add(_numel(p) * (sym("w_bytes") if p.dtype is dtype else p.dtype.itemsize) for _, p in seen.values())
    parts: dict[str, Formula] = {}
    for name, p in seen.values():
        child = name.partition(".")[0]
        parts[child] = parts.get(child, ZERO) + _numel(p)
    return ParameterCount(total, trainable, total - trainable, size, tuple(parts.items()))


def _numel(p: torch.Tensor) -> Formula:
    ref = getattr(p, "_cut", None)
    return product(ref.dims) if ref is not None else const(p.numel())


def _cache_bytes(out: Any, assembler: Assembler) -> Formula:
    """What the state that forward hands back holds, each tensor once."""
    found: dict[int, Formula] = {}

    def visit(value: Any, inside: bool, seen: set[int]) -> None:
        if id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, torch.Tensor):
            ref = getattr(value, "_cut", None)
            if inside and ref is not None:
                spec = assembler.spec(replace_role(ref), {})
                found[ref.uid] = product(spec.dims) * spec.element_bytes
        elif isinstance(value, Mapping):
            for k, v in value.items():
                visit(v, inside or k in ("past_key_values", "cache_params", "mems", "state"), seen)
        elif isinstance(value, (list, tuple)):
            for v in value:
                visit(v, inside, seen)
        elif hasattr(value, "__dict__") and not isinstance(value, (type, torch.nn.Module)) and not hasattr(value, "to_dict"):
            visit(vars(value), inside or hasattr(value, "layers"), seen)

    visit(out, False, set())
    return add(found.values())


def replace_role(ref: Any) -> Any:
    return replace(ref, role="kv_cache")


def _source(root: ModuleRun) -> dict[str, Any]:
    """Which package, which version, which files: with the hash of each, so that a report can be checked later."""
    files: dict[str, str] = {}
    stack, seen = [root], set()
    while stack:
        r = stack.pop()
        if id(r) in seen:
            continue
        seen.add(id(r))
        for e in r.events:
            for code, _ in e.where:
                files.setdefault(code.co_filename, "")
            if isinstance(e, CallEvent):
                stack.append(e.module)
    package = type(root.module).__module__.partition(".")[0]
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        version = ""
    hashed = {source.relative(f): _hash(f) for f in files}
    return {"package": package, "version": version, "torch": torch.__version__.partition("+")[0], "files": dict(sorted(hashed.items()))}


def _hash(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    except OSError:
        return ""


def _where(where: Any) -> str | None:
    found = places(where)
    return str(found[-1]) if found else None
