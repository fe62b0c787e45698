# The sizes of a group by which its time is known: rows and columns of a product, lengths and heads of an attention. They
# are read off the shapes of the traced tensors; an expanded key or value has as many heads as its memory.
"""`dims_of(graph, group, tokens)`: the sizes of one group, by its kind."""

from __future__ import annotations

from cutaway.formula import Formula, const, sym
from cutaway.formula.core import ONE, product
from cutaway.predict.fuse import Group, contracted
from cutaway.predict.graph import Graph, reduces_row

BATCH = sym("batch_size")
Dims = dict[str, Formula | int]


def dims_of(g: Graph, group: Group, tokens: Formula) -> Dims:
    """Sizes as `Op.dims` names them. `tokens` are those of the pass, for a product over the tokens of each expert."""
    if group.kind == "gemm":
        return gemm(g, group)
    if group.kind == "grouped_gemm":
        return grouped(g, group, tokens)
    if group.kind == "attention":
        return attention(g, group)
    return rows(g, group)


def gemm(g: Graph, group: Group) -> Dims:
    """m, n, k: of merged projections the columns add up."""
    n = sum((_columns(g, p) for p in group.nodes), start=const(0))
    out = g[group.nodes[0]].kernel.outputs[0]
    weight = _weight(g, group.nodes[0])
    last = out.dims[-1]
    return {
        "m": product(out.dims) / last,
        "n": _whole(n),
        "k": _whole(product(weight) / last if _whole(last) else weight[0]),
    }


def _columns(g: Graph, n: int) -> Formula:
    return g[n].kernel.outputs[0].dims[-1]


def _weight(g: Graph, n: int) -> tuple[Formula, ...]:
    """Sizes of the matrix among the weights of a projection."""
    return max((g.flow.memory[w].dims for w in g.weights[n]), key=lambda d: (len(d), _size(d)))


def grouped(g: Graph, group: Group, tokens: Formula) -> Dims:
    """m tokens, of which each goes to `top_k` of `experts`."""
    n = group.nodes[0]
    weight = _weight(g, n)
    out = g[n].kernel.outputs[0]
    columns = out.dims[-1]
    chosen = product(out.dims) / columns
    top_k = _ratio(chosen, tokens)
    return {
        "m": tokens if top_k else chosen,
        "n": _whole(columns),
        "k": _whole(product(weight) / (weight[0] * columns)),
        "experts": _whole(weight[0]),
        "top_k": top_k or 1,
    }


def attention(g: Graph, group: Group) -> Dims:
    """batch, q_len, kv_len, heads, kv_heads, head_dim, v_head_dim."""
    first, last = g[group.nodes[0]], g[group.nodes[-1]]
    if len(group.nodes) == 1:  # one op: (batch, heads, length, head_dim) for queries, keys and values
        q, k, v = (t.dims for t in first.kernel.inputs[:3])
        scores, q_len, kv_len, head, v_head = product(q[:-2]), q[-2], k[-2], q[-1], v[-1]
        held = product(g.flow.memory[first.reads[1]].dims)
    else:
        scored = first.kernel.outputs[0].dims
        q_len, head = scored[-2], contracted(first.kernel)
        kv_len, v_head = contracted(last.kernel), last.kernel.outputs[0].dims[-1]
        scores = product(scored[:-2])
        keys = [g.narrow(u) for u in _keys(first.reads, first.kernel)]
        held = min((product(g.flow.memory[u].dims) for u in keys), key=_probe)
    return {
        "batch": BATCH if _ratio(scores, BATCH) else ONE,
        "q_len": q_len,
        "kv_len": kv_len,
        "heads": _ratio(scores, BATCH) or _whole(scores),
        "kv_heads": _ratio(held, BATCH * kv_len * head) or _ratio(scores, BATCH) or 1,
        "head_dim": _whole(head),
        "v_head_dim": _whole(v_head),
    }


def _keys(reads: tuple[int, ...], kernel) -> tuple[int, ...]:
    """The keys: the second factor of a product."""
    factors = [u for u, t in zip(reads, kernel.inputs, strict=True) if len(t.dims) > 2]
    return tuple(factors[-1:]) or reads[-1:]


def rows(g: Graph, group: Group) -> Dims:
    """rows x width of the largest tensor that is worked on; of a norm, of what it reduces."""
    shapes = [g[n].kernel.inputs[0].dims for n in group.nodes if reduces_row(g[n]) and g[n].kernel.inputs]
    shapes = (
        shapes
        or [t.dims for n in group.nodes for t in g[n].kernel.outputs if t.dims and t.role != "kv_cache"]
        or [(ONE,)]
    )
    largest = max(shapes, key=_size)
    return {"rows": product(largest[:-1]), "width": _whole(largest[-1])}


def scan(state: tuple[Formula, ...], length: Formula) -> Dims:
    """Sizes of a recurrence by the state that it keeps: (batch, heads, head_dim, state_dim), or one dimension less."""
    inner = [_whole(d) for d in state[1:]]
    heads, head_dim, state_dim = inner if len(inner) == 3 else (inner[0], 1, inner[-1])
    return {"batch": BATCH, "length": length, "heads": heads, "head_dim": head_dim, "state_dim": state_dim}


def _ratio(a: Formula, b: Formula) -> int:
    """a / b where that is a whole number, else 0."""
    try:
        value = (a / b).constant()
    except ValueError:
        return 0
    return int(value) if value is not None and value == int(value) else 0


def _whole(f: Formula) -> Formula | int:
    value = f.constant()
    return int(value) if value is not None and value == int(value) else f


def _size(dims: tuple[Formula, ...]) -> float:
    return _probe(product(dims))


def _probe(f: Formula) -> float:
    return float(f.evaluate(dict.fromkeys(f.symbols(), 997)))
