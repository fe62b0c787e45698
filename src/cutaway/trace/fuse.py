# What a good engine would move: chains of memory-bound ops become one kernel, epilogues join their matmul, attention never
# writes its scores. Found from the data flow of the traced kernels and their kinds, never from a model's name.
#
# A tensor that is produced and consumed inside one group costs nothing; every other tensor is written once by its group
# and read once by each group that uses it; gathers and scatters move only the rows they touch.
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cutaway.formula import Formula
from cutaway.formula.core import add
from cutaway.model import Call, Cost, Kernel, Module, Step, TensorSpec
from cutaway.rules import lookup
from cutaway.rules.shapes import total_bytes

LIMIT = 600  # kernels looked at together: a layer, not a model; across such borders every tensor is moved
LAYOUT = {
    "aten.clone.default",
    "aten.contiguous.default",
}  # an engine's kernels read any layout, and expanded heads once
_JOINS = {
    "elementwise",
    "reduction",
    "softmax",
    "norm",
    "scan",
    "copy",
    "cast",
    "factory",
    "random",
    "view",
    "check",
    "pool",
    "resample",
}


@dataclass
class Flow:
    """One kernel with its tensors named in the frame of the module that is looked at."""

    kernel: Kernel
    kind: str
    reads: tuple[tuple[int, TensorSpec], ...]
    writes: tuple[tuple[int, TensorSpec], ...]


class Names(dict[int, int]):
    """A view's tensor -> the tensor that holds its memory; and that tensor's own shape, which an expanded view hides."""

    def __init__(self) -> None:
        super().__init__()
        self.memory: dict[int, TensorSpec] = {}


@dataclass
class Group:
    members: list[int] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)


def fused_cost(
    root: Sequence[Step],
    outputs: Sequence[TensorSpec],
    modules: Sequence[Module],
    flat: Sequence[Sequence[Step]],
) -> Cost:
    """Cost in fused execution of a module's unfolded `root` steps; `flat` holds those of `modules`."""
    if _size(root, flat) > LIMIT:
        parts = [modules[s.module].fused * s.repeat for s in root if isinstance(s, Call)]
        return _sum([_together([s for s in root if isinstance(s, Kernel)], outputs, modules, flat), *parts])
    return _together(root, outputs, modules, flat)


def _together(
    root: Sequence[Step],
    outputs: Sequence[TensorSpec],
    modules: Sequence[Module],
    flat: Sequence[Sequence[Step]],
) -> Cost:
    """All kernels of `root` and below in one data flow."""
    flows: list[Flow] = []
    names = Names()
    _inline(root, flat, modules, {}, flows, names, [1 << 20])
    kept = {_base(t.uid, names) for t in outputs}
    return _price(flows, kept, names)


def _size(steps: Sequence[Step], flat: Sequence[Sequence[Step]], seen: dict[int, int] | None = None) -> int:
    seen = {} if seen is None else seen
    total = 0
    for s in steps:
        if isinstance(s, Kernel):
            total += s.rule != "view"
        else:
            if s.module not in seen:
                seen[s.module] = _size(flat[s.module], flat, seen)
            total += seen[s.module]
    return total


def _inline(
    steps: Sequence[Step],
    flat: Sequence[Sequence[Step]],
    modules: Sequence[Module],
    mapped: dict[int, int],
    flows: list[Flow],
    names: Names,
    fresh: list[int],
) -> None:
    """Append the kernels of `steps` in order, with the tensors of called modules renamed into the caller's frame."""

    def name(uid: int) -> int:
        if uid not in mapped:
            mapped[uid] = fresh[0] = fresh[0] + 1
        return mapped[uid]

    top = not mapped and not flows
    for s in steps:
        if top:  # the frame that is looked at keeps its own numbers, so that its outputs can be found again
            for t in (*s.inputs, *s.outputs):
                mapped.setdefault(t.uid, t.uid)
        if isinstance(s, Call):
            callee = modules[s.module]
            inner = {i.uid: name(o.uid) for i, o in zip(callee.inputs, s.inputs, strict=False)}
            inner |= {
                i.uid: name(o.uid)
                for i, o in zip(callee.outputs, s.outputs, strict=False)
                if i.uid not in inner
            }
            _inline(flat[s.module], flat, modules, inner, flows, names, fresh)
        elif s.rule == "view" or s.op in LAYOUT:
            for out in s.outputs:
                if s.inputs and name(out.uid) != name(s.inputs[0].uid):
                    names[name(out.uid)] = name(s.inputs[0].uid)
                    names.memory.setdefault(name(s.inputs[0].uid), s.inputs[0])
        else:
            found = lookup(s.rule) if s.rule else None
            flows.append(
                Flow(
                    s,
                    found.kind if found else "data",
                    tuple((name(t.uid), t) for t in s.inputs),
                    tuple((name(t.uid), t) for t in s.outputs),
                )
            )


def _base(uid: int, names: Names) -> int:
    while uid in names:
        uid = names[uid]
    return uid


def _price(flows: list[Flow], kept: set[int], names: Names) -> Cost:
    group_of: list[int] = []
    groups: list[Group] = []
    producer: dict[int, int] = {}
    for n, f in enumerate(flows):
        g = _group_for(f, producer, group_of, groups, names)
        if g is None:
            groups.append(Group())
            g = len(groups) - 1
        group_of.append(g)
        groups[g].members.append(n)
        groups[g].kinds.add(f.kind)
        for uid, _ in f.writes:
            producer[_base(uid, names)] = n
    return _traffic(flows, group_of, kept, names)


def _group_for(
    f: Flow, producer: dict[int, int], group_of: list[int], groups: list[Group], names: Names
) -> int | None:
    """The group of the latest producer, when this kernel can run as part of it."""
    makers = [producer[b] for uid, _ in f.reads if (b := _base(uid, names)) in producer]
    if not makers:
        return None
    g = max(group_of[m] for m in makers)
    kinds = groups[g].kinds
    if f.kind in _JOINS:
        return g if kinds <= _JOINS | {"matmul", "conv", "attention", "gather"} else None
    if (
        f.kind == "matmul"
        and "matmul" in kinds
        and "softmax" in kinds
        and not any(s.role == "parameter" for _, s in f.reads)
    ):
        return g  # scores @ values: attention with an online softmax
    return None


def _traffic(flows: list[Flow], group_of: list[int], kept: set[int], names: Names) -> Cost:
    users: dict[int, set[int]] = {}
    for n, f in enumerate(flows):
        for uid, _ in f.reads:
            users.setdefault(_base(uid, names), set()).add(group_of[n])
    home: dict[int, int] = {}
    read: list[Formula] = []
    write: list[Formula] = []
    seen: set[tuple[int, int]] = set()
    for n, f in enumerate(flows):
        g = group_of[n]
        whole_read, whole_write = total_bytes(f.kernel.inputs), total_bytes(f.kernel.outputs)
        appended = _appended(f)
        if appended is not None:  # the cache is there already: only what is new is read and written
            read.append(appended)
            write.append(appended)
            for uid, _ in f.writes:
                home[_base(uid, names)] = -1
            continue
        if f.kernel.fused.read != whole_read:
            read.append(
                f.kernel.fused.read
            )  # only the rows touched, or nothing where an input is not read at all
        else:
            for uid, spec in f.reads:
                base = _base(uid, names)
                if home.get(base) != g and (base, g) not in seen:
                    seen.add((base, g))
                    read.append(_least(spec, names.memory.get(base)))
        if f.kernel.fused.write != whole_write:
            write.append(f.kernel.fused.write)
        for uid, spec in f.writes:
            base = _base(uid, names)
            home[base] = g
            outside = users.get(base, set()) - {g}
            if (
                outside or base in kept or not users.get(base) or spec.role == "kv_cache"
            ) and f.kernel.fused.write == whole_write:
                write.append(total_bytes((spec,)))
    flops = add(f.kernel.cost.flops for f in flows)
    return Cost(flops, add(f.kernel.cost.matmul_flops for f in flows), add(read), add(write))


def _least(spec: TensorSpec, memory: TensorSpec | None) -> Formula:
    """Bytes to read of a tensor: of an expanded one, those that exist; of a slice, those of the slice."""
    seen = total_bytes((spec,))
    if memory is None:
        return seen
    held = total_bytes((memory,))
    at = dict.fromkeys(seen.symbols() | held.symbols(), 997)
    return held if held.evaluate(at) < seen.evaluate(at) else seen


def _appended(f: Flow) -> Formula | None:
    """Bytes that a growing cache takes in, when this is the joining of a cache with new tokens; else None."""
    grows = f.kernel.op.startswith("aten.cat") and all(t.role == "kv_cache" for t in f.kernel.outputs)
    return total_bytes([t for _, t in f.reads if t.role != "kv_cache"]) if grows else None


def _sum(costs: Sequence[Cost | None]) -> Cost:
    real = [c for c in costs if c is not None]
    return Cost(*(add(getattr(c, n) for c in real) for n in ("flops", "matmul_flops", "read", "write")))
