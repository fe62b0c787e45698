# Bytes that a group of kernels must move when it runs as one: what comes from outside once, what others need once, only
# the rows of a table that are touched, and of a growing cache only what is new.
"""`traffic(graph, group)`: bytes read and written by one group, without its weights."""

from __future__ import annotations

from cutaway.formula import Formula
from cutaway.formula.core import add, product
from cutaway.model import TensorSpec
from cutaway.predict.fuse import Group
from cutaway.predict.graph import Graph

PROBE = 997  # sizes at which two formulas for the same memory are compared
ROWS = ("gather", "scatter", "sort")


def weights_of(g: Graph, group: Group) -> int:
    """Elements of the parameters that the group reads, each once."""
    found = {w: g.flow.memory[w] for n in group.nodes for w in g.weights[n]}
    return int(sum(product(spec.dims).constant() or 0 for spec in found.values()))


def traffic(g: Graph, group: Group) -> tuple[Formula, Formula]:
    """Bytes that the group reads and writes, in a_bytes and kv_bytes."""
    members, seen, written = set(group.nodes), set(), set()
    read, write = [], []
    for n in sorted(group.nodes):
        node = g[n]
        if _appends(g, n):
            write.append(add(_bytes(t) for t in node.kernel.inputs if t.role != "kv_cache") * node.times)
            seen.update(node.writes)
            continue
        rows = node.kind in ROWS and node.kernel.fused.read != add(map(_bytes, node.kernel.inputs))
        if rows and not g.weights[n]:
            read.append(node.kernel.fused.read * node.times)
        for u, spec in zip(map(g.narrow, node.reads), node.kernel.inputs, strict=True):
            if u not in seen and not rows and g.is_value(u):
                read.append(_least(spec, g.flow.memory[u]) * node.times)
            seen.add(u)
        for u, spec in zip(node.writes, node.kernel.outputs, strict=True):
            outside = any(m not in members and g.live[m] for m in g.users[n]) or u in g.flow.outputs
            if outside and u not in written and g.narrow(u) == u:
                written.add(u)
                write.append(_bytes(spec) * node.times)
            seen.add(u)
    return add(read), add(write)


def _appends(g: Graph, n: int) -> bool:
    """A cache joined with new tokens: it is there already."""
    kernel = g[n].kernel
    return kernel.op.startswith("aten.cat") and all(t.role == "kv_cache" for t in kernel.outputs)


def _least(seen: TensorSpec, memory: TensorSpec) -> Formula:
    """Bytes of an expanded tensor that exist; of a slice, those of the slice."""
    a, b = _bytes(seen), _bytes(memory)
    at = dict.fromkeys(a.symbols() | b.symbols(), PROBE) | {"a_bytes": 2, "kv_bytes": 2, "w_bytes": 2}
    return b if b.evaluate(at) < a.evaluate(at) else a


def _bytes(spec: TensorSpec) -> Formula:
    return product(spec.dims) * spec.element_bytes
