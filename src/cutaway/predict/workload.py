# From the trace of a model to what a prediction needs of it: the fused kernels of a prompt and of one more token, and what
# is kept between them. Two things are done here that the traced code does not do and every engine does: logits are made of
# the last position only, and a projection of a compressed cache moves to the other side of the attention.
"""`workloads(prefill, decode)`: a model's two phases from the two analyses of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from cutaway.formula import Formula, const, minimum, sym
from cutaway.formula.core import ONE, add, product
from cutaway.model import Analysis
from cutaway.predict.dims import BATCH, dims_of, scan
from cutaway.predict.flow import unfold
from cutaway.predict.fuse import Fused, Group, fuse, is_odd, merge
from cutaway.predict.graph import Graph, graph_of
from cutaway.predict.roles import assign
from cutaway.predict.states import Caches, states_of
from cutaway.predict.traffic import traffic, weights_of
from cutaway.predict.types import Op, StateSpec, Workload
from cutaway.predict.uncached import with_cache

S, C = sym("seq_len"), sym("cache_len")
LAST = {"seq_len": ONE}
POSITIONS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "max_sequence_length",
    "block_size",
    "n_ctx",
)


@dataclass(frozen=True)
class Phase:
    """One phase in groups, before it becomes ops."""

    analysis: Analysis
    graph: Graph
    fused: Fused
    tokens: Formula  # of the pass

    @cached_property
    def attentions(self) -> dict[int, int]:
        """Group -> which of the attentions of the pass it is."""
        found = [n for n, group in enumerate(self.fused.groups) if group.kind == "attention"]
        return {n: place for place, n in enumerate(found)}


def workloads(
    prefill: Analysis,
    decode: Analysis | None,
    config: Mapping[str, Any] | None = None,
    *,
    generates: bool = False,
) -> tuple[Workload, Workload | None]:
    """The workloads of both phases; of a model without a decode step, of the first alone.

    With `generates`, a model that projects to a vocabulary has a next token even if its code keeps no cache.
    """
    first = graph_of(unfold(prefill))
    if decode is None:
        caches = Caches((), {}, ())
        phase = _phase(prefill, first, caches, BATCH * S)
        generates = generates and any(group.role == "lm_head" for group in phase.fused.groups)
        found = _workload(phase, caches, [] if generates else None, config)
        return with_cache(found) if generates else (found, None)
    second = graph_of(unfold(decode))
    caches = states_of(second)
    later = _phase(decode, second, caches, BATCH)
    windows = [_window(later, group) for group in later.fused.groups if group.kind == "attention"]
    sooner = _phase(prefill, first, caches, BATCH * S)
    compressed = any(_of_cache(later, group) for group in later.fused.groups)
    if compressed:
        caches = replace(caches, specs=tuple(_latent(s) for s in caches.specs))
    return _workload(sooner, caches, windows, config), _workload(later, caches, windows, config)


def _phase(analysis: Analysis, g: Graph, caches: Caches, tokens: Formula) -> Phase:
    fused = fuse(g, caches.paths)
    assign(g, fused)
    fused = merge(g, fused)
    assign(g, fused)
    return Phase(analysis, g, fused, tokens)


def _latent(spec: StateSpec) -> StateSpec:
    return replace(spec, kind="latent") if spec.kind == "kv" else spec


def _workload(
    phase: Phase, caches: Caches, windows: list[int] | None, config: Mapping[str, Any] | None
) -> Workload:
    a = phase.analysis
    traced = _ops(phase, caches, windows)
    ops = tuple(_narrowed(op, traced) for op in traced)
    roles = _by_role(ops, int(a.parameters.total.constant() or 0))
    layers = sum(op.count for op in ops if op.kind in ("attention", "mla_attention", "scan"))
    return Workload(
        model=a.target,
        phase=a.phase,
        ops=ops,
        parameters=int(a.parameters.total.constant() or 0),
        weight_elements_by_role=roles,
        kv=tuple(_kept_once(spec, traced, ops) for spec in caches.specs),
        layers=layers,
        hidden_size=_hidden(ops),
        max_positions=_positions(a, config),
        gaps=(*_gaps(a, ops, caches), *_odd(phase)),
    )


def _ops(phase: Phase, caches: Caches, windows: list[int] | None) -> tuple[Op, ...]:
    """The groups as ops; equal ones together, in order of first appearance."""
    counts: dict[Any, int] = {}
    shown: dict[Any, Op] = {}
    known: dict[Any, Op] = {}  # layers of one kind have the same groups
    hidden = set(_beside_cache(phase))  # expanding the cache is part of the attention
    joining = _joining(phase.fused)
    for number, group in enumerate(phase.fused.groups):
        if number in hidden:
            continue
        look = (*_look(phase, number, group, windows), number in joining)
        if look not in known:
            made = _op(phase, number, group, caches, windows)
            made = _on_last(made) if windows is not None and _is_logits(phase, group) else made
            known[look] = replace(made, joins=number in joining)
        op = known[look]
        key = tuple(tuple(v.items()) if isinstance(v, dict) else v for v in vars(op).values())
        counts[key] = counts.get(key, 0) + 1
        shown.setdefault(key, op)
    return tuple(replace(shown[key], count=n) for key, n in counts.items())


def _narrowed(op: Op, ops: tuple[Op, ...]) -> Op:
    """An attention with as many heads of keys and values as their projection has columns for: code may spread them over
    all heads before it keeps them, and an engine keeps them once."""
    if op.kind != "attention":
        return op
    heads, wide = _whole(op.dims["heads"]), _whole(op.dims["head_dim"]) + _whole(op.dims["v_head_dim"])
    for made in ops:
        if made.role == "qkv" and made.kind == "gemm" and wide:
            held, rest = divmod(_whole(made.dims["n"]) - heads * _whole(op.dims["head_dim"]), wide)
            if not rest and 0 < held < _whole(op.dims["kv_heads"]) and heads % held == 0:
                return replace(op, dims=op.dims | {"kv_heads": held})
    return op


def _kept_once(spec: StateSpec, before: tuple[Op, ...], after: tuple[Op, ...]) -> StateSpec:
    """The cache of such an attention."""
    for a, b in zip(before, after, strict=True):
        wide = _whole(a.dims["head_dim"]) + _whole(a.dims["v_head_dim"]) if a is not b else 0
        if wide and spec.elements_per_token == _whole(a.dims["kv_heads"]) * wide:
            return replace(spec, elements_per_token=_whole(b.dims["kv_heads"]) * wide)
    return spec


def _whole(value: Formula | int) -> int:
    """A size as a number; 0 where it depends on the input."""
    return int(_formula(value).constant() or 0)


def _joining(fused: Fused) -> set[int]:
    """Groups cut by rows whose result is added to that of a later one before a norm sees it."""
    users: dict[int, list[int]] = {}
    for number, group in enumerate(fused.groups):
        for maker in group.makers:
            users.setdefault(maker, []).append(number)
    last: dict[int, int] = {}
    found = set()
    for number, group in enumerate(fused.groups):
        if group.role not in ("row", "expert_row"):
            continue
        sink = number
        while nexts := [u for u in users.get(sink, ()) if u > number]:
            sink = min(nexts)
            if fused.groups[sink].kind != "smooth" or fused.groups[sink].norms:
                break
        if sink in last and sink != number:
            found.add(last[sink])
        last[sink] = number
    return found


def _look(phase: Phase, number: int, group: Group, windows: list[int] | None) -> tuple:
    """What tells groups apart that do not cost the same: their kernels, who uses their results, and the window."""
    g, own = phase.graph, set(group.nodes)
    shown = tuple(
        any(m not in own for m in g.users[n]) or bool(set(g[n].writes) & set(g.flow.outputs))
        for n in group.nodes
    )
    given = tuple(any(m not in own for m in g.makers[n]) for n in group.nodes)
    window = _place_of(phase, number) if group.kind == "attention" and windows else 0
    window = windows[window] if windows and window < len(windows) else 0
    return (
        group.kind,
        group.role,
        tuple(g[n].key for n in group.nodes),
        shown,
        given,
        window,
        _is_logits(phase, group),
    )


def _op(phase: Phase, number: int, group: Group, caches: Caches, windows: list[int] | None) -> Op:
    g = phase.graph
    nodes = [g[n] for n in group.nodes]
    flops = add(n.kernel.cost.flops * n.times for n in nodes)
    matmul = add(n.kernel.cost.matmul_flops * n.times for n in nodes)
    read, write = traffic(g, group)
    kind, weights = _kind(g, group), weights_of(g, group)
    if kind == "scan":
        path = nodes[0].path
        dims = scan(caches.paths[path], S if phase.analysis.phase == "prefill" else ONE)
    else:
        dims = dims_of(g, group, phase.tokens)
    if kind == "attention":
        window = windows[_place_of(phase, number)] if windows and len(windows) == _attentions(phase) else 0
        causal = windows is not None and _is_self(dims)
        dims |= {"window": window if _is_self(dims) else 0, "causal": int(causal)}
        if window and phase.analysis.phase == "decode":
            dims["kv_len"] = minimum(C + 1, const(window))
        if latent := _expansion(phase, number):
            kind, dims, matmul, read = "mla_attention", *_absorbed(phase, latent, dims, read)
            flops = matmul
    if _of_cache(phase, group):
        dims["m"] = phase.tokens
        flops = matmul = phase.tokens * 2 * dims["n"] * dims["k"]
        read, write = phase.tokens * dims["k"] * sym("a_bytes"), phase.tokens * dims["n"] * sym("a_bytes")
    places = tuple(dict.fromkeys(n.place for n in nodes if n.place))
    return Op(kind, 1, group.role, dims, flops, matmul, weights, read, write, places)


def _kind(g: Graph, group: Group) -> str:
    if group.kind != "smooth":
        return group.kind
    kinds = {g[n].kind for n in group.nodes}
    if group.norms:
        return "norm"
    if "softmax" in kinds:
        return "softmax"
    return "gather" if kinds & {"gather", "scatter", "sort"} else "elementwise"


# Attention -----------------------------------------------------------------------------------------------------------


def _attentions(phase: Phase) -> int:
    return len(phase.attentions)


def _place_of(phase: Phase, number: int) -> int:
    """Which of the attentions of the pass this is."""
    return phase.attentions[number]


def _is_self(dims: Mapping[str, Any]) -> bool:
    """Over the sequence itself, and not over another input."""
    return not (Formula.symbols(_formula(dims["kv_len"])) - {"seq_len", "cache_len", "batch_size"})


def _window(phase: Phase, group: Group) -> int:
    """Tokens that are seen in a decode step whatever the length; 0 where all of them are."""
    seen = dims_of(phase.graph, group, phase.tokens)["kv_len"]
    value = _formula(seen).constant()
    return int(value) if value is not None else 0


def _of_cache(phase: Phase, group: Group) -> bool:
    """A projection of everything in the cache, again in each step."""
    if phase.analysis.phase != "decode" or group.kind != "gemm":
        return False
    rows = phase.graph[group.nodes[0]].kernel.outputs[0].dims[:-1]
    return "cache_len" in product(rows).symbols()


def _expansion(phase: Phase, number: int) -> list[int]:
    """The groups that expand a compressed cache into this attention's keys and values."""
    todo, seen, found = list(phase.fused.groups[number].makers), set(), []
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        group = phase.fused.groups[at]
        if _of_cache(phase, group):
            found.append(at)
        elif group.kind == "smooth" and _on_cache(phase, group):
            todo += group.makers
    return found


def _on_cache(phase: Phase, group: Group) -> bool:
    """Whether it works on tensors as long as the cache."""
    outs = [phase.graph[n].kernel.outputs[0] for n in group.nodes]
    return any("cache_len" in product(t.dims).symbols() and t.role != "kv_cache" for t in outs)


def _beside_cache(phase: Phase) -> list[int]:
    """Chains between the expansion of a cache and the attention: an engine never makes those tensors."""
    found = []
    for number, group in enumerate(phase.fused.groups):
        if group.kind == "smooth" and phase.analysis.phase == "decode" and _on_cache(phase, group):
            makers = [phase.fused.groups[m] for m in group.makers]
            if any(_of_cache(phase, m) for m in makers):
                found.append(number)
    return found


def _absorbed(phase: Phase, latent: list[int], dims: dict, read: Formula) -> tuple[dict, Formula, Formula]:
    """Attention on the compressed cache itself: one head of keys, as wide as what is kept of a token."""
    g = phase.graph
    values = int(dims_of(g, phase.fused.groups[latent[0]], phase.tokens)["k"])
    kept = _kept_per_token(phase, latent)
    heads, length = dims["heads"], dims["kv_len"]
    dims = dims | {"kv_heads": 1, "head_dim": kept, "v_head_dim": values}
    flops = BATCH * dims["q_len"] * length * (2 * heads * (kept + values))
    moved = BATCH * length * kept * sym("kv_bytes") + BATCH * (heads * kept) * sym("a_bytes")
    return dims, flops, moved


def _kept_per_token(phase: Phase, latent: list[int]) -> int:
    """Elements that the layer keeps of a token: all caches that are appended to beside the expanded one."""
    g = phase.graph
    node = g[phase.fused.groups[latent[0]].nodes[0]]
    made = next(n for n in range(len(g.flow.nodes)) if set(g[n].writes) & {g.narrow(u) for u in node.reads})
    path, call = g[made].path, g[made].call
    grown = [
        n
        for n in g.flow.nodes
        if (n.path, n.call) == (path, call) and n.kernel.outputs and n.kernel.outputs[0].role == "kv_cache"
    ]
    memories = {n.writes[0]: n.kernel.outputs[0] for n in grown if n.kernel.op.startswith("aten.cat")}
    return int(sum((product(t.dims) / (BATCH * (C + 1))).constant() for t in memories.values()))


def _formula(value: Formula | int) -> Formula:
    return value if isinstance(value, Formula) else const(value)


# Logits, weights, the rest ---------------------------------------------------------------------------------------------


def _is_logits(phase: Phase, group: Group) -> bool:
    """The projection to the vocabulary, and what is done to its result alone."""
    if group.role == "lm_head":
        return True
    makers = [phase.fused.groups[m] for m in group.makers]
    return group.kind == "smooth" and bool(makers) and all(m.role == "lm_head" for m in makers)


def _on_last(op: Op) -> Op:
    """The same for the last position of each sequence."""
    at = lambda f: f.substitute(LAST) if isinstance(f, Formula) else f  # noqa: E731
    return replace(
        op,
        dims={name: at(value) for name, value in op.dims.items()},
        flops=at(op.flops), matmul_flops=at(op.matmul_flops), read=at(op.read), write=at(op.write),
    )  # fmt: skip


def _by_role(ops: tuple[Op, ...], total: int) -> dict[str, int]:
    """Elements of weights by role, each parameter once: a tied table counts as the embedding, a shared layer once."""
    found: dict[str, int] = {}
    for op in ops:
        found[op.role] = found.get(op.role, 0) + op.count * op.weight_elements
    tables = {op.weight_elements for op in ops if op.role == "embedding"}
    heads = sum(op.weight_elements for op in ops if op.role == "lm_head")
    if sum(found.values()) > total and heads in tables:
        found["lm_head"] -= heads
    if (more := sum(found.values()) - total) > 0:  # layers that share their weights
        largest = max(found, key=lambda role: found[role])
        found[largest] -= more
    elif more < 0:  # parameters that this pass does not read
        found["replicated"] = found.get("replicated", 0) - more
    return {role: n for role, n in found.items() if n}


def _hidden(ops: tuple[Op, ...]) -> int:
    """Width of the stream between layers: of what the last projection takes, else of the widest table's rows."""
    widths = [op.dims["k"] for op in ops if op.role == "lm_head"]
    widths += [op.dims["width"] for op in ops if op.role in ("embedding", "norm")]
    return next((w for w in widths if isinstance(w, int)), 0)


def _positions(a: Analysis, config: Mapping[str, Any] | None) -> int:
    """Tokens that the model is made for, by its config or its table of positions."""
    for part in (config or {}, (config or {}).get("text_config") or {}):
        for name in POSITIONS:
            if isinstance(part.get(name), int):
                return part[name]
    kept = [re.search(r"keeps positions for (\d+) tokens", text) for text in a.assumptions]
    return next((int(k.group(1)) for k in kept if k), 0)


def _odd(phase: Phase) -> tuple[str, ...]:
    """Attentions that are timed as such although no engine has a kernel for them."""
    found = [g for g in phase.fused.groups if g.kind == "attention" and is_odd(phase.graph, g)]
    places = dict.fromkeys(phase.graph[g.nodes[0]].place for g in found)
    return tuple(f"timed as an attention, though it is no softmax of scores: {place}" for place in places)


def _gaps(a: Analysis, ops: tuple[Op, ...], caches: Caches) -> tuple[str, ...]:
    found = [f"{gap.what} at {gap.where}: {gap.why}" for gap in a.gaps]
    found += [
        f"priced by its bytes and FLOPs: {', '.join(op.places[:2])}" for op in ops if op.kind == "other"
    ]
    return tuple(dict.fromkeys([*found, *caches.odd]))
