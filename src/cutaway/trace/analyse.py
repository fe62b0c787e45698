# The main job: a target and a phase in, an Analysis out. Build on the meta device, run once on symbolic sizes, run again
# on other sizes to check every formula, price, and say what was assumed.
from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from cutaway.errors import BadValue, CutawayError, ForwardRaised, nearest
from cutaway.formula import Formula, const, sym
from cutaway.formula.core import ZERO, add, product
from cutaway.formula.names import BY_NAME
from cutaway.model import Analysis, Call, Convention, Gap, Module, ParameterCount, SymbolInfo
from cutaway.trace import source
from cutaway.trace.assemble import Assembler, count_repeats, places
from cutaway.trace.build import build, torch_dtype
from cutaway.trace.dim import Scope
from cutaway.trace.fit import merge
from cutaway.trace.inputs import InputPlan, make_inputs, plan_inputs
from cutaway.trace.modes import DataDependent, Recorder
from cutaway.trace.record import CallEvent, ModuleRun
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
    job = Job(model, plan, torch_dtype(dtype), convention, memo)
    _known_symbols(plan, values)
    hints = first_hints(model, plan, values)
    first = job.trace(hints)
    modules, gaps = job.modules(first)
    if check:
        again = job.trace(other_hints(first.scope, hints, plan, position_limit(model)), lines=False)
        found = differences(first.root, again.root)
        if found:  # a module may prepare something in its first pass and keep it: what counts is the pass after that
            first = job.trace(hints)
            modules, gaps = job.modules(first)
            found = differences(first.root, again.root)
        if found:
            modules, gaps = fit_loops(job, hints, modules, found)
    return to_analysis(job, first, modules, gaps, name=name, values=values)


@dataclass(frozen=True)
class Run:
    """What one trace gave."""

    root: ModuleRun
    scope: Scope
    out: Any


@dataclass(frozen=True)
class Job:
    """A module, the inputs it takes, and how it is to be traced."""

    model: torch.nn.Module
    plan: InputPlan
    dtype: torch.dtype
    convention: Convention
    memo: bool = True

    def trace(self, hints: Mapping[str, int], *, fixed: Mapping[str, int] | None = None, lines: bool = True) -> Run:
        """One run at these values of the symbols; those in `fixed`, and those given as 1, are constants."""
        return Run(*trace(self.model, self.plan, {**hints, **(fixed or {})}, self.dtype, memo=self.memo, lines=lines, fixed=fixed or {}))

    def modules(self, run: Run) -> tuple[list[Module], list[Gap]]:
        """Priced modules of a run, callees first, the root last."""
        assembler = Assembler(run.scope, self.dtype, self.convention)
        index = assembler.module(run.root)
        assert index == len(assembler.modules) - 1
        return assembler.modules, list(assembler.gaps)


def fit_loops(job: Job, hints: dict[str, int], modules: list[Module], found: list[Gap]) -> tuple[list[Module], list[Gap]]:
    """The modules of a forward with a Python loop over a size; `found` as gaps where that does not explain it."""
    for symbol in (s for s in job.plan.symbols if hints[s.name] > 1):
        points = [(symbol.low // symbol.multiple_of + 12 + k) * symbol.multiple_of for k in (0, 1, 2, 3, 4, 6)]
        counts = [_size(job.trace(hints, fixed={symbol.name: p}, lines=False).root) for p in points[:2]]
        if counts[0] == counts[1]:
            continue
        runs = [job.modules(job.trace(hints, fixed={symbol.name: p}))[0] for p in points]
        merged, gaps = merge(symbol.name, points, runs)
        expected, got = modules[-1].total, merged[-1].total
        if not gaps and any(getattr(expected, n).evaluate(_all(hints)) != getattr(got, n).evaluate(_all(hints)) for n in PARTS):
            gaps = [Gap(modules[-1].class_name, str(modules[-1].source), f"the loop over {symbol.name} follows no polynomial")]
        return merged, gaps
    return modules, found


PARTS = ("flops", "matmul_flops", "read", "write")


def _all(hints: Mapping[str, int]) -> dict[str, int]:
    return {**hints, "w_bytes": 2, "a_bytes": 2, "kv_bytes": 2}


def _size(root: ModuleRun, sizes: dict[int, int] | None = None) -> int:
    """Ops of a whole run."""
    sizes = {} if sizes is None else sizes
    if id(root) not in sizes:
        sizes[id(root)] = sum(_size(e.module, sizes) if isinstance(e, CallEvent) else 1 for e in root.events)
    return sizes[id(root)]


def trace(
    model: torch.nn.Module, plan: InputPlan, hints: Mapping[str, int], dtype: torch.dtype, *, memo: bool = True, lines: bool = True,
    fixed: Mapping[str, int] = MappingProxyType({}),
) -> tuple[ModuleRun, Scope, Any]:
    """One run at these values of the symbols; a symbol given as 1, or in `fixed`, is a constant."""

    def inputs(scope: Scope) -> tuple[tuple, dict]:
        sizes = {n: v if v == 1 or n in fixed else scope.dim(n) for n, v in hints.items()}
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


def first_hints(model: torch.nn.Module, plan: InputPlan, values: Mapping[str, int]) -> dict[str, int]:
    """Values for the symbols: those asked for, else unusual ones in the usual range, so that a size is not mistaken."""
    limit = position_limit(model)
    hints = {}
    for s in plan.symbols:
        wanted = USUAL.get(s.name, s.default)
        if limit is not None and s.name in ("seq_len", "cache_len", "encoder_len") and 2 * wanted > limit:
            wanted = {"seq_len": 5, "cache_len": 6, "encoder_len": 4}[s.name] * limit // 10 | 1
        hints[s.name] = int(values.get(s.name, max(s.multiple_of, wanted // s.multiple_of * s.multiple_of)))
    return hints


USUAL = {"batch_size": 37, "seq_len": 1009, "cache_len": 1549, "encoder_len": 499}
_LIMITS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "block_size", "context_length")


def position_limit(model: torch.nn.Module) -> int | None:
    """Tokens that the model has positions for, as its config says; a longer pass may raise."""
    config = getattr(model, "config", None)
    parts = [config, *(v for v in vars(config).values() if hasattr(v, "to_dict"))] if hasattr(config, "__dict__") else []
    found = [v for c in parts for n in _LIMITS if type(v := getattr(c, n, None)) is int and v > 1]
    return min(found, default=None)


def to_analysis(
    job: Job, run: Run, modules: list[Module], gaps: list[Gap], *, name: str, values: Mapping[str, int],
) -> Analysis:
    """Everything that was derived, in one value."""
    times = count_repeats(modules, len(modules) - 1)
    modules = _outermost_first([replace(m, repeat=t) for m, t in zip(modules, times, strict=True)])
    top = modules[0]
    assembler = Assembler(run.scope, job.dtype, job.convention)
    return Analysis(
        target=name, source=_source(run.root), convention=job.convention, phase=job.plan.phase, symbols=_legend(job.plan),
        valid_when=conditions(run.scope, job.plan, values), parameters=_parameters(job.model, job.dtype), total=top.total,
        fused=top.fused, useful_flops=top.total.flops, kv_cache_bytes=_cache_bytes(run.out, assembler), modules=tuple(modules),
        gaps=tuple(gaps), assumptions=_assumptions(job.dtype), values=dict(values),
    )


def _outermost_first(modules: list[Module]) -> list[Module]:
    """The root first, callers before what they call; calls renumbered."""
    last = len(modules) - 1
    return [
        replace(m, steps=tuple(replace(s, module=last - s.module) if isinstance(s, Call) else s for s in m.steps))
        for m in reversed(modules)
    ]


def _known_symbols(plan: InputPlan, values: Mapping[str, int]) -> None:
    known = [s.name for s in plan.symbols] + list(BYTE_SYMBOLS)
    for name in values:
        if name not in known:
            raise BadValue("no such symbol here", asked=name, known=", ".join(known), try_=", ".join(nearest(name, known)) or None)


def _legend(plan: InputPlan) -> tuple[SymbolInfo, ...]:
    shapes = [SymbolInfo(s.name, s.meaning, s.unit, s.default) for s in plan.symbols]
    return tuple(shapes) + tuple(SymbolInfo(n, BY_NAME[n].meaning, BY_NAME[n].unit, BY_NAME[n].default) for n in BYTE_SYMBOLS)


def _assumptions(dtype: torch.dtype) -> tuple[str, ...]:
    name = str(dtype).removeprefix("torch.")
    return (f"tensors of the model's dtype are {name}: w_bytes, a_bytes and kv_bytes stand for their sizes",)


def _parameters(model: torch.nn.Module, dtype: torch.dtype) -> ParameterCount:
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
                spec = assembler.spec(replace(ref, role="kv_cache"), {})
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
