# Everything that was derived, put into one Analysis: legend, parameters, cached state, sources with their hashes.
from __future__ import annotations

import hashlib
import importlib.metadata
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from cutaway.errors import UnknownTarget
from cutaway.formula import Formula, sym
from cutaway.formula.core import ZERO, add, product
from cutaway.formula.names import BY_NAME
from cutaway.model import Analysis, Call, Gap, Module, ParameterCount, SymbolInfo
from cutaway.trace import source
from cutaway.trace.assemble import Assembler, count_repeats
from cutaway.trace.dim import Scope
from cutaway.trace.job import Job, Run
from cutaway.trace.parts import parts_of
from cutaway.trace.record import CallEvent, ModuleRun
from cutaway.trace.validity import conditions

BYTE_SYMBOLS = ("w_bytes", "a_bytes", "kv_bytes")


@dataclass(frozen=True)
class Subject:
    """What the analysis is of: the whole traced module, or the place where `cls` first occurs in it."""

    name: str
    cls: type | None = None


def to_analysis(
    job: Job,
    run: Run,
    modules: list[Module],
    gaps: list[Gap],
    *,
    subject: Subject,
    values: Mapping[str, int],
) -> Analysis:
    """Everything that was derived, in one value."""
    root, notes = len(modules) - 1, []
    if subject.cls is not None:
        root, notes = _place_of(subject.cls, modules)
    chosen = _below(modules, root)
    times = count_repeats(chosen, len(chosen) - 1)
    ordered = _outermost_first([replace(m, repeat=t) for m, t in zip(chosen, times, strict=True)])
    top = ordered[0]
    module = run.model.get_submodule(top.path)
    cached = (
        _cache_bytes(run.out, Assembler(run.scope, job.dtype, job.convention))
        if subject.cls is None
        else ZERO
    )
    legend = _legend(job, ordered, values)
    names = {s.name for s in legend}
    valid_when = conditions(run.scope, job.plan, values)
    if subject.cls is not None:  # what the rest of the model asked for is no condition of this class
        valid_when = tuple(
            c for c in valid_when if set(re.findall(r"[A-Za-z_]\w*", c)) - {"floor", "ceil", "log2", "min", "max"} <= names
        )
    return Analysis(
        target=subject.name,
        source=_source(run.root, ordered),
        convention=job.convention,
        phase=job.plan.phase,
        symbols=legend,
        valid_when=valid_when,
        parameters=_parameters(module, job.dtype),
        total=top.total,
        fused=top.fused,
        useful_flops=top.total.flops - _masked(run.scope, ordered),
        kv_cache_bytes=cached,
        modules=tuple(ordered),
        gaps=tuple(gaps),
        assumptions=(*_assumptions(job), *run.scope.assumptions, *notes),
        values=dict(values),
    )


def _masked(scope: Scope, modules: list[Module]) -> Formula:
    """FLOPs on scores that a causal mask throws away, over all calls."""
    return add(f * m.repeat for m in modules if (f := scope.masked.get((m.class_name, m.path))))


def _place_of(cls: type, modules: list[Module]) -> tuple[int, list[str]]:
    """The first module of this class in the order of the model, and where else it occurs with other sizes."""
    name = f"{cls.__module__}.{cls.__qualname__}"
    found = [i for i, m in enumerate(modules) if m.class_name == name]
    if not found:
        owner = modules[-1].class_name.rpartition(".")[2]
        raise UnknownTarget(
            f"{cls.__name__} does not run in {owner}",
            asked=name,
            known=f"{owner} was traced with its default config",
            try_="--arg NAME=VALUE for its constructor and --input NAME=batch_size,seq_len,… for its forward",
        )
    first = min(found, key=lambda i: _natural(modules[i].path))
    owner = modules[-1].class_name.rpartition(".")[2]
    notes = [f"shown at {modules[first].path} of {owner} with its default config"]
    notes += [f"occurs with other sizes at {modules[i].path}" for i in found if i != first]
    return first, notes


def _natural(path: str) -> list:
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in path.split(".")]


def _below(modules: list[Module], root: int) -> list[Module]:
    """`root` and what it calls, callees first, calls renumbered."""
    wanted = {root}
    for i in range(root, -1, -1):
        if i in wanted:
            wanted |= {s.module for s in modules[i].steps if isinstance(s, Call)}
    number = {old: new for new, old in enumerate(sorted(wanted))}
    return [
        replace(
            modules[i],
            steps=tuple(
                replace(s, module=number[s.module]) if isinstance(s, Call) else s for s in modules[i].steps
            ),
        )
        for i in sorted(wanted)
    ]


def _outermost_first(modules: list[Module]) -> list[Module]:
    """The root first, callers before what they call; calls renumbered."""
    last = len(modules) - 1
    return [
        replace(
            m, steps=tuple(replace(s, module=last - s.module) if isinstance(s, Call) else s for s in m.steps)
        )
        for m in reversed(modules)
    ]


def _legend(job: Job, modules: list[Module], values: Mapping[str, int]) -> tuple[SymbolInfo, ...]:
    """The symbols of shapes, those of the architecture that the formulas speak of, and the sizes of elements."""
    shapes = [SymbolInfo(s.name, s.meaning, s.unit, s.default) for s in job.plan.symbols]
    used = frozenset().union(*(f.symbols() for m in modules[:1] for f in _formulas(m)))
    if job.architecture:
        shapes = [s for s in shapes if s.name in used or s.name in values]
    built = [_named(n, job.defaults.get(n)) for n in job.architecture if n in used]
    return (*shapes, *built, *(_named(n, BY_NAME[n].default) for n in BYTE_SYMBOLS))


def _named(name: str, default: int | None) -> SymbolInfo:
    known = BY_NAME.get(name)
    return SymbolInfo(
        name, known.meaning if known else name.replace("_", " "), known.unit if known else "elements", default
    )


def _formulas(m: Module) -> list[Formula]:
    """All formulas in which a symbol of this module can stand."""
    dims = [d for t in (*m.inputs, *m.outputs) for d in t.dims]
    return [m.total.flops, m.total.read, m.total.write, m.fused.read, m.fused.write, *dims]


def _assumptions(job: Job) -> tuple[str, ...]:
    name = str(job.dtype).removeprefix("torch.")
    limit = job.positions
    positions = (
        (f"the model keeps positions for {limit} tokens; longer passes are beyond it",) if limit else ()
    )
    return (
        f"tensors of the model's dtype are {name}: w_bytes, a_bytes and kv_bytes stand for their sizes",
        *positions,
        *job.plan.notes,
    )


def _parameters(model: torch.nn.Module, dtype: torch.dtype) -> ParameterCount:
    seen: set[int] = set()
    sizes: dict[tuple, int | Formula] = {}  # of few distinct shapes are many parameters
    counted: list[tuple[str, torch.nn.Parameter, int | Formula]] = []
    for child, held in _held(model):
        for name, p in held.items():
            if p is not None and id(p) not in seen:
                seen.add(id(p))
                shape = p._cut.dims if hasattr(p, "_cut") else p.shape
                if shape not in sizes:
                    sizes[shape] = _numel(p)
                counted.append((child or name, p, sizes[shape]))
    total = _sum(n for _, _, n in counted)
    trainable = _sum(n for _, p, n in counted if p.requires_grad)
    other = _sum(n * p.dtype.itemsize for _, p, n in counted if p.dtype is not dtype)
    size = _sum(n for _, p, n in counted if p.dtype is dtype) * sym("w_bytes") + other
    parts: dict[str, list[int | Formula]] = {}
    for name, _, n in counted:
        parts.setdefault(name, []).append(n)
    return ParameterCount(total, trainable, total - trainable, size, tuple((name, _sum(n)) for name, n in parts.items()))


def _held(model: torch.nn.Module) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The parameters of each module below, with the child of the model that it belongs to; first the model's own."""
    yield "", model._parameters
    for name, child in model._modules.items():
        for part in parts_of(child) if child is not None else ():
            yield name, part._parameters


def _sum(sizes: Iterable[int | Formula]) -> Formula:
    """The sum of plain numbers, which are many, and of formulas."""
    plain, formulas = 0, []
    for n in sizes:
        if isinstance(n, int):
            plain += n
        else:
            formulas.append(n)
    return add((*formulas, plain))


def _numel(p: torch.Tensor) -> int | Formula:
    ref = getattr(p, "_cut", None)
    if ref is None or all(d.constant() is not None for d in ref.dims):
        return int(p.numel())
    return product(ref.dims)


def _cache_bytes(out: Any, assembler: Assembler) -> Formula:
    """What the state that forward hands back holds, each tensor once."""
    found: dict[int, Formula] = {}
    sizes: dict[tuple, Formula] = {}  # layers hold alike

    def visit(value: Any, inside: bool, seen: set[int]) -> None:
        if id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, torch.Tensor):
            ref = getattr(value, "_cut", None)
            if inside and ref is not None:
                if (alike := (ref.dims, ref.dtype)) not in sizes:
                    spec = assembler.spec(replace(ref, role="kv_cache"), {})
                    sizes[alike] = product(spec.dims) * spec.element_bytes
                found[ref.uid] = sizes[alike]
        elif isinstance(value, Mapping):
            for k, v in value.items():
                visit(v, inside or k in ("past_key_values", "cache_params", "mems", "state"), seen)
        elif isinstance(value, (list, tuple)):
            for v in value:
                visit(v, inside, seen)
        elif (
            hasattr(value, "__dict__")
            and not isinstance(value, (type, torch.nn.Module))
            and not hasattr(value, "to_dict")
        ):
            visit(vars(value), inside or hasattr(value, "layers"), seen)

    visit(out, False, set())
    return add(found.values())


def _source(root: ModuleRun, modules: list[Module]) -> dict[str, Any]:
    """Which package, which version, which files: with the hash of each, so that a report can be checked later."""
    files = {source.relative(f): f for f in _files(root)}
    shown = {p.path for m in modules for s in m.steps for p in s.stack} | {m.source.path for m in modules}
    module = modules[0].class_name.rpartition(".")[0]
    package = module if module.endswith(".py") else module.partition(".")[0]  # a file is its own package
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        version = ""
    hashed = {name: _hash(path) for name, path in sorted(files.items()) if name in shown}
    return {
        "package": package,
        "version": version,
        "torch": torch.__version__.partition("+")[0],
        "files": hashed,
    }


def _files(root: ModuleRun) -> set[str]:
    files: set[str] = set()
    stack, seen = [root], set()
    while stack:
        r = stack.pop()
        if id(r) in seen:
            continue
        seen.add(id(r))
        forward = source.forward_of(type(r.module))
        if hasattr(forward, "__code__"):
            files.add(forward.__code__.co_filename)
        for e in r.events:
            files.update(code.co_filename for code, _ in e.where)
            if isinstance(e, CallEvent):
                stack.append(e.module)
    return files


def _hash(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    except OSError:
        return ""
