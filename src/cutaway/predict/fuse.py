# What an engine launches: projections of the same input together, attention as one kernel, chains of elementwise work,
# norms with the residual in front of them, gated activations, rotary embeddings with what is appended to the cache.
# Found from the data flow of the traced kernels and the kinds of their rules, never from a model's name.
"""`fuse(graph)`: the kernels of a pass in groups, each of which an engine runs as one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from cutaway.formula import Formula
from cutaway.formula.core import product
from cutaway.model import Kernel
from cutaway.predict.graph import Graph, ahead, reduces_row

SMOOTH = (
    "elementwise",
    "reduction",
    "softmax",
    "cast",
    "copy",
    "factory",
    "random",
    "scan",
    "norm",
    "gather",
    "view",
)
INSIDE = ("elementwise", "reduction", "softmax", "cast", "copy")  # what may stand between scores and values
ANCHORS = ("gemm", "grouped_gemm", "conv", "attention", "scan")


@dataclass
class Group:
    """Nodes that run as one kernel. `parts` are those of merged projections."""

    kind: str
    nodes: list[int] = field(default_factory=list)
    role: str = ""
    makers: set[int] = field(default_factory=set)  # numbers of the groups whose results it reads
    norms: int = 0

    @property
    def anchor(self) -> bool:
        return self.kind in ANCHORS


@dataclass
class Fused:
    """The groups in order of their first node; `of[n]` is the number of the group of node n."""

    groups: list[Group]
    of: dict[int, int]


def fuse(g: Graph, states: Collection[str] = ()) -> Fused:
    """Groups of all live nodes. `states` are paths of modules that keep a state of constant size."""
    found = Fused([], {})
    in_attention = {n: members for members in attentions(g, states) for n in members}
    opened: dict[object, int] = {}
    for n, node in enumerate(g.flow.nodes):
        if not g.live[n]:
            continue
        projection = g.is_projection(n) and node.path not in states
        if n in in_attention:
            _put(found, n, "attention", opened, id(in_attention[n]))
        elif node.path in states and not (g.is_projection(n) and node.kind == "matmul"):
            _put(found, n, "scan", opened, (node.path, node.call))
        elif projection or g.is_projection(n):
            _put(found, n, _kind_of_projection(g, n), opened, n)
        elif g.is_product(n) or node.kind in ("attention", "rnn", "fft", "other"):
            _put(found, n, "attention" if node.kind == "attention" else "other", opened, n)
        else:
            _put_smooth(g, found, n)
    _looked_up(g, found)
    _link(g, found)
    return found


def attentions(g: Graph, states: Collection[str]) -> list[list[int]]:
    """Two products with a softmax between them, or with whatever else is done to scores of tokens: the nodes of each,
    the first product first and the last one last."""
    found, used = [], set()
    for n, node in enumerate(g.flow.nodes):
        if n in used or not g.is_product(n) or node.path in states:
            continue
        passed, stops = ahead(g, n, lambda m: g[m].kind in INSIDE or _mixes_scores(g, m))
        last = next((m for m in stops if g.is_product(m)), None)
        if last is None or not (_is_softmax(g, passed) or _over_sequence(g, n, last)):
            continue
        between = [m for m in passed if m < last]
        found.append([n, *between, last])
        used |= {n, last, *between}
    return found


def _mixes_scores(g: Graph, n: int) -> bool:
    """A projection of scores: its result has one number for each pair of tokens, or for each that is seen."""
    size = product(g[n].kernel.outputs[0].dims)
    pairs = any(dict(m).get("seq_len", 0) > 1 for m in size.terms)
    return g.is_projection(n) and (pairs or "cache_len" in size.symbols())


def is_odd(g: Graph, group: Group) -> bool:
    """An attention that is no softmax of scores: no engine has a kernel for it."""
    inside = group.nodes[1:-1]
    return len(group.nodes) > 1 and (not _is_softmax(g, inside) or any(g.is_projection(n) for n in inside))


def _over_sequence(g: Graph, n: int, last: int) -> bool:
    """Whether the first makes a score for each token that is seen, and the last sums over these tokens."""
    seen = g[n].kernel.outputs[0].dims[-1]
    return bool(seen.symbols() & {"seq_len", "cache_len"}) and contracted(g[last].kernel) == seen


def contracted(kernel: Kernel) -> Formula:
    """The size that is summed over in a product of two tensors."""
    factors = [t.dims for t in kernel.inputs if len(t.dims) > 1][-2:]
    return factors[0][-1]


def _is_softmax(g: Graph, nodes: list[int]) -> bool:
    ops = {g[n].kernel.op for n in nodes}
    return any(g[n].kind == "softmax" for n in nodes) or (
        any(o.startswith("aten.exp.") for o in ops) and any(o.startswith("aten.sum.") for o in ops)
    )


def _kind_of_projection(g: Graph, n: int) -> str:
    node = g[n]
    if node.kind == "conv":
        return "conv"
    many = any(len(g.flow.memory[w].dims) > 2 for w in g.weights[n])
    return "grouped_gemm" if many else "gemm"


def _put(found: Fused, n: int, kind: str, opened: dict[object, int], key: object) -> None:
    if key not in opened:
        opened[key] = len(found.groups)
        found.groups.append(Group(kind))
    found.of[n] = opened[key]
    found.groups[opened[key]].nodes.append(n)


def _put_smooth(g: Graph, found: Fused, n: int) -> None:
    """Into the chain that its values come from, unless this waits for something later or has its norm already."""
    makers = {m: found.of[m] for m in g.makers[n] if m in found.of}
    norm = reduces_row(g[n])
    if g.weights[n] and g[n].kind == "gather" and not makers:  # rows of a table
        _put(found, n, "gather", {}, n)
        return
    last = max(makers.values(), default=-1)
    at = makers[max(makers)] if makers else -1
    if at != last and last in {makers[m] for m in makers if g.gives_values(m)}:
        at = last
    if at < 0 or found.groups[at].kind != "smooth" or (norm and found.groups[at].norms):
        at = len(found.groups)
        found.groups.append(Group("smooth"))
    found.of[n] = at
    found.groups[at].nodes.append(n)
    found.groups[at].norms += norm


def _looked_up(g: Graph, found: Fused) -> None:
    """Rows that are picked for one product over experts, or of a table for one chain, are read by that itself."""
    for n, number in list(found.of.items()):
        users = {found.of[m] for m in g.users[n] if m in found.of}
        if (
            g[n].kind != "gather"
            or found.groups[number].kind != "smooth"
            or not g.gives_values(n)
            or len(users) != 1
        ):
            continue
        target = users.pop()
        if target != number and found.groups[target].kind == ("smooth" if g.weights[n] else "grouped_gemm"):
            found.groups[number].nodes.remove(n)
            found.groups[target].nodes.append(n)
            found.of[n] = target


def _link(g: Graph, found: Fused) -> None:
    for number, group in enumerate(found.groups):
        made_by = {found.of[m] for n in group.nodes for m in g.makers[n] if m in found.of}
        group.makers = made_by - {number}


def merge(g: Graph, found: Fused) -> Fused:
    """Projections of one input with one role become one; chains that need nothing but each other's inputs too."""
    into = _same_projections(g, found)
    found = _renumbered(g, found, into)
    return _renumbered(g, found, _same_chains(found))


def _same_projections(g: Graph, found: Fused) -> dict[int, int]:
    first: dict[object, int] = {}
    into: dict[int, int] = {}
    for number, group in enumerate(found.groups):
        if group.kind != "gemm" or group.role == "lm_head":
            continue
        n = group.nodes[0]
        inputs = tuple(
            u for u in g[n].reads if u not in g.weights[n] and g.flow.memory[u].role != "parameter"
        )
        rows = g[n].kernel.outputs[0].dims[:-1]
        key = (inputs, group.role, rows)
        into[number] = first.setdefault(key, number)
    return into


def _same_chains(found: Fused) -> dict[int, int]:
    into: dict[int, int] = {}
    latest: dict[frozenset[int], int] = {}
    norms = [group.norms for group in found.groups]

    def home(number: int) -> int:
        while into.get(number, number) != number:
            number = into[number]
        return number

    needs: dict[int, set[int]] = {}
    for number, group in enumerate(found.groups):
        makers = {home(m) for m in group.makers} - {number}
        needs[number] = makers
        if group.kind != "smooth":
            continue
        chains = [m for m in makers if found.groups[m].kind == "smooth"]
        twin = latest.get(frozenset(makers)) if makers else None
        for other in (*sorted(chains, reverse=True), *([twin] if twin is not None else [])):
            vertical = other != twin
            if (
                other in needs
                and makers <= needs[other] | {other}
                and not (vertical and norms[number] and norms[other])
            ):
                into[number] = other
                norms[other] += norms[number]
                break
        else:
            latest[frozenset(makers)] = number
    return into


def _renumbered(g: Graph, found: Fused, into: dict[int, int]) -> Fused:
    """The groups with each in `into` joined to its target, which stands earlier."""

    def home(number: int) -> int:
        while into.get(number, number) != number:
            number = into[number]
        return number

    kept: dict[int, Group] = {}
    for number, group in enumerate(found.groups):
        target = home(number)
        if target == number:
            kept[number] = group
        else:
            kept[target].nodes += group.nodes
            kept[target].norms += group.norms
    order = {old: new for new, old in enumerate(kept)}
    fresh = Fused(list(kept.values()), {n: order[home(old)] for n, old in found.of.items()})
    _link(g, fresh)
    return fresh
