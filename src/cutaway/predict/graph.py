# Which kernel uses whose result, and which of them matter: those that only prepare positions, masks or weights are done
# once by an engine, and are no part of a step. Everything here is decided by where tensors come from.
"""`Graph`: the kernels of a pass that depend on its data, and how they hang together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cutaway.model import TensorSpec
from cutaway.predict.flow import Flow, Node

MATMUL = ("matmul", "conv")
REDUCES = ("aten.mean", "aten.var", "aten.std", "aten.linalg_vector_norm", "aten.norm", "aten.rms_norm")


@dataclass
class Graph:
    """`makers[n]` are the nodes whose results node n reads, `users[n]` those that read its own."""

    flow: Flow
    live: list[bool] = field(default_factory=list)  # depends on data
    weights: list[tuple[int, ...]] = field(default_factory=list)  # memory of the parameters that a node reads
    makers: list[tuple[int, ...]] = field(default_factory=list)
    users: list[list[int]] = field(default_factory=list)
    prepared: dict[int, tuple[int, ...]] = field(default_factory=dict)  # made of weights alone: these weights
    data: set[int] = field(default_factory=set)  # tensors that depend on what the pass was given
    widened: dict[int, int] = field(default_factory=dict)  # a copy in a wider dtype -> what it is a copy of

    def __getitem__(self, n: int) -> Node:
        return self.flow.nodes[n]

    def spec(self, n: int, kind: str, at: int) -> TensorSpec:
        """The tensor that holds the memory of the node's input or output number `at`."""
        return self.flow.memory[getattr(self[n], kind)[at]]

    def narrow(self, u: int) -> int:
        """What an engine reads in place of `u`: it widens numbers while it computes."""
        while u in self.widened:
            u = self.widened[u]
        return u

    def is_value(self, u: int) -> bool:
        """Whether it depends on the data: no weight, no mask, no table of positions."""
        return u in self.data

    def is_projection(self, n: int) -> bool:
        """A matmul or convolution with a weight."""
        return self[n].kind in MATMUL and any(
            len(self.flow.memory[w].dims) > 1 for w in self.weights[n] if w in self.flow.memory
        )

    def gives_values(self, n: int) -> bool:
        """Whether its result is numbers, and not places or conditions."""
        return any(_is_float(t) for t in self[n].kernel.outputs)

    def is_product(self, n: int) -> bool:
        """A matmul of two activations."""
        return self[n].kind == "matmul" and self.live[n] and not self.is_projection(n)


def graph_of(flow: Flow) -> Graph:
    """The graph of `flow`."""
    g = Graph(flow)
    made: dict[int, int] = {}
    data = g.data
    data.update(u for u in flow.inputs if u in flow.memory and _is_float(flow.memory[u]))
    for n, node in enumerate(flow.nodes):
        roles = {u: flow.memory[u].role for u in node.reads}
        own = [u for u, r in roles.items() if r == "parameter" and u not in made]
        weights = tuple(dict.fromkeys([*own, *(w for u in node.reads for w in g.prepared.get(u, ()))]))
        data.update(u for u, r in roles.items() if r == "kv_cache" and u not in made)
        live = any(u in data for u in roles) or (bool(weights) and node.kind == "gather")
        g.live.append(live)
        g.weights.append(weights)
        g.makers.append(tuple(sorted({made[u] for u in node.reads if u in made})))
        g.users.append([])
        for m in g.makers[n]:
            g.users[m].append(n)
        if node.kind == "cast" and _widens(node):
            g.widened[node.writes[0]] = node.reads[0]
        for u in node.writes:
            made[u] = n
            if live:
                data.add(u)
            elif weights:
                g.prepared[u] = weights
    return g


def ahead(g: Graph, start: int, through: Callable[[int], bool]) -> tuple[list[int], list[int]]:
    """From `start` along users: the nodes that are passed `through`, and the live ones at which that stops."""
    seen, passed, stops, todo = {start}, [], [], list(g.users[start])
    while todo:
        n = todo.pop(0)
        if n in seen or not g.live[n]:
            continue
        seen.add(n)
        if through(n):
            passed.append(n)
            todo += g.users[n]
        else:
            stops.append(n)
    return passed, stops


def reduces_row(node: Node) -> bool:
    """A mean, a variance or a whole norm over the last dimension."""
    op = node.kernel.op
    return node.kind == "norm" or op.startswith(REDUCES)


def _widens(node: Node) -> bool:
    given, made = node.kernel.inputs[0], node.kernel.outputs[0]
    return _is_float(given) and made.dtype == "float32" and given.dtype != "float32"


def _is_float(spec: TensorSpec) -> bool:
    return "float" in spec.dtype
